import copy
import os

import pytest
import torch.distributed as dist

from translate.collective import Ranks, _as_torchrun_says, _first_node, joined
from translate.errors import InputError
from translate.ranks import Place


def test_a_single_process_tells_itself():
    with joined(Place(), "cpu") as ranks:
        assert (ranks.rank, ranks.size, ranks.is_first) == (0, 1, True)
        assert ranks.decide(lambda: 7) == 7
        assert ranks.gather("a") == ["a"]


def test_a_copy_of_a_model_has_the_same_others():

    ranks = Ranks()
    assert copy.deepcopy([ranks])[0] is ranks


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gpu01", "gpu01"),
        ("gpu01,gpu02", "gpu01"),
        ("gpu[01-03,7],cpu1", "gpu01"),
        ("gpu[7,9]", "gpu7"),
        ("rack-2-node[10-12]", "rack-2-node10"),
    ],
)
def test_the_first_of_slurms_machines(nodes, first):
    assert _first_node(nodes) == first


def test_what_slurm_says_is_said_as_torchrun_would(monkeypatch):
    for name in (
        "MASTER_ADDR",
        "MASTER_PORT",
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "LOCAL_WORLD_SIZE",
        "GROUP_RANK",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.environ", {"SLURM_STEP_NODELIST": "gpu[3-4]", "SLURM_JOB_ID": "1234567"})
    _as_torchrun_says(Place(5, 8, 1, 4))

    said = {
        name: os.environ[name]
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")
    }
    assert list(said.values()) == ["5", "8", "1", "4", "1"]
    assert (os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]) == ("gpu3", "19567")


def test_torchruns_word_counts(monkeypatch):
    monkeypatch.setattr(
        "os.environ", {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500", "SLURM_STEP_NODELIST": "gpu3"}
    )
    _as_torchrun_says(Place(0, 2, 0, 2))

    assert (os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]) == ("10.0.0.1", "29500")


def fail_with(message):
    def fail(*_):
        raise RuntimeError(message)

    return fail


def test_lost_contact_is_no_bug(monkeypatch):
    monkeypatch.setattr("os.environ", {"MASTER_ADDR": "127.0.0.1"})
    monkeypatch.setattr(dist, "init_process_group", fail_with("[gloo/transport] Connection closed\nmore"))
    message = r"^process 2 of 3 has lost contact with the others \(\[gloo/transport\] Connection closed\): "
    with pytest.raises(InputError, match=message), joined(Place(1, 3, 1, 3), "cpu"):
        pass


def test_a_bug_stays_one(monkeypatch):
    monkeypatch.setattr("os.environ", {"MASTER_ADDR": "127.0.0.1"})
    monkeypatch.setattr(dist, "init_process_group", fail_with("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"), joined(Place(1, 3, 1, 3), "cpu"):
        pass
