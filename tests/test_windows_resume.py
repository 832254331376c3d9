"""A run in windows that was killed anywhere ends as if it had not been; another text is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from test_training_resume import flip_a_byte
from tiny_training import (
    assert_same_run,
    checkpoint,
    numbers,
    probe,
    tiny_config,
    with_data,
    write_pairs,
)
from window_threads import start_thread

from translate.collective import Ranks
from translate.config.tokenizer import TokenizerConfig
from translate.errors import InputError
from translate.run_directory import RunDirectory
from translate.training import window_process
from translate.training.prepare import prepare_run
from translate.training.trainer import resume
from translate.training.window_loader import WindowLoader

PAIRS = numbers(40)


@pytest.fixture(autouse=True)
def in_a_thread(monkeypatch):
    monkeypatch.setattr(window_process, "start_process", start_thread)


def copy_whole(run: RunDirectory, to: Path) -> RunDirectory:
    """As a kill would leave it, without what a thread is writing at this moment."""
    shutil.copytree(run.path, to, ignore=shutil.ignore_patterns("tmp*"))
    return RunDirectory.open(to)


def lose(run: RunDirectory) -> None:
    shutil.rmtree(run.windows_path)


def damage(run: RunDirectory) -> None:
    for file in run.windows_path.glob("*/*.arrow"):
        flip_a_byte(file)


def leave_rubbish(run: RunDirectory) -> None:
    """An unfinished window, and a finished one that nobody has noted."""
    (run.windows_path / "tmp1234").mkdir()
    shutil.rmtree(run.windows_path / "2", ignore_errors=True)
    (run.windows_path / "2").mkdir()
    (run.windows_path / "2" / "window.json").write_text("{")


@pytest.mark.parametrize("kind", ["plain", "drawn"])
def test_a_run_killed_after_any_batch_ends_as_if_it_had_not_been(kind, tmp_path, monkeypatch):
    """Whatever has become of its windows; in the first window, at its end, and in the second pass."""
    config = tiny_config(tmp_path, max_steps=9, validate_every=4, checkpoint_every=1)
    config = with_data(config, window=16, batch_tokens=120)  # 2, 2 and 1 batches
    if kind == "drawn":
        config = with_data(config, directions="both", batch_tokens=240)
        config = replace(config, tokenizer=TokenizerConfig(vocab_size=290, sampling_alpha=0.2))
    fresh = prepare_run(config, tmp_path / "fresh")
    whole = copy_whole(fresh, tmp_path / "whole")
    killed = {}

    def kill(trainer):
        step = trainer.global_step
        if step < 9 and step not in killed:
            killed[step] = copy_whole(whole, tmp_path / f"killed{step}")

    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_end=kill, on_validation_end=kill)
        resume(whole.path)
    epochs = [float(row["epoch"]) for row in whole.read_metrics()]
    assert epochs[0] < 3 < epochs[-1]
    for step in killed if kind == "plain" else (2, 7):
        run = killed[step]
        (lambda run: None, lose, damage, leave_rubbish)[step % 4](run)
        resume(run.path)
        assert_same_run(run, whole)
    assert sorted(killed) == list(range(1, 9))
    assert checkpoint(whole)["global_step"] == 9


@pytest.fixture
def begun(tmp_path):
    """A run whose text was read once."""
    run = prepare_run(with_data(tiny_config(tmp_path), window=16), tmp_path / "run")
    go_on(run, 3)
    return run


def go_on(run: RunDirectory, windows: int, epoch: int = 0) -> None:
    loader = WindowLoader(run, run.tokenizers(), Ranks())
    loader.epoch = epoch
    try:
        for _ in range(windows):
            for _ in loader:
                pass
    finally:
        loader.stop()


def test_the_same_text_is_read_again(begun):
    lose(begun)
    go_on(begun, 3, epoch=7)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([*PAIRS[:20], ("x", "y"), *PAIRS[21:]], "has changed: pairs 17 to 32 are not those that training"),
        (PAIRS[:35], "has changed: pairs 33 to 48 are not those that training began with"),
        ([*PAIRS, ("x", "y")], "has changed: pairs 33 to 48 are not those that training began with"),
        (
            PAIRS[:16],
            "has changed: pairs 1 to 16 are not|has 16 pairs, but window 2 of 16 pairs each was in it",
        ),
        (None, r"train\.src: no such file"),
    ],
)
def test_another_text_is_refused(pairs, message, begun, tmp_path):
    lose(begun)
    if pairs is None:
        (tmp_path / "train.src").unlink()
    else:
        write_pairs(tmp_path, "train", pairs)
    with pytest.raises(InputError, match=message):
        go_on(begun, 3, epoch=3)


def test_a_text_that_ends_before_the_window_is_refused(begun, tmp_path):
    lose(begun)
    write_pairs(tmp_path, "train", PAIRS[:16])
    with pytest.raises(InputError, match="has 16 pairs, but window 3 of 16 pairs each was in it before"):
        go_on(begun, 1, epoch=5)


def test_a_run_needs_what_it_knows_of_its_windows(begun):
    begun.windows_file.write_text("[")
    with pytest.raises(InputError, match=r"windows\.json is damaged"):
        resume(begun.path)
    begun.windows_file.unlink()
    with pytest.raises(InputError, match=r"windows\.json is missing: training cannot go on"):
        resume(begun.path)


def test_a_list_of_windows_that_is_older_than_the_checkpoint_is_an_error(begun):
    begun.save_json(begun.windows_file, begun.read_json(begun.windows_file)[:1])
    with pytest.raises(InputError, match=r"windows\.json or .*windows was changed while the run was trained"):
        go_on(begun, 1, epoch=2)
