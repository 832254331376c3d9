import base64
import dataclasses
import io
import json
import re
import sys
import zlib

import numpy as np
import pytest
import torch

from translate.alignment.extract import END
from translate.cli import main
from translate.config import Config
from translate.config.data import DataConfig
from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.config.search import SearchConfig
from translate.config.tokenizer import TokenizerConfig
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


def make_run(path, seed=1, data=DataConfig(), symbols=()):  # noqa: B008 (frozen)
    """A run directory with a model that was never trained."""
    torch.manual_seed(seed)
    settings = TokenizerConfig(vocab_size=300, user_defined_symbols=symbols)
    tokenizer = Tokenizer.train([*SOURCES, *TARGETS] * 4, settings)
    search = SearchConfig(beam_size=1, max_length_ratio=1.0, max_length_offset=2)
    config = Config(data=data, model=MODEL, search=search)

    def prepare(directory):
        tokenizers = Tokenizers(tokenizer, tokenizer)
        directory.save_config(config)
        directory.save_tokenizers(tokenizers)
        directory.save_weights(directory.build_model(tokenizers), tokenizers)

    return str(RunDirectory.create(path, prepare).path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "tiny", data=DataConfig(tgt_lang="en"))


@pytest.fixture(scope="module")
def reverse(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "reverse", seed=2, data=DataConfig(tgt_lang="de"))


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


def test_pairs_may_be_in_one_file(run, texts, capsys):
    assert align(run, "--src", "src", "--tgt", "tgt", "--format", "json") == 0
    expected = capsys.readouterr().out
    lines = [f'"{src}";"{tgt}"\n' for src, tgt in zip(SOURCES, TARGETS, strict=True)]
    (texts / "table").write_text("".join(lines), encoding="utf-8")
    of_pairs = ("--pairs", "table", "--pairs-format", "csv", "--format", "json")
    assert align(run, *of_pairs) == 0
    assert capsys.readouterr().out == expected
    assert align(run, *of_pairs, "--limit", "2") == 0
    assert capsys.readouterr().out == "".join(expected.splitlines(keepends=True)[:2])


def test_a_file_of_pairs_may_be_scored(run, texts, capsys):
    (texts / "gold").write_text("0-0\n\n0-0\n")
    scored = []
    (texts / "a.tsv").write_text(
        "".join(f"{src}\t{tgt}\n" for src, tgt in zip(SOURCES, TARGETS, strict=True)), encoding="utf-8"
    )
    for text in (("--src", "src", "--tgt", "tgt"), ("--pairs", "a.tsv")):
        assert align(run, *text, "--gold", "gold") == 0
        scored.append(capsys.readouterr().out)
    assert scored[0] == scored[1]
    assert scored[0]


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


def contents(path):
    """What is in a page: its JSON and, after it, its weights."""
    (data,) = re.findall(r'id="data">([^<]*)<', path.read_text(encoding="utf-8"))
    unpacked = zlib.decompress(base64.b64decode(data))
    length = int.from_bytes(unpacked[:4], "big")
    return json.loads(unpacked[4 : 4 + length]), unpacked[4 + length :]


def test_a_page_has_every_pair_and_says_how_large_it_is(run, texts, capsys):
    assert align(run, "--src", "src", "--tgt", "tgt", "--format", "html", "--out", "a.html") == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    size = (texts / "a.html").stat().st_size
    assert f"wrote a.html: {size / 1000:.0f} kB, 3 sentences with every map" in printed.err
    found, weights = contents(texts / "a.html")
    assert [sentence["src"] for sentence in found["sentences"]] == SOURCES
    assert [sentence["hypotheses"][0]["tgt"] for sentence in found["sentences"]] == TARGETS
    assert found["sentences"][0]["words"] == ["ein", "Hund", "läuft", END]
    assert found["reading"]["words"] == "additive attention, mean of 2 heads"
    sizes = [len(it["pieces"]) * len(it["hypotheses"][0]["pieces"]) for it in found["sentences"]]
    assert len(weights) == 2 * sum(sizes)  # two heads
    assert sizes[1] == 0


@pytest.mark.usefixtures("texts")
def test_a_large_page_has_one_map_of_each_pair_unless_all_are_asked_for(run, texts, capsys, monkeypatch):
    monkeypatch.setattr("translate.alignment.page.MOST_WEIGHTS", 10)
    arguments = (run, "--src", "src", "--tgt", "tgt", "--format", "html", "--out", "a.html")
    assert align(*arguments, "--head", 2) == 0
    assert "3 sentences with one map of 2 (--all-heads keeps every one)" in capsys.readouterr().err
    one, second = contents(texts / "a.html")
    assert (one["every"], one["maps"]) == (False, 1)
    assert align(*arguments, "--all-heads") == 0
    assert "3 sentences with every map" in capsys.readouterr().err
    every, both = contents(texts / "a.html")
    assert (every["every"], every["maps"]) == (True, 2)
    size = len(one["sentences"][0]["pieces"]) * len(one["sentences"][0]["hypotheses"][0]["pieces"])
    assert both[size : 2 * size] == second[:size]


@pytest.mark.usefixtures("texts")
def test_a_page_may_have_several_translations_of_each_sentence(run, texts):
    arguments = ("--src", "src", "--format", "html", "--out", "a.html", "--beam-size", 3, "--n-best", 3)
    assert align(run, *arguments) == 0
    first = contents(texts / "a.html")[0]["sentences"][0]["hypotheses"]
    assert len({hypothesis["tgt"] for hypothesis in first}) == 3
    assert [it["score"] for it in first] == sorted((it["score"] for it in first), reverse=True)


@pytest.mark.usefixtures("texts")
def test_the_n_best_are_shown_even_of_a_run_that_chooses_one_by_minimum_bayes_risk(tmp_path, texts):
    run = RunDirectory.open(make_run(tmp_path / "mbr"))
    search = SearchConfig(beam_size=3, mbr=3, max_length_ratio=1.0, max_length_offset=2)
    run.save_config(dataclasses.replace(run.config, search=search))
    arguments = (str(run.path), "--src", "src", "--format", "html", "--out", "a.html")
    assert align(*arguments, "--n-best", 3) == 0
    listed = [it["tgt"] for it in contents(texts / "a.html")[0]["sentences"][0]["hypotheses"]]
    assert len(set(listed)) == 3
    assert align(*arguments) == 0
    (chosen,) = contents(texts / "a.html")[0]["sentences"][0]["hypotheses"]
    assert chosen["tgt"] in listed


def test_a_page_with_gold_links_has_them_and_their_error_rate_is_printed(run, texts, capsys):
    (texts / "gold").write_text("1-1 2?3\n\n1-1\n")
    arguments = (run, "--src", "src", "--tgt", "tgt", "--gold", "gold", "--gold-one-based")
    assert align(*arguments) == 0
    rate = capsys.readouterr().out
    assert align(*arguments, "--format", "html", "--out", "a.html") == 0
    assert capsys.readouterr().out == rate
    found = contents(texts / "a.html")[0]["sentences"]
    assert found[0]["gold"] == {"sure": [[0, 0]], "possible": [[1, 2]]}


@pytest.mark.parametrize("overview", [(), ("--overview",)])
def test_gold_links_are_drawn_on_pictures(run, texts, capsys, overview):
    (texts / "gold").write_text("0-0 1?2\n\n0-0\n")
    arguments = (run, "--src", "src", "--tgt", "tgt", *overview, "--format", "svg", "--level", "token")
    assert align(*arguments, "--out", "plain") == 0
    assert align(*arguments, "--gold", "gold", "--out", "with_gold") == 0
    assert "AER" in capsys.readouterr().out
    assert "gold: sure" not in (texts / "plain" / "0001.svg").read_text(encoding="utf-8")
    assert "gold: sure" in (texts / "with_gold" / "0001.svg").read_text(encoding="utf-8")
    assert sorted(path.name for path in (texts / "with_gold").iterdir()) == ["0001.svg", "0003.svg"]


@pytest.mark.parametrize(("how", "drawn"), [("union", True), ("average", False), ("geometric", False)])
def test_the_other_direction_is_drawn_unless_the_two_are_averaged(run, reverse, texts, how, drawn):
    arguments = ("--src", "src", "--tgt", "tgt", "--reverse", reverse, "--symmetrize", how)
    assert align(run, *arguments, "--format", "svg", "--out", "pictures") == 0
    svg = (texts / "pictures" / "0001.svg").read_text(encoding="utf-8")
    assert ("backward: area of the circle" in svg) == drawn


def test_an_overview_has_every_head_and_their_mean(run, texts):
    assert align(run, "--src", "src", "--tgt", "tgt", "--overview", "--format", "pdf", "--out", "a.pdf") == 0
    assert len(re.findall(rb"/Type /Page\b", (texts / "a.pdf").read_bytes())) == 2
    assert align(run, "ein Hund", "--overview", "--format", "svg", "--out", "a.svg") == 0
    svg = (texts / "a.svg").read_text(encoding="utf-8")
    assert re.findall(r">(layer[^<]*)<", svg) == ["layer 1, head 1", "layer 1, head 2", "layer 1, mean"]


PARALLEL = ("--src", "src", "--tgt", "tgt")


@pytest.mark.usefixtures("texts")
def test_the_shifted_reading_takes_the_next_row(run, capsys):
    weights = []
    for flags in ((), ("--shifted",)):
        align(run, *PARALLEL, "--limit", 1, "--format", "json", "--level", "subword", *flags)
        record = json.loads(capsys.readouterr().out)
        weights.append(record["weights"])
        assert record["attention"].endswith("shifted") == bool(flags)
    assert weights[1] == [*weights[0][1:], weights[0][-1]]


@pytest.mark.usefixtures("texts")
def test_json_has_the_log_probability_of_each_target_token(run, capsys):
    scores = []
    for level in ("word", "subword"):
        align(run, *PARALLEL, "--limit", 1, "--format", "json", "--level", level)
        record = json.loads(capsys.readouterr().out)
        assert len(record["scores"]) == len(record["tgt_tokens"])
        scores.append(record["scores"])
    assert sum(scores[0]) == pytest.approx(sum(scores[1]), abs=1e-4)
    assert max(scores[0]) < 0


@pytest.mark.usefixtures("texts")
def test_one_to_one_links_have_each_word_at_most_once(run, capsys):
    align(run, *PARALLEL, "--extract", "one-to-one")
    first, blank, third = capsys.readouterr().out.split("\n")[:3]
    assert blank == ""
    for line in (first, third):
        assert sorted(link[0] for link in line.split()) == sorted(link[2] for link in line.split())
        assert len(line.split()) == 3


def direction(run, capsys, *arguments):
    """The links of each pair, and its weights, with the source first."""
    align(run, *arguments, "--format", "json")
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("texts")
def test_two_directions_are_symmetrized(run, reverse, capsys):
    threshold = ("--threshold", 0.26)
    forward = direction(run, capsys, *PARALLEL, *threshold)
    backward = direction(reverse, capsys, "--src", "tgt", "--tgt", "src", *threshold)
    ours = [{tuple(link) for link in record["links"]} for record in forward]
    theirs = [{tuple(link[::-1]) for link in record["links"]} for record in backward]
    assert ours != theirs
    both = (*PARALLEL, *threshold, "--reverse", reverse)
    for name, combined in (("union", set.union), ("intersection", set.intersection)):
        found = direction(run, capsys, *both, "--symmetrize", name)
        assert [{tuple(link) for link in record["links"]} for record in found] == list(
            map(combined, ours, theirs)
        )
        assert found[0]["weights"] == forward[0]["weights"]
        assert found[0]["backward_weights"] == backward[0]["weights"]
        assert found[0]["attention"].endswith(f"links of two directions ({name})")
    assert direction(run, capsys, *both) == direction(run, capsys, *both, "--symmetrize", "grow-diag")


@pytest.mark.usefixtures("texts")
def test_two_directions_are_averaged(run, reverse, capsys):
    forward = direction(run, capsys, *PARALLEL)
    both = (*PARALLEL, "--reverse", reverse, "--symmetrize", "average")
    found = direction(run, capsys, *both, "--threshold", 0.25)
    for one, mean in zip(forward, found, strict=True):
        if not one["weights"]:
            assert mean["weights"] == mean["links"] == []
            continue
        words = (np.array(one["weights"]) + np.array(mean["backward_weights"]).T)[:-1, :-1] / 2
        np.testing.assert_allclose(np.array(mean["weights"])[:-1, :-1], words, atol=2e-6)
        assert mean["links"] == sorted([i, j] for j, i in np.argwhere(words >= 0.25).tolist())


@pytest.mark.usefixtures("texts")
def test_two_directions_are_compared_in_pieces_if_they_have_one_tokenizer(run, reverse, capsys, tmp_path):
    both = (*PARALLEL, "--level", "subword", "--symmetrize", "union")
    assert direction(run, capsys, *both, "--reverse", reverse)[0]["level"] == "subword pieces"
    other = make_run(tmp_path / "other", symbols=("Hund",))
    assert align(run, *both, "--reverse", other) == 3
    assert "the tokenizers of the two directions cut" in capsys.readouterr().err
    assert align(run, *PARALLEL, "--reverse", other) == 0


def test_arrays_of_all_pairs_go_to_one_file(run, reverse, texts, capsys):
    records = direction(run, capsys, *PARALLEL, "--reverse", reverse)
    assert align(run, *PARALLEL, "--reverse", reverse, "--format", "npz", "--out", "all.npz") == 0
    assert sorted(path.name for path in texts.iterdir()) == ["all.npz", "src", "tgt"]
    with np.load(texts / "all.npz", allow_pickle=False) as arrays:
        assert str(arrays["src"]).split("\n")[:-1] == SOURCES
        for name in ("weights", "backward_weights"):
            wanted = [cell for record in records for row in record[name] for cell in row]
            np.testing.assert_allclose(arrays[name], wanted, atol=1e-5)
        assert arrays["links"].tolist() == [link for record in records for link in record["links"]]


def test_gold_of_the_shared_task_is_recognised(run, texts, capsys):
    (texts / "gold").write_text("0001 1 1 S\n0001 2 3 P\n0003 3 3\n")
    assert align(run, *PARALLEL, "--gold", "gold", "--threshold", 0.001) == 0
    # All 18 links; 2 sure ones and one possible: AER = 1 - (2 + 3) / (18 + 2).
    printed = capsys.readouterr().out
    assert printed.startswith("AER 75.0%  precision 16.7%  recall 100.0%")
    assert printed.endswith("(3 pairs, 18 links; gold: 2 sure, 1 possible)\n")


@pytest.fixture
def files(texts):
    """Gold and the links of two systems, of which the first is always right and the second never."""
    (texts / "gold").write_text("0-0 1-1\n" * 20)
    (texts / "good").write_text("0-0 1-1\n" * 20)
    (texts / "bad").write_text("0-1 1-0\n" * 20)
    (texts / "bad_from_one").write_text("1-2 2-1\n" * 20)
    (texts / "few").write_text("0-0\n")


@pytest.mark.usefixtures("files")
def test_links_of_a_file_are_scored_without_a_model(capsys):
    assert align("--links", "bad", "--gold", "gold") == 0
    line = (
        "AER 100.0%  precision 0.0%  recall 0.0%  F1 0.0%  (20 pairs, 40 links; gold: 40 sure, 0 possible)\n"
    )
    assert capsys.readouterr().out == line
    assert align("--links", "bad_from_one", "--gold", "gold", "--one-based") == 0
    assert capsys.readouterr().out == line
    assert align("--links", "bad", "--gold", "gold", "--limit", 3) == 0
    assert "(3 pairs, 6 links; gold: 6 sure" in capsys.readouterr().out


@pytest.mark.usefixtures("files")
def test_two_systems_are_compared(capsys):
    assert align("--links", "good", "--gold", "gold", "--against", "bad") == 0
    good, bad, difference = capsys.readouterr().out.splitlines()
    assert good.startswith("good: AER 0.0%")
    assert bad.startswith("bad: AER 100.0%")
    assert difference == (
        "difference in AER -100.0 points, 95% of resampled test sets -100.0 to -100.0, p = 0.001 "
        "(paired bootstrap)"
    )


def test_a_model_is_compared_with_the_links_of_a_file(run, texts, capsys):
    (texts / "gold").write_text("0-0\n\n1-1\n")
    (texts / "other").write_text("0-0\n\n1-1\n")
    assert align(run, *PARALLEL, "--gold", "gold", "--against", "other", "--threshold", 0.001) == 0
    ours, other, difference = capsys.readouterr().out.splitlines()
    assert ours.startswith(f"{run}: AER 80.0%")
    assert other.startswith("other: AER 0.0%")
    assert difference.startswith("difference in AER +80.0 points")


LINKS_REFUSED = [
    ([], 2, "needed, but not given: run (or --links and --gold"),
    (["--links", "good"], 2, "--links are scored, which needs --gold"),
    (["a", "--links", "good", "--gold", "gold"], 2, "--links are scored without a model: leave out a"),
    *(
        (
            ["--links", "good", "--gold", "gold", flag, *value],
            2,
            f"--links are scored as they are: leave out {flag}",
        )
        for flag, *value in (
            ("--src", "src"),
            ("--tgt", "tgt"),
            ("--pairs", "a.tsv"),
            ("--out", "out"),
            ("--level", "word"),
            ("--layer", "1"),
            ("--head", "1"),
            ("--shifted",),
            ("--reverse", "a"),
            ("--symmetrize", "union"),
            ("--extract", "argmax"),
            ("--threshold", "0.1"),
            ("--beam-size", "2"),
            ("--format", "json"),
        )
    ),
    (["--links", "few", "--gold", "gold"], 3, "few has links for 1 pairs, but gold has for 20"),
    (
        ["--links", "good", "--gold", "gold", "--against", "few"],
        3,
        "few has links for 1 pairs, but there are 20",
    ),
    (["--links", "good", "--gold", "gold", "--limit", "0"], 2, "--limit is 0: it must be at least 1"),
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "code", "message"), LINKS_REFUSED, ids=[message for *_, message in LINKS_REFUSED]
)
def test_scoring_links_of_a_file_refuses_what_does_not_belong(capsys, arguments, code, message):
    assert align(*arguments) == code
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


@pytest.mark.usefixtures("texts")
def test_a_second_run_must_translate_the_other_way(run, tmp_path, capsys):
    same = make_run(tmp_path / "same", data=DataConfig(tgt_lang="en-GB"))
    assert align(run, *PARALLEL, "--reverse", same) == 2
    assert f"but {run} and {same} both translate into en" in capsys.readouterr().err
    one, two = (make_run(tmp_path / name, data=DataConfig(src="a.de", tgt="a.en")) for name in ("one", "two"))
    assert align(one, *PARALLEL, "--reverse", two) == 2
    assert "both learnt from a.de in the same direction" in capsys.readouterr().err
    swapped = make_run(tmp_path / "swapped", data=DataConfig(src="a.en", tgt="a.de"))
    assert align(one, *PARALLEL, "--reverse", swapped) == 0


@pytest.mark.usefixtures("texts")
def test_an_attention_that_only_the_second_run_lacks_is_refused_with_its_name(
    run, tmp_path, capsys, monkeypatch
):
    single = dataclasses.replace(MODEL, attention=AttentionConfig(size=8))
    monkeypatch.setattr(sys.modules[__name__], "MODEL", single)
    other = make_run(tmp_path / "single")
    assert align(run, *PARALLEL, "--reverse", other, "--head", 2) == 2
    assert f"{other}: there is no head 2 to read: the attention has 1 head" in capsys.readouterr().err


REFUSED = [
    (["--src", "src", "--format", "npz"], 2, "--format npz needs --out: a file for the arrays"),
    (["--src", "src", "--symmetrize", "union"], 2, "--symmetrize needs a second direction"),
    (["--src", "src", "--extract", "threshold"], 2, "--extract threshold needs --threshold"),
    (["--src", "src", "--extract", "margin"], 2, "--extract margin needs --threshold"),
    (["--src", "src", "--relative", "1.5"], 2, "--relative is 1.5: a share is between 0 and 1"),
    (
        ["--src", "src", "--relative", "0.5", "--format", "html", "--out", "a.html"],
        2,
        "the page knows no links that compete for a source word: leave out --relative",
    ),
    (["--src", "src", "--against", "short"], 2, "--against compares error rates, which need --gold"),
    (["--src", "src", "--reverse", "nowhere"], 3, "nowhere"),
    (["--src", "src", "--symmetrize", "grow"], 2, "--symmetrize"),
    (
        ["--src", "src", "--overview"],
        2,
        "--overview is for pictures (png, svg, pdf), not for --format pharaoh",
    ),
    (["--src", "src", "--format", "html"], 2, "--format html needs --out: the file of the page"),
    (["--src", "src", "--n-best", "2"], 2, "--n-best and --all-heads are for --format html, not for pharaoh"),
    (["--src", "src", "--all-heads", "--format", "json"], 2, "are for --format html, not for json"),
    (
        ["--src", "src", "--reverse", "x", "--format", "html", "--out", "a.html"],
        2,
        "the page and the overview show one direction: leave out --reverse",
    ),
    (
        ["--src", "src", "--symmetrize", "union", "--format", "html", "--out", "a.html"],
        2,
        "the page and the overview show one direction: leave out --symmetrize",
    ),
    (
        ["--src", "src", "--extract", "one-to-one", "--format", "html", "--out", "a.html"],
        2,
        "the page shows the strongest link of each word, or all with enough weight: leave out --extract",
    ),
    (
        ["--src", "src", "--extract", "margin", "--threshold", "0.1", "--format", "html", "--out", "a.html"],
        2,
        "leave out --extract margin",
    ),
    (
        ["--src", "src", "--tgt", "tgt", "--n-best", "2", "--format", "html", "--out", "a.html"],
        2,
        "--n-best is for the model's own translations, but --tgt gives others",
    ),
    (
        ["--src", "src", "--n-best", "0", "--format", "html", "--out", "a.html"],
        2,
        "--n-best is 0: it must be at least 1",
    ),
    (
        ["--src", "src", "--n-best", "9", "--format", "html", "--out", "a.html"],
        2,
        "search.n_best is 9, more than search.beam_size",
    ),
    (["x", "--src", "src"], 2, "sentences are given, and --src too"),
    (["--src", "src", "--pairs", "a.tsv"], 2, "--pairs has sources and targets: leave sentences, --src and"),
    (["x", "--pairs", "a.tsv"], 2, "--pairs has sources and targets: leave sentences, --src and --tgt out"),
    (["--src", "src", "--strict"], 2, "--strict is for --pairs, but there are none"),
    (["--src", "src", "--pairs-format", "csv"], 2, "--pairs-format is for --pairs, but there are none"),
    (
        ["--pairs", "short"],
        2,
        "short: its format cannot be told from its name: give --format (to align, --pairs-format)",
    ),
    (["--pairs", "nowhere.tsv"], 3, "nowhere.tsv: no such file"),
    (
        ["--pairs", "a.tsv", "--n-best", "2", "--format", "html", "--out", "a.html"],
        2,
        "--n-best is for the model's own translations, but --pairs gives others",
    ),
    (["--src", "src", "--format", "png"], 2, "--format png needs --out"),
    (
        ["--src", "src", "--format", "json", "--one-based"],
        2,
        "--one-based is for pharaoh links, not for --format json",
    ),
    (["--src", "src", "--gold-one-based"], 2, "--gold-one-based says how --gold counts"),
    (
        ["--src", "src", "--gold", "gold"],
        2,
        "--gold links words of a given translation: give it with --tgt or --pairs",
    ),
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
