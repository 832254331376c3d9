"""Training pairs of several origins: which of them an epoch has."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from translate.batches import Indices
from translate.training.text import StoredPairs


class Part(NamedTuple):
    """Training pairs of one origin."""

    what: str  # as messages call them, before the word pairs
    origin: str  # the file, folder or run that they are of
    pairs: StoredPairs
    share: float = 0.0  # of an epoch's pairs, when this part has been added to the parts before
    repeats: bool = False  # whether pairs may be in an epoch several times, where there are too few


def each_epoch(parts: Sequence[Part], used: Sequence[int]) -> list[int]:
    """How many pairs of each part an epoch has: all of the first, and the share of each further one.

    Args:
        used: pairs of each part that are not too long.
    """
    counts = [used[0]]
    for part, available in zip(parts[1:], used[1:], strict=True):
        wanted = round(sum(counts) * part.share / (1 - part.share))
        counts.append(wanted if part.repeats else min(wanted, available))
    return counts


class Mixture:
    """Draws the rows of an epoch: of each part as many as it is given, none twice before all were once.

    Args:
        parts: pairs there are, and pairs of an epoch; the parts lie one after the other.
        both: rows are there twice, the second half being the pairs read backwards.
    """

    def __init__(self, parts: Sequence[tuple[int, int]], *, both: bool = False) -> None:
        self.parts, self.both = parts, both

    def __call__(self, random: np.random.Generator) -> Indices:
        """Return the rows, in no particular order."""
        drawn = []
        start = 0
        for there, wanted in self.parts:
            rounds, rest = divmod(wanted, there)
            drawn += [np.arange(start, start + there)] * rounds
            drawn.append(start + random.permutation(there)[:rest])
            start += there
        rows = np.concatenate(drawn)
        return np.concatenate([rows, rows + start]) if self.both else rows


def mixture(about: Mapping[str, Any], *, both: bool) -> Mixture | None:
    """Return what draws the rows of an epoch, by what data.json says; None where it has all."""
    if "parts" not in about:
        return None
    return Mixture([(part["pairs_used"], part["each_epoch"]) for part in about["parts"]], both=both)
