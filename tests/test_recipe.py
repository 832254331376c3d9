"""What is chosen by the size of the corpus: by `seq2see train` without a config file, where nobody chose."""

import logging

import pytest
from tiny_training import corpus_folder, numbers, write_pairs

from translate.arguments import Parser
from translate.cli import main
from translate.commands import train
from translate.config.data import DataConfig
from translate.config_files import load_config, read_config
from translate.training import recipe
from translate.training.recipe import SIZES, recipe_settings, size_of


@pytest.fixture
def text(tmp_path):
    """Twelve pairs."""
    src, tgt = write_pairs(tmp_path, "train", numbers(12))
    return ["--src", src, "--tgt", tgt]


def completed(*arguments):
    """The config of a command, and which settings it got from nobody."""
    parser = Parser("seq2see train")
    train.add_arguments(parser)
    options = parser.parse_args(list(arguments))
    train.complete(options)
    return read_config(options)


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        (1, "thousands"),
        (9_999, "thousands"),
        (10_000, "tens of thousands"),
        (170_000, "hundreds of thousands"),
        (40_000_000, "millions"),
    ],
)
def test_the_size_of_the_corpus_chooses(pairs, name):
    assert size_of(pairs).name == name


def test_every_size_makes_a_config_that_there_can_be(text, monkeypatch):
    for size in SIZES:
        monkeypatch.setattr(recipe, "size_of", lambda pairs, size=size: size)
        config = completed(*text)
        assert (config.model.encoder.layers, config.model.embedding_size) == (size.layers, size.units)
        assert config.model.decoder.type == "transformer"
        assert config.tokenizer.vocab_size == size.vocab_size


def test_the_second_size_is_the_config_tuned_on_multi30k(pytestconfig, text, monkeypatch):
    monkeypatch.setattr(recipe, "size_of", lambda pairs: SIZES[1])
    tuned = load_config(pytestconfig.rootpath / "configs" / "multi30k_transformer.yaml")
    config = completed(*text)
    assert (config.model, config.training, config.tokenizer) == (tuned.model, tuned.training, tuned.tokenizer)
    assert config.data.batch_tokens == tuned.data.batch_tokens


def test_it_says_what_it_picked_and_why(text, caplog):
    caplog.set_level(logging.INFO, "translate")
    completed(*text)
    assert (
        "12 training pairs are thousands: a transformer of 3+3 layers and 128 units, 2,000 pieces, "
        "dropout 0.3, 6,600 steps. --print-config prints all settings" in caplog.text
    )


def test_what_is_given_stays(text, caplog):
    caplog.set_level(logging.INFO, "translate")
    config = completed(*text, "--max-steps", "7", "--model.dropout", "0.4")
    assert (config.training.max_steps, config.model.dropout) == (7, 0.4)
    assert config.model.encoder.type == "transformer"
    assert "6,600 steps, but for what was given" in caplog.text


def test_whoever_chooses_a_model_gets_no_other(text):
    config = completed(*text, "--model.attention.score", "general")
    assert config.model.encoder.type == config.model.decoder.type == "recurrent"
    assert (config.model.dropout, config.tokenizer.vocab_size) == (0.3, 2000)


def test_a_config_file_is_left_as_it_is(text, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("training: {max_steps: 5}\n", encoding="utf-8")
    config = completed(*text, "--config", str(path))
    assert config.model.decoder.type == "recurrent"
    assert config.training.warmup_steps == 300


def test_no_more_pairs_are_counted_than_make_a_difference(text, caplog, monkeypatch):
    monkeypatch.setattr(recipe, "SIZES", (SIZES[0]._replace(below=5), SIZES[3]))
    caplog.set_level(logging.INFO, "translate")
    assert completed(*text).model.encoder.layers == 6
    assert "5 training pairs or more are millions: a transformer of 6+6 layers" in caplog.text


def test_standard_input_is_not_counted(caplog):
    caplog.set_level(logging.INFO, "translate")
    settings = recipe_settings(DataConfig(pairs=("-",), format="tsv"), 1, ())
    assert settings["model.encoder.layers"] == 4
    assert "standard input cannot be counted beforehand, so it is taken for tens of thousands" in caplog.text


def test_a_corpus_is_counted_by_its_training_part(tmp_path, caplog):
    caplog.set_level(logging.INFO, "translate")
    corpus = corpus_folder(tmp_path, train=numbers(9), valid=numbers(3, seed=1))
    completed("--corpus", corpus)
    assert "9 training pairs are thousands" in caplog.text


def test_print_config_prints_what_is_picked(text, capsys):
    assert main(["train", *text, "--print-config"]) == 0
    printed = capsys.readouterr().out
    assert "vocab_size: 2000" in printed
    assert "max_steps: 6600" in printed


def test_missing_text_is_an_error_as_ever(tmp_path, capsys):
    arguments = ["--src", str(tmp_path / "no.de"), "--tgt", str(tmp_path / "no.en")]
    assert main(["train", *arguments, "--out", str(tmp_path / "run")]) == 3
    assert "no.de" in capsys.readouterr().err


def test_the_page_has_the_sizes(pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "recipe.md").read_text(encoding="utf-8")
    for size in SIZES:
        below = f"below {size.below:,.0f}" if size.below < float("inf") else "more"
        row = [size.name, below, f"{size.layers}+{size.layers}", size.units, f"{size.vocab_size:,}"]
        row += [size.dropout, f"{size.batch_tokens:,}", f"{size.max_steps:,}"]
        assert f"| {' | '.join(map(str, row))} |\n" in page
