"""Training pairs whose ids lie on the device, in batches of few shapes: what a GPU is fed with.

The host only says which pairs make a batch; their ids are gathered where they are needed, so a step waits for
no copy. Since lengths are rounded up, the same shapes come again and again (`translate.training.recorded`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from translate.batches import Batch, Indices
from translate.stored_pairs import IdPairs
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID

ROW_STEPS = 8  # numbers of rows that a width may have


class Rows(NamedTuple):
    """A batch as the numbers of its pairs."""

    pairs: Int[Tensor, " B"]  # -1 in rows that only complete the shape
    src_width: int  # S
    tgt_width: int  # T
    tokens: int  # real ones, of both sides


def round_up(lengths: Indices) -> Indices:
    """Lengths as batches have them: the next multiple of 4 up to 32, of 8 up to 64, of 16 up to 128 ..."""
    steps: Indices = 2 ** np.maximum(2, np.ceil(np.log2(lengths)).astype(np.int64) - 3)
    widths: Indices = -(-lengths // steps) * steps
    return widths.astype(lengths.dtype)


class Side(NamedTuple):
    """All sentences of one language, on the device."""

    ids: Int[Tensor, " pieces"]  # row after row, each with its end of sentence
    starts: Int[Tensor, " pairs"]
    lengths: Int[Tensor, " pairs"]  # with the end of sentence

    @staticmethod
    def on(device: torch.device, flat: NDArray[np.int32], lengths: Indices) -> "Side":
        """Put ids without special ones there."""
        lengths = lengths.astype(np.int64)  # a copy: those of the corpus cannot be written to
        ends = np.cumsum(lengths)
        ids = np.full(int(ends[-1]), EOS_ID, dtype=np.int32)
        pieces = np.ones(len(ids), dtype=np.bool_)
        pieces[ends - 1] = False
        ids[pieces] = flat
        tensors = map(torch.from_numpy, (ids, ends - lengths, lengths))
        return Side(*(tensor.to(device) for tensor in tensors))

    def gather(
        self, rows: Int[Tensor, " B"], width: int
    ) -> tuple[Int[Tensor, "B {width}"], Bool[Tensor, "B {width}"]]:
        """Return the ids of these rows, padded (or cut) to a width, and the mask."""
        positions = torch.arange(width, device=rows.device)
        mask = positions < self.lengths[rows][:, None]
        places = (self.starts[rows][:, None] + positions).clamp(max=len(self.ids) - 1)
        return self.ids[places].long().masked_fill(~mask, PAD_ID), mask


class ResidentPairs:
    """What `IdPairs` holds, on the device; a batch is one of few shapes.

    Widths are rounded up, and a width has always the same number of rows: as many as `batch_tokens` allows,
    or a few eighths of them where there are not that many pairs. Ids take four bytes each.
    """

    def __init__(self, pairs: IdPairs, batch_tokens: int, device: torch.device) -> None:
        self.src_lengths, self.tgt_lengths = round_up(pairs.src_lengths), round_up(pairs.tgt_lengths)
        self.batch_tokens = batch_tokens
        self._lengths = pairs.src_lengths + pairs.tgt_lengths
        src, tgt = pairs.flat()
        self._src = Side.on(device, src, pairs.src_lengths)
        self._tgt = Side.on(device, tgt, pairs.tgt_lengths)

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self._lengths)

    def batch(self, rows: Indices, seed: int = 0) -> Rows:
        """Describe a batch; a copy of these numbers to a GPU need not be waited for. Nothing is drawn."""
        count, src_width, tgt_width = self._shape(rows)
        pairs = torch.full((count,), -1)
        pairs[: len(rows)] = torch.from_numpy(rows)
        if self._src.ids.is_cuda:
            pairs = pairs.pin_memory()
        return Rows(pairs, src_width, tgt_width, int(self._lengths[rows].sum()))

    def padding(self, batches: Sequence[Indices]) -> float:
        """Share of the batches' slots that are padding."""
        shapes = map(self._shape, batches)
        used = sum(int(self._lengths[rows].sum()) for rows in batches)
        return 1 - used / sum(count * (src + tgt) for count, src, tgt in shapes)

    def gather(self, pairs: Int[Tensor, " B"], src_width: int, tgt_width: int) -> Batch:
        """Return the batch itself, on the device; of a row that completes the shape no target is real."""
        rows = pairs.clamp(min=0)  # some source has to be there: attention must have somewhere to look
        src, src_mask = self._src.gather(rows, src_width)
        tgt_out, tgt_mask = self._tgt.gather(rows, tgt_width)
        tgt_in = F.pad(tgt_out[:, :-1], (1, 0), value=BOS_ID).masked_fill(~tgt_mask, PAD_ID)
        return Batch(src, src_mask, tgt_in, tgt_out, tgt_mask & (pairs >= 0)[:, None])

    def _shape(self, rows: Indices) -> tuple[int, int, int]:
        src_width, tgt_width = int(self.src_lengths[rows].max()), int(self.tgt_lengths[rows].max())
        most = max(1, self.batch_tokens // (src_width + tgt_width))
        step = max(1, most // ROW_STEPS)
        return min(most, -(-len(rows) // step) * step), src_width, tgt_width
