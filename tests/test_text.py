"""What a run is trained on and validated with: what is read, kept, held out and refused."""

import logging
import os
from dataclasses import replace

import pytest
from tiny_training import corpus_folder, numbers, tiny_config, with_data, write_pairs

from translate.errors import InputError, UsageError
from translate.training.text import StoredPairs, read_links, read_text

PAIRS = numbers(40)
VALID = numbers(4, seed=1)


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path)


@pytest.fixture
def read(tmp_path):
    """Read as a new run does; return the training and the validation pairs as lists."""

    def read(data, seed=1):
        text = read_text(data, seed, tmp_path / "stored")
        assert len(text.train) == len(list(text.train))
        return list(text.train), text.valid

    return read


def test_stored_pairs_are_read_as_they_were_written_as_often_as_wanted(tmp_path):
    pairs = [("a\r", "\u2028b "), ("", "\ufeffä"), ("\x0c", "\x85"), ("c", "d")]
    stored = StoredPairs.write(tmp_path / "stored", iter(pairs))
    assert list(stored) == list(stored) == pairs
    assert len(stored) == 4


def test_stored_pairs_that_are_left_out_are_not_counted(tmp_path):
    stored = StoredPairs.write(tmp_path / "stored", PAIRS[:4])
    some = StoredPairs(stored.path, stored.count, frozenset((0, 2)))
    assert list(some) == [PAIRS[1], PAIRS[3]]
    assert len(some) == 2


def test_validation_files_win_over_those_of_the_corpus(config, tmp_path, read):
    corpus = corpus_folder(tmp_path, train=PAIRS, valid=numbers(5, seed=2))
    _, valid = read(with_data(config, corpus=corpus, src=None, tgt=None).data, seed=1)
    assert valid == VALID


@pytest.mark.parametrize("source", ["files", "corpus"])
def test_without_validation_text_some_is_held_out(source, config, tmp_path, caplog, read):
    data = with_data(config, valid_src=None, valid_tgt=None, valid_size=3).data
    if source == "corpus":
        data = replace(data, corpus=corpus_folder(tmp_path, train=PAIRS), src=None, tgt=None)
    caplog.set_level(logging.INFO)
    train, valid = read(data, seed=1)
    assert len(valid) == 3
    assert sorted(train + valid) == sorted(PAIRS)
    assert not {src for src, _ in train} & {src for src, _ in valid}
    assert "no validation text given: held out 3 pairs" in caplog.text
    assert read(data, seed=1) == (train, valid)
    assert read(data, seed=2) != (train, valid)


def test_pairs_with_a_blank_side_are_left_out_and_counted(config, tmp_path, caplog, read):
    blank = [("", "x"), ("x", " \u3000"), ("", "")]
    write_pairs(tmp_path, "train", [*blank, *PAIRS])
    write_pairs(tmp_path, "valid", [*VALID, *blank[:1]])
    assert read(config.data, seed=1) == (PAIRS, VALID)
    assert "left out 3 of 43 training pairs with a blank side" in caplog.text
    assert "left out 1 of 5 validation pairs with a blank side" in caplog.text


@pytest.mark.parametrize("name", ["train", "valid"])
def test_nothing_but_blank_sides_is_an_error(name, config, tmp_path, read):
    write_pairs(tmp_path, name, [("", "x"), ("x", "")])
    which = {"train": "training", "valid": "validation"}[name]
    with pytest.raises(InputError, match=f"all 2 {which} pairs have a blank side: needed is text on both"):
        read(config.data, seed=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"corpus": "x"}, "got both --corpus and --src/--tgt: name one place"),
        ({"src": None}, "no training text: give --corpus FOLDER, --src FILE and --tgt FILE, or"),
        ({"tgt": None}, "no training text: give --corpus FOLDER, --src FILE and --tgt FILE, or"),
        ({"valid_src": None}, "validation text needs both --valid-src and --valid-tgt"),
        ({"valid_tgt": None}, "validation text needs both --valid-src and --valid-tgt"),
    ],
)
def test_it_must_be_clear_which_text_is_meant(settings, message, config, read):
    with pytest.raises(UsageError, match=message):
        read(with_data(config, **settings).data, seed=1)


def test_a_corpus_without_a_training_part_is_an_error(config, tmp_path, read):
    corpus = corpus_folder(tmp_path, test=PAIRS)
    with pytest.raises(InputError, match="corpus has no training part, only test"):
        read(with_data(config, corpus=corpus, src=None, tgt=None).data, seed=1)


def test_unequal_files_name_both_counts(config, tmp_path, read):
    (tmp_path / "train.tgt").write_text("one\n")
    with pytest.raises(InputError, match=r"train\.src has 40 lines but .*train\.tgt has 1:"):
        read(config.data, seed=1)


def test_text_that_is_no_utf8_is_refused_with_its_line(config, tmp_path, read):
    (tmp_path / "valid.tgt").write_bytes(b"A\nB\nC\n\xff\n")
    with pytest.raises(InputError, match=r"valid\.tgt: line 4, byte 1 \(0xff\) is not valid UTF-8"):
        read(config.data, seed=1)


def test_too_few_pairs_to_hold_some_out_are_an_error(config, tmp_path, read):
    write_pairs(tmp_path, "train", PAIRS[:1])
    with pytest.raises(InputError, match=r"1 pairs .* are too few for the parts"):
        read(with_data(config, valid_src=None, valid_tgt=None).data, seed=1)


def test_text_may_come_through_a_pipe(config, read):
    """As from a shell's <(zcat train.de.gz): it can be read once."""
    reader, writer = os.pipe()
    os.write(writer, "".join(f"{src}\n" for src, _ in PAIRS).encode())
    os.close(writer)
    try:
        assert read(with_data(config, src=f"/dev/fd/{reader}").data) == (PAIRS, VALID)
    finally:
        os.close(reader)


def tsv(folder, name, pairs):
    path = folder / name
    path.write_text("".join(f"{src}\t{tgt}\n" for src, tgt in pairs))
    return str(path)


def test_pairs_of_any_format_are_training_and_validation_text(config, tmp_path, read):
    settings = {"src": None, "tgt": None, "valid_src": None, "valid_tgt": None, "strict": True}
    settings |= {"pairs": (tsv(tmp_path, "a.tsv", PAIRS[:30]), tsv(tmp_path, "b.tsv", PAIRS[30:]))}
    data = with_data(
        config, valid_pairs=(tsv(tmp_path, "v.tsv", VALID),), weights=(1.0, 2.0), **settings
    ).data
    train, valid = read(data)
    assert train == PAIRS[:30] + [pair for pair in PAIRS[30:] for _ in range(2)]
    assert valid == VALID
    held_out, kept = read(replace(data, valid_pairs=(), valid_size=3))[::-1]
    assert len(held_out) == 3
    assert not set(held_out) & set(kept)


def test_validation_files_go_with_pairs(config, tmp_path, read):
    assert read(with_data(config, src=None, tgt=None, pairs=(tsv(tmp_path, "a.tsv", PAIRS),)).data) == (
        PAIRS,
        VALID,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pairs": ("a.tsv",)}, "got both --pairs and --corpus or --src/--tgt: --pairs takes corpus folders"),
        ({"valid_pairs": ("a.tsv",)}, "got both --valid-pairs and --valid-src/--valid-tgt: name one place"),
        ({"weights": (1.0,)}, "data.weights are of data.pairs: give --pairs"),
    ],
)
def test_pairs_and_other_text_do_not_mix(settings, message, config, read):
    with pytest.raises(UsageError, match=message):
        read(with_data(config, **settings).data)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_is_above_zero(weight, config):
    with pytest.raises(UsageError, match=r"^data\.weights has .*: a weight must be above 0, and finite$"):
        with_data(config, weights=(weight,))


def test_links_are_for_lines_of_text(config, tmp_path):
    data = with_data(config, src=None, tgt=None, pairs=("a.tsv",)).data
    stored = StoredPairs.write(tmp_path / "stored", PAIRS)
    with pytest.raises(UsageError, match=r"has links for lines of text, but data\.pairs has records: make a"):
        next(read_links(data, stored, tmp_path / "links"))
