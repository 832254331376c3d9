"""Which of two systems translates a test set better, where, and whether that is chance.

Differences are those of B from A: above 0, B is better. Each has the interval that 95% of resampled test sets
are in (`translate/bootstrap.py`). Buckets are those of compare-mt (Neubig et al. 2019, NAACL): sentences by
their length, words by how often the training text has them, each word then with its F-measure. Words are what
BLEU counts.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from itertools import chain, groupby
from typing import Literal, NamedTuple
from unicodedata import category

import numpy as np
from jaxtyping import Int

from translate.bootstrap import SAMPLES, paired_bootstrap
from translate.evaluation import UNSPACED, Counts, count_matches, primary_language, word_splitter

# Words of a source. compare-mt's (10, 20, ... 60), and 5 and 15, where most sentences of captions and of
# interfaces are.
LENGTHS = (5, 10, 15, 20, 30, 40, 50, 60)
# Occurrences in the training text; compare-mt's.
FREQUENCIES = (1, 2, 3, 4, 5, 10, 100, 1000)
# Sentences that an interval is given for: a handful, drawn again and again, looks surer than it is.
FEWEST = 20

Sums = Int[np.ndarray, " C"]
Mark = Literal["space", "same", "right", "wrong"]


class Texts(NamedTuple):
    """A test set and what two systems made of it, line by line."""

    sources: Sequence[str] | None
    references: Sequence[str]
    a: Sequence[str]
    b: Sequence[str]
    src_lang: str | None = None
    tgt_lang: str | None = None


class Resampling(NamedTuple):
    """How chance is told."""

    samples: int = SAMPLES
    seed: int = 1


class Compared(NamedTuple):
    """One score of both systems; of too few sentences (FEWEST) nothing is said of chance."""

    a: float
    b: float
    difference: float  # b - a
    interval: tuple[float, float] | None
    p_value: float | None


class Metric(NamedTuple):
    """A score of the whole test set."""

    name: str
    signature: str
    compared: Compared


class Bucket(NamedTuple):
    """A part of the test set."""

    name: str  # the numbers that its sentences or words have, such as 10-14
    size: int  # sentences, or words of the references
    compared: Compared


class Example(NamedTuple):
    """A sentence and how both systems translate it."""

    line: int  # from 1
    src: str | None
    ref: str
    a: str
    b: str
    a_score: float  # sentence-level chrF
    b_score: float


class Comparison(NamedTuple):
    """All that is said about two systems."""

    sentences: int
    metrics: list[Metric]  # BLEU, chrF
    length_ratio: tuple[float, float]  # words of A's and of B's translations, by those of the references
    exact: tuple[int, int]  # translations of A and of B that are their references
    identical: int  # sentences that both translate alike
    better: tuple[int, int]  # sentences in which A's, and in which B's chrF is higher
    by_length: list[Bucket]  # BLEU of sentences; empty without sources
    by_rarest: list[Bucket]  # BLEU of sentences by their reference's rarest word; empty without frequencies
    by_frequency: list[Bucket]  # F-measure of words, 0 to 100; empty without frequencies
    a_best: list[Example]  # by how much A's chrF is higher, most first
    b_best: list[Example]


def compare(
    texts: Texts,
    *,
    frequencies: Counter[str] | None = None,
    examples: int = 10,
    resampling: Resampling = Resampling(),  # noqa: B008 (immutable)
) -> Comparison:
    """Compare the translations of two systems.

    Args:
        texts: The test set and its translations.
        frequencies: How often the words occur in the training text, as `count_words` says.
        examples: Most sentences to show in which either system is better.
        resampling: How many test sets are drawn, and by which seed.

    Raises InputError when there is nothing to compare or the numbers of sentences differ.
    """
    sources, refs, a, b, src_lang, tgt_lang = texts
    (bleu_a, chrf_a), (bleu_b, chrf_b) = (count_matches(side, refs, tgt_lang) for side in (a, b))
    bleu, chrf = (bleu_a, bleu_b), (chrf_a, chrf_b)
    by_length: list[Bucket] = []
    by_rarest: list[Bucket] = []
    by_frequency: list[Bucket] = []
    if sources is not None:
        split = word_splitter(src_lang)
        by_length = _by_sentence(bleu, [len(split(src)) for src in sources], LENGTHS, resampling)
    if frequencies is not None:
        split = word_splitter(tgt_lang)
        words = [[split(line) for line in side] for side in (refs, a, b)]
        rarest = [min((frequencies[word] for word in line), default=0) for line in words[0]]
        by_rarest = _by_sentence(bleu, rarest, FREQUENCIES, resampling)
        by_frequency = _by_word(words, frequencies, resampling)
    a_best, b_best = _rank(texts, chrf)
    return Comparison(
        len(refs),
        [
            Metric(one.name, one.signature, _compared(one.rows, other.rows, one.score, resampling))
            for one, other in (bleu, chrf)
        ],
        (_length_ratio(bleu_a), _length_ratio(bleu_b)),
        (_count_equal(a, refs), _count_equal(b, refs)),
        _count_equal(a, b),
        (len(a_best), len(b_best)),
        by_length,
        by_rarest,
        by_frequency,
        a_best[:examples],
        b_best[:examples],
    )


def count_words(lines: Iterable[str], wanted: set[str], lang: str | None) -> Counter[str]:
    """Count how often each of the wanted words occurs in a text, which may be too large to be held."""
    words = word_splitter(lang)
    return Counter(word for line in lines for word in words(line) if word in wanted)


def vocabulary(texts: Texts) -> set[str]:
    """Return all words of the references and of both systems."""
    split = word_splitter(texts.tgt_lang)
    return {word for line in chain(texts.references, texts.a, texts.b) for word in split(line)}


def verdict(compared: Compared) -> str:
    """Say in words which system is better, at the usual level of 5%."""
    if compared.p_value is None:
        return "too few sentences to tell from chance"
    if compared.p_value >= 0.05:
        return "may be chance"
    return "B is better" if compared.difference > 0 else "A is better"


def mark_words(hypothesis: str, other: str, ref: str, lang: str | None = None) -> list[tuple[str, Mark]]:
    """Split a translation, and say which of its words another has not, and whether those are right.

    Both are told by the longest runs of words in common. Put together, the parts are the translation.

    Returns:
        Parts, each with what it is: `space` between words; `same` as in the other; else `right` when the
        reference has it, and `wrong` when not.
    """
    parts = _parts(hypothesis, lang)
    words = [part for part in parts if not part.isspace()]
    in_other, in_ref = (_matched(words, _parts(text, lang)) for text in (other, ref))
    marks: Iterable[Mark] = (
        "same" if place in in_other else "right" if place in in_ref else "wrong"
        for place in range(len(words))
    )
    marks = iter(marks)
    return [(part, "space" if part.isspace() else next(marks)) for part in parts]


def _matched(words: Sequence[str], others: Sequence[str]) -> set[int]:
    """Return the places of words that others have in the same order."""
    others = [part for part in others if not part.isspace()]
    blocks = SequenceMatcher(None, words, others, autojunk=False).get_matching_blocks()
    return {place for block in blocks for place in range(block.a, block.a + block.size)}


def _parts(text: str, lang: str | None) -> list[str]:
    """Split at each change between spaces, words and punctuation; without spaces, into characters."""
    if primary_language(lang or "") in UNSPACED:
        return list(text)
    return ["".join(part) for _, part in groupby(text, key=_kind)]


def _kind(character: str) -> str:
    if character.isspace():
        return "space"
    # A mark on a letter is no letter by itself, but belongs to its word.
    return "punctuation" if category(character)[0] in "PS" else "word"


def _rank(texts: Texts, chrf: Sequence[Counts]) -> tuple[list[Example], list[Example]]:
    """Return the sentences in which A, and those in which B has the higher chrF, the widest gap first."""
    scores = [[side.score(row) for row in side.rows] for side in chrf]
    sources = [None] * len(texts.references) if texts.sources is None else texts.sources
    rows = zip(sources, texts.references, texts.a, texts.b, *scores, strict=True)
    found = [Example(line, *row) for line, row in enumerate(rows, start=1)]
    a_best = [example for example in found if example.a_score > example.b_score]
    b_best = [example for example in found if example.b_score > example.a_score]
    return (
        sorted(a_best, key=lambda example: example.b_score - example.a_score),
        sorted(b_best, key=lambda example: example.a_score - example.b_score),
    )


def _length_ratio(bleu: Counts) -> float:
    hypotheses, references = bleu.rows[:, :2].sum(axis=0).tolist()
    return hypotheses / references if references else 0.0


def _count_equal(lines: Sequence[str], others: Sequence[str]) -> int:
    return sum(line == other for line, other in zip(lines, others, strict=True))


def _by_sentence(
    sides: Sequence[Counts], values: Sequence[int], cutoffs: Sequence[int], resampling: Resampling
) -> list[Bucket]:
    """Score the sentences of each bucket together; buckets without any are left out."""
    places = np.array([bisect_right(cutoffs, value) for value in values])
    found = []
    for place, name in enumerate(_names(cutoffs)):
        rows = [side.rows[places == place] for side in sides]
        if len(rows[0]):
            compared = _compared(rows[0], rows[1], sides[0].score, resampling)
            found.append(Bucket(name, len(rows[0]), compared))
    return found


def _by_word(
    words: Sequence[Sequence[Sequence[str]]], frequencies: Counter[str], resampling: Resampling
) -> list[Bucket]:
    """Score the words of each bucket that references have words of.

    Args:
        words: Of the references, of A, of B.
        frequencies: Of them all.
        resampling: As in `compare`.
    """
    refs, *sides = words
    counts = [_count_by_frequency(side, refs, frequencies) for side in sides]
    found = []
    for place, name in enumerate(_names(FREQUENCIES)):
        rows = [side[place] for side in counts]
        size = int(rows[0][:, 2].sum())
        if size:
            found.append(Bucket(name, size, _compared(rows[0], rows[1], f_measure, resampling)))
    return found


def _count_by_frequency(
    hypotheses: Sequence[Sequence[str]], refs: Sequence[Sequence[str]], frequencies: Counter[str]
) -> Int[np.ndarray, "F P 3"]:
    """Count for each bucket and sentence the words in both, in the hypothesis, and in the reference."""
    counts = np.zeros((len(FREQUENCIES) + 1, len(refs), 3), dtype=np.int64)
    for row, (hypothesis, ref) in enumerate(zip(map(Counter, hypotheses), map(Counter, refs), strict=True)):
        for column, bag in enumerate((hypothesis & ref, hypothesis, ref)):
            for word, times in bag.items():
                counts[bisect_right(FREQUENCIES, frequencies[word]), row, column] += times
    return counts


def f_measure(sums: Sums) -> float:
    """Return the F-measure, 0 to 100, of words in both texts, in the hypotheses and in the references."""
    both, hypothesis, ref = sums.tolist()
    return 200 * both / (hypothesis + ref) if both else 0.0  # precision and recall, their harmonic mean


def _compared(
    a: Int[np.ndarray, "P C"],
    b: Int[np.ndarray, "P C"],
    score: Callable[[Sums], float],
    resampling: Resampling,
) -> Compared:
    of_a, of_b = score(a.sum(axis=0)), score(b.sum(axis=0))
    if np.logical_or(a, b).any(axis=1).sum() < FEWEST:
        return Compared(of_a, of_b, of_b - of_a, None, None)
    found = paired_bootstrap(b, a, score, samples=resampling.samples, seed=resampling.seed)
    return Compared(of_a, of_b, found.difference, (found.low, found.high), found.p_value)


def _names(cutoffs: Sequence[int]) -> list[str]:
    """Name the numbers below the first cutoff, from each to the next, and from the last on."""
    lows = [0, *cutoffs]
    ranges = [
        str(low) if high - low == 1 else f"{low}-{high - 1}" for low, high in zip(lows, cutoffs, strict=False)
    ]
    return [*ranges, f"{lows[-1]}+"]
