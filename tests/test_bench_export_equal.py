"""The script that compares exports counts equal translations, keeps no text, and leaves runs as they were."""

import importlib
import json
import sys

import jaxtyping
import pytest
import torch
from tiny import SENTENCES, tiny_export, tiny_run

from translate.run_directory import RunDirectory


@pytest.fixture
def export_equal(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    # torch.export runs the model with lengths that are no int, which the checks of shapes refuse.
    jaxtyping.config.update("jaxtyping_disable", True)
    yield importlib.import_module("export_equal")
    jaxtyping.config.update("jaxtyping_disable", False)


def test_equal_translations_are_counted_for_each_export(export_equal, tmp_path, monkeypatch, capsys):
    recurrent, transformer = tmp_path / "recurrent", tmp_path / "transformer"
    runs = [tiny_run(recurrent), tiny_export(transformer).path]
    before = [sorted(path.iterdir()) for path in runs]
    (tmp_path / "src").write_text("".join(f"{line}\n" for line in SENTENCES), encoding="utf-8")
    arguments = ["--src", str(tmp_path / "src"), "--lines", "3", "--results", str(tmp_path / "equal.json")]
    monkeypatch.setattr(sys, "argv", ["export_equal.py", *arguments, "--runs", *map(str, runs)])
    export_equal.main()
    found = json.loads((tmp_path / "equal.json").read_text(encoding="utf-8"))
    assert json.loads(capsys.readouterr().out) == found["rows"]
    assert [(row["export"], row["beam_size"], row["lines"]) for row in found["rows"]] == [
        ("onnx", 1, 3),
        ("onnx", 1, 3),
        ("ctranslate2", 1, 3),
        ("ctranslate2", 2, 3),
    ]
    assert [row["equal"] for row in found["rows"] if row["beam_size"] == 1] == [3, 3, 3]
    weights = [RunDirectory.open(path).weights_sha256() for path in runs]
    assert [row["weights_sha256"] for row in found["rows"]] == [weights[0], *[weights[1]] * 3]
    words = {word for line in SENTENCES for word in line.split() if len(word) > 3}
    assert not any(word in json.dumps(found, ensure_ascii=False) for word in words)
    assert [sorted(path.iterdir()) for path in runs] == before


def test_an_export_of_another_model_is_not_equal(export_equal, tmp_path, monkeypatch):
    run = RunDirectory.open(tiny_run(tmp_path))
    export_onnx = export_equal.export_onnx

    def broken(run):
        model = run.load_model()
        with torch.no_grad():
            model.output.bias[40] = 100.0
        run.save_weights(model, run.tokenizers())
        return export_onnx(run)

    monkeypatch.setattr(export_equal, "export_onnx", broken)
    [row] = export_equal.compare(run, SENTENCES[:2])
    assert (row["lines"], row["equal"]) == (2, 0)
