"""What a report says: counts, lengths and examples of each part."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from translate.corpora.report import BITS
from translate.corpora.report.judge import drops
from translate.corpora.report.survey import Part, Spool

BINS = 40  # of a histogram


class Lengths(NamedTuple):
    """The lengths of the texts of one side."""

    total: int
    mean: float
    median: int
    percentile_99: int
    longest: int
    histogram: list[int]  # texts of 0, 1, 2 ... times `step`, up to the next; the last: as long or longer
    step: int


class Example(NamedTuple):
    """A pair that has one of the worst flaws of a kind."""

    reason: str
    note: str
    file: str
    where: str
    src: str
    tgt: str


class PartReport(NamedTuple):
    """What is said of one part."""

    name: str
    records: int
    pairs: int
    no_pairs: dict[str, int]  # records that are none, by reason
    reasons: dict[str, int]  # pairs that have each
    flawed: int  # pairs with a reason that drops
    words: tuple[Lengths, Lengths]
    characters: tuple[Lengths, Lengths]
    ratios: list[int]  # histogram of log2(target / source characters), RATIO_EDGES
    scores: list[int]  # histogram of the aligner's log-probabilities a word, SCORE_EDGES; empty: none known
    examples: list[Example]


RATIO_EDGES = [float(edge) for edge in np.linspace(-2, 2, BINS + 1)]
SCORE_EDGES = [float(edge) for edge in np.linspace(-20, 0, BINS + 1)]


def summarize(
    name: str, part: Part, spool: Spool, dropping: Sequence[str], scores: "np.ndarray | None"
) -> PartReport:
    """Return what is to be said of a part; its examples are read from the spool."""
    flags, chars = part.columns["flags"], part.columns["chars"]
    both = chars[(chars > 0).all(axis=1)].astype(np.float32)
    return PartReport(
        name,
        part.pairs + part.no_pairs.total(),
        part.pairs,
        dict(part.no_pairs),
        {reason: int(np.count_nonzero(flags & np.uint32(bit))) for reason, bit in BITS.items()},
        int(np.count_nonzero(drops(part, dropping))),
        (measure(part.words[0]), measure(part.words[1])),
        (measure(part.characters[0]), measure(part.characters[1])),
        _histogram(np.log2(both[:, 1] / both[:, 0]), RATIO_EDGES),
        [] if scores is None else _histogram(scores[~np.isnan(scores)], SCORE_EDGES),
        _examples(part, spool),
    )


def measure(lengths: Counter[int]) -> Lengths:
    """Describe lengths, given how many texts have each."""
    texts = lengths.total()
    if not texts:
        return Lengths(0, 0.0, 0, 0, 0, [0] * BINS, 1)
    total = sum(length * count for length, count in lengths.items())
    at_99 = _percentile(lengths, 0.99)
    step = max(1, -(-at_99 // (BINS - 1)))
    histogram = [0] * BINS
    for length, count in lengths.items():
        histogram[min(length // step, BINS - 1)] += count
    return Lengths(total, total / texts, _percentile(lengths, 0.5), at_99, max(lengths), histogram, step)


def _percentile(lengths: Counter[int], share: float) -> int:
    """Return the least length that this share of the texts do not exceed."""
    needed, seen = share * lengths.total(), 0
    for length in sorted(lengths):
        seen += lengths[length]
        if seen >= needed:
            return length
    raise AssertionError("a share is at most 1")


def _histogram(values: "np.ndarray", edges: Sequence[float]) -> list[int]:
    """Count values between edges; what is outside, in the first and last."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=np.array(edges))
    return [int(count) for count in counts]


def _examples(part: Part, spool: Spool) -> list[Example]:
    wanted = {-candidate.before for heap in part.candidates.values() for candidate in heap}
    found = (
        {place: located for place, located in enumerate(spool.pairs()) if place in wanted} if wanted else {}
    )
    examples = []
    for reason, heap in part.candidates.items():
        for candidate in sorted(heap, reverse=True):
            file, record = found[-candidate.before]
            examples.append(Example(reason, candidate.note, file, record.where, record.src, record.tgt))
    return examples
