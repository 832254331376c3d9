"""How far links are from those that people drew: alignment error rate, precision, recall and F1.

With A the links to judge, S the sure gold links and P the possible ones (S among them), summed over all pairs
(Och & Ney 2003, section 5.1):

    precision = |A ∩ P| / |A|      recall = |A ∩ S| / |S|      AER = 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|)

F1 is the harmonic mean of that precision and recall. Counts in which nothing occurs give a precision or
recall of 1: nothing was wrong, or nothing missed.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from translate.alignment import Link
from translate.errors import InputError
from translate.text_files import read_lines

_LINK = re.compile(r"([0-9]+)([-p?])([0-9]+)")


class Gold(NamedTuple):
    """The links that people drew for one pair: (source word, target word), from 0."""

    sure: frozenset[Link]
    possible: frozenset[Link]  # those that are not sure


class ErrorRate(NamedTuple):
    """How links compare with gold; all rates are from 0 to 1."""

    aer: float
    precision: float
    recall: float
    f1: float
    links: int
    sure: int
    possible: int  # not counting the sure ones


def read_gold(path: str | Path, *, one_based: bool = False) -> list[Gold]:
    """Read gold links, one line a pair: `i-j` is sure, `ipj` and `i?j` are possible; i is the source word.

    Raises:
        InputError: The file cannot be read, something in it is no link, or words that count from 1 begin with
        0.
    """
    pairs = []
    for number, line in enumerate(read_lines(path), start=1):
        links: dict[str, set[Link]] = {"-": set(), "p": set()}
        for text in line.split():
            match = _LINK.fullmatch(text)
            if match is None:
                raise InputError(
                    f"{path}: line {number}: {text!r} is no link; i-j (sure), ipj or i?j (possible) is needed"
                )
            if one_based and "0" in (match[1], match[3]):
                raise InputError(
                    f"{path}: line {number}: {text!r} has a word 0, but words were said to count from 1"
                )
            first = int(one_based)
            kind = "-" if match[2] == "-" else "p"
            links[kind].add((int(match[1]) - first, int(match[3]) - first))
        pairs.append(Gold(frozenset(links["-"]), frozenset(links["p"] - links["-"])))
    return pairs


def check_gold(gold: Sequence[Gold], pairs: Sequence[tuple[str, str]], name: str) -> None:
    """Refuse gold links that cannot belong to these pairs; words are what white space separates.

    Raises:
        InputError: Unequal counts, or a link to a word that the text does not have (as when words count from
        1).
    """
    if len(gold) != len(pairs):
        raise InputError(f"{name} has links for {len(gold)} pairs, but there are {len(pairs)} pairs to align")
    for number, (links, pair) in enumerate(zip(gold, pairs, strict=True), start=1):
        lengths = [len(text.split()) for text in pair]
        for link in sorted(links.sure | links.possible):
            for word, length, side in zip(link, lengths, ("source", "target"), strict=True):
                if word >= length:
                    raise InputError(
                        f"{name}: line {number} links word {word} (counted from 0) of a {side} with {length} "
                        "words; do its words count from 1 (--gold-one-based), or was it made for other text?"
                    )


def error_rate(links: Iterable[Iterable[Link]], gold: Iterable[Gold]) -> ErrorRate:
    """Compare the links of pairs with gold, summed over all pairs (module docstring)."""
    found = sure = possible = in_sure = in_possible = 0
    for pair_links, pair_gold in zip(links, gold, strict=True):
        answer = set(pair_links)
        found += len(answer)
        sure += len(pair_gold.sure)
        possible += len(pair_gold.possible)
        in_sure += len(answer & pair_gold.sure)
        in_possible += len(answer & (pair_gold.sure | pair_gold.possible))
    precision = in_possible / found if found else 1.0
    recall = in_sure / sure if sure else 1.0
    return ErrorRate(
        1 - (in_sure + in_possible) / (found + sure) if found + sure else 0.0,
        precision,
        recall,
        2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        found,
        sure,
        possible,
    )
