"""Sentence pairs from files in any format, one after the other: counted, weighted, never held in memory.

A record that is broken, or is no pair, is counted and passed over; the first broken ones are shown.
"""

import logging
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from translate.compression import PACKERS, open_stream, packed_name
from translate.config.data import PairFormat
from translate.corpora.corpus import Pair, find_files
from translate.corpora.formats import Record, Wanted
from translate.errors import InputError, UsageError
from translate.text_files import stream_parallel

log = logging.getLogger(__name__)

SHOWN = 3  # broken records of a source
HUB = "hub:"
LANG = "{lang}"  # stands for either language in the name of two parallel files
FORMATS: dict[str, PairFormat] = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".tmx": "tmx",
    ".po": "po",
    ".mo": "mo",
    ".xlf": "xliff",
    ".xliff": "xliff",
}


class Sources(NamedTuple):
    """Where pairs are read from, one source after the other."""

    paths: Sequence[str]  # files, corpus folders, names with {lang}, hub:NAME, or - for standard input
    wanted: Wanted = Wanted()
    format: PairFormat | None = None  # None: as the names say
    weights: Sequence[float] = ()  # how often each pair of a source is given; () is once
    strict: bool = False  # a broken record is an error


def check_sources(sources: Sources) -> None:
    """Raise UsageError for sources that cannot be read as they are described."""
    wanted = sources.wanted
    for path in sources.paths:
        kind = find_format(path, sources.format)
        by_column = kind in ("tsv", "csv", "jsonl", "parquet", "hub")
        if kind in ("tmx", "parallel") and not (wanted.src_lang and wanted.tgt_lang):
            raise UsageError(f"{path}: texts are chosen by language: give --src-lang and --tgt-lang")
        if by_column and (wanted.src_column is None) != (wanted.tgt_column is None):
            raise UsageError("--src-column and --tgt-column belong together: give both or none")
        if kind in ("jsonl", "parquet", "hub") and not (
            (wanted.src_column or wanted.src_lang) and (wanted.tgt_column or wanted.tgt_lang)
        ):
            raise UsageError(
                f"{path}: which fields? Give --src-column and --tgt-column, or --src-lang and --tgt-lang "
                "where they are named as the languages"
            )
        if kind in ("tsv", "csv") and "0" in (wanted.src_column, wanted.tgt_column):
            raise UsageError("columns of a table count from 1")
    if list(sources.paths).count("-") > 1:
        raise UsageError("standard input (-) can be read once only")
    if sources.weights and len(sources.weights) != len(sources.paths):
        raise UsageError(
            f"there are {len(sources.weights)} weights for {len(sources.paths)} sources: needed is one for "
            "each"
        )


def find_format(path: str, given: PairFormat | None) -> PairFormat:
    """Return the format of a source, as given or as its name says.

    Raises UsageError when the name says nothing.
    """
    if path.startswith(HUB):
        return "hub"
    if LANG in path:
        return "parallel"
    if path != "-" and Path(path).is_dir():
        return "corpus"
    if given is not None:
        return given
    name, _ = packed_name(path)
    found = FORMATS.get(Path(name).suffix.lower())
    if found is None:
        raise UsageError(
            f"{path}: its format cannot be told from its name: give --format (to align, --pairs-format), or "
            f"a name that ends in {', '.join(FORMATS)} (and {', '.join(PACKERS)} behind it where it is "
            "packed)"
        )
    return found


def stream_pairs(sources: Sources, seed: int = 1, dropped: Counter[str] | None = None) -> Iterator[Pair]:
    """Yield the pairs of all sources, each text on one line: line breaks inside become a blank.

    With weight 2 each pair of a source is given twice in a row, with 0.5 each is given or not with equal
    probability: ⌊weight⌋ times, and once more with the probability that remains, drawn by `seed`. Pairs with
    a blank side are given, too. Records that are no pairs are counted in `dropped`, if given, by reason.

    Raises:
        UsageError: as `check_sources` does.
        InputError: a source is missing, damaged or has no pairs, or with `strict` a broken record.
    """
    check_sources(sources)
    for number, path in enumerate(sources.paths):
        weight = sources.weights[number] if sources.weights else 1.0
        draw = random.Random(f"{seed} {number}")
        for record in _read_source(path, sources, Counter() if dropped is None else dropped):
            if not (record.broken or record.left_out):
                for _ in range(int(weight) + (draw.random() < weight % 1)):
                    yield record.src, record.tgt


def stream_located(sources: Sources) -> Iterator[tuple[str, Record]]:
    """Yield every record of all sources, with the path of its source; raises what `stream_pairs` does.

    Texts are on one line. Of a record that is no pair, `broken` or `left_out` says why.
    """
    check_sources(sources)
    for path in sources.paths:
        for record in _read_source(path, sources, Counter()):
            yield path, record


def _read_source(path: str, sources: Sources, dropped: Counter[str]) -> Iterator[Record]:
    records = pairs = broken = 0
    left_out: Counter[str] = Counter()
    first = ""
    for record in read_records(path, sources.wanted, sources.format):
        records += 1
        src, tgt = one_line(record.src), one_line(record.tgt)
        flaw = record.broken or _find_surrogate(src, tgt)
        if flaw:
            message = f"{path}: {record.where}: {flaw}"
            if sources.strict:
                raise InputError(f"{message}; without --strict it is passed over")
            broken += 1
            first = first or message
            if broken <= SHOWN:
                log.warning("%s; passed over", message)
            yield Record(record.where, broken=flaw)
        elif record.left_out:
            left_out[record.left_out] += 1
            yield record
        else:
            pairs += 1
            yield Record(record.where, src, tgt)
    dropped.update(left_out)
    dropped["broken record"] += broken
    told = [f"{count} left out ({reason})" for reason, count in left_out.most_common()]
    if not pairs:
        told += [f"{broken} broken, the first: {first}"] if broken else []
        raise InputError(f"{path} has no pairs in {records} records{': ' if told else ''}{', '.join(told)}")
    if broken:
        log.warning("%s: passed over %d broken records of %d", path, broken, records)
    if left_out:
        log.info("%s: %d pairs in %d records; %s", path, pairs, records, ", ".join(told))


def read_records(path: str, wanted: Wanted, given: PairFormat | None) -> Iterator[Record]:
    """Yield the records of one source, whatever its format; raises what that format's reader does."""
    match find_format(path, given):
        case "hub":
            from translate.corpora.hub import stream_dataset

            yield from stream_dataset(path.removeprefix(HUB), wanted)
        case "parallel":
            assert wanted.src_lang is not None  # check_sources
            assert wanted.tgt_lang is not None
            paths = path.replace(LANG, wanted.src_lang), path.replace(LANG, wanted.tgt_lang)
            yield from read_texts(paths)
        case "corpus":
            yield from read_texts(_corpus_files(path, wanted))
        case kind:
            with open_stream(path) as stream:
                yield from _read_file(stream, path, wanted, kind)


def _read_file(stream: BufferedIOBase, path: str, wanted: Wanted, kind: PairFormat) -> Iterator[Record]:
    match kind:
        case "tsv" | "csv":
            from translate.corpora.formats.tables import read_table

            return read_table(stream, path, wanted, kind)
        case "jsonl":
            from translate.corpora.formats.json_lines import read_json_lines

            return read_json_lines(stream, path, wanted)
        case "parquet":
            from translate.corpora.formats.parquet import read_parquet

            return read_parquet(stream, path, wanted)
        case "tmx":
            from translate.corpora.formats.tmx import read_tmx

            return read_tmx(stream, path, wanted)
        case "xliff":
            from translate.corpora.formats.xliff import read_xliff

            return read_xliff(stream, path, wanted)
        case "po" | "mo":
            from translate.corpora.formats.catalogs import read_catalog

            return read_catalog(stream, path, kind)
        case _:
            raise AssertionError(f"{kind} is no format of a file")


def one_line(text: str) -> str:
    """Return a text without line breaks: a blank stands where lines meet, white space around it goes."""
    if "\n" not in text and "\r" not in text:
        return text
    return " ".join(line for part in re.split(r"[\r\n]+", text) if (line := part.strip()))


def read_texts(paths: tuple[str | Path, str | Path]) -> Iterator[Record]:
    """Yield the lines of two parallel files; raises what `stream_parallel` does."""
    for number, (src, tgt) in enumerate(stream_parallel(*paths), start=1):
        yield Record(f"line {number}", src, tgt)


def _corpus_files(folder: str, wanted: Wanted) -> tuple[Path, Path]:
    """Return the training files of a corpus folder, the other way round if that is what is wanted."""
    files = find_files(folder)
    if "train" not in files.splits:
        raise InputError(f"{folder} has no training part, only {', '.join(files.splits)}")
    src, tgt = files.splits["train"]
    asked, there = (wanted.src_lang, wanted.tgt_lang), (files.src_lang, files.tgt_lang)
    if _fit(asked, there):
        return src, tgt
    if _fit(asked, there[::-1]):
        return tgt, src
    raise InputError(f"{folder} is {there[0]} to {there[1]}, but wanted is {asked[0]} to {asked[1]}")


def _fit(asked: tuple[str | None, str | None], there: tuple[str, ...]) -> bool:
    return all(lang is None or lang == code for lang, code in zip(asked, there, strict=True))


def _find_surrogate(*texts: str) -> str:
    """Say which half of a character there is without the other: JSON can hold such, UTF-8 cannot."""
    found = re.search("[\ud800-\udfff]", "".join(texts))
    return f"half a character (\\u{ord(found[0]):04x})" if found else ""
