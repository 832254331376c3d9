"""Which pairs are held out: no group of near-identical sources in two parts.

Corpora are full of twins such as "Port 1" and "Port 2:". Split at random, and a good share of the test
has a twin in train, so that its score also rewards memory.
"""

import hashlib
import random
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from translate.corpora import Pair
from translate.errors import InputError

HELD_OUT = 1000  # sources in valid and in test: enough for BLEU to within about a point
FURTHER_TRANSLATION = "further translation of a held-out source"  # a reason to leave a pair out

# Line breaks and the like; a no-break space is typography and stays.
WHITE_SPACE = re.compile(r"[ \t\r\n\f\v\x1c-\x1f\x85\u2028\u2029]+")
# <b>, {name}, %s, %(name)d, %1$s, $name
PLACEHOLDER = re.compile(r"<[^<>]*>|\{[^{}]*\}|%(?:\(\w+\)|\d+\$)?[-+#0-9.*]*[a-z](?![^\W_])|\$\w+")
NO_LETTER = re.compile(r"[\W\d_]+")


class Parts(NamedTuple):
    """A corpus in parts."""

    pairs: dict[str, list[Pair]]  # train and each held-out part
    left_out: int  # pairs of held-out sources beyond the first, in no part


def fold_white_space(text: str) -> str:
    """Return text on one line: line breaks and runs of blanks become one blank, none at the ends."""
    return WHITE_SPACE.sub(" ", text).strip()


def source_group(text: str) -> str:
    """Return what is left of a text when placeholders are cut out and only its letters are kept, case folded.

    Accents go too (as all combining marks): that can only make groups larger, which is the safe side.
    """
    folded = unicodedata.normalize("NFKD", text).casefold()
    return NO_LETTER.sub("", PLACEHOLDER.sub(" ", folded))


def hold_out(pairs: Sequence[Pair], sizes: Mapping[str, int], seed: int) -> Parts:
    """Split pairs into train and held-out parts; all pairs of a source group stay together.

    A held-out source keeps its first translation only, so that each is scored once. Which groups are held
    out depends on their text and the seed, not on their place in the corpus or on the Python version.

    Args:
        pairs: May hold several translations of a source, the one to be tested with first.
        sizes: Part -> distinct sources in it; never more than a tenth of all.
        seed: Draws the parts, and shuffles train.

    Raises InputError when there are too few groups to have one in every part.
    """
    groups: dict[str, dict[str, str]] = {}  # group -> source -> its first translation
    for src, tgt in pairs:
        groups.setdefault(source_group(src), {}).setdefault(src, tgt)
    ranked = sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
    most = max(1, sum(map(len, groups.values())) // 10)
    part_of: dict[str, str] = {}
    parts: dict[str, list[Pair]] = {"train": []}
    for name, size in sizes.items():
        parts[name] = []
        for group in ranked:
            # A group too large for the room left is passed over, so that the size is met exactly.
            if group not in part_of and len(parts[name]) + len(groups[group]) <= min(size, most):
                part_of[group] = name
                parts[name] += groups[group].items()
    parts["train"] = [pair for pair in pairs if source_group(pair[0]) not in part_of]
    if not all(parts.values()):
        raise InputError(
            f"{len(pairs)} pairs with {len(groups)} different sources (digits, punctuation and case "
            f"aside) are too few for the parts {', '.join(parts)}: each needs at least one of its own"
        )
    random.Random(seed).shuffle(parts["train"])
    return Parts(parts, len(pairs) - sum(map(len, parts.values())))


def shared_groups(train: Sequence[str], test: Sequence[str]) -> int:
    """Count the test sources whose group also occurs in train."""
    known = {source_group(text) for text in train}
    return sum(source_group(text) in known for text in test)
