"""Interrupted = uninterrupted, bit for bit, wherever training was stopped."""

import logging
import os
import signal
import threading
from functools import cache
from pathlib import Path

import pytest
import torch
from tiny_training import assert_equal, assert_same_run, checkpoint, copy_run, probe, tiny_config, with_data

from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.run_directory.checkpoints import save_checkpoint
from translate.training.prepare import prepare_run
from translate.training.trainer import resume, train

KINDS = {
    # 6 batches are an epoch, so each third step ends one.
    "gru": {"accumulate": 2, "validate_every": 4, "max_steps": 9},
    # 5 batches: step 3 has the last batch of an epoch and the first one of the next.
    "gru-odd": {"pairs": 34, "accumulate": 2, "validate_every": 5, "max_steps": 6},
    "gru-both": {"validate_every": 3, "max_steps": 7, "pairs": 24},  # 6 batches: step 6 ends an epoch
    "lstm": {"validate_every": 3, "max_steps": 8, "average": "none"},  # the second validation ends an epoch
    "transformer": {"validate_every": 3, "max_steps": 7, "schedule": "inverse_sqrt"},
}


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Makes run directories where training has not begun yet, and those where it ended undisturbed."""

    @cache
    def prepare(kind: str) -> tuple[RunDirectory, RunDirectory]:
        folder = tmp_path_factory.mktemp(kind)
        config = tiny_config(folder, kind.partition("-")[0], checkpoint_every=1, **KINDS[kind])
        config = with_data(config, directions="both" if kind.endswith("both") else "forward")
        fresh = prepare_run(config, folder / "fresh")
        whole = copy_run(fresh, folder / "whole")
        resume(whole.path)
        return fresh, whole

    return prepare


def test_resuming_a_run_that_never_began_is_training(started, tmp_path):
    config = tiny_config(tmp_path, "lstm", checkpoint_every=1, **KINDS["lstm"])
    assert_same_run(train(config, tmp_path / "run"), started("lstm")[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_after_any_batch_ends_as_if_it_had_not_been(kind, started, tmp_path, monkeypatch):
    fresh, whole = started(kind)
    batches = []

    def kill(trainer):
        batches.append(trainer.fit_loop.total_batch_idx)
        copy_run(run, tmp_path / f"{len(batches)}")

    run = copy_run(fresh, tmp_path / "run")
    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_end=kill, on_validation_end=kill)
        resume(run.path)
    assert_same_run(run, whole)
    steps = set()
    for number in range(1, len(batches)):
        killed = RunDirectory.open(tmp_path / f"{number}")
        step = checkpoint(killed)["global_step"] if killed.checkpoint_path.is_file() else 0
        if step not in steps:  # between two checkpoints all kills are the same
            steps.add(step)
            resume(killed.path)
            assert_same_run(killed, whole)
    assert steps >= set(range(1, run.config.training.max_steps))


def test_a_run_killed_before_its_checkpoint_is_written_repeats_no_row(started, tmp_path, monkeypatch):
    """Killed when the row of a validation is written, and its weights are."""
    fresh, whole = started("gru")
    run = copy_run(fresh, tmp_path / "run")
    killed = []

    def kill(trainer):
        killed.append(copy_run(run, tmp_path / f"{len(killed)}"))

    with monkeypatch.context() as patch:
        probe(patch, on_validation_epoch_end=kill)
        resume(run.path)
    for stopped in killed[:2]:
        assert int(stopped.read_metrics()[-1]["step"]) == checkpoint(stopped)["global_step"] + 1
        resume(stopped.path)
        assert_same_run(stopped, whole)


class Stop:
    """Sends this process a signal in the n-th batch or validation."""

    def __init__(self, number: int, at: int, times: int = 1) -> None:
        self.number, self.at, self.times, self.seen = number, at, times, 0

    def __call__(self, trainer) -> None:
        self.seen += 1
        if self.seen == self.at:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


def interrupt(run: RunDirectory, number: int) -> None:
    """Train until the signal that a probe sends; what the signal did before, it does again afterwards."""
    received = []
    before = signal.signal(number, lambda *_: received.append(True))
    mine = signal.getsignal(number)
    try:
        if number == signal.SIGINT:
            with pytest.raises(KeyboardInterrupt):
                resume(run.path)
        else:
            with pytest.raises(SystemExit) as exit_info:
                resume(run.path)
            assert exit_info.value.code == 143
        assert signal.getsignal(number) is mine
    finally:
        signal.signal(number, before)
    assert not received


@pytest.mark.parametrize(
    ("number", "hook", "at", "step"),
    [
        (signal.SIGINT, "setup", 1, None),  # nothing was done yet: no checkpoint
        (signal.SIGTERM, "on_train_batch_start", 1, 1),  # in the middle of a step: it is finished first
        (signal.SIGINT, "on_train_batch_end", 5, 3),
        (signal.SIGINT, "on_train_batch_start", 8, 4),  # before a validation: it is validated first
        (signal.SIGTERM, "on_validation_start", 1, 4),
        (signal.SIGINT, "on_train_batch_end", 9, 5),  # right after a validation
        (signal.SIGINT, "on_validation_start", 3, 9),  # the last one
    ],
)
def test_signals_save_and_stop(number, hook, at, step, started, tmp_path, monkeypatch, caplog):
    fresh, whole = started("gru")
    run = copy_run(fresh, tmp_path / "run")
    caplog.set_level(logging.INFO)
    with monkeypatch.context() as patch:
        probe(patch, **{hook: Stop(number, at)})
        interrupt(run, number)
    assert "stopping after this step, with a checkpoint" in caplog.text
    assert f"stopped at step {step or 0}; go on with `seq2see train --resume {run.path}`" in caplog.text
    assert run.checkpoint_path.is_file() == (step is not None)
    if step is not None:
        assert checkpoint(run)["global_step"] == step
    resume(run.path)
    assert_same_run(run, whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once(number, started, tmp_path, monkeypatch):
    fresh, whole = started("gru")
    run = copy_run(fresh, tmp_path / "run")
    with monkeypatch.context() as patch:
        probe(patch, on_validation_start=Stop(number, 1, times=2))
        interrupt(run, number)
    assert checkpoint(run)["global_step"] == 3
    resume(run.path)
    assert_same_run(run, whole)


def test_an_error_while_a_checkpoint_is_written_leaves_the_one_before(started, tmp_path, monkeypatch):
    fresh, whole = started("gru")
    run = copy_run(fresh, tmp_path / "run")

    def fail(trainer):
        if trainer.global_step == 6:
            raise OSError("disk full")

    with monkeypatch.context() as patch:
        probe(patch, on_save_checkpoint=fail)
        with pytest.raises(InputError, match="disk full: training stops"):
            resume(run.path)
    assert checkpoint(run)["global_step"] == 5
    resume(run.path)
    assert_same_run(run, whole)


def test_ignored_signals_stay_ignored(started, tmp_path, monkeypatch):
    """As after nohup; and the handlers are as they were when training has ended."""
    fresh, whole = started("gru")
    run = copy_run(fresh, tmp_path / "run")
    both = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in both]
    try:
        with monkeypatch.context() as patch:
            probe(patch, on_train_batch_end=Stop(both[0], 3), on_train_batch_start=Stop(both[1], 5))
            resume(run.path)
        assert [signal.getsignal(number) for number in both] == [signal.SIG_IGN] * 2
    finally:
        for number, handler in zip(both, before, strict=True):
            signal.signal(number, handler)
    assert_same_run(run, whole)


def test_training_works_in_a_thread(started, tmp_path):
    fresh, whole = started("gru")
    run = copy_run(fresh, tmp_path / "run")
    thread = threading.Thread(target=resume, args=[run.path])
    thread.start()
    thread.join()
    assert_same_run(run, whole)


def test_a_run_at_its_end_has_nothing_to_do(started, tmp_path, caplog):
    run = copy_run(started("gru")[1], tmp_path / "run")
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    caplog.set_level(logging.INFO)
    resume(run.path)
    assert "already at step 9 of 9: nothing to do" in caplog.text
    resume(run.path, max_steps=7)
    assert "already at step 9 of 7: nothing to do" in caplog.text
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == files


def test_a_run_killed_before_its_summary_gets_it(started, tmp_path, caplog):
    whole = started("gru")[1]
    run = copy_run(whole, tmp_path / "run")
    run.summary_path.unlink()
    run.card_path.unlink()
    resume(run.path)
    assert_same_run(run, whole)
    assert run.card_path.is_file()


def test_a_run_goes_on_to_a_higher_number_of_steps(tmp_path):
    """With a schedule that does not depend on it, as if it had been the number from the beginning."""
    settings = {"schedule": "inverse_sqrt", "validate_every": 5}
    whole = train(tiny_config(tmp_path, **settings, max_steps=9), tmp_path / "whole")
    run = train(tiny_config(tmp_path, **settings, max_steps=7), tmp_path / "run")
    run = resume(run.path, max_steps=9)
    assert RunDirectory.open(run.path).config.training.max_steps == 9
    assert [row["step"] for row in run.read_metrics()] == ["5", "7", "9"]
    assert run.read_json(run.summary_path)["steps"] == 9
    for key in ("state_dict", "current_model_state", "averaging_state", "optimizer_states"):
        assert_equal(checkpoint(run)[key], checkpoint(whole)[key])


def test_the_learning_rate_follows_a_new_end_at_once(tmp_path, monkeypatch):
    run = train(tiny_config(tmp_path, max_steps=4, warmup_steps=0, learning_rate=1.0), tmp_path / "run")
    assert run.read_metrics()[-1]["learning_rate"] == "0"
    rates = []
    probe(
        monkeypatch,
        on_train_batch_start=lambda trainer: rates.append(trainer.optimizers[0].param_groups[0]["lr"]),
    )
    resume(run.path, max_steps=8)
    assert rates == pytest.approx([0.5, 0.3087, 0.1464, 0.0381], abs=1e-4)  # half a cosine over 8 steps


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.fixture
def stopped(started, tmp_path, monkeypatch):
    """A run at step 6 of 9."""
    run = copy_run(started("gru")[0], tmp_path / "run")
    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_start=Stop(signal.SIGINT, 12))
        with pytest.raises(KeyboardInterrupt):
            resume(run.path)
    return run


@pytest.mark.parametrize("damage", [flip_a_byte, truncate])
def test_a_damaged_checkpoint_is_named_and_passed_over(damage, stopped, started, caplog):
    damage(stopped.checkpoint_path)
    caplog.set_level(logging.INFO)
    resume(stopped.path)
    assert (
        f"{stopped.checkpoint_path} is damaged (its checksum is wrong): going on from "
        f"{stopped.previous_checkpoint_path}" in caplog.text
    )
    assert "going on from step 5 of 9" in caplog.text
    assert_same_run(stopped, started("gru")[1])


def test_two_damaged_checkpoints_are_an_error(stopped):
    flip_a_byte(stopped.checkpoint_path)
    truncate(stopped.previous_checkpoint_path)
    with pytest.raises(InputError, match=r"last\.ckpt and .*previous\.ckpt: damaged"):
        resume(stopped.path)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_a_checkpoint_runs_no_code(stopped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(stopped, lambda path: torch.save({"global_step": Evil()}, path))
    with pytest.raises(InputError, match=r"last\.ckpt holds more than tensors and plain values"):
        resume(stopped.path)
    assert not Path("evil").exists()
    torch.load(stopped.checkpoint_path, weights_only=False)
    assert Path("evil").exists()  # it could have


@pytest.mark.parametrize("name", ["ids", "valid.src", "valid.tgt", "data.json"])
def test_what_training_needs_is_asked_for_by_name(name, stopped):
    stopped.path.joinpath(name).rename(stopped.path / "gone")
    with pytest.raises(InputError, match=rf"run/{name} is missing: training cannot go on"):
        resume(stopped.path)


def test_damaged_training_pairs_are_an_error(stopped):
    for file in stopped.ids_path.glob("*.arrow"):
        truncate(file)
    with pytest.raises(InputError, match=r"run/ids: the training pairs in it are missing or damaged \("):
        resume(stopped.path)


def test_no_run_directory_is_an_error(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such run directory"):
        resume(tmp_path / "nowhere")
