import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from translate.padding import group_by_tokens, pad
from translate.tokenizer import PAD_ID

ROWS = st.lists(st.lists(st.integers(4, 99), min_size=1, max_size=9), min_size=1, max_size=9)


@settings(deadline=None)
@given(ROWS)
def test_the_mask_says_where_the_rows_are(rows):
    ids, mask = pad(rows)
    assert ids.shape == mask.shape == (len(rows), max(map(len, rows)))
    assert [row[kept].tolist() for row, kept in zip(ids, mask, strict=True)] == rows
    assert (ids[~mask] == PAD_ID).all()


@settings(deadline=None)
@given(ROWS)
def test_padding_is_on_the_right(rows):
    _, mask = pad(rows)
    assert torch.equal(mask.int().sort(dim=1, descending=True).values.bool(), mask)


def test_true_is_a_token():
    ids, mask = pad([[5, 6, 7], [8]])
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[True, True, True], [True, False, False]]


def test_an_empty_row_is_refused_by_its_number():
    with pytest.raises(ValueError, match=r"^row 2 is empty: attention would have nowhere to look$"):
        pad([[4], [5, 6], [], [7]])


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 60))
def test_groups_hold_every_row_once_within_the_budget(lengths, max_tokens):
    groups = group_by_tokens(lengths, max_tokens)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        slots = len(group) * max(lengths[index] for index in group)
        assert slots <= max_tokens or len(group) == 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 60))
def test_groups_go_from_long_to_short_rows_and_leave_no_room_for_another(lengths, max_tokens):
    groups = group_by_tokens(lengths, max_tokens)
    order = [lengths[index] for group in groups for index in group]
    assert order == sorted(lengths, reverse=True)
    for group in groups[:-1]:
        assert (len(group) + 1) * lengths[group[0]] > max_tokens


def test_rows_of_one_length_keep_their_order():
    assert group_by_tokens([2, 3, 2, 3, 2], 6) == [[1, 3], [0, 2, 4]]


def test_no_rows_are_no_groups():
    assert group_by_tokens([], 10) == []
