"""Training on a text in windows: what they hold, what lies on disk, what is refused."""

import gzip
import json
import logging
import os
import shutil
import tracemalloc
from collections import Counter
from dataclasses import replace

import pytest
from test_train_command import FLAGS
from tiny_training import (
    assert_same_run,
    numbers,
    probe,
    tiny_config,
    with_data,
    write_pairs,
)
from window_threads import start_thread

from translate import cli
from translate.collective import Ranks
from translate.config.data import InitialConfig
from translate.corpora.split import source_group
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.training import window_process
from translate.training.prepare import prepare_run
from translate.training.trainer import train
from translate.training.window_loader import WindowLoader
from translate.training.windows import WindowReader, read_window

PAIRS = numbers(40)


@pytest.fixture(autouse=True)
def in_a_thread(monkeypatch):
    monkeypatch.setattr(window_process, "start_process", start_thread)


@pytest.fixture
def config(tmp_path):
    """40 pairs in windows of 16: the third one has 8."""
    return with_data(tiny_config(tmp_path), window=16)


@pytest.fixture
def open_loader():
    """Opens the batches of a run as training does."""
    opened = []

    def open_run(run: RunDirectory) -> WindowLoader:
        opened.append(WindowLoader(run, run.tokenizers(), Ranks()))
        return opened[-1]

    yield open_run
    for loader in opened:
        loader.stop()


def sources(loader: WindowLoader) -> list[str]:
    """The source texts of a window's batches."""
    return [
        loader.tokenizers.src.decode(row[:length].tolist())
        for batch in loader
        for row, length in zip(batch.src, batch.src_mask.sum(1).tolist(), strict=True)
    ]


def on_disk(run: RunDirectory) -> set[str]:
    return {path.name for path in run.windows_path.iterdir()}


def test_windows_are_the_text_in_order_again_and_again(config, tmp_path, open_loader):
    loader = open_loader(prepare_run(config, tmp_path / "run"))
    texts = [src for src, _ in PAIRS]
    for passed in range(3):
        for number, window in enumerate((texts[:16], texts[16:32], texts[32:])):
            assert loader.epoch == 3 * passed + number
            assert Counter(sources(loader)) == Counter(window)
    assert loader.windows.known[-1].last
    assert [window.pairs for window in loader.windows.known] == [16, 16, 8]


def test_a_window_that_holds_all_is_training_on_the_whole_text(config, tmp_path):
    """Bit for bit: the same tokenizer, batches and draws, epoch by epoch."""
    whole = train(with_data(config, window=0), tmp_path / "whole")
    run = train(with_data(config, window=40), tmp_path / "run")
    assert [side.sha256 for side in run.tokenizers()] == [side.sha256 for side in whole.tokenizers()]
    assert_same_run(run, whole)
    assert float(run.read_metrics()[-1]["epoch"]) > 1
    assert on_disk(run) == {"0"}
    assert not run.ids_path.exists()


def test_no_more_than_two_windows_are_on_disk(config, tmp_path, monkeypatch):
    run, windows, sizes = RunDirectory(tmp_path / "run"), [], {}

    def look(trainer):
        there = [path for path in run.windows_path.iterdir() if path.name.isdecimal()]  # else in the making
        windows.append({path.name for path in there})
        sizes.update({path.name: (path / "pairs.arrow").stat().st_size for path in there})

    config = replace(config, training=replace(config.training, max_steps=14, validate_every=14))
    probe(monkeypatch, on_train_batch_start=look, on_train_batch_end=look)
    train(with_data(config, window=8), run.path)
    assert max(map(len, windows)) == 2
    assert set.union(*windows) == set("01234")
    assert max(sizes.values()) < 1.5 * min(sizes.values())
    assert len(on_disk(run)) <= 2  # nothing unfinished, either
    assert not run.ids_path.exists()


def test_memory_does_not_hold_the_text(config, tmp_path):
    pairs = [(f"{number} {src} " * 20, f"{tgt} " * 20) for number, (src, tgt) in enumerate(numbers(4000))]
    write_pairs(tmp_path, "train", pairs)
    size = (tmp_path / "train.src").stat().st_size + (tmp_path / "train.tgt").stat().st_size
    run = prepare_run(with_data(config, window=20, max_length=1000), tmp_path / "run")
    reader = WindowReader(run)
    tracemalloc.start()
    try:
        reader.prepare(197)
        assert reader.prepare(198) == reader.prepare(198)  # read again from its beginning
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 2
    assert reader.prepare(199).last


def test_held_out_pairs_are_in_no_window(config, tmp_path, open_loader):
    texts = numbers(15, seed=3) * 3  # so that what is held out of the first window occurs in later ones
    write_pairs(tmp_path, "train", texts)
    config = with_data(config, valid_src=None, valid_tgt=None, valid_size=1, window=15)
    run = prepare_run(config, tmp_path / "run")
    (held_out,) = run.read_valid()[0]
    loader = open_loader(run)
    for _ in range(4):
        found = sources(loader)
        assert len(found) == 14
        assert source_group(held_out) not in map(source_group, found)
    assert [window.pairs for window in loader.windows.known] == [14] * 3
    first = read_window(run, 0)
    assert first is not None
    assert WindowReader(run).prepare(0) == first  # the first one made as all others are


def test_a_window_of_pairs_that_are_too_long_is_passed_over(config, tmp_path, open_loader, caplog):
    long = [("a " * 50, "B " * 50)] * 16
    write_pairs(tmp_path, "train", PAIRS[:16] + long + PAIRS[32:])
    loader = open_loader(prepare_run(with_data(config, max_length=20), tmp_path / "run"))
    caplog.set_level(logging.INFO)
    assert [len(sources(loader)) for _ in range(4)] == [16, 8, 16, 8]
    assert "window 2: 0 of 16 pairs in 0 batches" in caplog.text
    assert "window 3 in pass 2 over the text: 8 of 8 pairs in 2 batches, after waiting" in caplog.text


def test_a_first_window_of_pairs_that_are_too_long_is_an_error(config, tmp_path):
    write_pairs(tmp_path, "train", [("a " * 50, "B " * 50)] * 16 + PAIRS)
    with pytest.raises(InputError, match=r"all 16 training pairs have more than data\.max_length = 20"):
        prepare_run(with_data(config, max_length=20), tmp_path / "run")


@pytest.mark.parametrize("kind", ["tsv", "gz", "hub", "weights"])
def test_windows_are_cut_from_any_source(kind, config, tmp_path, open_loader):
    table = "".join(f"{src}\t{tgt}\n" for src, tgt in PAIRS)
    (tmp_path / "all.tsv").write_text(table)
    table_path, folder = tmp_path / "all.tsv", tmp_path / "data"
    paths = {
        "tsv": (f"{table_path}",),
        "gz": (f"{table_path}.gz",),
        "hub": (f"hub:{folder}",),
        "weights": (f"{table_path}", f"{table_path}"),
    }[kind]
    (tmp_path / "all.tsv.gz").write_bytes(gzip.compress(table.encode()))
    folder.mkdir()
    rows = (json.dumps({"src": src, "tgt": tgt}) for src, tgt in PAIRS)
    (folder / "train.jsonl").write_text("\n".join(rows))
    columns = {"src_column": "src", "tgt_column": "tgt"} if kind == "hub" else {}
    weights = (1.0, 0.5) if kind == "weights" else ()
    config = with_data(config, src=None, tgt=None, pairs=paths, weights=weights, **columns)
    loader = open_loader(prepare_run(config, tmp_path / "run"))
    passes = []
    for _ in range(2):
        passes.append(sources(loader))
        while not loader.windows.known[-1].last or loader.epoch % len(loader.windows.known):
            passes[-1] += sources(loader)
    assert Counter(passes[0]) == Counter(passes[1])
    if kind == "weights":
        assert 40 < len(passes[0]) < 80
    else:
        assert Counter(passes[0]) == Counter(src for src, _ in PAIRS)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda config: with_data(config, monolingual="mono.txt"), r"data\.monolingual"),
        (lambda config: replace(config, initial=InitialConfig("run", mix=0.5)), r"initial\.mix"),
        (
            lambda config: replace(config, training=replace(config.training, alignment="guided")),
            r"training\.alignment guided",
        ),
    ],
)
def test_what_needs_the_whole_text_is_refused(change, what, config):
    with pytest.raises(
        UsageError, match=rf"data\.window trains on a part .* but {what} needs all of it: leave"
    ):
        change(config)


def test_no_window_is_smaller_than_nothing(config):
    with pytest.raises(UsageError, match=r"data\.window is -1: it must be at least 0"):
        with_data(config, window=-1)


@pytest.mark.parametrize("kind", ["standard input", "pipe"])
def test_what_can_be_read_only_once_is_refused(kind, config, tmp_path):
    path = "-"
    if kind == "pipe":
        path = str(tmp_path / "pipe")
        os.mkfifo(path)
    config = with_data(config, src=None, tgt=None, pairs=(path,), format="tsv")
    with pytest.raises(
        UsageError, match=rf"each pass, and when a run goes on, but {path} can be read only once"
    ):
        prepare_run(config, tmp_path / "run")


def test_a_run_is_fine_tuned_in_windows(config, tmp_path):
    old = train(with_data(config, window=0), tmp_path / "old")
    run = train(replace(config, initial=InitialConfig(str(old.path))), tmp_path / "run")
    assert run.read_metrics()[0]["epoch"] == "0.00"
    assert run.read_json(run.summary_path)["initial_bleu"] == old.read_json(old.summary_path)["best_bleu"]


def test_the_command_line_trains_in_windows(config, tmp_path, capsys):
    words = [
        "--src",
        config.data.src,
        "--tgt",
        config.data.tgt,
        "--window",
        "16",
        "--out",
        f"{tmp_path / 'run'}",
    ]
    assert cli.main(["train", *words, *FLAGS]) == 0
    said = capsys.readouterr().err
    run = RunDirectory.open(tmp_path / "run")
    assert run.config.data.window == 16
    assert (
        "parameters, windows of 16 pairs, of which the next is prepared while one is trained on; 1 pro"
        in said
    )
    assert "training the tokenizer on 15 pairs" in said  # and one is held out
    assert "window 1: 15 of 15 pairs in 3 batches, after waiting " in said
    card = " ".join(run.card_path.read_text(encoding="utf-8").split())
    assert "Trained in windows of 16 pairs, in the first of them on 15 of 15 sentence pairs from" in card
    shutil.rmtree(run.windows_path)
    assert cli.main(["train", "--resume", str(run.path), "--max-steps", "6"]) == 0
    assert "going on from step 4 of 6" in capsys.readouterr().err
    assert run.read_metrics()[-1]["step"] == "6"
