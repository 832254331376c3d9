"""Links from word counts alone, without a model: fast_align (Dyer et al. 2013), through systran-align.

It learns which words occur in one another's translations and that alignments lie near the diagonal (IBM model
2, reparametrised), once in each direction, and symmetrizes the links of both.
"""

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from translate.alignment import Link
from translate.errors import InputError

# As the extra fast-align in pyproject.toml; its wheels stop at Python 3.11.
SYSTRAN_ALIGN = "systran-align>=3.5"


def align_statistically(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[list[Link]]:
    """Learn from the (source, target) tokens of all pairs, and return the links of each.

    What it learns is thrown away: fast_align is made for aligning the pairs that it learns from. Words of the
    pairs that matter are best learnt among many more pairs. A pair with a side without tokens has no links.

    Raises:
        InputError: systran-align is not installed.
    """
    if find_spec("systran_align") is None:
        raise InputError(
            "fast_align is not installed: on Python 3.11, the extra fast-align brings it "
            f"(pip install '{SYSTRAN_ALIGN}')"
        )
    import systran_align

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
        systran_align.generate_alignment_probabilities(
            text, forward, backward, favor_diagonal=True, optimize_tension=True, variational_bayes=True
        )  # the options that fast_align's authors recommend: -d -o -v
        aligner = systran_align.Aligner(forward, backward)
        found = aligner.align_batch([named[index][0] for index in full], [named[index][1] for index in full])
    for index, one in zip(full, found, strict=True):
        links[index] = sorted((int(i), int(j)) for i, j in one["alignments"])
    return links


def _names(texts: Iterable[Sequence[str]]) -> dict[str, str]:
    """Give each word a number to stand for it: a word may hold spaces or `|||`, and only sameness counts."""
    names: dict[str, str] = {}
    for text in texts:
        for word in text:
            names.setdefault(word, str(len(names)))
    return names
