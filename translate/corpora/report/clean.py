"""A corpus without its bad pairs, and a log that has a line for each record that is not in it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from translate.corpora.corpus import Corpus, describe, new_corpus
from translate.corpora.formats import Record
from translate.corpora.report import BITS, reasons_in
from translate.corpora.report.survey import Spool, is_pair
from translate.errors import InputError

LOG = "dropped.jsonl"


class Cleaning(NamedTuple):
    """A part to be cleaned."""

    spool: Spool
    flags: "np.ndarray[Any, Any]"  # of each pair, the reasons that it has
    dropping: Sequence[str]  # reasons that drop a pair; () keeps all
    links: Path | None = None  # gold word alignments, a line a pair


class Kept(NamedTuple):
    """What became of the records of a part."""

    records: int
    kept: int
    dropped: int


def write_clean(parts: Mapping[str, Cleaning], about: Corpus, folder: str | Path) -> dict[str, Kept]:
    """Write the pairs that are not dropped as a corpus folder, with a log; the folder appears when complete.

    Args:
        parts: Of the corpus.
        about: Its name, languages, licence and so on; its splits are not looked at.
        folder: Must not exist yet, or be empty.

    Raises InputError when there is something in the folder.
    """
    with new_corpus(folder) as made:
        counts: dict[str, Kept] = {}
        why: Counter[str] = Counter(about.dropped)
        with (made / LOG).open("w", encoding="utf-8", newline="\n") as log:
            for name, part in parts.items():
                counts[name] = _write_part(made, name, part, (about.src_lang, about.tgt_lang), log, why)
        describe(
            made,
            about._replace(dropped=why),
            {name: count.kept for name, count in counts.items()},
            links=[name for name, part in parts.items() if part.links is not None],
            settings={"source": "report", "cleaned": about.name},
        )
    return counts


def _write_part(
    folder: Path, name: str, part: Cleaning, langs: tuple[str, str], log: IO[str], why: Counter[str]
) -> Kept:
    """Write the texts of a part, and to the log what is not in them."""
    place = records = kept = 0
    dropping = sum(BITS[reason] for reason in set(part.dropping))
    with ExitStack() as stack:
        src, tgt = (
            stack.enter_context((folder / f"{name}.{lang}").open("w", encoding="utf-8", newline="\n"))
            for lang in langs
        )
        if part.links is not None:
            old = stack.enter_context(part.links.open(encoding="utf-8", newline="\n"))
            new = stack.enter_context((folder / f"{name}.links").open("w", encoding="utf-8", newline="\n"))
        for file, record in part.spool:
            records += 1
            line = old.readline() if part.links is not None else ""
            if not is_pair(record):
                reasons = [f"broken record: {record.broken}" if record.broken else record.left_out]
                why["broken record" if record.broken else record.left_out] += 1
            elif int(part.flags[place]) & dropping:
                has = reasons_in(int(part.flags[place]))
                reasons = sorted(has, key=lambda reason: reason not in part.dropping)
                why[reasons[0]] += 1
            else:
                reasons = []
                kept += 1
                src.write(record.src + "\n")
                tgt.write(record.tgt + "\n")
                if part.links is not None:
                    new.write(line)
            place += is_pair(record)
            if reasons:
                log.write(_entry(name, file, record, reasons))
    assert place == len(part.flags)
    if not kept:
        raise InputError(f"nothing would be left of {name}: --keep names reasons that drop no pair")
    return Kept(records, kept, records - kept)


def _entry(part: str, file: str, record: Record, reasons: list[str]) -> str:
    entry = {"part": part, "file": file, "where": record.where, "reasons": reasons}
    return json.dumps(entry | {"src": record.src, "tgt": record.tgt}, ensure_ascii=False) + "\n"
