import json
from dataclasses import replace

import pytest
from tiny import SEARCH, tiny_run

from translate.cli import main
from translate.run_directory import RunDirectory

PAIRS = [("Ein Hund läuft.", "A dog runs."), ("Zwei Kinder", "Two children")]


@pytest.fixture
def run(tmp_path):
    directory = RunDirectory.open(tiny_run(tmp_path))
    directory.save_valid(PAIRS)
    return directory


def tune(run, *arguments):
    return main(["tune", str(run.path), "--threads", "1", *map(str, arguments)])


def test_the_table_has_every_search_and_the_best_is_written(run, capsys, monkeypatch):
    bleus = iter([10.0, 11.0, 12.0, 13.0, 12.5, 12.5, 9.0, 8.0, 7.0])
    from translate import tuning

    monkeypatch.setattr(tuning, "bleu_score", lambda *_: tuning.Score("BLEU", next(bleus), "the|signature"))
    assert tune(run, "--beam-sizes", 1, 3, "--length-penalties", 0, 0.5) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "length penalty   beam 1   beam 2   beam 3",
        "0.0              10.00    13.00*    9.00",
        "0.5              11.00    12.50     8.00",
        "1.0              12.00    12.50     7.00",
        "* chosen: beam 2, length penalty 0.0, BLEU 13.00 (before: beam 2, length penalty 1.0, BLEU 12.50)",
        "BLEU of the validation text: the|signature",
    ]
    head = "translating the validation text with torch in float32 on cpu\n"
    assert err == head + "beam 1\nbeam 2\nbeam 3\n"
    again = RunDirectory.open(run.path)
    assert again.config.search == replace(SEARCH, beam_size=2, length_penalty=0.0)
    record = again.read_json(again.tuning_path)
    assert record["chosen"] == {"beam_size": 2, "length_penalty": 0.0, "bleu": 13.0}
    assert record["before"] == {"beam_size": 2, "length_penalty": 1.0, "bleu": 12.5}
    assert len(record["trials"]) == 9


def test_json_is_what_tuning_json_has(run, capsys):
    assert tune(run, "--beam-sizes", 1, "--length-penalties", 0.5, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record == run.read_json(run.tuning_path)
    assert list(record) == ["signature", "trials", "before", "chosen"]
    assert "|tok:13a|" in record["signature"]


def test_a_dry_run_writes_nothing(run, capsys):
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    assert tune(run, "--beam-sizes", 1, "--length-penalties", 0.5, "--dry-run") == 0
    assert "* chosen: " in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_an_ensemble_is_tuned_without_writing(run, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    other = str(tiny_run(tmp_path / "other", seed=1))
    few = ("--beam-sizes", 1, "--length-penalties", 0.5)
    assert tune(run, *few, "--ensemble", other, "--dry-run", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["ensemble"] == [str(run.path), other]
    assert f"with an ensemble of {run.path} and {other} by torch" in err
    assert tune(run, *few, "--ensemble", other) == 2
    assert f"is not for {run.path} alone: give --dry-run, and what it" in capsys.readouterr().err
    assert not run.tuning_path.exists()


def test_other_pairs_may_take_the_validation_texts_place(run, tmp_path, capsys):
    few = ("--beam-sizes", 1, "--length-penalties", 0.5, "--json")
    assert tune(run, *few, "--dry-run") == 0
    own = json.loads(capsys.readouterr().out)
    file = tmp_path / "valid.csv"
    file.write_text("".join(f"{tgt},{src}\n" for src, tgt in PAIRS), encoding="utf-8")
    run.valid_tgt_path.unlink()
    assert tune(run, *few, "--pairs", file, "--src-column", 2, "--tgt-column", 1) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == own | {"pairs": [str(file)]}
    assert record == run.read_json(run.tuning_path)


def test_flags_of_pairs_need_pairs(run, capsys):
    for flag in (("--src-column", "2"), ("--format", "csv"), ("--markup", "keep"), ("--strict",)):
        assert tune(run, *flag) == 2
        assert f"{flag[0]} is for --pairs, but there are none" in capsys.readouterr().err


def test_pairs_that_cannot_be_read_are_refused_before_any_model_is(run, tmp_path, capsys):
    (tmp_path / "a.tsv").write_text("one\n")
    run.weights_path.unlink()
    assert tune(run, "--pairs", tmp_path / "a.tsv") == 3
    assert "a.tsv has no pairs in 1 records: 1 broken, the first: " in capsys.readouterr().err
    assert tune(run, "--pairs", tmp_path / "a.tmx") == 2
    assert "texts are chosen by language: give --src-lang and --tgt-lang" in capsys.readouterr().err


def test_a_negative_number_of_threads_is_refused(run, capsys):
    assert main(["tune", str(run.path), "--threads=-1"]) == 2
    assert "--threads is -1: it must be at least 0" in capsys.readouterr().err


def test_without_validation_text_nothing_is_tuned(run, capsys):
    run.valid_tgt_path.unlink()
    assert tune(run) == 3
    assert (
        "valid.tgt is missing: search is tuned on the validation text that training"
        in capsys.readouterr().err
    )
