"""What a new run directory holds, and what is refused before there is one."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
from tiny_training import corpus_folder, numbers, tiny_config, with_data, write_pairs

from translate.config.tokenizer import TokenizerConfig
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory
from translate.stored_pairs import IdPairs
from translate.tokenizer import Tokenizer, Tokenizers, train_tokenizers
from translate.training.prepare import prepare_run
from translate.trimming import trim

PAIRS = numbers(40)
VALID = numbers(4, seed=1)


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path)


def with_tokenizer(config, **settings):
    return replace(config, tokenizer=replace(config.tokenizer, **settings))


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
    expected = trim(tokenizer, (tgt for _, tgt in PAIRS))
    assert [side.sha256 for side in expected] == [side.sha256 for side in run.tokenizers()]
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


def test_a_corpus_folder_gives_train_valid_and_the_languages(config, tmp_path):
    corpus = corpus_folder(tmp_path, train=PAIRS, valid=VALID, test=numbers(5, seed=2))
    config = with_data(config, corpus=corpus, src=None, tgt=None, valid_src=None, valid_tgt=None)
    run = prepare_run(config, tmp_path / "run")
    assert training_texts(run) == PAIRS
    assert run.read_valid() == tuple(map(list, zip(*VALID, strict=True)))
    assert run.config == with_data(config, src_lang="de", tgt_lang="zh")
    assert run.read_json(run.data_path)["from"] == corpus


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


def test_both_directions_have_the_whole_vocabulary_and_refuse_a_trimmed_one(config, tmp_path):
    both = with_data(config, directions="both")
    tokenizers = prepare_run(both, tmp_path / "both").tokenizers()
    assert tokenizers.src is tokenizers.tgt
    trimmed = prepare_run(config, tmp_path / "trimmed")
    assert (trimmed.path / "tgt.model").is_file()
    with pytest.raises(
        UsageError,
        match=r"or tokenizer\.path to one tokenizer\.model \(of `seq2see tokenizer --trim false`\)$",
    ):
        prepare_run(with_tokenizer(both, path=str(trimmed.path)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_both_directions_need_one_vocabulary(config, tmp_path):
    separate = with_data(with_tokenizer(config, joint=False), directions="both")
    with pytest.raises(
        UsageError, match=r"directions both needs one vocabulary .* but there is one for each"
    ):
        prepare_run(separate, tmp_path / "run")
    assert not (tmp_path / "run").exists()
