"""What breaks while a run is trained: training goes on, or stops with a message and a whole checkpoint."""

import errno
import logging
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import assert_equal, assert_same_run, checkpoint, copy_run, probe, tiny_config

from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.run_directory.checkpoints import find_checkpoint
from translate.training import module as training_module
from translate.training.bad_steps import BadSteps
from translate.training.prepare import prepare_run
from translate.training.trainer import resume

STEPS = 7


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A run where training has not begun."""
    folder = tmp_path_factory.mktemp("fresh")
    config = tiny_config(folder, max_steps=STEPS, validate_every=3, checkpoint_every=1)
    return prepare_run(config, folder / "run")


@pytest.fixture(scope="module")
def whole(fresh, tmp_path_factory):
    """The same, trained undisturbed."""
    run = copy_run(fresh, tmp_path_factory.mktemp("whole") / "run")
    resume(run.path)
    return run


@pytest.fixture
def run(fresh, tmp_path):
    return copy_run(fresh, tmp_path / "run")


def scalars(run):
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    return [(event.step, event.value) for event in events.Scalars("valid/nll")]


# The disk


@pytest.mark.parametrize(
    ("name", "time_of_it"),
    [
        ("config.yaml.new", 1),
        ("last.ckpt.new", 1),
        ("last.ckpt.new", 4),
        ("checksums.json.new", 3),
        ("model.safetensors.new", 1),
        ("metrics.csv", 2),
        ("summary.json.new", 1),
        ("README.md.new", 1),
    ],
)
def test_a_full_disk_stops_training_and_leaves_what_was_there(name, time_of_it, run, whole, monkeypatch):
    """Many file systems find out only when the content has to reach the disk."""
    path, sync, seen = run.path / name, os.fsync, []
    resume_with = rf"training stops, .* `seq2see train --resume {run.path}`"

    def fail(descriptor):
        if path.is_file() and os.path.samestat(os.fstat(descriptor), path.stat()):
            seen.append(True)
            if len(seen) == time_of_it:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(InputError, match=rf"run/{name}: No space left on device: {resume_with}"):
            resume(run.path)
    assert not list(run.path.glob("*.new"))  # it would take what little room there is
    assert find_checkpoint(run)[1] == []
    resume(run.path)
    assert_same_run(run, whole)
    assert scalars(run) == scalars(whole)


@pytest.mark.optional
def test_a_disk_that_is_really_full_stops_training_and_leaves_what_was_there(
    fresh, whole, tmp_path, monkeypatch
):
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], stderr=subprocess.DEVNULL
        ).returncode
    ):
        pytest.skip("no right to mount a small disk")
    try:
        run = copy_run(fresh, disk / "run")

        def fill(trainer):
            if trainer.global_step == 4:
                with suppress(OSError), (disk / "ballast").open("wb", 0) as file:
                    while True:
                        file.write(bytes(1000))

        with monkeypatch.context() as patch:
            probe(patch, on_train_batch_end=fill)
            with pytest.raises(InputError, match=r"No space left on device.*: training stops"):
                resume(run.path)
        (disk / "ballast").unlink()
        assert checkpoint(run)["global_step"] in (3, 4)
        resume(run.path)
        assert_same_run(run, whole)
    finally:
        # Lazily: the corpus is still mapped into memory.
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_weights_that_cannot_be_written_are_an_error_of_the_system(run, monkeypatch):
    (run.path / "model.safetensors.new").mkdir()  # safetensors itself has to fail
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(InputError, match=r"model\.safetensors: .+: training stops"):
        resume(run.path)


def test_a_missing_permission_stops_training_and_leaves_what_was_there(run, whole, monkeypatch):
    rename = Path.replace

    def refuse(path, to):
        if to == run.checkpoint_path and checkpoint_step(run) == 4:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(to))
        return rename(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(InputError, match=r"last\.ckpt: Permission denied: training stops, .*--resume"):
            resume(run.path)
    assert find_checkpoint(run) == (run.previous_checkpoint_path, [])
    resume(run.path)
    assert_same_run(run, whole)


def checkpoint_step(run):
    """Of the last one that is known to be whole."""
    path, _ = find_checkpoint(run)
    return torch.load(path, weights_only=False)["global_step"] if path is not None else 0


def test_a_run_directory_that_is_removed_is_said_to_be_and_not_made_again(run, monkeypatch):
    def remove(trainer):
        if trainer.global_step == 4:
            shutil.rmtree(run.path)

    probe(monkeypatch, on_train_batch_start=remove)
    with pytest.raises(
        InputError, match=rf"the run directory {run.path} was removed while it was trained in"
    ):
        resume(run.path)
    assert not run.path.exists()


# The clock


def test_a_clock_that_jumps_changes_nothing(run, whole, monkeypatch):
    """A year ahead, and a year back after a kill: not even the order in TensorBoard."""
    now = time.time()
    killed = []

    def kill(trainer):
        if trainer.global_step == 6:
            killed.append(copy_run(run, run.path.parent / "killed"))

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 3e7)
        probe(patch, on_validation_epoch_end=kill)
        resume(run.path)
    assert_same_run(run, whole)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now - 3e7)
        resume(killed[0].path)
    assert_same_run(killed[0], whole)
    assert 0 <= killed[0].read_json(killed[0].summary_path)["minutes"] < 60
    assert sorted(scalars(killed[0])) == scalars(whole)


# Gradients that are no numbers


def spoil(steps, value=float("nan")):
    """A hook that makes one gradient no number at these steps."""

    def hook(trainer):
        if trainer.global_step in steps:
            parameter = next(trainer.lightning_module.parameters())
            parameter.grad.view(-1)[0] = value

    return hook


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_bad_step_is_skipped_and_the_next_ones_are_smaller_for_a_while(value, run, monkeypatch, caplog):
    monkeypatch.setattr(BadSteps, "RECOVERED", 2)
    rates, scheduled, moved = [], [], []
    before = []

    def note_weights(trainer):
        before[:] = [parameter.detach().clone() for parameter in trainer.lightning_module.parameters()]
        scheduled.append(trainer.optimizers[0].param_groups[0]["lr"])

    def note_change(trainer):
        now = trainer.lightning_module.parameters()
        moved.append(not all(torch.equal(a, b) for a, b in zip(before, now, strict=True)))

    probe(
        monkeypatch,
        on_train_batch_start=note_weights,
        on_after_backward=spoil({2}, value),
        on_before_optimizer_step=lambda trainer: rates.append(trainer.optimizers[0].param_groups[0]["lr"]),
        on_train_batch_end=note_change,
    )
    resume(run.path)
    assert [number for number, change in enumerate(moved) if not change] == [2]
    factors = [rate / planned for rate, planned in zip(rates, scheduled, strict=True)]
    assert factors == pytest.approx([1, 1, 1, 0.5, 0.5, 1, 1])
    assert (
        "step 3: 1 of the last 1 steps had NaN or infinite gradients and was skipped; the learning rate is "
        "1/2 of the schedule's for a while" in caplog.text
    )
    steps = [state["step"] for state in checkpoint(run)["optimizer_states"][0]["state"].values()]
    assert {int(step) for step in steps} == {STEPS - 1}


def test_a_run_with_bad_steps_is_resumed_exactly(run, monkeypatch):
    monkeypatch.setattr(BadSteps, "RECOVERED", 3)
    stopped = copy_run(run, run.path.parent / "stopped")

    def stop(trainer):
        if trainer.global_step == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        probe(patch, on_after_backward=spoil({1, 2}))
        resume(run.path)
    with monkeypatch.context() as patch:
        probe(patch, on_after_backward=spoil({1, 2}), on_train_batch_start=stop)
        with pytest.raises(KeyboardInterrupt):
            resume(stopped.path)
    assert checkpoint(stopped)["callbacks"]["BadSteps"] == {
        "halvings": 2,
        "good": 2,
        "seen": 2,
        "skipped": 2,
        "in_a_row": 0,
    }
    resume(stopped.path)
    assert_same_run(stopped, run)


def test_too_many_bad_steps_stop_training_with_their_batch_in_the_run_directory(tmp_path, monkeypatch):
    """Losses that are no numbers, here, and two batches a step."""
    config = tiny_config(tmp_path, accumulate=2, max_steps=30, validate_every=100, checkpoint_every=1)
    run = prepare_run(config, tmp_path / "run")
    batches = []

    def broken_loss(model, batch, *rest):
        batches.append(batch)
        loss, nll = real_loss(model, batch, *rest)
        return (loss * float("nan") if len(batches) > 4 else loss), nll

    real_loss = training_module.batch_loss
    monkeypatch.setattr(BadSteps, "MOST", 3)
    monkeypatch.setattr(training_module, "batch_loss", broken_loss)
    with pytest.raises(
        InputError,
        match=r"gradients of 3 steps in a row are NaN or infinite: training stops at step 5\. "
        r".*run/bad_batch\.safetensors has the batch .*lower --training\.learning_rate",
    ):
        resume(run.path)
    saved = load_file(run.bad_batch_path)
    for number, batch in enumerate(batches[-2:]):
        assert torch.equal(saved[f"{number}.src"], batch.src)
        assert torch.equal(saved[f"{number}.tgt_mask"], batch.tgt_mask)
    state = checkpoint(run)
    assert state["global_step"] == 4
    assert all(weight.isfinite().all() for weight in state["state_dict"].values())


# Memory


SHORT = [
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
    torch.OutOfMemoryError("CUDA out of memory."),
]


@pytest.mark.parametrize("error", SHORT, ids=lambda error: type(error).__name__)
def test_a_batch_that_memory_is_too_short_for_is_divided_and_training_goes_on(
    error, fresh, tmp_path, monkeypatch, caplog
):
    """To the same end, where there is no dropout, whose randomness goes with the parts."""
    caplog.set_level(logging.WARNING)
    ends, real_loss = [], training_module.batch_loss
    for short in (False, True):
        run = copy_run(fresh, tmp_path / f"run{short}")
        run.save_config(without_dropout(run.config))
        tried = []

        def loss(model, batch, *rest, short=short, tried=tried):
            if short and model.training and len(batch.src) > 3:
                tried.append(tuple(batch.src.shape) + tuple(batch.tgt_in.shape[1:]))
                raise error
            return real_loss(model, batch, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(training_module, "batch_loss", loss)
            resume(run.path)
        ends.append(run)
    assert tried
    assert "memory is too short for" in caplog.text
    states = [checkpoint(run)["state_dict"] for run in ends]
    for name, weight in states[0].items():
        torch.testing.assert_close(states[1][name], weight, atol=1e-4, rtol=1e-3)


def without_dropout(config):
    return replace(config, model=replace(config.model, dropout=0.0))


def test_nothing_else_differs_between_two_undisturbed_runs(run, whole):
    """What the comparisons above rest on."""
    resume(run.path)
    assert_same_run(run, whole)
    assert_equal(scalars(run), scalars(whole))
    assert find_checkpoint(RunDirectory.open(run.path)) == (run.checkpoint_path, [])


@pytest.mark.parametrize("error", SHORT, ids=lambda error: type(error).__name__)
def test_memory_that_is_short_elsewhere_stops_training_with_advice(error, run, monkeypatch):
    def fail(trainer):
        if trainer.global_step == 4:
            raise error

    probe(monkeypatch, on_train_batch_end=fail)
    with pytest.raises(InputError, match=r"^memory is too short: training stops, .* --resume .*batch_tokens"):
        resume(run.path)
    assert checkpoint_step(run) in (3, 4)


def test_a_bug_is_not_called_a_fault(run, monkeypatch):
    def fail(trainer):
        raise RuntimeError("a bug")

    probe(monkeypatch, on_train_batch_end=fail)
    with pytest.raises(RuntimeError, match="a bug"):
        resume(run.path)
