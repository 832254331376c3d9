"""Ids of the training text: the same for any number of threads, and from the cache where it has them."""

import threading
from dataclasses import replace

import pytest
from tiny_training import numbers, tiny_config, with_data, write_pairs

from translate.config.tokenizer import TokenizerConfig
from translate.run_directory import RunDirectory
from translate.tokenizer import Tokenizers, train_tokenizers
from translate.training import ids as ids_module
from translate.training import ids_cache
from translate.training.ids import cut
from translate.training.prepare import prepare_run


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ids"


def content(run: RunDirectory) -> bytes:
    return (run.ids_path / "pairs.arrow").read_bytes()


def with_threads(config, threads):
    return replace(config, training=replace(config.training, threads=threads))


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_any_number_of_threads_makes_the_same_ids(config, tmp_path, monkeypatch, threads):
    monkeypatch.setattr(ids_module, "CUT_TOGETHER", 3)
    one = prepare_run(with_threads(config, 1), tmp_path / "one")
    several = prepare_run(with_threads(config, threads), tmp_path / "several")
    assert content(one) == content(several)
    assert one.read_json(one.data_path) == several.read_json(several.data_path)


def test_threads_work_at_once_and_no_more_text_is_read_than_they_need(monkeypatch):
    """Two pieces are being cut when the third is read, and none is read before the first one is asked for."""
    monkeypatch.setattr(ids_module, "CUT_TOGETHER", 2)
    pairs = numbers(20)
    trained = train_tokenizers(*zip(*pairs, strict=True), TokenizerConfig(vocab_size=285))
    together = threading.Barrier(2, timeout=30)
    read = 0

    class Slow:
        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def encode_batch(self, texts):
            together.wait()  # raises when nobody else comes
            return self.tokenizer.encode_batch(texts)

    def counted():
        nonlocal read
        for pair in pairs:
            read += 1
            yield pair

    found = []
    for number, (src, tgt) in enumerate(cut(counted(), Tokenizers(*map(Slow, trained)), 2)):
        assert read <= 2 * (number + 3)
        found += [src.lengths.tolist(), tgt.lengths.tolist()]
    wanted = [
        [len(trained.src.encode(pair[side])) for pair in pairs[n : n + 2]]
        for n in range(0, 20, 2)
        for side in (0, 1)
    ]
    assert found == wanted


def test_a_second_run_on_the_same_text_takes_the_ids_of_the_first(
    config, cache, tmp_path, caplog, monkeypatch
):
    caplog.set_level("INFO")
    first = prepare_run(config, tmp_path / "first")
    (entry,) = cache.iterdir()
    assert f"kept these ids for other runs in {entry}" in caplog.text
    monkeypatch.setattr(ids_module, "cut", None)  # nothing is cut again
    moved = with_data(
        config, **dict(zip(("src", "tgt"), write_pairs(tmp_path, "moved", numbers(40)), strict=True))
    )
    second = prepare_run(with_threads(moved, 2), tmp_path / "second")
    assert f"the ids of this text were there already, in {entry}" in caplog.text
    assert content(first) == content(second)
    facts = [run.read_json(run.data_path) | {"from": ""} for run in (first, second)]
    assert facts[0] == facts[1]
    assert (entry / "pairs.arrow").samefile(second.ids_path / "pairs.arrow")


def test_too_long_pairs_are_known_from_the_cache(config, cache, tmp_path, caplog):
    write_pairs(tmp_path, "train", [("a " * 30, "A"), *numbers(40), ("b", "B " * 30)])
    config = with_data(config, max_length=20)
    config = replace(config, tokenizer=replace(config.tokenizer, sampling_alpha=0.1))
    runs = [prepare_run(config, tmp_path / name) for name in ("first", "second")]
    assert caplog.text.count("left out 2 of 42 training pairs with more than data.max_length = 20") == 2
    assert runs[0].read_json(runs[0].data_path) == runs[1].read_json(runs[1].data_path)
    assert runs[0].text_sha256() == runs[1].text_sha256()


def test_what_the_ids_follow_from_makes_other_ones(config, cache, tmp_path, monkeypatch):
    """Text (also where only the sides differ), tokenizer, the length that is left out, and SentencePiece."""
    prepare_run(config, tmp_path / "run")
    tokenizer = str(tmp_path / "run")
    same = replace(config, tokenizer=replace(config.tokenizer, path=tokenizer))
    prepare_run(same, tmp_path / "same")
    assert len(list(cache.iterdir())) == 1

    def others():
        yield with_data(same, max_length=9)
        yield replace(config, tokenizer=replace(config.tokenizer, vocab_size=280))
        for name, pairs in {"a": [("a\tb", "c"), *numbers(9)], "b": [("a", "b\tc"), *numbers(9)]}.items():
            src, tgt = write_pairs(tmp_path, name, pairs)
            yield with_data(same, src=src, tgt=tgt)
        monkeypatch.setattr(ids_cache, "version", lambda _: "0")
        yield same

    for number, other in enumerate(others(), start=2):
        prepare_run(other, tmp_path / f"run{number}")
        assert len(list(cache.iterdir())) == number


@pytest.mark.parametrize("name", ["pairs.arrow", "fits", "sha256"])
@pytest.mark.parametrize("what", ["changed", "cut", "gone"])
def test_a_damaged_entry_is_made_anew(config, cache, tmp_path, caplog, name, what):
    wanted = content(prepare_run(config, tmp_path / "first"))
    (entry,) = cache.iterdir()
    (tmp_path / "first" / "ids" / "pairs.arrow").unlink()  # the same file
    whole = (entry / name).read_bytes()
    (entry / name).unlink()
    if what != "gone":
        (entry / name).write_bytes(whole[:-1] + (bytes([whole[-1] ^ 1]) if what == "changed" else b""))
    assert content(prepare_run(config, tmp_path / "second")) == wanted
    assert f"{entry} is damaged (" in caplog.text
    assert (entry / name).read_bytes() == whole


def test_two_runs_may_keep_the_same_at_once(config, cache, tmp_path, caplog, monkeypatch):
    """The one that comes second finds the entry there when it wants to name its own."""
    take = ids_module.take

    def other_run_comes_first(entry, path):
        taken = take(entry, path)
        if not entry.exists():
            monkeypatch.setattr(ids_module, "take", take)
            prepare_run(config, tmp_path / "quicker")
        return taken

    monkeypatch.setattr(ids_module, "take", other_run_comes_first)
    slower = prepare_run(config, tmp_path / "slower")
    (entry,) = cache.iterdir()  # and nothing unfinished
    assert (entry / "pairs.arrow").samefile(tmp_path / "quicker" / "ids" / "pairs.arrow")
    assert content(slower) == (entry / "pairs.arrow").read_bytes()
    assert "cannot be kept" not in caplog.text


def test_a_cache_that_cannot_be_written_stops_nothing(config, tmp_path, caplog, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEQ2SEE_CACHE", str(tmp_path / "file"))
    prepare_run(config, tmp_path / "run")
    assert "the ids cannot be kept for other runs: " in caplog.text


def test_on_another_file_system_ids_are_copied(config, cache, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    first = prepare_run(config, tmp_path / "first")
    (entry,) = cache.iterdir()
    second = prepare_run(config, tmp_path / "second")
    paths = [folder / "pairs.arrow" for folder in (first.ids_path, entry, second.ids_path)]
    assert len({path.stat().st_ino for path in paths}) == 3
    assert len({path.read_bytes() for path in paths}) == 1


def test_the_cache_is_the_users_unless_it_is_moved_or_switched_off(monkeypatch, tmp_path):
    monkeypatch.delenv("SEQ2SEE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ids_cache.find_cache() == tmp_path / "seq2see" / "ids"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    assert ids_cache.find_cache() == tmp_path / ".cache" / "seq2see" / "ids"
    monkeypatch.setenv("SEQ2SEE_CACHE", str(tmp_path / "elsewhere"))
    assert ids_cache.find_cache() == tmp_path / "elsewhere" / "ids"
    monkeypatch.setenv("SEQ2SEE_CACHE", "")
    assert ids_cache.find_cache() is None
