import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from translate.padding import pad
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
