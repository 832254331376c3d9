"""The fine-tuning benchmark: two domains, before and after, with and without mixing, in one JSON."""

import importlib
import json
import sys

import pytest
from tiny_training import corpus_folder, numbers, tiny_config

from translate.config_files import dump_config


@pytest.fixture
def finetune(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    monkeypatch.chdir(pytestconfig.rootpath)
    return importlib.import_module("finetune")


def test_both_domains_are_scored_before_and_after(finetune, tmp_path, monkeypatch, capsys):
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    corpora = [
        corpus_folder(
            tmp_path / name,
            train=numbers(40, seed=seed),
            valid=numbers(4, seed=seed + 1),
            test=numbers(3, seed=seed + 2),
        )
        for seed, name in ((10, "old"), (20, "new"))
    ]
    config = dump_config(tiny_config(tmp_path, max_steps=2))
    lines = [line for line in config.splitlines() if not line.strip().startswith(("src:", "tgt:", "valid_"))]
    (tmp_path / "tiny.yaml").write_text("\n".join(lines))
    words = ["--old", corpora[0], "--new", corpora[1], "--config", str(tmp_path / "tiny.yaml")]
    words += ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results.json")]
    words += ["--threads", "1", "--flags=--max-steps 2 --device cpu"]
    monkeypatch.setattr(sys, "argv", ["finetune.py", *words])
    finetune.main()
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["before", "mix_0_seed_1", "mix_0.5_seed_1"]
    for row in rows:
        assert row["evaluation"].keys() == {"old", "new"}
        assert len((tmp_path / f"results.{row['name']}.new.hyp.txt").read_text().splitlines()) == 3
    assert "old_bleu_before" in rows[1]["summary"]
    assert "--mix 0.5 --seed 1" in rows[2]["commands"][0]
    capsys.readouterr()
    finetune.main()
    assert capsys.readouterr().err.count("is there, skipped") == 3
