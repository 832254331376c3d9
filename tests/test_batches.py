import itertools
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import write_ids

from translate.batches import SORTED_TOGETHER, Batch, BatchLoader, collate, deal, plan_batches
from translate.errors import InputError
from translate.stored_pairs import IdPairs, Rows, write_links
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID

LENGTHS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=60)


def plan(pairs, batch_tokens, seed=0):
    src, tgt = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    return plan_batches(src, tgt, batch_tokens, np.random.default_rng(seed))


def slots(pairs, batch):
    """Slots of a batch, both sides and padding counted."""
    return len(batch) * (max(pairs[i][0] for i in batch) + max(pairs[i][1] for i in batch))


def multi30k_like(count=29_000, seed=3):
    """Lengths in pieces like those of image captions: 15 or so, the sides alike."""
    random = np.random.default_rng(seed)
    src = np.clip(np.round(random.gamma(9.0, 1.7, count)), 4, 60).astype(np.int64)
    return src, np.clip(src + np.round(random.normal(0, 2.5, count)).astype(np.int64), 4, 60)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """97 pairs; each can be told by its first source id."""
    random = np.random.default_rng(1)
    src = [[100 + i, *random.integers(4, 50, random.integers(0, 12)).tolist()] for i in range(97)]
    tgt = [random.integers(4, 50, len(row) + random.integers(0, 3)).tolist() for row in src]
    folder = tmp_path_factory.mktemp("ids") / "train"
    write_ids(folder, src, tgt)
    return IdPairs(folder)


def who(batch):
    """The numbers of a batch's pairs."""
    return (batch.src[:, 0] - 100).tolist()


def same(first, second):
    return all(map(torch.equal, first[:5], second[:5])) and first.links is second.links is None


# A batch.


def test_special_ids_are_where_the_model_wants_them():
    batch = collate([[7, 8, 9], [5]], [[6], [4, 5]])
    assert batch.src.tolist() == [[7, 8, 9, EOS_ID], [5, EOS_ID, PAD_ID, PAD_ID]]
    assert batch.src_mask.tolist() == [[True, True, True, True], [True, True, False, False]]
    assert batch.tgt_in.tolist() == [[BOS_ID, 6, PAD_ID], [BOS_ID, 4, 5]]
    assert batch.tgt_out.tolist() == [[6, EOS_ID, PAD_ID], [4, 5, EOS_ID]]
    assert batch.tgt_mask.tolist() == [[True, True, False], [True, True, True]]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(4, 99), max_size=9), st.lists(st.integers(4, 99), max_size=9)),
        min_size=1,
        max_size=9,
    )
)
def test_input_and_output_are_the_same_pieces_one_apart(rows):
    batch = collate([src for src, _ in rows], [tgt for _, tgt in rows])
    assert isinstance(batch, Batch)
    for row, (src, tgt) in enumerate(rows):
        mask = batch.tgt_mask[row]
        assert batch.src[row][batch.src_mask[row]].tolist() == [*src, EOS_ID]
        assert batch.tgt_in[row][mask].tolist() == [BOS_ID, *tgt]
        assert batch.tgt_out[row][mask].tolist() == [*tgt, EOS_ID]
        assert (batch.tgt_in[row][~mask] == PAD_ID).all()
        assert (batch.tgt_out[row][~mask] == PAD_ID).all()


# The plan of an epoch.


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 200), st.integers(0, 99))
def test_every_pair_is_in_exactly_one_batch(pairs, batch_tokens, seed):
    batches = plan(pairs, batch_tokens, seed)
    assert sorted(itertools.chain(*batches)) == list(range(len(pairs)))


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 200), st.integers(0, 99))
def test_no_batch_has_more_slots_than_asked_for_but_one_pair_alone(pairs, batch_tokens, seed):
    for batch in plan(pairs, batch_tokens, seed):
        assert slots(pairs, batch) <= batch_tokens or len(batch) == 1


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 200), st.integers(0, 99))
def test_a_batch_is_full_unless_it_is_the_last(pairs, batch_tokens, seed):
    def place(batch):
        # They are cut from pairs sorted by target, then source length; among equals full ones come first.
        return pairs[batch[0]][::-1], pairs[batch[-1]][::-1], -len(batch)

    batches = sorted(plan(pairs, batch_tokens, seed), key=place)
    for batch, following in itertools.pairwise(batches):
        assert slots(pairs, [*batch, following[0]]) > batch_tokens


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 200), st.integers(0, 99), st.integers(0, 99))
def test_batches_have_the_same_shapes_in_every_epoch(pairs, batch_tokens, seed, other_seed):
    def shapes(seed):
        return sorted([pairs[i] for i in batch] for batch in plan(pairs, batch_tokens, seed))

    assert shapes(seed) == shapes(other_seed)


def assert_sorted_as_by_two_keys(src, tgt, seed):
    """With ties in random order: the rows one by one, in the order of the batches, which is drawn last."""
    ties = np.random.default_rng(seed).permutation(len(src))
    expected = ties[np.lexsort((np.minimum(src, 0x7FFF)[ties], np.minimum(tgt, 0x7FFF)[ties]))]
    order = np.random.default_rng(seed)
    order.permutation(len(src))  # as for the ties, which are drawn first
    expected = expected[order.permutation(len(src))]
    one_by_one = plan_batches(src, tgt, 1, np.random.default_rng(seed))
    assert np.concatenate(one_by_one).tolist() == expected.tolist()


@settings(deadline=None)
@given(LENGTHS, st.integers(0, 99))
def test_rows_are_sorted_as_by_two_keys_with_ties_in_random_order(pairs, seed):
    src, tgt = (np.array(side, dtype=np.int32) for side in zip(*pairs, strict=True))
    assert_sorted_as_by_two_keys(src, tgt, seed)


def test_so_are_more_rows_than_are_sorted_together_and_very_long_ones():
    src, tgt = (side.astype(np.int32) for side in multi30k_like(2 * SORTED_TOGETHER + 5))
    src[::300], tgt[::700] = 32_767, 40_000
    src[::900], tgt[::1400] = 70_000, 32_766
    assert_sorted_as_by_two_keys(src, tgt, seed=1)


def test_no_pairs_make_no_batches():
    nothing = np.array([], dtype=np.int32)
    assert plan_batches(nothing, nothing, 100, np.random.default_rng(0)) == []


def test_a_plan_needs_few_bytes_a_pair():
    src, tgt = (side.astype(np.int32) for side in multi30k_like(200_000))
    tracemalloc.start()
    try:
        batches = plan_batches(src, tgt, 4096, np.random.default_rng(0))
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(map(len, batches)) == 200_000
    assert kept < 6 * 200_000
    assert peak < 13 * 200_000


def test_the_order_of_the_batches_and_of_equals_is_drawn():
    pairs = [(1 + i % 3, 1 + i % 5) for i in range(60)]
    first, again, other = plan(pairs, 40, seed=1), plan(pairs, 40, seed=1), plan(pairs, 40, seed=2)
    assert list(map(list, first)) == list(map(list, again))
    assert list(map(len, first)) != list(map(len, other))
    assert {frozenset(batch) for batch in map(list, first)} != {
        frozenset(batch) for batch in map(list, other)
    }


def test_little_is_padding_on_lengths_like_those_of_captions():
    src, tgt = multi30k_like()
    batches = plan_batches(src, tgt, 4096, np.random.default_rng(0))
    total = sum(len(rows) * (src[rows].max() + tgt[rows].max()) for rows in batches)
    assert 1 - (src.sum() + tgt.sum()) / total < 0.06


# Pairs on disk.


def test_pairs_are_read_as_they_were_written(tmp_path):
    src, tgt = [[5, 6], [], [7]], [[8], [9, 4, 5], []]
    write_ids(tmp_path / "ids", src, tgt)
    pairs = IdPairs(tmp_path / "ids")
    assert len(pairs) == 3
    assert same(pairs.batch(np.array([0, 1, 2])), collate(src, tgt))
    assert same(pairs.batch(np.array([2, 0])), collate([src[2], src[0]], [tgt[2], tgt[0]]))


def test_in_both_directions_each_pair_is_there_again_with_its_source_marked(tmp_path):
    src, tgt = [[5, 6], [], [7]], [[8], [9, 4, 5], []]
    write_ids(tmp_path / "ids", src, tgt)
    pairs = IdPairs(tmp_path / "ids", both=True)
    assert len(pairs) == 6
    assert pairs.src_lengths.tolist() == [3, 1, 2, 3, 5, 2]
    assert pairs.tgt_lengths.tolist() == [2, 4, 1, 3, 1, 2]
    wanted = collate([src[1], [BOS_ID, *tgt[1]], [BOS_ID], src[2]], [tgt[1], src[1], src[2], tgt[2]])
    assert same(pairs.batch(np.array([1, 4, 5, 2])), wanted)


def test_in_both_directions_an_epoch_has_each_pair_once_in_each(tmp_path):
    src, tgt = [[n] * (n % 5) for n in range(4, 40)], [[n, n] for n in range(4, 40)]
    write_ids(tmp_path / "ids", src, tgt)
    loader = BatchLoader(IdPairs(tmp_path / "ids", both=True), 60, seed=1)
    for _ in range(2):
        found = [
            tuple([token for token in row if token not in (PAD_ID, EOS_ID)] for row in pair)
            for batch in loader
            for pair in zip(batch.src.tolist(), batch.tgt_out.tolist(), strict=True)
        ]
        there = list(zip(src, tgt, strict=True))
        back = [([BOS_ID, *tgt_row], src_row) for src_row, tgt_row in there]
        assert sorted(found) == sorted(there + back)
    assert any(len({row < 36 for row in batch.tolist()}) == 2 for batch in loader.plan(0))  # they are mixed


@pytest.mark.parametrize("shift", [0, 1])
def test_links_come_with_their_batch_as_rows_and_columns(tmp_path, shift):
    src, tgt = [[5, 6], [7]], [[8], [9, 4, 5]]
    write_ids(tmp_path / "ids", src, tgt)
    write_links(tmp_path / "links", [[(0, 0), (1, 0)], [(0, 2)]])
    pairs = IdPairs(tmp_path / "ids", both=True)
    assert pairs.batch(np.array([0])).links is None
    pairs.use_links(tmp_path / "links", shift)
    batch = pairs.batch(np.array([1, 0, 3, 2]))  # the last two are the first two backwards
    assert batch.links.shape == (*batch.tgt_out.shape, batch.src.shape[1])
    # Of which row, at which target piece (and `shift` later), which source position; the mark takes one.
    wanted = {(0, 2, 0), (1, 0, 0), (1, 0, 1), (2, 0, 3), (3, 0, 1), (3, 1, 1)}
    found = {(row, t - shift, s) for row, t, s in batch.links.nonzero().tolist()}
    assert found == wanted
    parts = [part for part, _ in deal(batch, 2)]
    assert torch.equal(parts[1].links, batch.links[1::2])


def test_pairs_without_links_have_an_empty_rectangle(tmp_path):
    write_ids(tmp_path / "ids", [[5], []], [[8], []])
    write_links(tmp_path / "links", [[], []])
    pairs = IdPairs(tmp_path / "ids")
    pairs.use_links(tmp_path / "links", 1)
    assert not pairs.batch(np.array([0, 1])).links.any()


def test_links_of_other_pairs_are_refused(tmp_path):
    write_ids(tmp_path / "ids", [[5], [6]], [[8], [9]])
    write_links(tmp_path / "links", [[(0, 0)]])
    with pytest.raises(
        InputError, match="links has links of 1 pairs, but there are 2: they belong to another run"
    ):
        IdPairs(tmp_path / "ids").use_links(tmp_path / "links", 0)


def test_missing_links_are_refused(tmp_path):
    write_ids(tmp_path / "ids", [[5]], [[8]])
    with pytest.raises(InputError, match=r"links: the links of the training pairs are missing or damaged \("):
        IdPairs(tmp_path / "ids").use_links(tmp_path / "links", 0)


def test_pairs_are_written_as_they_come(tmp_path):
    src, tgt = [[n] * (n % 3) for n in range(7)], [[9 - n] for n in range(7)]
    IdPairs.write(
        tmp_path / "ids", ((Rows.of(src[n : n + 2]), Rows.of(tgt[n : n + 2])) for n in (0, 2, 4, 6))
    )
    pairs = IdPairs(tmp_path / "ids")
    assert pairs.src_lengths.tolist() == [len(row) + 1 for row in src]
    for rows in ([0, 1, 2, 3, 4, 5, 6], [6, 1, 3]):
        assert same(pairs.batch(np.array(rows)), collate([src[n] for n in rows], [tgt[n] for n in rows]))


def test_some_of_several_texts_are_selected():
    rows = Rows.of([[5, 6], [], [7], [8, 9]]).select(np.array([True, True, False, True]))
    assert (rows.ids.tolist(), rows.lengths.tolist()) == ([5, 6, 8, 9], [2, 0, 2])


def test_lengths_count_the_end_of_sentence(tmp_path):
    write_ids(tmp_path / "ids", [[5, 6], [7]], [[8], [9, 4, 5]])
    pairs = IdPairs(tmp_path / "ids")
    assert pairs.src_lengths.tolist() == [3, 2]
    assert pairs.tgt_lengths.tolist() == [2, 4]


def test_pairs_stay_on_disk(tmp_path):
    write_ids(tmp_path / "ids", [[7] * 500] * 1000, [[8] * 500] * 1000)
    before = pa.total_allocated_bytes()
    pairs = IdPairs(tmp_path / "ids")
    assert pairs.batch(np.array([999])).src.shape == (1, 501)
    assert pa.total_allocated_bytes() - before < 100_000  # of four million bytes of ids or more


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"ids: the training pairs in it are missing or damaged \(.*restore"):
        IdPairs(tmp_path / "ids")


@pytest.mark.parametrize("what", ["cut", "gone"])
def test_a_damaged_folder_is_refused_by_name(tmp_path, what):
    write_ids(tmp_path / "ids", [[5, 6], [7]], [[8], [9, 4, 5]])
    path = tmp_path / "ids" / "pairs.arrow"
    if what == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(InputError, match=r"ids: the training pairs in it are missing or damaged"):
        IdPairs(tmp_path / "ids")


# The loader.


def test_an_epoch_has_every_pair_once(pairs):
    loader = BatchLoader(pairs, 80, seed=1)
    batches = list(loader)
    assert len(batches) == len(loader) > 10
    assert sorted(itertools.chain.from_iterable(map(who, batches))) == list(range(97))
    for batch in batches:
        assert batch.src.numel() + batch.tgt_in.numel() <= 80


def test_an_epoch_differs_from_the_last_one_and_is_the_same_in_every_run(pairs):
    loader, again = BatchLoader(pairs, 80, seed=1), BatchLoader(pairs, 80, seed=1)
    first, second = list(map(who, loader)), list(map(who, loader))
    assert first != second
    assert list(map(who, again)) == first
    assert list(map(who, again)) == second
    assert len(first) == len(second) == len(loader)


def test_another_seed_is_another_order(pairs):
    assert list(map(who, BatchLoader(pairs, 80, seed=1))) != list(map(who, BatchLoader(pairs, 80, seed=2)))


def endless(loader):
    """Batches of one epoch after another, as training draws them."""
    while True:
        yield from loader


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_loader_goes_on_exactly_where_its_state_was_taken(pairs, world_size):
    straight = BatchLoader(pairs, 80, 1, rank=world_size - 1, world_size=world_size)
    length = len(straight)
    expected = list(itertools.islice(endless(straight), 3 * length))
    for consumed in (0, 1, length - 1, length, length + 1, 2 * length):
        stopped = BatchLoader(pairs, 80, 1, rank=world_size - 1, world_size=world_size)
        for _ in itertools.islice(endless(stopped), consumed):
            pass
        resumed = BatchLoader(pairs, 80, 1, rank=world_size - 1, world_size=world_size)
        resumed.load_state_dict(stopped.state_dict())
        rest = list(itertools.islice(endless(resumed), 3 * length - consumed))
        if world_size > 1:
            rest, expected_rest = ([part.batch for part in parts] for parts in (rest, expected[consumed:]))
        else:
            expected_rest = expected[consumed:]
        assert all(map(same, rest, expected_rest))
        assert len(rest) == 3 * length - consumed


def test_a_state_is_epoch_and_batches_handed_out(pairs):
    loader = BatchLoader(pairs, 80, seed=1)
    assert loader.state_dict() == {"epoch": 0, "consumed": 0}
    batches = iter(loader)
    next(batches)
    next(batches)
    assert loader.state_dict() == {"epoch": 0, "consumed": 2}
    for _ in batches:
        pass
    assert loader.state_dict() == {"epoch": 1, "consumed": 0}


def test_the_last_batch_of_an_epoch_is_already_followed_by_the_next_epoch(pairs):
    # Who saves after the last batch, before asking for another, resumes with the next epoch.
    loader = BatchLoader(pairs, 80, seed=1)
    for _ in itertools.islice(loader, len(loader)):
        pass
    assert loader.state_dict() == {"epoch": 1, "consumed": 0}


class Numbered:
    """Pairs of these lengths, whose ids are their numbers."""

    def __init__(self, lengths):
        self.src_lengths, self.tgt_lengths = np.array(lengths, dtype=np.int32).T

    def __len__(self):
        return len(self.src_lengths)

    def batch(self, rows, seed):
        lengths = [*self.src_lengths[rows].tolist(), *self.tgt_lengths[rows].tolist()]
        ids = [[100 + row] * (length - 1) for row, length in zip(2 * rows.tolist(), lengths, strict=True)]
        return collate(ids[: len(rows)], ids[len(rows) :])

    def padding(self, batches):
        raise NotImplementedError


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.tuples(st.integers(2, 30), st.integers(1, 30)), min_size=1, max_size=60),
    world_size=st.integers(2, 9),
    seed=st.integers(0, 2**32),
    batch_tokens=st.integers(2, 200),
)
def test_the_processes_parts_are_the_batch_of_one_and_of_like_size(lengths, world_size, seed, batch_tokens):
    """So every pair is seen exactly once an epoch, by one of them."""
    numbered = Numbered(lengths)
    whole = BatchLoader(numbered, batch_tokens, seed)
    loaders = [BatchLoader(numbered, batch_tokens, seed, rank, world_size) for rank in range(world_size)]
    for _ in range(2):
        seen = []
        for expected, *parts in zip(whole, *loaders, strict=True):
            own = [who(part.batch) for part in parts if part.tgt_tokens]
            assert sorted(itertools.chain(*own)) == sorted(who(expected))
            assert max(map(len, own)) - min(map(len, own)) <= 1
            assert len(own) == min(world_size, len(expected.src))
            assert sum(part.tgt_tokens for part in parts) == int(expected.tgt_mask.sum())
            assert all(len(part.batch.src) for part in parts)  # also one that only keeps step
            assert {part.tokens for part in parts} == {int(expected.tokens)}
            seen += itertools.chain(*own)
        assert sorted(seen) == list(range(len(lengths)))


def test_every_epoch_has_as_many_batches(pairs):
    loader = BatchLoader(pairs, 80, seed=1)
    assert {len(loader.plan(epoch)) for epoch in range(20)} == {len(loader)}


def test_an_epoch_is_planned_once(pairs):
    loader = BatchLoader(pairs, 80, seed=1)
    first = loader.plan(0)
    assert loader.plan(0) is first
    second = loader.plan(1)
    assert loader.plan(1) is second
    for epoch, planned in ((0, first), (1, second)):  # and is the same when it is planned again
        assert list(map(list, loader.plan(epoch))) == list(map(list, planned))


class Lengths:
    """Pairs of which nothing but their lengths is known."""

    def __init__(self, src_lengths, tgt_lengths):
        self.src_lengths, self.tgt_lengths = src_lengths, tgt_lengths

    def __len__(self):
        return len(self.src_lengths)

    def batch(self, rows, seed):
        return len(rows)

    def padding(self, batches):
        raise NotImplementedError


def test_no_two_epochs_plans_are_in_memory_at_once():
    """Neither when one is planned after the other, nor when one is trained on after the other."""
    src, tgt = (side.astype(np.int32) for side in multi30k_like(200_000))
    tracemalloc.start()
    try:
        loader = BatchLoader(Lengths(src, tgt), 4096, seed=1)
        for _ in itertools.islice(endless(loader), 2 * len(loader) + 1):
            pass
        loader.plan(1)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 6 * 200_000
    assert peak < 13 * 200_000


def test_padding_is_the_share_of_slots_without_a_token(pairs):
    loader = BatchLoader(pairs, 80, seed=1)
    masks = [mask for batch in loader for mask in (batch.src_mask, batch.tgt_mask)]
    tokens, slots = sum(mask.sum().item() for mask in masks), sum(mask.numel() for mask in masks)
    assert loader.padding() == pytest.approx(1 - tokens / slots)
