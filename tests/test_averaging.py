"""The mean of the weights at the last validations (`tests/test_training.py` tests the moving average)."""

import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_training import assert_same_run, checkpoint, copy_run, probe, tiny_config, weights

from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.training import validation
from translate.training.prepare import prepare_run
from translate.training.trainer import resume, train

SETTINGS = {"average": "checkpoints", "average_checkpoints": 3, "validate_every": 2, "max_steps": 13}


@pytest.fixture
def rising(monkeypatch):
    """Let each validation be the best one so far, so that its weights are kept."""
    scores = iter(range(1, 100))
    monkeypatch.setattr(validation, "bleu", lambda *_: float(next(scores)))


@pytest.mark.usefixtures("rising")
@pytest.mark.parametrize("count", [1, 3])
def test_the_mean_of_the_last_weights_is_validated_and_kept(count, tmp_path, monkeypatch):
    config = tiny_config(tmp_path, **SETTINGS | {"average_checkpoints": count})
    run = prepare_run(config, tmp_path / "run")
    trained, kept = [], []

    def note(trainer):
        if trainer.global_step % 2 == 0 or trainer.global_step == 13:
            parameters = trainer.lightning_module.model.named_parameters(remove_duplicate=False)
            trained.append({name: parameter.clone() for name, parameter in parameters})

    def compare(trainer):
        """The weights that are trained are back in the model, whose mean was saved."""
        for name, parameter in trainer.lightning_module.model.named_parameters():
            assert torch.equal(parameter, trained[-1][name])
        kept.append(weights(run))

    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_end=note, on_validation_end=compare)
        resume(run.path)
    assert len(kept) == len(trained) == 7
    for number, mean in enumerate(kept, start=1):
        last = trained[max(0, number - count) : number]
        assert mean.keys() <= last[0].keys()
        for name in mean:
            expected = torch.stack([each[name] for each in last]).mean(dim=0)
            torch.testing.assert_close(mean[name], expected)
    if count == 1:
        assert all(torch.equal(kept[-1][name], trained[-1][name]) for name in kept[-1])
    assert not torch.equal(kept[0]["output.bias"], kept[1]["output.bias"])


def test_two_more_than_are_needed_stay_on_disk(tmp_path):
    run = train(tiny_config(tmp_path, **SETTINGS), tmp_path / "run")
    steps = [4, 6, 8, 10, 12, 13][-5:]
    assert checkpoint(run)["callbacks"]["CheckpointAverage"] == {"steps": steps}
    files = {f"step{step}.safetensors" for step in steps}
    assert {path.name for path in run.snapshots_path.iterdir()} == files
    assert sum(len(load_file(run.snapshots_path / name)) > 5 for name in files) == 5


def test_a_run_killed_anywhere_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    """Also between a validation and its checkpoint, and when the last checkpoint is damaged."""
    fresh = prepare_run(tiny_config(tmp_path, **SETTINGS), tmp_path / "fresh")
    whole, run = (copy_run(fresh, tmp_path / name) for name in ("whole", "run"))
    resume(whole.path)
    killed = []

    def kill(trainer):
        killed.append(copy_run(run, tmp_path / f"{len(killed)}"))

    with monkeypatch.context() as patch:
        probe(patch, on_validation_epoch_end=kill, on_validation_end=kill)
        resume(run.path)
    assert_same_run(run, whole)
    for number, stopped in enumerate(killed[7:12]):
        if number % 3 != 2:
            content = bytearray(stopped.checkpoint_path.read_bytes())
            content[len(content) // 2] ^= 1
            stopped.checkpoint_path.write_bytes(content)
        resume(stopped.path)
        assert_same_run(stopped, whole)
        names = [sorted(path.name for path in each.snapshots_path.iterdir()) for each in (stopped, whole)]
        assert names[0] == names[1]


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_weights_that_are_missing_are_asked_for_by_name(damage, tmp_path):
    run = train(tiny_config(tmp_path, **SETTINGS | {"max_steps": 4}), tmp_path / "run")
    path = run.snapshots_path / "step2.safetensors"
    path.write_bytes(path.read_bytes()[:99])
    if damage == "gone":
        path.unlink()
    with pytest.raises(InputError, match=r"step2\.safetensors is missing or damaged \(.*\), but its weights"):
        resume(run.path, max_steps=6)


def test_the_other_averages_keep_no_weights_of_steps(tmp_path):
    run = train(tiny_config(tmp_path, max_steps=2, validate_every=1), tmp_path / "run")
    assert not run.snapshots_path.exists()


def test_translating_needs_no_weights_of_steps(tmp_path):
    run = train(tiny_config(tmp_path, **SETTINGS | {"max_steps": 2}), tmp_path / "run")
    shutil.rmtree(run.snapshots_path)
    assert RunDirectory.open(run.path).load_model().training is False


def test_several_processes_average_as_one_does(tmp_path):
    """The weights lie in memory that they share, and stay there."""
    runs = []
    for processes in (1, 2):
        config = tiny_config(tmp_path, **SETTINGS | {"processes": processes, "max_steps": 5})
        runs.append(train(plain(config), tmp_path / f"run{processes}"))
    for name, weight in weights(runs[0]).items():
        torch.testing.assert_close(weight, weights(runs[1])[name], atol=1e-4, rtol=1e-3)


def plain(config):
    return replace(config, model=replace(config.model, dropout=0.0))
