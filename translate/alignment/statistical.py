"""Links from word counts alone, without a model: fast_align (Dyer et al. 2013), through systran-align.

It learns which words occur in one another's translations and that alignments lie near the diagonal (IBM model
2, reparametrised), once in each direction, and symmetrizes the links of both.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from translate.alignment import Link
from translate.errors import InputError
from translate.languages import UNSPACED

# As the extra fast-align in pyproject.toml; its wheels stop at Python 3.11.
SYSTRAN_ALIGN = "systran-align>=3.5"
_BATCH = 1000  # pairs
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")


def align_statistically(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[list[Link]]:
    """Learn from the (source, target) tokens of all pairs, and return the links of each.

    What it learns is thrown away: fast_align is made for aligning the pairs that it learns from. Words of the
    pairs that matter are best learnt among many more pairs. A pair with a side without tokens has no links.

    Raises:
        InputError: systran-align is not installed.
    """
    _check_installed()
    src_names, tgt_names = (_names(pair[side] for pair in pairs) for side in (0, 1))
    named = [([src_names[word] for word in src], [tgt_names[word] for word in tgt]) for src, tgt in pairs]
    full = [index for index, (src, tgt) in enumerate(named) if src and tgt]
    links: list[list[Link]] = [[] for _ in pairs]
    if not full:
        return links
    with TemporaryDirectory(prefix="seq2see-") as folder:
        text, forward, backward = (str(Path(folder, name)) for name in ("pairs", "forward", "backward"))
        with Path(text).open("w", encoding="ascii", newline="\n") as file:
            file.writelines(
                f"{' '.join(named[index][0])} ||| {' '.join(named[index][1])}\n" for index in full
            )
        aligner = _learn(text, forward, backward)
        found = aligner.align_batch([named[index][0] for index in full], [named[index][1] for index in full])
    for index, one in zip(full, found, strict=True):
        links[index] = sorted((int(i), int(j)) for i, j in one["alignments"])
    return links


def split_words(text: str) -> list[str]:
    """Return the words of a text, case folded; punctuation and Han characters one by one."""
    return _WORD.findall(text.casefold())


def score_statistically(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Iterator[float]:
    """Learn from the (source, target) tokens of all pairs, and yield how well those of each fit one another.

    That is the natural logarithm of the probability of a word given the other side, its mean over the words
    of both sides; NaN for a pair with a side without tokens. The pairs are kept on disk; memory grows with
    the different words, and with those that meet in a pair.

    Raises:
        InputError: systran-align is not installed.
    """
    _check_installed()
    names: dict[str, str] = {}
    with TemporaryDirectory(prefix="seq2see-") as folder:
        text, forward, backward = (Path(folder, name) for name in ("pairs", "forward", "backward"))
        blank = Path(folder, "blank")  # a character a pair: 0 has tokens on both sides
        with text.open("w", encoding="ascii") as file, blank.open("w", encoding="ascii") as marks:
            for src, tgt in pairs:
                sides = (
                    " ".join(names.setdefault(word, str(len(names))) for word in it) for it in (src, tgt)
                )
                marks.write("0" if src and tgt else "1")
                if src and tgt:
                    file.write(" ||| ".join(sides) + "\n")
        if not text.stat().st_size:
            yield from (nan for _ in range(blank.stat().st_size))
            return
        aligner = _learn(str(text), str(forward), str(backward))
        with text.open(encoding="ascii") as file, blank.open(encoding="ascii") as marks:
            scores = _score(aligner, file)
            while part := marks.read(_BATCH):
                yield from (nan if mark == "1" else next(scores) for mark in part)


def _score(aligner: Any, lines: Iterable[str]) -> Iterator[float]:
    lines = iter(lines)
    while batch := [line.split(" ||| ") for line in islice(lines, _BATCH)]:
        src, tgt = ([pair[side].split() for pair in batch] for side in (0, 1))
        for src_words, tgt_words, found in zip(src, tgt, aligner.align_batch(src, tgt), strict=True):
            log_prob = found["forward_log_prob"] + found["backward_log_prob"]
            yield log_prob / (len(src_words) + len(tgt_words))


def _check_installed() -> None:
    if not is_installed():
        raise InputError(
            "fast_align is not installed: on Python 3.11, the extra fast-align brings it "
            f"(pip install '{SYSTRAN_ALIGN}')"
        )


def is_installed() -> bool:
    """Whether fast_align can be used."""
    return find_spec("systran_align") is not None


def _learn(text: str, forward: str, backward: str) -> Any:
    """Return an aligner of both directions, learnt from the pairs in a file."""
    import systran_align

    systran_align.generate_alignment_probabilities(
        text, forward, backward, favor_diagonal=True, optimize_tension=True, variational_bayes=True
    )  # the options that fast_align's authors recommend: -d -o -v
    return systran_align.Aligner(forward, backward)


def _names(texts: Iterable[Sequence[str]]) -> dict[str, str]:
    """Give each word a number to stand for it: a word may hold spaces or `|||`, and only sameness counts."""
    names: dict[str, str] = {}
    for text in texts:
        for word in text:
            names.setdefault(word, str(len(names)))
    return names
