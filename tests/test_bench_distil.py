"""A distilled corpus has the teacher's translations to learn from, and everything else as it was."""

import importlib
import sys
from dataclasses import replace

import pytest
from tiny import tiny_run

from translate.corpora import Corpus, load_corpus, to_dataset, write_corpus
from translate.translator import Translator


@pytest.fixture
def distil(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    return importlib.import_module("distil")


def test_the_teacher_translates_the_training_sources_only(distil, tmp_path, monkeypatch):
    pairs = {"train": [("Hund", "dog"), ("Ein Hund", "a dog")], "valid": [("Zwei", "two")]}
    corpus = Corpus(
        "pairs", "de", "en", {name: to_dataset(those) for name, those in pairs.items()}, {}, "", "", "", None
    )
    write_corpus(corpus, tmp_path / "corpus")
    run = tiny_run(tmp_path)
    arguments = ["--run", str(run), "--corpus", str(tmp_path / "corpus"), "--out", str(tmp_path / "new")]
    monkeypatch.setattr(sys, "argv", ["distil.py", *arguments, "--beam-size", "2", "--threads", "1"])
    distil.main()
    new = load_corpus(tmp_path / "new").splits
    translator = Translator(run)
    search = replace(translator.config.search, beam_size=2, n_best=1)
    sources = ["Hund", "Ein Hund"]
    expected = [found.text for found in translator.translate(sources, search)]
    assert (list(new["train"]["src"]), list(new["train"]["tgt"])) == (sources, expected)
    assert list(new["valid"]["tgt"]) == ["two"]
