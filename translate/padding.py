"""Rows of ids as one rectangle: padding on the right, a mask that is True on tokens."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from translate.tokenizer import PAD_ID


def pad(rows: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "B S"], Bool[Tensor, "B S"]]:
    """Pad rows (at least one, none empty) to the longest one."""
    if not all(rows):
        raise ValueError(
            f"row {[len(row) for row in rows].index(0)} is empty: attention would have nowhere to look"
        )
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.full(mask.shape, PAD_ID)
    ids[mask] = torch.tensor([token for row in rows for token in row])
    return ids, mask


def group_by_tokens(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Indices of rows sorted by length, longest first, cut into groups of at most `max_tokens` padded slots.

    A row longer than that is a group of its own.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        # The first of a group is its longest.
        if groups and (len(groups[-1]) + 1) * lengths[groups[-1][0]] <= max_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
