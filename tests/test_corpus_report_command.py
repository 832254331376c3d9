"""`seq2see corpus report`: what it prints and writes, and what it refuses."""

import json
from pathlib import Path

import pytest

from translate.cli import main
from translate.commands import corpus_report
from translate.corpora.corpus import Corpus, load_corpus, to_dataset, write_corpus

QUICK = ("--without", "language", "alignment")
PAIRS = [("a dog", "ein Hund"), ("a cat", "eine Katze"), ("a cat", "eine Katze"), ("a \x00 door", "die Tür")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a corpus folder, its texts, and a table with a broken row."""
    monkeypatch.chdir(tmp_path)
    splits = {
        "train": to_dataset([*PAIRS, ("The DOOR!", "die Tür"), ("red", "rot")]),
        "valid": to_dataset([("blue", "blau"), ("blue", "blau")]),
        "test": to_dataset([("the door", "die Tür")]),
    }
    links = {"train": ["0-0"] * 6}
    write_corpus(Corpus("mine", "en", "de", splits, links, "CC0", "Me", "", 1), "mine")
    Path("train.en").write_text("".join(f"{src}\n" for src, _ in PAIRS))
    Path("train.de").write_text("".join(f"{tgt}\n" for _, tgt in PAIRS))
    Path("pairs.tsv").write_text("a dog\tein Hund\nonly one column\na cat\teine Katze\n\n")
    return tmp_path


def run(*arguments, code=0):
    assert main(["corpus", "report", *arguments]) == code


def test_a_folder_is_reported_on_part_by_part(folder, capsys):
    run("mine", *QUICK)
    out = capsys.readouterr().out
    assert out.startswith("mine: en to de\n")
    lines = [line.split("  ") for line in out.splitlines()]
    table = {line[0]: [cell.strip() for cell in line[1:] if cell.strip()] for line in lines}
    assert table["duplicate"] == ["1", "1", "0", "drops", "the same pair once more"]
    assert table["leak"][:4] == ["1", "0", "0", "drops"]
    assert "--clean drops 3 pairs of train, none of other parts" in out
    assert "not looked at: language: left out by --without\n" in out
    place = f"  {Path('mine', 'train.en')}: line 4  (U+0000)\n    en  a \ufffd door\n    de  die Tür\n"
    assert f"train, control:\n{place}" in out


def test_a_clean_corpus_keeps_held_out_parts_links_and_licence(folder, capsys):
    run("mine", "--clean", "--out", "clean", *QUICK)
    corpus = load_corpus("clean")
    assert list(corpus.splits["train"]["src"]) == ["a dog", "a cat", "red"]
    assert list(corpus.splits["valid"]["src"]) == ["blue", "blue"]
    assert (corpus.licence, corpus.citation, corpus.links) == ("CC0", "Me", {"train": ["0-0"] * 3})
    assert corpus.dropped == {"duplicate": 1, "control": 1, "leak": 1}
    err = capsys.readouterr().err
    assert "train: 6 records = 3 kept + 3 dropped\n" in err
    logged = Path("clean", "dropped.jsonl").read_text().splitlines()
    assert [json.loads(line)["where"] for line in logged] == ["line 3", "line 4", "line 5"]


def test_reasons_that_drop_can_be_chosen(folder, capsys):
    run("mine", "--clean", "--out", "clean", "--keep", "duplicate", "leak", "--drop", "same-target", *QUICK)
    assert list(load_corpus("clean").splits["train"]["src"]) == ["a dog", "a cat", "a cat", "red"]


def test_broken_records_of_files_are_in_the_log(folder, capsys):
    arguments = ("--pairs", "pairs.tsv", "--src-lang", "en", "--tgt-lang", "de", *QUICK)
    run(*arguments, "--clean", "--out", "clean", "--json")
    printed, err = capsys.readouterr()
    (part,) = json.loads(printed)["parts"]
    assert (part["records"], part["pairs"]) == (4, 2)
    assert "train: 4 records = 2 kept + 2 dropped\n" in err
    logged = [json.loads(line) for line in Path("clean", "dropped.jsonl").read_text().splitlines()]
    assert logged[0]["where"] == "line 2"
    assert logged[0]["reasons"][0].startswith("broken record: ")
    assert load_corpus("clean").dropped == {"broken record": 1, "blank row": 1}


def test_standard_input_is_read_once(folder, capsys, monkeypatch):
    with Path("pairs.tsv").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        run("--pairs", "-", "--format", "tsv", *QUICK)
    out = capsys.readouterr().out
    assert out.startswith("-: ? to ?\n")
    assert "not looked at: script and language: a language that is not given" in out


def test_texts_of_all_parts_are_compared(folder, capsys):
    held_out = ("--valid-src", "mine/valid.en", "--valid-tgt", "mine/valid.de")
    run("--src", "train.en", "--tgt", "train.de", *held_out, "--json", *QUICK)
    report = json.loads(capsys.readouterr().out)
    assert [part["name"] for part in report["parts"]] == ["train", "valid"]
    assert (report["src_lang"], report["tgt_lang"]) == ("en", "de")


def test_pairs_that_are_no_translations_rank_low(folder, capsys):
    pytest.importorskip("systran_align")
    nouns = {"dog": "hund", "cat": "katze", "horse": "pferd", "cow": "kuh", "goat": "ziege", "bird": "vogel"}
    verbs = {"sleeps": "schläft", "eats": "isst", "runs": "läuft", "sings": "singt", "plays": "spielt"}
    pairs = [
        (f"the {a} {b} and the {c} too", f"das {nouns[a]} {verbs[b]} und das {nouns[c]} auch")
        for a in nouns
        for b in verbs
        for c in nouns
    ]
    pairs[70] = (pairs[70][0], pairs[10][1])
    Path("zoo.tsv").write_text("".join(f"{src}\t{tgt}\n" for src, tgt in pairs))
    run("--pairs", "zoo.tsv", "--without", "language", "--json")
    (part,) = json.loads(capsys.readouterr().out)["parts"]
    worst = next(example for example in part["examples"] if example["reason"] == "alignment")
    assert worst["where"] == "line 71"
    assert sum(part["scores"]) == len(pairs)


def test_without_an_aligner_the_rest_is_reported(folder, capsys, monkeypatch):
    monkeypatch.setattr("translate.alignment.statistical.find_spec", lambda name: None)
    run("mine", "--without", "language")
    assert "not looked at: alignment: fast_align is not installed (systran-align" in capsys.readouterr().out


def test_a_corpus_without_flaws_is_said_to_be_clean(folder, capsys):
    Path("good.tsv").write_text("a dog\tein Hund\na cat\teine Katze\n")
    run("--pairs", "good.tsv", *QUICK)
    assert "\nnothing was found\n" in capsys.readouterr().out


TEXTS = ("--src", "train.en", "--tgt", "train.de")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "report needs a corpus folder, --src and --tgt, or --pairs, and one of these: got nothing"),
        (("mine", *TEXTS), "got a folder and --src"),
        (("--src", "train.en"), "--src and --tgt belong together: give both or none"),
        ((*TEXTS, "--test-tgt", "x"), "--test-src and --test-tgt belong together: give both or none"),
        (("mine", "--src-lang", "en"), "--src-lang does not go with a folder"),
        (("mine", "--out", "x"), "--out is for --clean, which is not given"),
        (("mine", "--clean"), "--clean needs --out, the folder to make"),
        (("--pairs", "pairs.tsv", "--clean", "--out", "x"), "--clean needs --src-lang: the files"),
        ((*TEXTS, "--tgt-lang", "a/b", "--clean", "--out", "x"), "--tgt-lang is 'a/b': letters, digits"),
        ((*TEXTS, "--tgt-lang", "en", "--clean", "--out", "x"), "--src-lang and --tgt-lang are both en"),
        (("mine", "--drop", "copies"), "--drop copies: no such reason; did you mean copy?"),
        (("mine", "--keep", "copy", "--drop", "copy"), "copy is given to --drop and to --keep: choose one"),
        (("mine", "--length-limit", "0"), "--length-limit is 0.0: it must be above 0"),
        (("mine", "--alignment-limit", "-1"), "--alignment-limit is -1.0: it must be above 0"),
        (("mine", "--examples", "-1"), "--examples is -1: it must be at least 0"),
        (("mine", "--size", "3"), "--size is not used by report, only by synthetic"),
        ((*TEXTS, "--strict"), "--strict does not go with --src"),
        (("--pairs", "pairs.tsv", "--valid-src", "x"), "--valid-src does not go with --pairs"),
        (
            ("--pairs", "-", "--valid-pairs", "-", "--format", "tsv"),
            "standard input (-) can be read once only",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(folder, capsys, arguments, message):
    run(*arguments, code=2)
    assert message in capsys.readouterr().err


def test_nothing_is_overwritten_or_written_in_no_folder(folder, capsys):
    run("mine", "--clean", "--out", "mine", *QUICK, code=3)
    assert "mine is not empty and is not overwritten" in capsys.readouterr().err
    run("mine", "--html", "no/page.html", *QUICK, code=3)
    assert "no/page.html cannot be written: its folder does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("name", corpus_report.FLAGS)
def test_flags_of_the_report_are_refused_elsewhere(folder, capsys, name):
    values = {"clean": [], "json": [], "examples": ["1"], "length_limit": ["1"], "alignment_limit": ["1"]}
    flag = [] if name == "folder" else [f"--{name.replace('_', '-')}"]
    value = values.get(name, ["language"])
    assert main(["corpus", "synthetic", *flag, *value]) == 2
    told = "the folder language" if name == "folder" else flag[0]
    assert f"{told} is not used by synthetic, only by report" in capsys.readouterr().err
