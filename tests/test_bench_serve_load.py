"""The load script measures a real server, asks for more than it can do, and leaves none behind."""

import importlib
import json
import sys

import pytest
from tiny import SENTENCES, tiny_run


@pytest.fixture
def serve_load(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    monkeypatch.chdir(pytestconfig.rootpath)
    return importlib.import_module("serve_load")


@pytest.mark.skipif(sys.platform != "linux", reason="it measures memory, as Linux tells it")
def test_a_server_is_measured_and_asked_for_twice_what_it_can(serve_load, tmp_path, monkeypatch, capsys):
    (tmp_path / "src").write_text("".join(f"{line}\n" for line in SENTENCES), encoding="utf-8")
    run, results = tiny_run(tmp_path), tmp_path / "results.json"
    arguments = [
        "--run",
        str(run),
        "--languages",
        "de-en",
        "--src",
        str(tmp_path / "src"),
        "--minutes",
        "0.03",
    ]
    arguments += ["--clients", "1", "3", "--seconds", "1", "--results", str(results)]
    monkeypatch.setattr(sys, "argv", ["serve_load.py", *arguments])
    assert serve_load.main() == 0
    found = json.loads(results.read_text())
    assert json.loads(capsys.readouterr().out) == {name: found[name] for name in ("load", "overload")}
    assert [row["clients"] for row in found["load"]] == [1, 3]
    for row in found["load"]:
        assert set(row["answers"]) == {"200"}
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
    overload = found["overload"]
    assert set(overload["answers"]) <= {"200", "429"}
    assert overload["alive"]
    assert overload["memory_last_quarter_kib"] > 1000
    assert found["exit_code"] == 143


def test_what_was_not_answered_is_counted(serve_load):
    answers = [serve_load.Answer(200, n / 100) for n in range(1, 102)] + [serve_load.Answer(0, 9.0)]
    assert serve_load.summary(answers, 2.0) == {
        "seconds": 2.0,
        "answers": {"200": 101, "0": 1},
        "requests_per_second": 50.5,
        "p50_ms": 510.0,
        "p95_ms": 960.0,
        "p99_ms": 1000.0,
    }
