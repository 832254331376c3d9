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
