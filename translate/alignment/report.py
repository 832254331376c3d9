"""Can the picture be trusted? One report of what the weights look like, and whether they say what is true.

Of all target words t (the end of sentence apart) and source words i with weights w_ti, which with the end's
weight w_tE sum to one:

    mass on the end of sentence      mean over t of w_tE
    entropy                          mean over t of H_t = -Σ_i w_ti ln w_ti (the end included), nats; and of
                                     H_t / ln n, where n is the number of columns that can be attended to
    source words with a link         share of all i that the links have
    source words by mass             mean over i of min(1, Σ_t w_ti): what the coverage penalty of Wu et al.
                                     (2016) takes the logarithm of
    agreement                        Dice = 2 |A ∩ B| / (|A| + |B|) of two aligners' links over all pairs

`faithfulness` says what the last part measures.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from translate.alignment import Link
from translate.alignment.aer import ErrorRate
from translate.alignment.extract import Alignment
from translate.alignment.faithfulness import Effect, Faithfulness
from translate.errors import InputError

# Below so many pairs, a statistical aligner has too little text to learn from for its links to judge others.
# An order of magnitude, not a measured bound.
FEW_PAIRS = 300


class Picture(NamedTuple):
    """What the weights of all pairs look like; the module's docstring has the equations."""

    end_mass: float
    entropy: float  # nats
    relative_entropy: float  # 0: one word, 1: all alike
    linked: float
    covered: float
    pairs: int  # with words on both sides


class Report(NamedTuple):
    """All that is known of how far a model's alignments can be trusted; None: could not be compared."""

    name: str  # of the model
    attention: str  # which one is read, in words
    own: bool  # the translations are the model's own
    picture: Picture
    directions: float | None  # agreement with the other direction
    statistical: float | None  # agreement with the statistical aligner
    gold: ErrorRate | None
    faithfulness: Faithfulness


def describe_weights(
    alignments: Sequence[Alignment], links: Sequence[Sequence[Link]], *, end_of_sentence: bool
) -> Picture:
    """Return what the weights look like.

    Args:
        end_of_sentence: whether the model can attend to the source's end of sentence.

    Raises:
        InputError: no pair has words on both sides.
    """
    ends, entropies, relative = [], [], []
    linked, covered, src_words = 0, 0.0, 0
    with_words = [
        (alignment, own) for alignment, own in zip(alignments, links, strict=True) if alignment.src_tokens
    ]
    if not with_words:
        raise InputError("no pair to report on has words on both sides")
    for alignment, own in with_words:
        rows = alignment.weights[:-1].astype(np.float64)
        entropy = -(rows * np.log(np.where(rows > 0, rows, 1.0))).sum(axis=1)
        ends.append(rows[:, -1])
        entropies.append(entropy)
        columns = rows.shape[1] - (not end_of_sentence)
        if columns > 1:
            relative.append(entropy / math.log(columns))
        src_words += rows.shape[1] - 1
        linked += len({i for i, _ in own})
        covered += float(np.minimum(rows[:, :-1].sum(axis=0), 1).sum())
    return Picture(
        _mean(ends),
        _mean(entropies),
        _mean(relative),
        linked / src_words,
        covered / src_words,
        len(with_words),
    )


def dice(one: Iterable[Iterable[Link]], other: Iterable[Iterable[Link]]) -> float:
    """Return how well two aligners' links agree over all pairs; two that link nothing agree."""
    both = total = 0
    for links, other_links in zip(one, other, strict=True):
        first, second = set(links), set(other_links)
        both += len(first & second)
        total += len(first) + len(second)
    return 2 * both / total if total else 1.0


def to_object(report: Report) -> dict[str, object]:
    """Return the report as what JSON can hold; shares are from 0 to 1, null is what was not compared."""
    faith = report.faithfulness
    return {
        "run": report.name,
        "attention": report.attention,
        "translations": "own" if report.own else "given",
        "pairs": report.picture.pairs,
        "end_mass": report.picture.end_mass,
        "entropy_nats": report.picture.entropy,
        "entropy_relative": report.picture.relative_entropy,
        "src_words_linked": report.picture.linked,
        "src_words_covered": report.picture.covered,
        "agreement_of_directions": report.directions,
        "agreement_with_statistical": report.statistical,
        "gold": None if report.gold is None else report.gold._asdict(),
        "faithfulness": {
            "log_prob": faith.log_prob,
            "pieces": faith.pieces,
            "pieces_with_several_src_words": faith.comparable,
            "everywhere": _effects(faith.everywhere),
            "read_only": None if faith.read is None else _effects(faith.read),
        },
    }


def to_text(report: Report) -> str:
    """Return the report for people: each number, and beside it what it means."""
    picture, gold = report.picture, report.gold
    lines = [
        f"Can the picture be trusted?  {report.name}: {report.attention}",
        f"{picture.pairs} pairs, {'the model translated' if report.own else 'the translations were given'}",
        "",
        "What the picture looks like",
        _line("mass on the end of sentence", f"{picture.end_mass:.1%}", "looks at no word; lower is better"),
        _line(
            "entropy of a target word", f"{picture.entropy:.2f} nats", "0: it looks at one source word only"
        ),
        _line(
            "  of the most possible",
            f"{picture.relative_entropy:.1%}",
            "near 100%: at all alike, so the picture says nothing",
        ),
        _line(
            "source words with a link",
            f"{picture.linked:.1%}",
            "the others are untranslated, or not shown",
        ),
        _line(
            "source words by mass",
            f"{picture.covered:.1%}",
            "how far each was looked at in all; higher is better",
        ),
        "",
        "What others say",
        _line(
            "the other direction agrees",
            _share(report.directions),
            "share of common links; higher is better"
            if report.directions is not None
            else "not compared: give --reverse RUN2",
        ),
        _line("a statistical aligner agrees", _share(report.statistical), _about_statistical(report)),
        _line(
            "alignment error rate",
            _share(None if gold is None else gold.aer),
            f"people's links; lower is better (precision {gold.precision:.1%}, recall {gold.recall:.1%})"
            if gold is not None
            else "not compared: give --gold FILE",
        ),
        "",
        *_faithfulness_lines(report.faithfulness),
    ]
    return "\n".join(lines)


def _faithfulness_lines(faith: Faithfulness) -> list[str]:
    scopes = [("all attention changed", faith.everywhere)]
    if faith.read is not None:
        scopes.append(("only what is read changed", faith.read))
    labels = {
        "uniform": "all weights made equal",
        "permuted": "weights put elsewhere",
        "top hidden": "brightest word hidden",
        "other hidden": "any other word hidden",
    }
    lines = [
        f"What the model does without it (mean of {faith.pieces} target pieces, "
        f"log-probability {faith.log_prob:.2f} each)",
        f"{'':30}" + "".join(f"{title:>30}" for title, _ in scopes),
    ]
    for name, label in labels.items():
        cells = "".join(
            f"{f'{effects[name].log_prob:+.2f} nats, {effects[name].distance:5.1%} moved':>30}"
            for _, effects in scopes
        )
        lines.append(f"  {label:28}{cells}")
    return [
        *lines,
        "  nats: change of the given piece's log-probability; moved: probability that went to other pieces.",
        "  Equal or misplaced weights that change little: the model needs none of them, trust no plot.",
        "  Large changes show that it needs them, not that each bright spot is a reason.",
        f"  {_verdict(faith)}",
    ]


def _verdict(faith: Faithfulness) -> str:
    """Say what the two kinds of hidden words show together: what no single number does."""
    top, other = (faith.everywhere[name].distance for name in ("top hidden", "other hidden"))
    if not faith.comparable:
        return "Hidden words: nothing to compare, no source has two words."
    if top <= other:
        return (
            "Hiding the brightest word moves no more than hiding another: the picture\n  does not show what "
            "the model uses."
        )
    equal = faith.everywhere["uniform"].distance
    return (
        f"Hiding the brightest word moves {_times(top, other)} as much as hiding another, and equal weights "
        f"move\n  {equal:.1%} of the probability: the larger both are, the more the picture points at what "
        "is used."
    )


def _times(more: float, less: float) -> str:
    return f"{more / less:.1f} times" if less > 0 else "infinitely many times"


def _about_statistical(report: Report) -> str:
    if report.statistical is None:
        return "not compared: pip install 'seq2see[fast-align]'"
    about = "share of common links; higher is better"
    return (
        f"{about}, but {report.picture.pairs} pairs are few to learn from"
        if report.picture.pairs < FEW_PAIRS
        else about
    )


def _line(label: str, value: str, meaning: str) -> str:
    return f"  {label:30}{value:>10}  {meaning}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _mean(parts: Sequence[np.ndarray]) -> float:
    return float(np.concatenate(parts).mean()) if parts else 0.0


def _effects(effects: dict[str, Effect]) -> dict[str, dict[str, float]]:
    return {
        name.replace(" ", "_"): {"log_prob_change": effect.log_prob, "total_variation": effect.distance}
        for name, effect in effects.items()
    }
