"""From rows of ids to padded batches: token-bounded, sorted by length, resumable, the same on every run."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from translate.padding import pad
from translate.tokenizer import BOS_ID, EOS_ID

Indices = NDArray[np.integer[Any]]

SORTED_TOGETHER = 1 << 14  # rows: what sorting them needs beside the result is then nothing to speak of


class Batch(NamedTuple):
    """Sentence pairs as ids, padded on the right."""

    src: Int[Tensor, "B S"]  # pieces, end of sentence
    src_mask: Bool[Tensor, "B S"]
    tgt_in: Int[Tensor, "B T"]  # beginning of sentence, pieces
    tgt_out: Int[Tensor, "B T"]  # pieces, end of sentence
    tgt_mask: Bool[Tensor, "B T"]
    links: Bool[Tensor, "B T S"] | None = None  # where a guided attention should look, row by row

    @property
    def tokens(self) -> Int[Tensor, ""]:
        """How many real ones, of both sides."""
        return self.src_mask.sum() + self.tgt_mask.sum()


class Part(NamedTuple):
    """What one of several processes computes of a batch."""

    batch: Batch
    tgt_tokens: (
        int  # real target tokens of this part; 0: the batch has too few rows, and this one is another's
    )
    tokens: int  # real ones of the whole batch, of both sides, as planned


def collate(src: Sequence[Sequence[int]], tgt: Sequence[Sequence[int]]) -> Batch:
    """Add the special ids and pad; the pieces come without them."""
    src_ids, src_mask = pad([[*row, EOS_ID] for row in src])
    tgt_in, tgt_mask = pad([[BOS_ID, *row] for row in tgt])
    tgt_out, _ = pad([[*row, EOS_ID] for row in tgt])
    return Batch(src_ids, src_mask, tgt_in, tgt_out, tgt_mask)


def deal(batch: Batch, count: int) -> list[tuple[Batch, float]]:
    """Deal a batch's rows out like cards, into at most `count` parts of like lengths, each with tokens.

    Returns:
        Each part, with its share of the target tokens.
    """
    count = min(count, len(batch.src))
    if count == 1:
        return [(batch, 1.0)]
    parts = [Batch(*(tensor[number::count] for tensor in batch[:5])) for number in range(count)]
    if batch.links is not None:
        parts = [part._replace(links=batch.links[number::count]) for number, part in enumerate(parts)]
    shares = [float(part.tgt_mask.sum() / batch.tgt_mask.sum()) for part in parts]
    # Rows that only complete a shape have no tokens, and may be all that is in a part.
    return [(part, share) for part, share in zip(parts, shares, strict=True) if share]


def plan_batches(
    src_lengths: Indices, tgt_lengths: Indices, batch_tokens: int, random: np.random.Generator
) -> list[Indices]:
    """Group pairs of like lengths; a batch has at most `batch_tokens` slots, both sides and padding counted.

    Sorted by target, then source length; ties and the order of the batches are drawn from `random`. A
    pair larger than `batch_tokens` is a batch of its own. Every pair is in exactly one batch.

    Args:
        src_lengths: with the end of sentence.
        tgt_lengths: with the end of sentence.
    """
    order = _sort(src_lengths, tgt_lengths, random)
    batches = []
    start = 0
    while start < len(order):
        # Lengths are at least 1 each, so no batch has more rows than this.
        window = order[start : start + max(1, batch_tokens // 2)]
        width = np.maximum.accumulate(src_lengths[window]) + np.maximum.accumulate(tgt_lengths[window])
        slots = width * np.arange(1, len(window) + 1)
        count = max(1, int(np.searchsorted(slots, batch_tokens, side="right")))
        batches.append(window[:count])
        start += count
    return [batches[number] for number in random.permutation(len(batches))]


def _sort(src_lengths: Indices, tgt_lengths: Indices, random: np.random.Generator) -> Indices:
    """Sort rows by target, then source length (from 32,767 on all are alike); the order of ties is drawn."""
    order = np.arange(len(src_lengths), dtype=np.int32)
    random.shuffle(order)
    order = _sort_by(src_lengths, order)
    return _sort_by(tgt_lengths, order)


def _sort_by(lengths: Indices, order: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sort rows by their lengths, those of equal length as they were: a counting sort, piece by piece.

    The result is nearly all the memory that it needs; numpy's own sorting takes four times that.
    """
    pieces = [order[start : start + SORTED_TOGETHER] for start in range(0, len(order), SORTED_TOGETHER)]
    longest = min(int(lengths.max(initial=0)), 0x7FFF)
    counts = np.zeros(longest + 1, dtype=np.int64)
    for rows in pieces:
        counts += np.bincount(np.minimum(lengths[rows], longest), minlength=longest + 1)
    places = np.cumsum(counts) - counts  # where the next row of each length goes
    ordered = np.empty_like(order)
    for rows in pieces:
        keys = np.minimum(lengths[rows], longest).astype(np.int16)
        by_key = np.argsort(keys, kind="stable")
        keys = keys[by_key]
        among_equals = np.arange(len(keys)) - np.searchsorted(keys, keys)
        ordered[places[keys] + among_equals] = rows[by_key]
        places += np.bincount(keys, minlength=longest + 1)
    return ordered


@runtime_checkable
class Pairs(Protocol):
    """Tokenised sentence pairs that can be batched."""

    src_lengths: Indices  # as batches have them: what `plan_batches` is given
    tgt_lengths: Indices

    def __len__(self) -> int: ...

    def batch(self, rows: Indices, seed: int) -> Any:
        """Make a batch of these pairs; what is drawn for it follows from a seed of 32 bits."""

    def padding(self, batches: Sequence[Indices]) -> float:
        """Share of the batches' slots that are padding."""


class BatchLoader:
    """The batches of one epoch after another; knows where it stands, so that training resumes exactly.

    The plan of an epoch is a function of (seed, epoch), as are its rows where not all are in each; what is
    drawn for a batch is one of (seed, epoch, number of the batch, and of several processes the rank). Several
    processes deal the rows of each batch out like cards, so that their parts are of like lengths; where they
    stand does not depend on how many they are.

    Args:
        rank: which of the processes this is.
        world_size: how many there are; with several, a batch is a `Part`.
        draw: chooses the rows of an epoch; without it, an epoch has all.
        epoch: which is the first.
    """

    def __init__(
        self,
        pairs: Pairs,
        batch_tokens: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        draw: Callable[[np.random.Generator], Indices] | None = None,
        epoch: int = 0,
    ) -> None:
        self.pairs = pairs
        self.batch_tokens = batch_tokens
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = epoch
        self.consumed = 0
        self.draw = draw
        self._planned: tuple[int, list[Indices]] | None = None
        self._length = len(self.plan(epoch))

    def plan(self, epoch: int) -> list[Indices]:
        """The batches of an epoch, of all processes; kept until another epoch is asked for."""
        if self._planned is None or self._planned[0] != epoch:
            self._planned = None  # its memory is needed for the next one
            random = np.random.default_rng((self.seed, epoch))
            lengths = self.pairs.src_lengths, self.pairs.tgt_lengths
            if self.draw is None:
                batches = plan_batches(*lengths, self.batch_tokens, random)
            else:
                rows = self.draw(random)
                drawn = plan_batches(lengths[0][rows], lengths[1][rows], self.batch_tokens, random)
                batches = [rows[numbers] for numbers in drawn]
            self._planned = epoch, batches
            self._length = len(batches)
        return self._planned[1]

    def padding(self) -> float:
        """Share of slots that are padding, in an epoch."""
        return self.pairs.padding(self.plan(self.epoch))

    def describe(self) -> str:
        """What there is to be trained on, for people."""
        return (
            f"{len(self.pairs)} pairs in {len(self)} batches an epoch, {100 * self.padding():.1f}% of their "
            "slots padding"
        )

    def __len__(self) -> int:
        """Batches of the epoch planned last: as many as in all, where only equal lengths change places."""
        return self._length

    def __iter__(self) -> Iterator[Any]:
        """Go on where the last epoch or the loaded state ended."""
        batches = self.plan(self.epoch)
        for number in range(self.consumed, len(batches)):
            epoch = self.epoch
            # Counted before the batch is handed out: whoever saves the state then has had it.
            self.consumed = number + 1
            if self.consumed == len(batches):
                self.epoch, self.consumed = self.epoch + 1, 0
            if self.world_size == 1:
                yield self.pairs.batch(batches[number], self._seed_of(epoch, number))
            else:
                yield self._part(batches[number], self._seed_of(epoch, number, self.rank))

    def _part(self, rows: Indices, seed: int) -> Part:
        mine = rows[self.rank :: self.world_size]
        batch = self.pairs.batch(mine if len(mine) else rows[:1], seed)
        tokens = int((self.pairs.src_lengths[rows] + self.pairs.tgt_lengths[rows]).sum())
        return Part(batch, int(batch.tgt_mask.sum()) if len(mine) else 0, tokens)

    def _seed_of(self, *of_what: int) -> int:
        return int(np.random.SeedSequence((self.seed, *of_what)).generate_state(1)[0])

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands."""
        return {"epoch": self.epoch, "consumed": self.consumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where the state was taken; another device's batches may have been more."""
        self.epoch = state["epoch"]
        if self.draw is not None:
            self.plan(self.epoch)  # only then is it known how many batches it has
        self.consumed = min(state["consumed"], self._length - 1)
