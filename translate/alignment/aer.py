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

import numpy as np
from jaxtyping import Int

from translate.alignment import Link
from translate.bootstrap import SAMPLES, Difference, paired_bootstrap
from translate.errors import InputError
from translate.text_files import read_lines

_LINK = re.compile(r"([0-9]+)([-p?])([0-9]+)")
_NAACL = re.compile(r"([0-9]+)\s+([0-9]+)\s+([0-9]+)(?:\s+([SP]))?(?:\s+[0-9.eE+-]+)?")


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


def read_gold(path: str | Path, *, one_based: bool = False, pairs: int = 0) -> list[Gold]:
    """Read gold links in either of two formats, which the first word of the file tells apart.

    One line a pair: `i-j` is sure, `ipj` and `i?j` are possible; i is the source word. Or one line a link, as
    in the shared task of HLT-NAACL 2003 (Mihalcea & Pedersen 2003): `pair source target [S|P] [confidence]`,
    all counted from 1, sure if nothing is said; links to word 0 say that a word has none, and are left out.

    Args:
        one_based: Words count from 1 in the first format, too.
        pairs: How many pairs there are at least: the second format does not mention those without links.

    Raises:
        InputError: The file cannot be read, something in it is no link, or words that count from 1 begin with
            0.
    """
    lines = read_lines(path)
    first = next((line.split()[0] for line in lines if line.strip()), "")
    if first.isdecimal():
        return _read_naacl(path, lines, pairs)
    return [
        _parse_line(line, f"{path}: line {number}", one_based=one_based)
        for number, line in enumerate(lines, start=1)
    ]


def read_links(path: str | Path, *, one_based: bool = False) -> list[list[Link]]:
    """Read the links of a system, `i-j` for each, one line a pair.

    Raises:
        InputError: As `read_gold`; also for links that are only possible.
    """
    found = []
    for number, line in enumerate(read_lines(path), start=1):
        links = _parse_line(line, f"{path}: line {number}", one_based=one_based)
        if links.possible:
            raise InputError(
                f"{path}: line {number} has possible links, as only gold may: a system's links are i-j"
            )
        found.append(sorted(links.sure))
    return found


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
                        f"{name}: pair {number} links word {word} (counted from 0) of a {side} with {length} "
                        "words; do its words count from 1 (--gold-one-based), or was it made for other text?"
                    )


def count_links(links: Iterable[Iterable[Link]], gold: Iterable[Gold]) -> Int[np.ndarray, "P 5"]:
    """Count for each pair |A|, |S|, |P| without S, |A ∩ S| and |A ∩ P| (module docstring)."""
    rows = []
    for pair_links, pair_gold in zip(links, gold, strict=True):
        answer = set(pair_links)
        in_sure = len(answer & pair_gold.sure)
        in_possible = in_sure + len(answer & pair_gold.possible)
        rows.append((len(answer), len(pair_gold.sure), len(pair_gold.possible), in_sure, in_possible))
    return np.array(rows, dtype=np.int64).reshape(-1, 5)


def rate(counts: Int[np.ndarray, "P 5"]) -> ErrorRate:
    """Return the rates of pairs that `count_links` counted, summed over all of them."""
    found, sure, possible, in_sure, in_possible = counts.sum(axis=0).tolist()
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


def error_rate(links: Iterable[Iterable[Link]], gold: Iterable[Gold]) -> ErrorRate:
    """Compare the links of pairs with gold, summed over all pairs (module docstring)."""
    return rate(count_links(links, gold))


def compare(
    one: Int[np.ndarray, "P 5"], other: Int[np.ndarray, "P 5"], *, samples: int = SAMPLES, seed: int = 1
) -> Difference:
    """Say by how much two systems' AER on the same pairs differ, from -1 to 1, and whether that is chance.

    Args:
        one: What `count_links` says of the first system.
        other: Of the second; the same gold.
        samples: Test sets that are drawn (`paired_bootstrap`).
        seed: Draws them.
    """
    return paired_bootstrap(one, other, _aer, samples=samples, seed=seed)


def _aer(sums: Int[np.ndarray, "5"]) -> float:
    return rate(sums[None]).aer


def _read_naacl(path: str | Path, lines: Sequence[str], pairs: int) -> list[Gold]:
    """Read one link a line; `pairs` that have none follow the last that has."""
    found: list[tuple[set[Link], set[Link]]] = [(set(), set()) for _ in range(pairs)]
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = _NAACL.fullmatch(line.strip())
        pair = int(match[1]) if match else 0
        if match is None or not pair:
            raise InputError(
                f"{path}: line {number}: {line.strip()!r} is no link; "
                "`pair source target [S|P] [confidence]`, all counted from 1, is needed"
            )
        found += ((set(), set()) for _ in range(pair - len(found)))
        src, tgt = int(match[2]), int(match[3])
        if src and tgt:
            found[pair - 1][match[4] == "P"].add((src - 1, tgt - 1))
    return [Gold(frozenset(sure), frozenset(possible - sure)) for sure, possible in found]


def _parse_line(line: str, where: str, *, one_based: bool) -> Gold:
    """Read all links of one pair."""
    links: dict[str, set[Link]] = {"-": set(), "p": set()}
    for text in line.split():
        match = _LINK.fullmatch(text)
        if match is None:
            raise InputError(f"{where}: {text!r} is no link; i-j (sure), ipj or i?j (possible) is needed")
        src, tgt = int(match[1]) - one_based, int(match[3]) - one_based
        if min(src, tgt) < 0:
            raise InputError(f"{where}: {text!r} has a word 0, but words were said to count from 1")
        links["-" if match[2] == "-" else "p"].add((src, tgt))
    return Gold(frozenset(links["-"]), frozenset(links["p"] - links["-"]))
