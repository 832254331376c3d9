"""What is wrong with a pair among all others: it is there twice, or unlike the rest."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt, UInt64

from translate.corpora.report import BITS
from translate.corpora.report.survey import Candidate, Part, keep

_MAD = 1.4826  # times the median absolute deviation is the standard deviation, if normal
_VARIANCE = 6.8  # of the length of a translation, a character (Gale & Church 1993); where all are alike


class Limits(NamedTuple):
    """How far from the others a pair is an outlier, in robust standard deviations."""

    length: float = 6.0
    alignment: float = 4.0


def judge(part: Part, examples: int, limits: Limits, scores: Float[np.ndarray, " N"] | None = None) -> None:
    """Set the flags that take all pairs, and find candidates for examples.

    Args:
        part: Its flags and candidates are changed.
        examples: Candidates of each reason to keep.
        limits: Of outliers.
        scores: How well the words of each pair translate one another, as fast_align has it; NaN: not known.
    """
    _find_repeated(part, examples)
    z = length_scores(part.columns["chars"])
    _mark(
        part, "length", np.abs(z) > limits.length, np.abs(z), lambda place: f"z = {z[place]:+.1f}", examples
    )
    if scores is not None:
        z = alignment_scores(scores, part.columns["chars"])
        wrong = np.nan_to_num(z) < -limits.alignment
        _mark(
            part,
            "alignment",
            wrong,
            -z,
            lambda place: f"log-probability {scores[place]:.1f} a word",
            examples,
        )


def length_scores(chars: UInt[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
    """Return how much too long each target is for its source, in robust standard deviations.

    The difference of a target's length from what is expected grows with the root of the length (Gale & Church
    1993, section 3.1); its scale is that of most pairs. 0 where a side has no characters.
    """
    both = (chars > 0).all(axis=1)
    src, tgt = chars[both].T.astype(np.float32)
    z = np.zeros(len(chars), np.float32)
    if len(src):
        ratio = tgt.sum(dtype=np.float64) / src.sum(dtype=np.float64)
        z[both] = robust_scores((tgt - ratio * src) / np.sqrt((ratio * src + tgt) / 2), _VARIANCE**0.5)
    return z


def alignment_scores(
    log_probs: Float[np.ndarray, " N"], chars: UInt[np.ndarray, "N 2"]
) -> Float[np.ndarray, " N"]:
    """Return how much better than most the words of each pair translate one another, in standard deviations.

    The mean over few words varies more than that over many, by the root of their number: one rare word alone
    is no evidence.
    """
    root = np.sqrt(chars.sum(axis=1, dtype=np.float32))
    return robust_scores((log_probs - np.nanmedian(log_probs)) * root)


def robust_scores(values: Float[np.ndarray, " N"], scale: float = 1.0) -> Float[np.ndarray, " N"]:
    """Return the distance of each value from the median, in robust standard deviations; NaN stays NaN.

    Args:
        values: Of all pairs.
        scale: The standard deviation where more than half of the values are the same.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return values
    median = np.median(known)
    deviation = _MAD * float(np.median(np.abs(known - median)))
    scores: np.ndarray = ((values - median) / (deviation or scale)).astype(np.float32)
    return scores


def _find_repeated(part: Part, examples: int) -> None:
    src, tgt = part.columns["src"], part.columns["tgt"]
    # A hash of both; not the same for a pair and its swap.
    pairs = (src * np.uint64(0x9E3779B97F4A7C15)) ^ tgt
    first, times = _count(pairs)
    _mark(part, "duplicate", ~first, times, lambda place: f"{times[place]} times", examples)
    alive = first & ((part.columns["flags"] & BITS["empty"]) == 0)
    for reason, side, others in (("same-source", src, "targets"), ("same-target", tgt, "sources")):
        times[:] = 0
        times[alive] = _count(side[alive])[1]
        _mark(part, reason, times > 1, times, _counted(times, others), examples)


def _counted(times: Int[np.ndarray, " N"], what: str) -> Any:
    return lambda place: f"{times[place]} {what}"


def _count(hashes: UInt64[np.ndarray, " N"]) -> tuple[Bool[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Return whether each value is the first of its kind, and how many there are of its kind."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(hashes)])
    first = np.zeros(len(hashes), bool)
    first[order[starts]] = True
    times = np.empty(len(hashes), np.int32)
    counts = np.diff(np.r_[starts, len(hashes)])
    times[order] = np.repeat(counts, counts)
    return first, times


def _mark(part: Part, reason: str, which: Any, severity: Any, note: Any, examples: int) -> None:
    part.columns["flags"][which] |= np.uint32(BITS[reason])
    places = np.flatnonzero(which)
    if len(places) > examples:
        # Of equals, the first in the corpus: the order is stable.
        places = places[np.argsort(-severity[places].astype(np.float32), kind="stable")[:examples]]
    heap: list[Candidate] = []
    for place in map(int, places):
        keep(heap, Candidate(float(severity[place]), -place, note(place)), examples)
    part.candidates[reason] = heap


def drops(part: Part, reasons: Sequence[str]) -> Bool[np.ndarray, " N"]:
    """Return which pairs have one of the reasons."""
    dropped: np.ndarray = (part.columns["flags"] & np.uint32(sum({BITS[it] for it in reasons}))) != 0
    return dropped
