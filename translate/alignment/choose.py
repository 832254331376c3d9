"""Which attention to read: every layer, head and shift is tried on given pairs, and the best one is kept.

A reading is judged by one of two criteria:

- agreement, which needs no gold links: F are the links of the model, B those of one that translates the other
  way (both as (source, target) words, summed over all pairs), and their agreement is Dice's coefficient

      Dice = 2 |F ∩ B| / (|F| + |B|)

  which is 1 - AER of either with the other as its sure gold links (`aer.py`). Chen et al. (2020) choose the
  layer so, by how well the alignments of both directions agree, instead of by labelled pairs. Readings of the
  two models are tried in all combinations, since layers and heads of one have nothing to do with the other's.
- gold: the alignment error rate against links that people drew, also over thresholds.

The choice lies in the run directory (alignment.json) and is what `seq2see align` reads from then on.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from translate.alignment.aer import Gold
from translate.alignment.extract import Alignment, Maps, Reading, choose_attention, read, shifts
from translate.alignment.words import Level, at_level
from translate.config import guided_head
from translate.config.model import ModelConfig
from translate.errors import InputError, UsageError
from translate.run_directory import RunDirectory

log = logging.getLogger(__name__)

# Weights from which words are linked that the choice on gold links tries, besides the highest weight only.
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


class Choice(NamedTuple):
    """A reading, and why it was chosen."""

    reading: Reading
    threshold: float | None  # from which words are linked; None: the highest weight only
    criterion: str  # in words
    score: float  # by that criterion, from 0 to 1
    pairs: int  # that it was chosen on


def candidates(config: ModelConfig) -> list[Reading]:
    """Return all readings of a model: each layer's heads and their mean, with each shift."""
    layers = config.decoder.layers if config.decoder.type == "transformer" else 1
    heads = [*range(1, config.attention.heads + 1), None] if config.attention.heads > 1 else [None]
    return [
        choose_attention(config, layer, head, shift)
        for layer in range(1, layers + 1)
        for head in heads
        for shift in shifts(config)
    ]


def agreement(
    forward: Sequence[Maps],
    backward: Sequence[Maps],
    forward_readings: Sequence[Reading],
    backward_readings: Sequence[Reading],
) -> Float[np.ndarray, "K K2"]:
    """Return how well every reading of one model agrees with every reading of the other (module docstring).

    Args:
        forward: of (source, target) pairs.
        backward: of the same pairs swapped, in the same order: their src is our target.

    Raises:
        InputError: the two split a text into different words, which can be where it has no spaces.
    """
    both = np.zeros((len(forward_readings), len(backward_readings)))
    forwards, backwards = np.zeros(len(both)), np.zeros(both.shape[1])
    for one, other in zip(forward, backward, strict=True):
        if not (one.src_tokens and other.src_tokens):
            continue
        there = _at_once(one, forward_readings, "word")
        back = _at_once(other, backward_readings, "word")
        if (there.src_spans, there.tgt_spans) != (back.tgt_spans, back.src_spans):
            raise InputError(
                f"the two directions split {one.src!r} or {one.tgt!r} into different words: where a text has "
                "no spaces, only runs with the same tokenizer can be compared"
            )
        # Sums of ones, which float32 counts exactly: a matrix product with it is fast.
        found = _linked(there.weights).reshape(len(both), -1).astype(np.float32)
        found_back = _linked(back.weights).transpose(0, 2, 1).reshape(both.shape[1], -1).astype(np.float32)
        both += found @ found_back.T
        forwards += found.sum(axis=1)
        backwards += found_back.sum(axis=1)
    return 2 * both / np.maximum(forwards[:, None] + backwards, 1)


def error_rates(
    maps: Sequence[Maps], gold: Sequence[Gold], readings: Sequence[Reading], *, swapped: bool = False
) -> Float[np.ndarray, "H K"]:
    """Return every reading's alignment error rate: by the highest weight, then with each of THRESHOLDS.

    Args:
        swapped: the maps are of swapped pairs, while the gold links are (source, target) words as ever.
    """
    rules = (None, *THRESHOLDS)
    found, right = np.zeros((len(rules), len(readings))), np.zeros((len(rules), len(readings)))
    sure = 0
    for pair, links in zip(maps, gold, strict=True):
        sure += len(links.sure)
        if not pair.src_tokens:
            continue
        weights = _at_once(pair, readings, "token").weights
        # A link that is sure counts twice: it is in S, and in P.
        credit = np.zeros((weights.shape[1] - 1, weights.shape[2] - 1), dtype=np.float32)
        for worth, some in ((1, links.possible), (2, links.sure)):
            for i, j in some:
                credit[(i, j) if swapped else (j, i)] = worth
        for row, rule in enumerate(rules):
            linked = _linked(weights, rule)
            found[row] += linked.sum(axis=(1, 2))
            right[row] += (linked * credit).sum(axis=(1, 2))
    return 1 - right / np.maximum(found + sure, 1)


def choose_by_agreement(
    forward: Sequence[Maps], backward: Sequence[Maps], config: ModelConfig, backward_config: ModelConfig
) -> tuple[Choice, Choice, list[tuple[Reading, Reading, float]]]:
    """Choose the two readings that agree best.

    Returns:
        The choice for each direction; and each forward reading, the backward one that agrees with it best,
        and how much, from the best to the worst.

    Raises:
        InputError: no pair has words on both sides; or as `agreement`.
    """
    readings, backward_readings = candidates(config), candidates(backward_config)
    count = _count(forward)
    scores = agreement(forward, backward, readings, backward_readings)
    partners = scores.argmax(axis=1)
    best = scores.max(axis=1)
    order = np.argsort(-best, kind="stable")
    table = [(readings[k], backward_readings[partners[k]], float(best[k])) for k in order]
    there, back, score = table[0]
    why = "agreement of the two directions' links (Dice; after Chen et al. 2020)"
    return Choice(there, None, why, score, count), Choice(back, None, why, score, count), table


def choose_by_gold(
    maps: Sequence[Maps], gold: Sequence[Gold], config: ModelConfig, *, swapped: bool = False
) -> tuple[Choice, list[tuple[Reading, float | None, float]]]:
    """Choose the reading and the threshold with the lowest alignment error rate.

    Returns:
        The choice; and each reading with its best threshold and error rate, from the best to the worst.

    Raises:
        InputError: no pair has words on both sides.
    """
    readings, rules = candidates(config), (None, *THRESHOLDS)
    count = _count(maps)
    rates = error_rates(maps, gold, readings, swapped=swapped)
    best = rates.min(axis=0)
    table = [
        (readings[k], rules[rates[:, k].argmin()], float(best[k])) for k in np.argsort(best, kind="stable")
    ]
    reading, threshold, rate = table[0]
    return Choice(reading, threshold, "lowest alignment error rate on gold links", rate, count), table


def save_choice(run: RunDirectory, choice: Choice, *, backwards: bool = False) -> Path:
    """Write the choice to alignment.json, for the weights as they are now; return where that is.

    Args:
        backwards: it is that of the other direction, of a run with both; it has a file of its own.
    """
    reading = choice.reading
    value = {
        "layer": reading.layer + 1,
        "head": "mean" if reading.head is None else reading.head + 1,
        "shift": reading.shift,
        "threshold": choice.threshold,
        "criterion": choice.criterion,
        "score": round(choice.score, 6),
        "pairs": choice.pairs,
        "weights_sha256": run.weights_sha256(),
    }
    path = _path(run, backwards)
    run.save_json(path, value)
    return path


def load_choice(run: RunDirectory, *, backwards: bool = False) -> Choice | None:
    """Return the saved choice, if there is one; its reading says so in words, and whether it is out of date.

    Raises:
        InputError: alignment.json is damaged, or names what the model does not have.
    """
    path = _path(run, backwards)
    try:
        saved: Any = run.read_json(path)
        if saved is None:
            return None
        head = None if saved["head"] == "mean" else int(saved["head"])
        reading = choose_attention(run.config.model, int(saved["layer"]), head, int(saved["shift"]))
        threshold = None if saved["threshold"] is None else float(saved["threshold"])
        choice = Choice(
            reading, threshold, str(saved["criterion"]), float(saved["score"]), int(saved["pairs"])
        )
        current = saved["weights_sha256"] == run.weights_sha256()
    except (ValueError, TypeError, KeyError, UsageError):
        raise InputError(
            f"{path} is damaged or of another model: choose anew with `seq2see align --choose`, or remove it"
        ) from None
    why = f"chosen on {choice.pairs} pairs: {choice.criterion}, {choice.score:.1%}"
    if not current:
        log.warning(
            "%s was chosen before the run trained on: choose anew with `seq2see align --choose`",
            path,
        )
        why += ", before the run trained on"
    return choice._replace(reading=reading._replace(words=f"{reading.words} ({why})"))


def choose_reading(run: RunDirectory, *, backwards: bool = False) -> tuple[Reading, float | None]:
    """Return what is read if nothing else is asked for, and the threshold of links: as saved, or the default.

    Raises:
        InputError: as `load_choice`.
    """
    saved = load_choice(run, backwards=backwards)
    if saved is not None:
        return saved.reading, saved.threshold
    return choose_attention(run.config.model, guided=guided_head(run.config)), None


def _path(run: RunDirectory, backwards: bool) -> Path:
    return run.backwards_alignment_path if backwards else run.alignment_path


def _at_once(maps: Maps, readings: Sequence[Reading], level: Level) -> Alignment:
    """Return one alignment with the weights of all readings, (K, T, S)."""
    weights = np.stack([read(maps, reading).weights for reading in readings])
    return at_level(Alignment(*maps[:6], weights, "all readings"), level)


def _linked(
    weights: Float[np.ndarray, "K T1 S1"], threshold: float | None = None
) -> Bool[np.ndarray, "K T S"]:
    """Return what `links` does for each reading, as a table without the ends of sentence."""
    rows = weights[:, :-1]
    if threshold is not None:
        return rows[..., :-1] >= threshold
    highest: Bool[np.ndarray, "K T S"] = rows.argmax(axis=-1)[..., None] == np.arange(rows.shape[-1] - 1)
    return highest & (rows[..., :-1] > 0)


def _count(maps: Sequence[Maps]) -> int:
    """The pairs that have words."""
    count = sum(bool(pair.src_tokens) for pair in maps)
    if not count:
        raise InputError("no pair to choose on has words on both sides")
    return count
