import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from translate.training.board import cut_events


@pytest.fixture
def folder(tmp_path):
    """Two files, as of a run that was resumed: steps 1 to 5, and 4 to 6."""
    for name, steps in (("one", range(1, 6)), ("two", range(4, 7))):
        with SummaryWriter(str(tmp_path / name)) as writer:
            for step in steps:
                writer.add_scalar("loss", step / 10, step)
        for path in (tmp_path / name).iterdir():
            path.rename(tmp_path / f"{path.name}.{name}")
        (tmp_path / name).rmdir()
    return tmp_path


def steps(folder):
    events = EventAccumulator(str(folder)).Reload()
    return [event.step for event in events.Scalars("loss")]


def test_events_after_the_step_are_gone_and_those_before_stay(folder):
    other = folder.parent / "other"
    other.write_bytes(b"mine")
    (folder / "cut.new").symlink_to(other)  # as a kill, or a stranger, may leave something
    cut_events(folder, 4)
    assert other.read_bytes() == b"mine"
    assert steps(folder) == [1, 2, 3, 4, 4]
    cut_events(folder, 3)
    assert steps(folder) == [1, 2, 3]
    assert len(list(folder.iterdir())) == 2
    cut_events(folder, -1)
    assert EventAccumulator(str(folder)).Reload().Tags()["scalars"] == []


def test_a_half_written_event_is_dropped(folder):
    for path in folder.glob("*.two"):
        path.unlink()
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    cut_events(folder, 9)
    assert steps(folder) == [1, 2, 3, 4]
    whole = path.read_bytes()
    cut_events(folder, 9)
    assert path.read_bytes() == whole


def test_where_there_are_none_nothing_happens(tmp_path):
    cut_events(tmp_path / "nowhere", 3)
    (tmp_path / "hparams.yaml").touch()
    cut_events(tmp_path, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["hparams.yaml"]
