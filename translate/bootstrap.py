"""Whether two systems differ on a test set by more than chance: paired bootstrap resampling.

Test sets of as many sentences are drawn from the test set, with replacement, and both systems are scored on
each (Koehn 2004, EMNLP). What a score counts must add up over sentences: then that of a drawn test set costs
one sum.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

SAMPLES = 1000  # as in sacreBLEU, and in Koehn 2004


class Difference(NamedTuple):
    """By how much one system's score is above the other's."""

    difference: float  # on the whole test set
    low: float  # of the middle 95% of resampled differences
    high: float
    p_value: float


def paired_bootstrap(
    one: Int[np.ndarray, "P C"],
    other: Int[np.ndarray, "P C"],
    score: Callable[[Int[np.ndarray, " C"]], float],
    *,
    samples: int = SAMPLES,
    seed: int = 1,
) -> Difference:
    """Say by how much the first system is above the second, and how often chance alone does that much.

    The p-value is the share of drawn test sets, and of the one that there is, in which the difference is as
    far from its mean as the measured one is from 0 (two-sided; as in sacreBLEU, it is never 0).

    Args:
        one: What is counted in each of P sentences of the first system.
        other: Of the second system, in the same sentences.
        score: The score of counts that are summed over sentences.
    """
    random = np.random.default_rng(seed)
    sentences = len(one)
    if not sentences:
        return Difference(0.0, 0.0, 0.0, 1.0)
    # As floats, which numpy multiplies many times faster; whole numbers stay whole up to 2^53.
    counts = np.concatenate([one, other], axis=1).astype(np.float64)
    differences = np.empty(samples)
    for sample in range(samples):
        times = np.bincount(random.integers(sentences, size=sentences), minlength=sentences)
        sums = (times.astype(np.float64) @ counts).astype(np.int64)
        differences[sample] = score(sums[: one.shape[1]]) - score(sums[one.shape[1] :])
    difference = score(one.sum(axis=0)) - score(other.sum(axis=0))
    as_far = np.abs(differences - differences.mean()) >= abs(difference)
    low, high = np.quantile(differences, [0.025, 0.975])
    return Difference(difference, float(low), float(high), float((as_far.sum() + 1) / (samples + 1)))
