from functools import cache

import pytest
from jsonargparse import Namespace

from translate.arguments import Parser
from translate.config import Config
from translate.config_files import dump_config, load_config, read_config
from translate.errors import InputError, UsageError


def make_parser():
    parser = Parser("seq2see verb", "What it does.\n\nHow:\n    exactly so")
    parser.add_argument("run", type=str, help="A run.")
    parser.add_argument("text", type=str, nargs="*", help="Texts.")
    parser.add_argument("--beam_size", type=int, default=5, help="Hypotheses.")
    parser.add_argument("--length_penalty", type=float, help="Power.")
    parser.add_argument("--layers", type=int, nargs="+", help="Which.")
    parser.add_argument("--pair", type=str, nargs=2, help="Two.")
    parser.add_argument("--maybe", type=str, nargs="?", const="yes", help="One or none.")
    parser.add_argument("--json", action="store_true", help="Objects.")
    return parser


@cache
def make_config_parser():
    parser = Parser("seq2see train")
    parser.add_argument("--out", type=str, help="Where to.")
    parser.add_config()
    return parser


@pytest.mark.parametrize("flag", ["--beam-size", "--beam_size"])
def test_hyphens_and_underscores_are_alike(flag):
    assert make_parser().parse_args(["run", flag, "3"]).beam_size == 3
    assert make_parser().parse_args(["run", f"{flag}=3"]).beam_size == 3


def test_flags_may_stand_between_texts():
    options = make_parser().parse_args(["--json", "run", "one", "--beam-size", "2", "two"])
    assert (options.run, options.text, options.beam_size, options.json) == ("run", ["one", "two"], 2, True)


def test_texts_are_taken_as_they_are():
    texts = ["null", "12", "[1", "{a: b}", "a: b", "- a dash", "-5", "", " ", "#", "-", "true"]
    assert make_parser().parse_args(["run", *texts]).text == texts


def test_after_two_dashes_all_is_text():
    assert make_parser().parse_args(["run", "--", "--json", "-x"]).text == ["--json", "-x"]


def test_a_value_may_be_negative():
    assert make_parser().parse_args(["run", "--length-penalty", "-0.5"]).length_penalty == -0.5


def test_a_flag_takes_as_many_values_as_it_wants():
    options = make_parser().parse_args(["--layers", "1", "2", "--pair", "a", "b", "run", "--maybe"])
    assert (options.layers, options.pair, options.run, options.maybe) == ([1, 2], ["a", "b"], "run", "yes")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["r", "--beam", "3"], "unknown flag --beam; did you mean --beam-size?"),
        (["r", "--bean_size=3"], "unknown flag --bean_size; did you mean --beam-size?"),
        (["r", "--zzz"], "unknown flag --zzz; a text that begins with a dash goes after --"),
        (["r", "-x"], "unknown flag -x; a text that begins with a dash goes after --"),
        (["r", "--beam-size", "x"], "--beam-size: expected int, got x"),
        (["r", "--beam-size"], "--beam-size: expected one argument"),
        (["r", "--json=1"], "--json: takes no value, got '1'"),
        ([], "needed, but not given: run"),
    ],
)
def test_what_is_wrong_is_said(words, message):
    with pytest.raises(UsageError) as caught:
        make_parser().parse_args(words)
    assert str(caught.value) == message


def test_a_needed_flag_and_a_text_too_many_are_named():
    parser = Parser("seq2see verb")
    parser.add_argument("--out_dir", type=str, required=True)
    with pytest.raises(UsageError, match=r"^needed, but not given: --out-dir$"):
        parser.parse_args([])
    with pytest.raises(UsageError, match=r"^unexpected: a b$"):
        parser.parse_args(["--out-dir", "x", "a", "b"])


def test_the_help_shows_hyphens_defaults_and_the_whole_description():
    text = make_parser().format_help()
    assert text.startswith(
        "usage: seq2see verb [options] RUN [TEXT ...]\n\nWhat it does.\n\nHow:\n    exactly so\n"
    )
    assert "--beam-size N" in text
    assert "Hypotheses. (default: 5)" in text
    assert "--length-penalty X" in text
    assert "beam_size" not in text
    assert "null" not in text


def test_the_help_of_settings_begins_with_everyday_flags():
    text = make_config_parser().format_help()
    everyday, others = text.index("\n  --src SRC"), text.index("\n  --data.src SRC")
    assert text.index("everyday flags:") < everyday < others
    assert "--model.attention.score {additive,dot,general,scaled_dot,symmetric}" in text
    assert "--data.batch-tokens" in text
    assert "How the decoder looks at the source:" in text
    assert "--model CONFIG" not in text


def read(*words: str) -> Config:
    return read_config(make_config_parser().parse_args(words))


def test_without_flags_every_setting_has_its_default():
    assert read() == Config()


def test_everyday_flags_stand_for_settings():
    config = read("--src", "a", "--batch_tokens=7", "--tokenizer-path", "t.model")
    assert (config.data.src, config.data.batch_tokens, config.tokenizer.path) == ("a", 7, "t.model")


def test_any_setting_is_a_flag():
    config = read(
        "--model.attention.score", "general", "--model.embedding-size=8", "--tokenizer.joint", "false"
    )
    assert config.model.attention.score == "general"
    assert config.model.embedding_size == 8
    assert config.tokenizer.joint is False


def test_lists_are_written_as_in_yaml():
    config = read("--tokenizer.user-defined-symbols", '["{name}", "-"]')
    assert config.tokenizer.user_defined_symbols == ("{name}", "-")


def test_flags_win_over_files_and_later_files_over_earlier_ones(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(
        "training: {seed: 2, max_steps: 20, threads: 2}\ntokenizer: {user_defined_symbols: ['-a']}\n"
    )
    second.write_text("training: {max_steps: 30, threads: 3}\ndata: {src: '[1', tgt: -b}\n")
    config = read("--threads", "4", "--config", str(first), f"--config={second}")
    assert (config.training.seed, config.training.max_steps, config.training.threads) == (2, 30, 4)
    assert (config.data.src, config.data.tgt) == ("[1", "-b")
    assert config.tokenizer.user_defined_symbols == ("-a",)


def test_a_flag_may_repair_what_a_file_alone_would_get_wrong(tmp_path):
    (tmp_path / "size.yaml").write_text("model: {attention: {size: 250, heads: 4}}\n")
    config = read("--config", str(tmp_path / "size.yaml"), "--model.attention.heads", "2")
    assert (config.model.attention.heads, config.model.attention.size) == (2, 250)


def test_what_was_given_is_listed(tmp_path):
    (tmp_path / "some.yaml").write_text("search: {beam_size: 2}\n")
    words = ["--out", "x", "--seed", "3", "--config", str(tmp_path / "some.yaml")]
    assert make_config_parser().parse_args(words).given == ("search.beam_size", "training.seed")


def test_settings_are_printed_as_a_config_file(capsys, tmp_path):
    with pytest.raises(SystemExit) as caught:
        make_config_parser().parse_args(["--out", "x", "--seed", "3", "--print-config"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert printed == dump_config(read("--seed", "3"))
    (tmp_path / "printed.yaml").write_text(printed)
    assert load_config(tmp_path / "printed.yaml") == read("--seed", "3")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "x"], "--seed: expected int, got x"),
        (["--seed", "null"], "--seed: expected int, got None"),
        (["--model.dropout", "x"], "--model.dropout: expected float, got x"),
        (
            ["--model.encoder.cell", "rnn"],
            "--model.encoder.cell: expected one of gru, lstm, got rnn",
        ),
        (["--score", "dot"], "unknown flag --score; did you mean --model.attention.score?"),
        (["--atention.score", "dot"], "unknown flag --atention.score; did you mean --model.attention.score?"),
        (["--model", "some.yaml"], "unknown flag --model; did you mean --nodes?"),
        (["some.yaml"], "unexpected: some.yaml"),
    ],
)
def test_a_wrong_setting_is_refused(words, message):
    with pytest.raises(UsageError) as caught:
        read(*words)
    assert str(caught.value) == message


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(
        UsageError, match=r"model\.attention\.size 256 cannot be shared by model\.attention\.heads 3"
    ):
        read("--model.attention.heads", "3")


def test_a_missing_config_file_is_no_usage_error():
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read("--config", "none.yaml")


def test_arguments_default_to_the_processs_own(monkeypatch):
    monkeypatch.setattr("sys.argv", ["seq2see", "run", "text"])
    options = make_parser().parse_args()
    assert isinstance(options, Namespace)
    assert options.text == ["text"]


def test_a_list_takes_as_many_values_as_follow():
    config = read("--pairs", "a.tsv", "[b].csv", "--weights", "1", "0.5", "--strict", "--src-lang", "de")
    assert config.data.pairs == ("a.tsv", "[b].csv")
    assert config.data.weights == (1.0, 0.5)
    assert config.data.strict is True
    assert read("--pairs", "1").data.pairs == ("1",)
    assert read("--strict", "false").data.strict is False
