"""Minimum Bayes risk: of several translations the one that is most like all of them (Kumar & Byrne 2004).

What a model holds most likely can be an odd one; the translation of the highest expected chrF is like much of
what the model holds likely (Eikema & Aziz 2020; Freitag et al. 2022).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

ORDERS = 6  # n-grams of one to so many characters (Popović 2015)
BETA = 2  # recall counts so many times as much as precision


def choose(candidates: Sequence[str], log_probs: Sequence[float]) -> int:
    """Return the place of the candidate with the highest expected chrF; among equals the first.

    The expectation is taken over the candidates themselves, each as probable as the model says, all together
    one (Kumar & Byrne 2004). The best of a beam are no sample, in which what is probable is there
    more often: with equal weights the beam's improbable end would have as many votes as its best.

    Args:
        candidates: translations of one text, at least one.
        log_probs: natural logarithms of their probabilities, not divided by any length.
    """
    weights = np.exp(np.asarray(log_probs) - max(log_probs))
    return int((pairwise_chrf(candidates) @ weights).argmax())


def pairwise_chrf(texts: Sequence[str]) -> Float[np.ndarray, "K K"]:
    """chrF of each text (a row) with each as its reference (a column), 0 to 100.

    As sacreBLEU's chrF2 of two sentences, but each text's n-grams are counted once and not for every pair.
    """
    precision, recall, orders = (np.zeros((len(texts), len(texts))) for _ in range(3))
    squeezed = ["".join(text.split()) for text in texts]  # white space does not count
    for order in range(1, ORDERS + 1):
        counts = _count_ngrams(squeezed, order)
        matches = np.stack([np.minimum(row, counts).sum(axis=1) for row in counts])
        totals = counts.sum(axis=1)
        both = (totals[:, None] > 0) & (totals > 0)  # orders that either text is too short for are left out
        precision += both * matches / totals.clip(min=1)[:, None]
        recall += both * matches / totals.clip(min=1)
        orders += both
    precision, recall = precision / orders.clip(min=1), recall / orders.clip(min=1)
    weighed = BETA**2 * precision + recall
    scores: np.ndarray = 100 * (1 + BETA**2) * precision * recall / np.where(weighed > 0, weighed, 1)
    return scores


def _count_ngrams(texts: Sequence[str], order: int) -> Int[np.ndarray, "K _"]:
    """How often each text has each n-gram that any of them has."""
    found = [Counter(text[at : at + order] for at in range(len(text) - order + 1)) for text in texts]
    columns: dict[str, int] = {}
    for ngrams in found:
        for ngram in ngrams:
            columns.setdefault(ngram, len(columns))
    counts = np.zeros((len(texts), len(columns)), dtype=np.int64)
    for row, ngrams in zip(counts, found, strict=True):
        row[[columns[ngram] for ngram in ngrams]] = list(ngrams.values())
    return counts
