"""The pass over all pairs: what each has by itself, as some bytes a pair; the texts are kept on disk."""

import hashlib
import heapq
import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from translate.corpora.formats import Record
from translate.corpora.report import BITS
from translate.corpora.report.flaws import Checks, Flaw
from translate.corpora.split import source_group

Columns = dict[str, "np.ndarray[Any, Any]"]  # name -> a value for each pair
Records = Iterator[tuple[str, Record]]  # with the path of the file that a record is from


class Candidate(NamedTuple):
    """A pair that may be an example of a reason; the greatest are the worst."""

    severity: float
    before: int  # minus its place: of equals, the first in the corpus
    note: str


class Part(NamedTuple):
    """What is known of the pairs of a part (train, valid, test) after one pass.

    columns:
        flags   uint32  the reasons, as BITS has them
        src     uint64  hash of the source
        tgt     uint64  hash of the target
        chars   uint32  characters of source and target, (pairs, 2)
    """

    columns: Columns
    words: tuple[Counter[int], Counter[int]]  # of either side: length -> texts
    characters: tuple[Counter[int], Counter[int]]
    no_pairs: Counter[str]  # records that are none, by reason
    groups: "np.ndarray[Any, Any]"  # hashes of the source groups, sorted; empty for train
    candidates: dict[str, list[Candidate]]  # of each reason

    @property
    def pairs(self) -> int:
        """How many there are."""
        return len(self.columns["flags"])


class Spool:
    """The records of one part in a file, in their order: sources may be streams, and are read once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def through(self, records: Records) -> Records:
        """Yield records and keep them; JSON keeps whatever characters a text has."""
        with self._path.open("w", encoding="ascii", newline="\n") as file:
            for path, record in records:
                file.write(json.dumps([path, *record]) + "\n")
                yield path, record

    def __iter__(self) -> Records:
        with self._path.open(encoding="ascii", newline="\n") as file:
            for line in file:
                path, *record = json.loads(line)
                yield path, Record(*record)

    def pairs(self) -> Records:
        """Yield the records that are pairs."""
        return ((path, record) for path, record in self if is_pair(record))


def is_pair(record: Record) -> bool:
    """Whether a record is a pair, perhaps with a blank side."""
    return not (record.broken or record.left_out)


def survey(
    records: Records, checks: Checks, held_out: Mapping[str, Part], examples: int, *, last: bool
) -> Part:
    """Go through the records of a part.

    Args:
        records: Of it.
        checks: What is looked at.
        held_out: Parts that this one must share no source with.
        examples: Candidates of each reason to keep.
        last: Whether no further part is compared with this one.
    """
    flags, src, tgt, chars, groups = array("I"), array("Q"), array("Q"), array("I"), array("Q")
    words, characters = (Counter[int](), Counter[int]()), (Counter[int](), Counter[int]())
    no_pairs: Counter[str] = Counter()
    candidates: dict[str, list[Candidate]] = {reason: [] for reason in BITS}
    for _, record in records:
        if not is_pair(record):
            no_pairs["broken record" if record.broken else record.left_out] += 1
            continue
        flaws = checks.find(record.src, record.tgt)
        if record.src.strip():
            group = hash_text(source_group(record.src) or record.src)
            flaws += _leaks(group, held_out)
            if not last:
                groups.append(group)
        for reason, severity, note in flaws:
            keep(candidates[reason], Candidate(severity, -len(flags), note), examples)
        flags.append(sum({BITS[flaw.reason] for flaw in flaws}))
        for side, (text, hashes) in enumerate(((record.src, src), (record.tgt, tgt))):
            hashes.append(hash_text(text))
            chars.append(len(text))
            words[side][len(text.split())] += 1
            characters[side][len(text)] += 1
    columns: Columns = {
        "flags": np.array(flags, np.uint32),
        "src": np.array(src, np.uint64),
        "tgt": np.array(tgt, np.uint64),
        "chars": np.array(chars, np.uint32).reshape(-1, 2),
    }
    return Part(columns, words, characters, no_pairs, np.unique(np.array(groups, np.uint64)), candidates)


def _leaks(group: int, held_out: Mapping[str, Part]) -> list[Flaw]:
    found = []
    for name, part in held_out.items():
        place = int(np.searchsorted(part.groups, np.uint64(group)))
        if place < len(part.groups) and int(part.groups[place]) == group:
            found.append(Flaw("leak", 1, f"in {name}"))
    return found


def keep(heap: list[Candidate], candidate: Candidate, count: int) -> None:
    """Put a candidate among the `count` worst."""
    if len(heap) < count:
        heapq.heappush(heap, candidate)
    elif heap and candidate > heap[0]:
        heapq.heapreplace(heap, candidate)


def hash_text(text: str) -> int:
    """Return 8 bytes that stand for a text: any two of 10 million collide with probability 3e-6."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
