from hypothesis import given, settings
from hypothesis import strategies as st

from translate.grouping import group_by_tokens


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
