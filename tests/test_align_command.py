import io
import json
import re
import sys

import pytest
import torch

from translate.alignment.extract import END
from translate.cli import main
from translate.config import (
    AttentionConfig,
    Config,
    DecoderConfig,
    EncoderConfig,
    ModelConfig,
    SearchConfig,
    TokenizerConfig,
)
from translate.run_directory import RunDirectory
from translate.tokenizer import Tokenizer, Tokenizers

MODEL = ModelConfig(
    embedding_size=8,
    encoder=EncoderConfig(size=6),
    attention=AttentionConfig(size=8, heads=2),
    decoder=DecoderConfig(size=7),
)
SOURCES = ["ein Hund läuft", "", "die Katze schläft"]
TARGETS = ["a dog runs", "nothing", "the cat sleeps"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory with a model that was never trained."""
    torch.manual_seed(1)
    tokenizer = Tokenizer.train([*SOURCES, *TARGETS] * 4, TokenizerConfig(vocab_size=300))
    config = Config(model=MODEL, search=SearchConfig(beam_size=1, max_length_ratio=1.0, max_length_offset=2))

    def prepare(directory):
        tokenizers = Tokenizers(tokenizer, tokenizer)
        directory.save_config(config)
        directory.save_tokenizers(tokenizers)
        directory.save_weights(directory.build_model(tokenizers), tokenizers)

    return str(RunDirectory.create(tmp_path_factory.mktemp("runs") / "tiny", prepare).path)


@pytest.fixture
def texts(tmp_path, monkeypatch):
    """Two parallel files, src and tgt, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, lines in (("src", SOURCES), ("tgt", TARGETS)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return tmp_path


def align(*arguments):
    return main(["align", *map(str, arguments)])


def feed(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))


@pytest.mark.usefixtures("texts")
def test_links_come_line_for_line_and_a_blank_pair_has_an_empty_line(run, capsys):
    assert align(run, "--src", "src", "--tgt", "tgt", "--threshold", 0.001) == 0
    # In a softmax every word has some weight, so each of three is linked to each of three.
    everything = " ".join(f"{i}-{j}" for i in range(3) for j in range(3))
    assert capsys.readouterr().out == f"{everything}\n\n{everything}\n"


@pytest.mark.usefixtures("texts")
def test_links_may_count_from_one(run, capsys):
    align(run, "--src", "src", "--tgt", "tgt", "--threshold", 0.001, "--limit", 1)
    zero = capsys.readouterr().out.split()
    align(run, "--src", "src", "--tgt", "tgt", "--threshold", 0.001, "--limit", 1, "--one-based")
    one = capsys.readouterr().out.split()
    assert one == [re.sub(r"\d+", lambda found: str(int(found[0]) + 1), link) for link in zero]


@pytest.mark.usefixtures("texts")
def test_json_has_one_object_a_line_with_every_text(run, capsys):
    assert align(run, "--src", "src", "--tgt", "tgt", "--format", "json") == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["src"] for record in records] == SOURCES
    assert [record["tgt"] for record in records] == TARGETS
    assert records[0]["src_tokens"] == ["ein", "Hund", "läuft", END]
    assert records[0]["attention"] == "additive attention, mean of 2 heads"
    assert records[1]["links"] == records[1]["weights"] == []


@pytest.mark.usefixtures("texts")
def test_level_and_head_are_chosen(run, capsys):
    arguments = (run, "--src", "src", "--tgt", "tgt", "--format", "json", "--limit", 1)
    align(*arguments, "--level", "subword", "--head", 2)
    record = json.loads(capsys.readouterr().out)
    assert record["level"] == "subword pieces"
    assert "".join(record["tgt_tokens"][:-1]).replace("▁", " ").strip() == TARGETS[0]
    assert record["attention"] == "additive attention, head 2 of 2"


def test_own_translations_are_aligned_when_none_are_given(run, texts, capsys):
    assert align(run, "--src", "src", "--format", "json") == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["src"] for record in records] == SOURCES
    (texts / "own").write_text("".join(f"{record['tgt']}\n" for record in records), encoding="utf-8")
    assert align(run, "--src", "src", "--tgt", "own", "--format", "json") == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == records


def test_text_comes_from_the_command_line_or_standard_input(run, texts, capsys, monkeypatch):
    align(run, *SOURCES[::2], "--tgt", texts / "tgt", "--format", "json")
    wrong = capsys.readouterr()
    assert "the command line has 2 lines but" in wrong.err
    (texts / "two").write_text("a dog\nthe cat\n")
    align(run, *SOURCES[::2], "--tgt", "two", "--format", "json")
    from_words = capsys.readouterr().out
    assert [json.loads(line)["src"] for line in from_words.splitlines()] == SOURCES[::2]
    for arguments in ((), ("--src", "-")):
        feed(monkeypatch, "\n".join(SOURCES[::2]) + "\n")
        align(run, "--tgt", "two", "--format", "json", *arguments)
        assert capsys.readouterr().out == from_words


@pytest.mark.usefixtures("texts")
def test_bytes_that_are_no_text_become_replacement_characters(run, capsys, monkeypatch):
    assert align(run, "ein \udcff", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["src"] == "ein \ufffd"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ein \xff\n"), encoding="utf-8"))
    assert align(run, "--format", "json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["src"] == "ein \ufffd"
    assert "standard input: line 1, byte 5" in printed.err


def test_links_go_to_a_file_that_is_whole_or_not_there(run, texts, capsys):
    assert align(run, "--src", "src", "--tgt", "tgt", "--out", "links") == 0
    assert capsys.readouterr().out == ""
    assert (texts / "links").read_text().count("\n") == 3
    assert sorted(path.name for path in texts.iterdir()) == ["links", "src", "tgt"]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_each_pair_has_a_picture_in_a_new_folder(run, texts, capsys, suffix):
    assert align(run, "--src", "src", "--tgt", "tgt", "--format", suffix, "--out", "pictures") == 0
    assert sorted(path.name for path in (texts / "pictures").iterdir()) == [
        f"0001.{suffix}",
        f"0003.{suffix}",
    ]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no picture of sentence 2" in printed.err
    assert "wrote 2 pictures to pictures" in printed.err


def test_one_pair_may_be_one_file(run, texts):
    assert align(run, "ein Hund", "--format", "svg", "--out", "a.svg") == 0
    svg = (texts / "a.svg").read_text(encoding="utf-8")
    assert ">ein</text>" in svg
    assert ">tiny</text>" in svg


def test_all_pairs_may_be_pages_of_one_pdf(run, texts):
    assert align(run, "--src", "src", "--tgt", "tgt", "--format", "pdf", "--out", "all.pdf") == 0
    assert len(re.findall(rb"/Type /Page\b", (texts / "all.pdf").read_bytes())) == 2


def test_nothing_but_blanks_makes_no_picture(run, texts, capsys):
    assert align(run, " ", "--format", "png", "--out", "pictures") == 0
    assert "no picture of sentence 1" in capsys.readouterr().err
    assert not (texts / "pictures").exists()


def test_gold_links_give_an_error_rate_on_standard_output(run, texts, capsys):
    everything = " ".join(f"{i}-{j}" for i in range(1, 4) for j in range(1, 4))
    (texts / "gold").write_text(f"{everything}\n\n1-1\n")
    arguments = (
        run,
        "--src",
        "src",
        "--tgt",
        "tgt",
        "--gold",
        "gold",
        "--gold-one-based",
        "--threshold",
        0.001,
    )
    assert align(*arguments) == 0
    # 18 links, 10 of them right, and 10 are asked for: AER = 1 - 20 / 28.
    assert capsys.readouterr().out == (
        "AER 28.6%  precision 55.6%  recall 100.0%  F1 71.4%  "
        "(3 pairs, 18 links; gold: 10 sure, 0 possible)\n"
    )
    assert align(*arguments, "--out", "links") == 0
    assert capsys.readouterr().out.startswith("AER 28.6%")
    assert len((texts / "links").read_text().split()) == 18


REFUSED = [
    (["x", "--src", "src"], 2, "sentences are given, and --src too"),
    (["--src", "src", "--format", "png"], 2, "--format png needs --out"),
    (
        ["--src", "src", "--format", "json", "--one-based"],
        2,
        "--one-based is for pharaoh links, not for --format json",
    ),
    (["--src", "src", "--gold-one-based"], 2, "--gold-one-based says how --gold counts"),
    (["--src", "src", "--gold", "gold"], 2, "--gold links words of a given translation: give it with --tgt"),
    (
        ["--src", "src", "--tgt", "tgt", "--gold", "gold", "--level", "subword"],
        2,
        "needs --level token, not subword",
    ),
    (["--src", "src", "--limit", "0"], 2, "--limit is 0: it must be at least 1"),
    (["--src", "src", "--beam-size", "0"], 2, "--beam-size is 0: it must be at least 1"),
    (["--src", "src", "--threshold", "0"], 2, "--threshold is 0.0: a weight is above 0 and at most 1"),
    (["--src", "src", "--layer", "2"], 2, "there is no layer 2 to read: the decoder has 1 layer"),
    (["--src", "src", "--head", "3"], 2, "there is no head 3 to read: the attention has 2 heads"),
    (["--src", "src", "--format", "png", "--out", "a.png"], 2, "a.png is one picture, but there are 3 pairs"),
    (["--src", "src", "--format", "pdf", "--out", "full"], 3, "full exists and is not empty"),
    (["--src", "src", "--format", "png", "--out", "src"], 3, "src exists and is not empty"),
    (["--src", "src", "--out", "full"], 3, "full is a folder: --out must be a file here"),
    (["--src", "src", "--out", "none/links"], 3, "links cannot be written: its folder does not exist"),
    (["--src", "nowhere"], 3, "nowhere: no such file"),
    (["--src", "src", "--tgt", "short"], 3, "src has 3 lines but short has 1: there must be one translation"),
    (["--src", "src", "--tgt", "tgt", "--gold", "short"], 3, "short: line 1: 'one' is no link"),
    (
        ["--src", "src", "--tgt", "tgt", "--gold", "gold"],
        3,
        "gold has links for 2 pairs, but there are 3 pairs",
    ),
    (["--src", "src", "--level", "letter"], 2, "--level"),
    (["--src", "src", "--head", "first"], 2, "--head"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_wrong_inputs_are_refused_with_a_clear_message(run, texts, capsys, arguments, code, message):
    (texts / "full").mkdir()
    (texts / "full" / "something").touch()
    (texts / "short").write_text("one\n")
    (texts / "gold").write_text("0-0\n0-0\n")
    assert align(run, *arguments) == code
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_no_text_on_a_terminal_is_refused(run, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert align(run) == 2
    assert "nothing to align: give sentences or --src, or pipe text in" in capsys.readouterr().err


def test_a_missing_run_directory_is_refused(capsys):
    assert align("nowhere", "text") == 3
    assert "nowhere" in capsys.readouterr().err
