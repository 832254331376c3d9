import dataclasses

import pytest

from translate import config_files
from translate.config import Config
from translate.config.model import AttentionConfig, ModelConfig
from translate.config.tokenizer import TokenizerConfig
from translate.config.training import TrainingConfig
from translate.config_files import (
    did_you_mean,
    dump_config,
    load_config,
    load_settings,
    setting_helps,
    setting_names,
)
from translate.errors import InputError, UsageError


@pytest.fixture
def config_file(tmp_path):
    """Write a YAML file and return its path."""

    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("text", ["", "# only a comment\n", "{}\n"])
def test_what_a_file_leaves_out_has_its_default(config_file, text):
    assert load_config(config_file(text)) == Config()


def test_a_dumped_config_is_loaded_as_it_was(config_file):
    config = Config(
        tokenizer=TokenizerConfig(user_defined_symbols=("{größe}", "#1", "null"), vocab_size=99),
        model=ModelConfig(attention=AttentionConfig(score="general", heads=4), dropout=0.0),
        training=TrainingConfig(learning_rate=1e-3),
    )
    assert load_config(config_file(dump_config(config))) == config


def test_what_was_read_before_is_read_again_and_a_changed_file_anew(config_file, monkeypatch):
    monkeypatch.setattr(config_files, "_MOST_KNOWN", 2)
    monkeypatch.setattr(config_files, "_KNOWN", {})
    first, again = (load_config(config_file("training: {seed: 3}")) for _ in range(2))
    assert first == again
    for seed in range(3):  # more than are kept
        assert load_config(config_file(f"training: {{seed: {seed}}}")).training.seed == seed
    for _ in range(2):
        with pytest.raises(UsageError, match="seed: expected int, got x"):
            load_config(config_file("training: {seed: x}"))


def test_a_dumped_config_has_every_setting_in_order():
    groups = [line.rstrip(":") for line in dump_config(Config()).splitlines() if not line.startswith(" ")]
    assert groups == [field.name for field in dataclasses.fields(Config)]
    assert "\n    score: additive\n" in dump_config(Config())


def test_settings_are_only_those_that_the_file_gives(config_file):
    path = config_file("training: {learning_rate: 1e-3}\nmodel:\n  attention:\n    heads: 3\n")
    assert load_settings(path) == {"training.learning_rate": 0.001, "model.attention.heads": 3}


def test_a_later_group_may_be_merged_in(config_file):
    path = config_file("model:\n  encoder: &both {layers: 2, size: 64}\n  decoder: {<<: *both, size: 128}\n")
    settings = load_settings(path)
    assert settings["model.decoder.layers"] == 2
    assert settings["model.decoder.size"] == 128


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle: {}", "unknown key modle; did you mean model?"),
        ("model: {atention: {}}", "unknown key model.atention; did you mean model.attention?"),
        (
            "model: {attention: {scor: dot}}",
            "unknown key model.attention.scor; did you mean model.attention.score?",
        ),
        ("score: dot", "unknown key score; did you mean model.attention.score?"),
        ("model: {zzz: 1}", "unknown key model.zzz"),
        ("1: 2", "unknown key 1"),
        ("model:", "model: expected a group of settings, got None"),
        ("model: {attention: dot}", "model.attention: expected a group of settings, got 'dot'"),
        ("- 1", "expected groups of settings (data, tokenizer, model, training, search, initial), got [1]"),
        ("training: {seed: x}", "training.seed: expected int, got x"),
        ("training: {seed: true}", "training.seed: expected int, got True"),
        ("training: {seed: null}", "training.seed is null: it needs a value"),
        ("model: {dropout: much}", "model.dropout: expected float, got much"),
        ("data: {src: 3}", "data.src: expected str, got 3"),
        ("tokenizer: {user_defined_symbols: a}", "tokenizer.user_defined_symbols: expected tuple, got a"),
        (
            "training: {schedule: cosin}",
            "training.schedule: expected one of cosine, inverse_sqrt, got cosin; did you mean cosine?",
        ),
        (
            "model: {attention: {heads: 3}}",
            "model.attention.size 256 cannot be shared by model.attention.heads 3: it must be a multiple",
        ),
    ],
)
def test_a_wrong_setting_is_refused(config_file, text, message):
    path = config_file(text)
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {\n\n", ", line 3: not a config file: "),
        ("data:\n\tsrc: x", ", line 2: not a config file: found character '\\t'"),
        ("training:\n  seed: 1\n  seed: 2\n", ", line 3: not a config file: seed is set twice"),
        ("a: !!python/object/apply:os.system ['true']", ", line 1: not a config file: could not determine"),
        ("? [a]\n: 1\n", ", line 1: not a config file: found unhashable key"),
        ("a: \x00", ": not a config file: unacceptable character"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused_with_its_line(config_file, text, message):
    path = config_file(text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        load_config(tmp_path / "none.yaml")


def test_a_folder_is_no_config_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path)


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("data: {src: größe}".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.yaml: cannot be read"):
        load_config(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("word", "known", "answer"),
    [
        ("tran", ["train", "translate"], "; did you mean train?"),
        ("xyz", ["train", "translate"], ""),
        ("--size", ["--encoder.size", "--decoder.size"], "; did you mean --encoder.size or --decoder.size?"),
        ("--decodr.size", ["--encoder.size", "--decoder.size"], "; did you mean --decoder.size?"),
    ],
)
def test_near_words_are_suggested(word, known, answer):
    assert did_you_mean(word, known) == answer


def test_every_setting_has_its_fields_docstring_as_help():
    helps = setting_helps()
    assert list(helps) == list(setting_names())
    assert helps["training.seed"] == "Everything random follows from it."
    assert helps["data.tgt_lang"].endswith(
        "A corpus\nfolder knows its own. With `pairs` it chooses texts, as src_lang does."
    )
    assert all(helps.values())
