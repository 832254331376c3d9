import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import MODEL, SENTENCES, TRANSFORMER, tiny_run

from translate.alignment.extract import choose_attention, read, read_maps
from translate.cli import main
from translate.run_directory import RunDirectory
from translate.translator import Translator

SOURCES, TARGETS = SENTENCES[:3], SENTENCES[3:]
GOLD = "0-0 1p1\n0-0 1-1\n0-0\n"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A transformer and a recurrent model that were never trained, and parallel files, in this folder."""
    monkeypatch.chdir(tmp_path)
    for name, lines in (("src", SOURCES), ("tgt", TARGETS)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (tmp_path / "gold").write_text(GOLD)
    for name, model in (("run", TRANSFORMER), ("reverse", MODEL)):
        (tmp_path / name).mkdir()
        tiny_run(tmp_path / name, model)
    return "run/run", "reverse/run"


def align(*arguments):
    return main(["align", *map(str, arguments), "--src", "src", "--device", "cpu"])


def test_two_directions_choose_and_both_runs_keep_their_choice(runs, capsys):
    assert align(runs[0], "--tgt", "tgt", "--choose", "--reverse", runs[1]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == ["layer", "head", "shift", "agreement", "of", "the", "other", "direction"]
    assert len(lines) == 1 + 2 * 5 * 2
    assert "saved the choice in run/run/alignment.json and reverse/run/alignment.json" in printed.err
    layer, head, shift, score = lines[1].split()[:4]
    saved = json.loads(RunDirectory.open(runs[0]).alignment_path.read_text())
    assert (str(saved["layer"]), str(saved["head"]), str(saved["shift"])) == (layer, head, shift)
    assert f"{saved['score']:.1%}" == score
    assert saved["pairs"] == 3
    assert saved["criterion"] == "agreement of the two directions' links (Dice; after Chen et al. 2020)"
    back = json.loads(RunDirectory.open(runs[1]).alignment_path.read_text())
    assert lines[1].endswith(f"layer {back['layer']} head {back['head']} shift {back['shift']}")


def test_gold_links_choose_for_each_run(runs, capsys):
    assert align(runs[0], "--tgt", "tgt", "--choose", "--gold", "gold", "--reverse", runs[1]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["layer", "head", "shift", "AER"]
    rates = [float(line.split()[3].rstrip("%")) for line in lines[1:]]
    assert rates == sorted(rates)
    for run in runs:
        saved = json.loads(RunDirectory.open(run).alignment_path.read_text())
        assert saved["criterion"] == "lowest alignment error rate on gold links"


def test_the_error_rate_that_was_chosen_is_the_one_that_aligning_then_has(runs, capsys):
    align(runs[0], "--tgt", "tgt", "--choose", "--gold", "gold")
    rate = capsys.readouterr().out.splitlines()[1].split()[3]
    for where in (
        (),
        ("--format", "html", "--out", "a.html"),
        ("--format", "png", "--overview", "--out", "b"),
    ):
        assert align(runs[0], "--tgt", "tgt", "--gold", "gold", *where) == 0
        assert capsys.readouterr().out.startswith(f"AER {rate} ")


def attention_read(run, capsys, *arguments):
    assert align(run, "--tgt", "tgt", "--format", "json", "--limit", 1, *arguments) == 0
    return json.loads(capsys.readouterr().out)["attention"]


def test_what_was_chosen_is_read_from_then_on_unless_something_else_is_asked_for(runs, capsys):
    default = attention_read(runs[0], capsys)
    align(runs[0], "--tgt", "tgt", "--choose", "--reverse", runs[1])
    capsys.readouterr()
    assert "(chosen on 3 pairs: agreement of the two directions' links" in attention_read(runs[0], capsys)
    assert attention_read(runs[0], capsys, "--plain") == default
    assert attention_read(runs[0], capsys, "--head", "mean") == default
    assert attention_read(runs[0], capsys, "--layer", 2, "--head", 3).endswith("layer 2 of 2, head 3 of 4")
    shifted = attention_read(runs[0], capsys, "--shifted", "--layer", 1)
    assert shifted.endswith("layer 1 of 2, mean of 4 heads, shifted")


def test_a_threshold_that_is_given_goes_before_the_one_that_was_chosen(runs, capsys):
    align(runs[0], "--tgt", "tgt", "--choose", "--gold", "gold")
    capsys.readouterr()
    assert align(runs[0], "--tgt", "tgt", "--threshold", 1) == 0
    assert capsys.readouterr().out == "\n\n\n"


def test_the_report_is_text_for_people(runs, capsys):
    assert align(runs[0], "--report") == 0
    text = capsys.readouterr().out
    assert text.startswith("Can the picture be trusted?  run: scaled dot attention, layer 1 of 2")
    assert "3 pairs, the model translated" in text
    assert "only what is read changed" in text


def test_the_report_is_an_object_with_gold_and_the_other_direction(runs, capsys, tmp_path):
    arguments = (runs[0], "--tgt", "tgt", "--report", "--format", "json", "--gold", "gold")
    assert align(*arguments, "--reverse", runs[1]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["translations"] == "given"
    assert 0 <= found["agreement_of_directions"] <= 1
    assert 0 <= found["gold"]["aer"] <= 1
    assert align(*arguments, "--out", "report.json") == 0
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["gold"] == found["gold"]
    assert written["agreement_of_directions"] is None


def test_the_report_reads_the_reverse_run_as_was_chosen_for_it(runs, capsys):
    """The agreement is that of the choice, the best of the table."""
    align(runs[0], "--tgt", "tgt", "--choose", "--reverse", runs[1])
    best = capsys.readouterr().out.splitlines()[1].split()[3]
    align(runs[0], "--tgt", "tgt", "--report", "--format", "json", "--reverse", runs[1])
    found = json.loads(capsys.readouterr().out)
    assert f"{found['agreement_of_directions']:.1%}" == best


@pytest.fixture
def both(runs):
    """A model that translates both ways by itself."""
    Path("both").mkdir()
    return str(tiny_run(Path("both"), TRANSFORMER, directions="both"))


def test_a_run_of_both_directions_is_its_own_reverse(both, capsys):
    assert align(both, "--tgt", "tgt", "--choose") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[3] == "agreement"
    directory = RunDirectory.open(both)
    paths = directory.alignment_path, directory.backwards_alignment_path
    there, back = (json.loads(path.read_text()) for path in paths)
    assert lines[1].split()[:3] == [str(there[name]) for name in ("layer", "head", "shift")]
    assert lines[1].endswith(f"layer {back['layer']} head {back['head']} shift {back['shift']}")
    align(both, "--tgt", "tgt", "--report", "--format", "json")
    found = json.loads(capsys.readouterr().out)
    assert f"{found['agreement_of_directions']:.1%}" == lines[1].split()[3]


def test_links_of_a_run_of_both_directions_are_symmetrized(both, capsys):
    def links(*arguments):
        assert align(both, "--tgt", "tgt", *arguments) == 0
        return [set(line.split()) for line in capsys.readouterr().out.splitlines()]

    forward, met, joined = links(), links("--symmetrize", "intersection"), links("--symmetrize", "union")
    assert met != joined
    for one, smaller, larger in zip(forward, met, joined, strict=True):
        assert smaller <= one <= larger


def test_the_backward_links_are_those_of_the_direction_that_the_run_has(both, capsys):
    align(both, "--tgt", "tgt", "--symmetrize", "union", "--format", "json", "--level", "subword")
    translator = Translator(both, device="cpu")
    maps = read_maps(translator.model, translator.tokenizers, [(SOURCES[0], TARGETS[0])], backwards=True)
    weights = read(maps[0], choose_attention(translator.config.model)).weights
    record = json.loads(capsys.readouterr().out.splitlines()[0])
    np.testing.assert_allclose(record["backward_weights"], weights, atol=1e-5)


REFUSED = [
    (["--choose"], "--choose needs something to choose by: a run that translates the other way (--reverse"),
    (["--choose", "--report"], "--choose and --report are two things: first choose, then report"),
    (["--choose", "--layer", "1"], "--choose tries everything and prints a table: leave --layer out"),
    (["--choose", "--shifted"], "--choose tries everything and prints a table: leave --shifted out"),
    (["--choose", "--threshold", "0.5"], "leave --threshold out"),
    (["--choose", "--out", "file"], "leave --out out"),
    (["--choose", "--format", "json"], "--choose prints a table: it has no --format json"),
    (
        ["--report", "--format", "png", "--out", "a.png"],
        "--report is text or --format json, not --format png",
    ),
    (["--shifted", "--plain"], "--shifted and --plain contradict each other: give one"),
    (["--choose", "--symmetrize", "union"], "leave --symmetrize out"),
    (["--report", "--level", "subword"], "--report judges the words of one direction: leave --level out"),
    (
        ["--report", "--format", "npz", "--out", "a.npz"],
        "--report is text or --format json, not --format npz",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_contradicts_itself_is_refused(runs, capsys, arguments, message):
    assert align(runs[0], *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_pairs_without_words_are_refused(runs, capsys, tmp_path):
    (tmp_path / "tgt").write_text("\n\n\n")
    for arguments in (["--choose", "--reverse", runs[1]], ["--report"]):
        assert align(runs[0], "--tgt", "tgt", *arguments) == 3
        assert "no pair" in capsys.readouterr().err


def test_the_report_asks_the_statistical_aligner_where_it_is(runs, capsys):
    pytest.importorskip("systran_align")
    align(runs[0], "--tgt", "tgt", "--report")
    assert "but 3 pairs are few to learn from" in capsys.readouterr().out


def test_without_the_statistical_aligner_the_report_says_so(runs, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "systran_align", None)
    monkeypatch.setattr("translate.commands.alignment_judging.find_spec", lambda _: None)
    align(runs[0], "--tgt", "tgt", "--report")
    assert "not compared: pip install 'seq2see[fast-align]'" in capsys.readouterr().out
