"""Batches gathered on the device: the same pairs in few shapes."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import NoWaiting
from test_batches import multi30k_like
from tiny import write_ids

from translate.batches import BatchLoader, Pairs, plan_batches
from translate.stored_pairs import IdPairs
from translate.training.resident import ResidentPairs, round_up

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """97 pairs of up to 40 pieces; some sides have none."""
    random = np.random.default_rng(1)
    src, tgt = (
        [random.integers(4, 50, random.integers(0, 40)).tolist() for _ in range(97)] for _ in range(2)
    )
    folder = tmp_path_factory.mktemp("ids") / "train"
    write_ids(folder, src, tgt)
    return IdPairs(folder)


@settings(deadline=None)
@given(st.integers(1, 2000))
def test_a_width_is_the_next_of_few_and_at_most_a_quarter_wider_from_twelve_on(length):
    (width,) = round_up(np.array([length]))
    assert width >= length
    assert width - length < max(4, length / 4)
    assert round_up(np.array([width])) == width


def test_there_are_few_widths():
    assert sorted(set(round_up(np.arange(1, 129)).tolist())) == [
        *range(4, 33, 4), 40, 48, 56, 64, 80, 96, 112, 128,
    ]  # fmt: skip


@pytest.mark.parametrize("batch_tokens", [1, 100, 400, 5000])
def test_a_gathered_batch_is_the_hosts_with_more_padding(pairs, batch_tokens):
    resident = ResidentPairs(pairs, batch_tokens, CPU)
    loader = BatchLoader(resident, batch_tokens, seed=1)
    seen = []
    for planned in loader.plan(0):
        rows = resident.batch(planned)
        gathered, plain = resident.gather(*rows[:3]), pairs.batch(planned)
        for ours, theirs in zip(gathered[:5], plain[:5], strict=True):
            real = ours[: theirs.shape[0], : theirs.shape[1]]
            assert torch.equal(real, theirs)
            assert not ours[: theirs.shape[0], theirs.shape[1] :].any()
            assert ours.dtype == theirs.dtype
        assert rows.tokens == plain.tokens
        # What completes the shape has a source to look at, and no target that counts.
        assert not gathered.tgt_mask[len(planned) :].any()
        assert gathered.src_mask.any(dim=1).all()
        slots = gathered.src.numel() + gathered.tgt_out.numel()
        assert slots <= batch_tokens or len(gathered.src) == 1
        seen += planned.tolist()
    assert sorted(seen) == list(range(97))


def test_a_gathered_batch_is_the_hosts_in_both_directions(tmp_path):
    src, tgt = [[5, 6], [], [7], []], [[8], [9, 4, 5], [], []]
    write_ids(tmp_path / "ids", src, tgt)
    pairs = IdPairs(tmp_path / "ids", both=True)
    resident, rows = ResidentPairs(pairs, 1000, CPU), np.arange(8)
    gathered, plain = resident.gather(*resident.batch(rows)[:3]), pairs.batch(rows)
    for ours, theirs in zip(gathered[:5], plain[:5], strict=True):
        assert torch.equal(ours[: theirs.shape[0], : theirs.shape[1]], theirs)


def test_the_loader_hands_out_what_it_planned(pairs):
    resident = ResidentPairs(pairs, 400, CPU)
    loader = BatchLoader(resident, 400, seed=1)
    assert isinstance(resident, Pairs)
    assert isinstance(pairs, Pairs)
    assert len(resident) == len(pairs)
    batches = list(loader)
    for rows, planned in zip(batches, loader.plan(0), strict=True):
        assert rows.pairs[rows.pairs >= 0].tolist() == planned.tolist()
    slots = sum(len(rows.pairs) * (rows.src_width + rows.tgt_width) for rows in batches)
    tokens = sum(rows.tokens for rows in batches)
    assert loader.padding() == pytest.approx(1 - tokens / slots)


def test_gathering_tells_the_host_nothing(pairs):
    resident = ResidentPairs(pairs, 400, CPU)
    rows = resident.batch(np.array([3, 5, 96]))
    with NoWaiting() as guard:
        resident.gather(*rows[:3])
    assert guard.count > 10


@pytest.mark.parametrize("batch_tokens", [4096, 16384])
def test_few_shapes_cost_little_padding(batch_tokens, tmp_path):
    """With lengths like those of image captions."""
    lengths = multi30k_like()
    write_ids(tmp_path / "ids", *([[5] * (n - 1) for n in side] for side in lengths))
    resident = ResidentPairs(IdPairs(tmp_path / "ids"), batch_tokens, CPU)
    random = np.random.default_rng(0)
    plan = plan_batches(resident.src_lengths, resident.tgt_lengths, batch_tokens, random)
    assert resident.padding(plan) < 0.15
    shapes = Counter(tuple(map(int, resident._shape(rows))) for rows in plan)
    assert len(shapes) < len(plan) / 2
    assert len(shapes) < 70


def test_a_run_goes_on_with_another_devices_batches(pairs):
    """Which are fewer: the epoch ends after one more at the latest."""
    resident, plain = (BatchLoader(held, 100, seed=1) for held in (ResidentPairs(pairs, 100, CPU), pairs))
    assert len(resident) > len(plain)
    plain.load_state_dict({"epoch": 3, "consumed": len(resident) - 1})
    assert len(list(plain)) == 1
    assert plain.state_dict() == {"epoch": 4, "consumed": 0}
