"""A training that is killed again and again ends as one that was left alone: benchmarks/kills.py, bounded."""

import importlib

import pytest
import torch


@pytest.fixture(scope="module")
def kills(pytestconfig):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
        yield importlib.import_module("kills")


def test_a_killed_training_ends_as_the_one_left_alone(kills, tmp_path):
    found = kills.measure(tmp_path, kills=3, steps=8, seed=1, minutes=60)
    assert found["kills"] == 3 == len(found["each_kill"])
    assert found["runs_equal"] == len(found["runs"]) > 0
    assert found["between_writing"] + sum(bool(kill["writing"]) for kill in found["each_kill"]) == 3


def test_what_differs_is_named(kills):
    one = {"weights": {"a": torch.zeros(2)}, "rows": [(4, 0.5)], "minutes": 1}
    assert kills.differences(one, one | {"minutes": 2}) == []
    assert kills.differences(one, one | {"weights": {"a": torch.tensor([0.0, 1e-9])}}) == ["run.weights.a"]
    assert kills.differences(one, one | {"rows": [(4, 0.25)]}) == ["run.rows[0][1]"]
    assert kills.differences(one, one | {"rows": []}) == ["run.rows"]
    assert kills.differences({"a": 1}, {"b": 1}) == ["run"]
