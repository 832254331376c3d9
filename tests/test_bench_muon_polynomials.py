"""The script that fits Muon's polynomials reads checkpoints, and brings singular values near one."""

import importlib
import json
import sys

import pytest
import torch


@pytest.fixture
def muon_polynomials(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    return importlib.import_module("muon_polynomials")


def test_what_is_fitted_is_nearer_than_as_many_of_the_paper(muon_polynomials, tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    alone, stacked = torch.randn(8, 8), torch.randn(24, 8)
    state = {0: {"momentum": alone}, 1: {"momentum": stacked}, 2: {"exp_avg": torch.randn(3)}}
    (tmp_path / "run").mkdir()
    torch.save({"optimizer_states": [{"state": state}]}, tmp_path / "run" / "last.ckpt")
    results = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["_", str(tmp_path / "run"), "--results", str(results)])
    assert muon_polynomials.main() == 0
    found = json.loads(results.read_text())
    assert found["matrices"] == 4
    assert found["two fitted"]["cosine"] > found["two of Jordan et al."]["cosine"]
    assert found["two fitted"]["highest"] < 1.35
    assert "two fitted: " in capsys.readouterr().out


def test_polynomials_are_applied_one_after_the_other(muon_polynomials):
    twice = muon_polynomials.apply(torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), torch.tensor([0.5, 1.0]))
    assert twice.tolist() == [1.0, 8.0]
