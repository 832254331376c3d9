import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_training import tiny_config
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from translate import cli
from translate.config_files import dump_config, load_config
from translate.errors import UsageError
from translate.ranks import Place
from translate.run_directory import RunDirectory
from translate.training import launch as launching
from translate.training.launch import launch
from translate.training.processes import check_place
from translate.training.trainer import train


def test_as_many_processes_as_wanted_run_the_command(capfd):
    before = signal.getsignal(signal.SIGINT)
    launch(2, ["--version"])
    assert signal.getsignal(signal.SIGINT) is before
    assert capfd.readouterr().out.count("seq2see ") == 2


def test_the_exit_code_is_that_of_what_failed(capfd):
    with pytest.raises(SystemExit) as stopped:
        launch(2, ["trian"])
    assert stopped.value.code == 2
    assert "unknown verb trian" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [([3, 1], 3), ([-9, 1], 137), ([143, 2], 2), ([-15, 3], 3), ([None, 2], 2), ([143, -15], 143)],
)
def test_the_exit_code_is_not_of_one_that_was_told_to_stop_for_another(codes, wanted, monkeypatch):
    """The launcher ends the others as soon as one has failed, whichever it sees first."""
    failures = {
        rank: ProcessFailure(rank, 1, code, "no such file")
        for rank, code in enumerate(codes)
        if code is not None
    }

    def failed(*_):
        raise ChildFailedError("seq2see", failures)

    monkeypatch.setattr(launching, "elastic_launch", lambda *_: failed)
    with pytest.raises(SystemExit) as stopped:
        launch(2, [])
    assert stopped.value.code == wanted


@pytest.mark.parametrize(
    ("number", "error", "code"), [(signal.SIGINT, KeyboardInterrupt, 130), (signal.SIGTERM, SystemExit, 143)]
)
def test_a_signal_ends_it_as_it_would_end_one_process(number, error, code, monkeypatch):
    def interrupted(*_):
        raise SignalException("got a signal", number)

    monkeypatch.setattr(launching, "elastic_launch", lambda *_: interrupted)
    with pytest.raises(error) as stopped:
        launch(2, [])
    assert getattr(stopped.value, "code", 130) == code


@pytest.fixture
def launched(monkeypatch):
    """What `launch` was given, and the config in the file that it names."""
    calls = []

    def note(devices, words):
        file = next((word for word in words if word.startswith("--config=")), None)
        words = [word for word in words if word != file]
        calls.append((devices, words, file and load_config(Path(file.removeprefix("--config=")))))

    monkeypatch.setattr(launching, "launch", note)
    return calls


def test_devices_launches_processes_with_the_same_settings(launched, tmp_path):
    config = tiny_config(tmp_path, devices=3)
    (tmp_path / "config.yaml").write_text(dump_config(config))
    arguments = ["train", "--config", tmp_path / "config.yaml", "--out", tmp_path / "run", "--max-steps", 7]
    assert cli.main(list(map(str, arguments))) == 0
    expected = replace(config, training=replace(config.training, max_steps=7))
    assert launched == [(3, ["train", f"--out={tmp_path / 'run'}"], expected)]


def test_a_run_is_resumed_on_as_many_devices(launched, tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    RunDirectory(path).save_config(tiny_config(tmp_path, devices=2))
    assert cli.main(["train", "--resume", str(path), "--max-steps", "20"]) == 0
    assert launched == [(2, ["train", f"--resume={path}", "--max-steps=20"], None)]


def test_what_a_launcher_has_started_launches_nothing(launched, tmp_path, monkeypatch, capsys):
    for name, value in {"RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))
    (tmp_path / "config.yaml").write_text(dump_config(tiny_config(tmp_path, devices=4)))
    arguments = ["train", "--config", tmp_path / "config.yaml", "--out", tmp_path / "run"]
    assert cli.main(list(map(str, arguments))) == 2
    assert launched == []
    assert (
        "training.devices is 4, but 2 processes were started, 2 a machine: leave it out, or start as many "
        "with torchrun (--nnodes 1 --nproc-per-node 4)"
    ) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "place", "message"),
    [
        (
            {"nodes": 2},
            Place(),
            r"training\.nodes is 2, but 1 processes were started, .*--nnodes 2",
        ),
        (
            {"processes": 2},
            Place(0, 2, 0, 2),
            r"training\.processes is 2, but a launcher has started 2",
        ),
        (
            {"sharding": True},
            Place(),
            r"training\.sharding needs several processes: give --devices",
        ),
    ],
)
def test_what_the_launcher_contradicts_is_refused(settings, place, message, tmp_path):
    config = tiny_config(tmp_path, "transformer", average="none", **settings)
    with pytest.raises(UsageError, match=message):
        check_place(config.training, place)


def test_devices_without_a_launcher_are_refused_in_python(tmp_path):
    with pytest.raises(UsageError, match=r"training\.devices is 2, but 1 processes were started"):
        train(tiny_config(tmp_path, devices=2), tmp_path / "run")


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("transformer", {}, r"training\.sharding leaves no weights in one piece for training\.average ema"),
        (
            "gru",
            {"average": "none"},
            r"needs a transformer as model\.encoder .*got recurrent and recurrent",
        ),
        (
            "transformer",
            {"average": "none", "alignment": "guided"},
            r"training\.sharding does not go together with training\.alignment guided",
        ),
        (
            "transformer",
            {"average": "none", "share_spelling": True},
            r"training\.sharding does not go together with training\.share_spelling",
        ),
    ],
)
def test_sharding_that_cannot_be_is_refused(model, settings, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        tiny_config(tmp_path, model, sharding=True, **settings)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Hund", "--out", "out.txt"], "several processes share a file: give it by --src"),
        (["--out", "out.txt"], "several processes share a file: give it by --src"),
        (["--src", "in.txt"], "several processes write a file: give it by --out"),
        (["--src", "in.txt", "--out", "out.txt", "--processes", "3"], "--processes is 3, but a launcher has"),
    ],
)
def test_what_processes_cannot_translate_together_is_refused(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("Hund\n")
    for name, value in {"RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))
    assert cli.main(["translate", "run", *words]) == 2
    assert message in capsys.readouterr().err
