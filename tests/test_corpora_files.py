import gzip
from pathlib import Path

import pytest

from translate.corpora.files import make_files
from translate.corpora.split import source_group
from translate.errors import InputError

WORDS = ["red", "green", "blue", "black", "white", "grey", "pink", "brown", "gold", "beige", "lilac", "cyan"]


def write(path: Path, lines: list[str]) -> Path:
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def train(tmp_path):
    src = write(tmp_path / "train.en", [f"{word} {i}" for word in WORDS for i in range(3)])
    tgt = write(tmp_path / "train.de.gz", [f"{word.upper()} {i}" for word in WORDS for i in range(3)])
    return src, tgt


def lines_of(corpus, name):
    return list(zip(corpus.splits[name]["src"], corpus.splits[name]["tgt"], strict=True))


def test_valid_and_test_are_held_out_by_source_group(train):
    corpus = make_files(train, "en", "de", seed=1)
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 30, "valid": 3, "test": 3}
    groups = [{source_group(text) for text in split["src"]} for split in corpus.splits.values()]
    assert groups[0] & groups[1] == groups[0] & groups[2] == groups[1] & groups[2] == set()
    assert all(src.upper() == tgt for name in corpus.splits for src, tgt in lines_of(corpus, name))
    assert (corpus.src_lang, corpus.tgt_lang, corpus.seed) == ("en", "de", 1)


def test_given_parts_are_kept_line_for_line(train, tmp_path):
    valid = write(tmp_path / "v.en", ["red 1", "", "x"]), write(tmp_path / "v.de", ["rot", "", "  x "])
    test = write(tmp_path / "t.en", ["red 1", "red 1"]), write(tmp_path / "t.de", ["rot", "rot"])
    corpus = make_files(train, "en", "de", valid=valid, test=test)
    assert lines_of(corpus, "valid") == [("red 1", "rot"), ("", ""), ("x", "  x ")]
    assert lines_of(corpus, "test") == [("red 1", "rot"), ("red 1", "rot")]
    assert len(corpus.splits["train"]) == 36
    assert list(corpus.splits) == ["train", "valid", "test"]
    assert corpus.seed is None


def test_the_part_that_is_not_given_is_held_out(train, tmp_path):
    test = write(tmp_path / "t.en", ["a"]), write(tmp_path / "t.de", ["b"])
    corpus = make_files(train, "en", "de", test=test)
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 33, "valid": 3, "test": 1}


def test_blank_training_lines_are_dropped_and_counted(tmp_path):
    src = write(tmp_path / "a.en", [*WORDS, "", "x", "  "])
    tgt = write(tmp_path / "a.de", [*WORDS, "y", "\t", ""])
    corpus = make_files((src, tgt), "en", "de")
    assert sum(len(split) for split in corpus.splits.values()) == len(WORDS)
    assert corpus.dropped["blank line"] == 3


def test_only_blank_lines_are_refused(tmp_path):
    src, tgt = write(tmp_path / "a.en", ["", "x"]), write(tmp_path / "a.de", ["y", " "])
    with pytest.raises(InputError, match=r"a\.en and .*a\.de have no pair of lines with text on both sides$"):
        make_files((src, tgt), "en", "de")


def test_invalid_utf8_in_training_text_is_refused(train):
    train[0].write_bytes(b"ok\n\xff\n")
    with pytest.raises(InputError, match=r"train\.en: line 2, byte 1 \(0xff\) is not valid UTF-8"):
        make_files(train, "en", "de")


def test_unequal_validation_files_are_refused(train, tmp_path):
    valid = write(tmp_path / "v.en", ["a"]), write(tmp_path / "v.de", ["b", "c"])
    with pytest.raises(InputError, match=r"v\.en has 1 lines but .*v\.de has 2"):
        make_files(train, "en", "de", valid=valid)
