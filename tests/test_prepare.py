"""What a new run directory holds, and what is refused before there is one."""

import gzip
import logging
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset
from tiny_training import numbers, tiny_config, write_pairs

from translate.batches import IdPairs
from translate.config import TokenizerConfig
from translate.corpora import Corpus, write_corpus
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.tokenizer import Tokenizer, Tokenizers, train_tokenizers
from translate.training.prepare import prepare_run, read_pairs

PAIRS = numbers(40)
VALID = numbers(4, seed=1)


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path)


def with_data(config, **settings):
    return replace(config, data=replace(config.data, **settings))


def with_tokenizer(config, **settings):
    return replace(config, tokenizer=replace(config.tokenizer, **settings))


def corpus_folder(folder, **parts):
    """Write a corpus with these parts (lists of pairs) and return where it is."""
    splits = {
        name: Dataset.from_dict({"src": [src for src, _ in pairs], "tgt": [tgt for _, tgt in pairs]})
        for name, pairs in parts.items()
    }
    write_corpus(
        Corpus("numbers", "de", "zh", splits, {}, "CC0", "us", "https://example.org", 1), folder / "corpus"
    )
    return str(folder / "corpus")


def training_texts(run: RunDirectory) -> list[tuple[str, str]]:
    """What the ids of the run stand for."""
    pairs, tokenizers = IdPairs(run.ids_path), run.tokenizers()
    batch = pairs.batch(np.arange(len(pairs)))
    return [
        (tokenizers.src.decode(src), tokenizers.tgt.decode(tgt))
        for src, tgt in zip(batch.src.tolist(), batch.tgt_out.tolist(), strict=True)
    ]


def test_a_run_from_files_holds_all_that_training_needs(config, tmp_path):
    run = prepare_run(config, tmp_path / "run")
    assert run.config == config
    assert training_texts(run) == PAIRS
    assert run.read_valid() == tuple(map(list, zip(*VALID, strict=True)))
    tokenizer = Tokenizer.train(
        [text for side in zip(*PAIRS, strict=True) for text in side], config.tokenizer
    )
    assert [tokenizer.sha256] * 2 == [side.sha256 for side in run.tokenizers()]
    about = run.read_json(run.data_path)
    assert about["from"] == f"{config.data.src} and {config.data.tgt}"
    assert (about["train_pairs"], about["train_pairs_used"], about["valid_pairs"]) == (40, 40, 4)


def test_packed_files_make_the_same_run(config, tmp_path):
    for name in ("src", "tgt"):
        content = (tmp_path / f"train.{name}").read_bytes()
        (tmp_path / f"packed.{name}.gz").write_bytes(gzip.compress(content))
    packed = with_data(config, src=str(tmp_path / "packed.src.gz"), tgt=str(tmp_path / "packed.tgt.gz"))
    one, other = prepare_run(config, tmp_path / "one"), prepare_run(packed, tmp_path / "other")
    about = [run.read_json(run.data_path) | {"from": ""} for run in (one, other)]
    assert about[0] == about[1]


def test_a_corpus_folder_gives_train_valid_and_the_language(config, tmp_path):
    corpus = corpus_folder(tmp_path, train=PAIRS, valid=VALID, test=numbers(5, seed=2))
    config = with_data(config, corpus=corpus, src=None, tgt=None, valid_src=None, valid_tgt=None)
    run = prepare_run(config, tmp_path / "run")
    assert training_texts(run) == PAIRS
    assert run.read_valid() == tuple(map(list, zip(*VALID, strict=True)))
    assert run.config == with_data(config, tgt_lang="zh")
    assert run.read_json(run.data_path)["from"] == corpus


def test_validation_files_win_over_those_of_the_corpus(config, tmp_path):
    corpus = corpus_folder(tmp_path, train=PAIRS, valid=numbers(5, seed=2))
    _, valid = read_pairs(with_data(config, corpus=corpus, src=None, tgt=None).data, seed=1)
    assert valid == VALID


@pytest.mark.parametrize("source", ["files", "corpus"])
def test_without_validation_text_some_is_held_out(source, config, tmp_path, caplog):
    data = with_data(config, valid_src=None, valid_tgt=None, valid_size=3).data
    if source == "corpus":
        data = replace(data, corpus=corpus_folder(tmp_path, train=PAIRS), src=None, tgt=None)
    caplog.set_level(logging.INFO)
    train, valid = read_pairs(data, seed=1)
    assert len(valid) == 3
    assert sorted(train + valid) == sorted(PAIRS)
    assert not {src for src, _ in train} & {src for src, _ in valid}
    assert "no validation text given: held out 3 pairs" in caplog.text
    assert read_pairs(data, seed=1) == (train, valid)
    assert read_pairs(data, seed=2) != (train, valid)


def test_pairs_with_a_blank_side_are_left_out_and_counted(config, tmp_path, caplog):
    blank = [("", "x"), ("x", " \u3000"), ("", "")]
    write_pairs(tmp_path, "train", [*blank, *PAIRS])
    write_pairs(tmp_path, "valid", [*VALID, *blank[:1]])
    assert read_pairs(config.data, seed=1) == (PAIRS, VALID)
    assert "left out 3 of 43 training pairs with a blank side" in caplog.text
    assert "left out 1 of 5 validation pairs with a blank side" in caplog.text


@pytest.mark.parametrize("name", ["train", "valid"])
def test_nothing_but_blank_sides_is_an_error(name, config, tmp_path):
    write_pairs(tmp_path, name, [("", "x"), ("x", "")])
    which = {"train": "training", "valid": "validation"}[name]
    with pytest.raises(InputError, match=f"all 2 {which} pairs have a blank side: needed is text on both"):
        read_pairs(config.data, seed=1)


def test_long_pairs_are_left_out_and_counted(config, tmp_path, caplog):
    write_pairs(tmp_path, "train", [("a " * 30, "A"), ("b", "B " * 30), *PAIRS])
    run = prepare_run(with_data(config, max_length=20), tmp_path / "run")
    assert training_texts(run) == PAIRS
    assert "left out 2 of 42 training pairs with more than data.max_length = 20 pieces" in caplog.text
    about = run.read_json(run.data_path)
    assert (about["train_pairs"], about["train_pairs_used"]) == (42, 40)


def test_nothing_but_long_pairs_is_an_error(config, tmp_path):
    with pytest.raises(InputError, match=r"all 40 training pairs have more than data\.max_length = 1 pieces"):
        prepare_run(with_data(config, max_length=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"corpus": "x"}, "got both --corpus and --src/--tgt: name one place"),
        ({"src": None}, "no training text: give --corpus FOLDER, or --src FILE and --tgt FILE"),
        ({"tgt": None}, "no training text: give --corpus FOLDER, or --src FILE and --tgt FILE"),
        ({"valid_src": None}, "validation text needs both --valid-src and --valid-tgt"),
        ({"valid_tgt": None}, "validation text needs both --valid-src and --valid-tgt"),
    ],
)
def test_it_must_be_clear_which_text_is_meant(settings, message, config):
    with pytest.raises(UsageError, match=message):
        read_pairs(with_data(config, **settings).data, seed=1)


def test_a_corpus_without_a_training_part_is_an_error(config, tmp_path):
    corpus = corpus_folder(tmp_path, test=PAIRS)
    with pytest.raises(InputError, match="corpus has no training part, only test"):
        read_pairs(with_data(config, corpus=corpus, src=None, tgt=None).data, seed=1)


def test_unequal_files_name_both_counts(config, tmp_path):
    (tmp_path / "train.tgt").write_text("one\n")
    with pytest.raises(InputError, match=r"train\.src has 40 lines but .*train\.tgt has 1:"):
        read_pairs(config.data, seed=1)


def test_text_that_is_no_utf8_is_refused_with_its_line(config, tmp_path):
    (tmp_path / "valid.tgt").write_bytes(b"A\nB\nC\n\xff\n")
    with pytest.raises(InputError, match=r"valid\.tgt: line 4, byte 1 \(0xff\) is not valid UTF-8"):
        read_pairs(config.data, seed=1)


def test_too_few_pairs_to_hold_some_out_are_an_error(config, tmp_path):
    write_pairs(tmp_path, "train", PAIRS[:1])
    with pytest.raises(InputError, match=r"1 pairs .* are too few for the parts"):
        read_pairs(with_data(config, valid_src=None, valid_tgt=None).data, seed=1)


def test_what_goes_wrong_leaves_nothing_behind(config, tmp_path):
    (tmp_path / "valid.tgt").unlink()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"valid\.tgt: no such file"):
        prepare_run(config, tmp_path / "run")
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_with_something_in_it_is_refused_before_the_text_is_read(config, tmp_path):
    with pytest.raises(InputError, match="exists and is not empty: nothing is overwritten"):
        prepare_run(with_data(config, src="missing"), tmp_path)


# Tokenizers


def train_pair(joint: bool) -> Tokenizers:
    src, tgt = zip(*PAIRS, strict=True)
    return train_tokenizers(src, tgt, TokenizerConfig(vocab_size=285, joint=joint))


@pytest.fixture
def folder(tmp_path):
    """With tokenizers as `seq2see tokenizer` saves them, of both kinds."""
    folder = tmp_path / "tokenizers"
    folder.mkdir()
    train_pair(joint=True).src.save(folder / "tokenizer.model")
    separate = train_pair(joint=False)
    separate.src.save(folder / "src.model")
    separate.tgt.save(folder / "tgt.model")
    return folder


def test_each_language_may_have_its_own_vocabulary(config, tmp_path):
    run = prepare_run(with_tokenizer(config, joint=False), tmp_path / "run")
    src, tgt = zip(*PAIRS, strict=True)
    trained = [Tokenizer.train(side, config.tokenizer).sha256 for side in (src, tgt)]
    assert [side.sha256 for side in run.tokenizers()] == trained
    assert not run.config.tokenizer.joint
    assert training_texts(run) == PAIRS


@pytest.mark.parametrize("name", ["tokenizer.model", ""])
def test_a_trained_tokenizer_is_used_as_it_is(name, config, folder, tmp_path):
    run = prepare_run(with_tokenizer(config, path=str(folder / name)), tmp_path / "run")
    assert [side.sha256 for side in run.tokenizers()] == [train_pair(joint=True).src.sha256] * 2
    assert run.config.tokenizer.joint


@pytest.mark.parametrize("joint", [True, False])
def test_two_trained_tokenizers_are_used_as_they_are(joint, config, folder, tmp_path):
    """With the default `joint` too, when there is no joint tokenizer; the run's config says so."""
    if joint:
        (folder / "tokenizer.model").unlink()
    config = with_tokenizer(config, path=str(folder), joint=joint)
    run = prepare_run(config, tmp_path / "run")
    assert [side.sha256 for side in run.tokenizers()] == [side.sha256 for side in train_pair(joint=False)]
    assert not run.config.tokenizer.joint


@pytest.mark.parametrize("name", ["tokenizer.model", ""])
def test_one_tokenizer_is_not_two(name, config, folder, tmp_path):
    (folder / "src.model").unlink()
    config = with_tokenizer(config, path=str(folder / name), joint=False)
    message = r"tokenizer\.joint is false, but .*tokenizer\.model is one tokenizer for both .* give a folder"
    with pytest.raises(UsageError, match=message):
        prepare_run(config, tmp_path / "run")


def test_a_folder_without_tokenizers_is_refused(config, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty has neither tokenizer\.model nor src\.model and tgt\.model"):
        prepare_run(with_tokenizer(config, path=str(tmp_path / "empty")), tmp_path / "run")


def test_a_missing_tokenizer_is_named(config, tmp_path):
    with pytest.raises(InputError, match=r"none\.model: no such file"):
        prepare_run(with_tokenizer(config, path=str(tmp_path / "none.model")), tmp_path / "run")
