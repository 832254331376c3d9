"""Which pairs are held out: no group of near-identical sources in two parts.

Corpora are full of twins such as "Port 1" and "Port 2:". Split at random, and a good share of the test
has a twin in train, so that its score also rewards memory.
"""

import hashlib
import random
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from translate.corpora.corpus import Pair
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

    Args:
        pairs: May hold several translations of a source, the one to be tested with first.
        sizes: Part -> distinct sources in it; never more than a tenth of all.
        seed: Draws the parts, and shuffles train.

    Raises InputError as `choose_held_out` does.
    """
    held_out = choose_held_out(pairs, sizes, seed)
    train = [pair for pair in pairs if source_group(pair[0]) not in held_out.groups]
    random.Random(seed).shuffle(train)
    parts = {"train": train, **held_out.pairs}
    return Parts(parts, len(pairs) - sum(map(len, parts.values())))


class HeldOut(NamedTuple):
    """What is held out of a corpus."""

    pairs: dict[str, list[Pair]]  # of each part
    groups: set[str]  # of their sources; nothing of these may be in train


def choose_held_out(pairs: Iterable[Pair], sizes: Mapping[str, int], seed: int) -> HeldOut:
    """Choose what `hold_out` holds out, with little memory, going through the pairs once or a few times.

    A held-out source keeps its first translation only, so that each is scored once. Which groups are held
    out depends on their text and the seed, not on their place in the corpus or on the Python version.

    Raises InputError when there are too few groups to have one in every part.
    """
    count = 4 * sum(sizes.values())  # some groups are passed over because they are too large
    while True:
        groups, sources = _first_groups(pairs, seed, count, max(sizes.values()))
        sizes = {name: min(size, max(1, sources // 10)) for name, size in sizes.items()}
        parts: dict[str, list[Pair]] = {}
        chosen: set[str] = set()
        for name, size in sizes.items():
            parts[name] = []
            for group, translations in groups.items():
                # A group too large for the room left is passed over, so that the size is met exactly.
                if group not in chosen and len(parts[name]) + len(translations) <= size:
                    chosen.add(group)
                    parts[name] += translations.items()
        complete = len(groups) < count
        if complete and (len(chosen) == len(groups) or not all(parts.values())):
            total = sum(1 for _ in pairs)
            raise InputError(
                f"{total} pairs with {len(groups)} different sources (digits, punctuation and case aside) "
                f"are too few for the parts train, {', '.join(parts)}: each needs at least one of its own"
            )
        if complete or all(len(parts[name]) == size for name, size in sizes.items()):
            return HeldOut(parts, chosen)
        count *= 4


def _first_groups(
    pairs: Iterable[Pair], seed: int, count: int, largest: int
) -> tuple[dict[str, dict[str, str]], int]:
    """Return the first `count` groups in an order drawn by `seed`, and how many sources there are.

    Of each group its sources and their first translations, though not more than one beyond `largest`; the
    sources are counted up to ten times that.
    """
    groups: dict[str, dict[str, str]] = {}
    sources: set[str] = set()
    last = b"\xff" * 32  # the rank of the last group that may still be among the first
    for src, tgt in pairs:
        if len(sources) < 10 * largest:
            sources.add(src)
        group = source_group(src)
        if _rank(group, seed) > last:
            continue
        translations = groups.setdefault(group, {})
        if len(translations) <= largest:
            translations.setdefault(src, tgt)
        if len(groups) == 2 * count:
            groups = _sorted(groups, seed, count)
            last = _rank(next(reversed(groups)), seed)
    return _sorted(groups, seed, count), len(sources)


def _sorted(groups: Mapping[str, dict[str, str]], seed: int, count: int) -> dict[str, dict[str, str]]:
    return {group: groups[group] for group in sorted(groups, key=lambda group: _rank(group, seed))[:count]}


def _rank(group: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {group}".encode()).digest()


def shared_groups(train: Sequence[str], test: Sequence[str]) -> int:
    """Count the test sources whose group also occurs in train."""
    known = {source_group(text) for text in train}
    return sum(source_group(text) in known for text in test)
