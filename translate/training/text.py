"""Which pairs a run is trained on, and which it is validated with: read once, then kept on disk."""

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from translate.alignment import Link
from translate.config.data import DataConfig
from translate.corpora.corpus import find_files
from translate.corpora.formats import Wanted
from translate.corpora.pairs import Sources, stream_pairs
from translate.corpora.split import choose_held_out, source_group
from translate.errors import InputError, UsageError
from translate.text_files import stream_lines, stream_parallel

log = logging.getLogger(__name__)

_AS_MANY = "there must be a line of links for each pair"

Pair = tuple[str, str]
Paths = tuple[str | Path, str | Path]  # source file, target file


class StoredPairs:
    """Sentence pairs in a file, source and target in turn: read again by every loop, never held in memory.

    Args:
        path: of the file; `write` makes it.
        count: of the pairs in it.
        left_out: numbers of those that are passed over.
    """

    def __init__(self, path: Path, count: int, left_out: frozenset[int] = frozenset()) -> None:
        self.path, self.count, self.left_out = path, count, left_out

    @classmethod
    def write(cls, path: Path, pairs: Iterable[Pair]) -> "StoredPairs":
        """Write pairs without line breaks as they come."""
        count = 0
        with path.open("wb") as file:
            for src, tgt in pairs:
                file.write(f"{src}\n{tgt}\n".encode())
                count += 1
        return cls(path, count)

    def __len__(self) -> int:
        """Number of pairs, without those left out."""
        return self.count - len(self.left_out)

    def __iter__(self) -> Iterator[Pair]:
        """Read the pairs."""
        with self.path.open("rb") as file:
            for number, (src, tgt) in enumerate(zip(file, file, strict=True)):
                if number not in self.left_out:
                    yield src[:-1].decode(), tgt[:-1].decode()


class Text(NamedTuple):
    """What a run is trained on and validated with."""

    train: StoredPairs
    valid: list[Pair]
    src_lang: str | None  # as the corpus says, if there is one
    tgt_lang: str | None
    more: bool = False  # whether the text goes on behind its first window


def read_text(data: DataConfig, seed: int, path: Path) -> Text:
    """Read the training and the validation pairs; of a text in windows, the first one.

    Args:
        data: names them.
        seed: draws the validation pairs when none are named.
        path: of the file that the training pairs are kept in.

    Raises:
        InputError: the text is missing or bad.
        UsageError: no text was named, or more than one.
    """
    train_pairs, valid_pairs, src_lang, tgt_lang = open_text(data, seed)
    unread = without_blank(train_pairs, "training")
    train = StoredPairs.write(path, islice(unread, data.window or None))
    more = next(unread, None) is not None
    if valid_pairs is not None:
        valid = list(without_blank(valid_pairs, "validation"))
        return Text(train, valid, src_lang, tgt_lang, more)
    # By groups of sources that differ in digits or punctuation only, so that none is in both parts.
    held_out = choose_held_out(train, {"valid": data.valid_size}, seed)
    numbers = (number for number, (src, _) in enumerate(train) if source_group(src) in held_out.groups)
    train = StoredPairs(path, train.count, frozenset(numbers))
    valid = held_out.pairs["valid"]
    log.info("no validation text given: held out %d pairs", len(valid))
    return Text(train, valid, src_lang, tgt_lang, more)


def hash_text(pairs: Iterable[Pair]) -> str:
    """Return the hash of a text, to know it by."""
    digest = hashlib.sha256()
    for src, tgt in pairs:
        digest.update(f"{src}\n{tgt}\n".encode())  # a text may have tabs, but no line break
    return digest.hexdigest()


def read_links(data: DataConfig, train: StoredPairs, path: Path) -> Iterator[list[Link]]:
    """Yield the links of the pairs in `train`, from a file with a line for each line of the training text.

    Raises:
        InputError: a line has no links of words of its pair, or lines are missing; as reading text does.
        UsageError: the training text is no lines, but records.
    """
    if data.pairs:
        raise UsageError(
            f"{path} has links for lines of text, but data.pairs has records: make a corpus of them first, "
            "by `seq2see corpus files`"
        )
    paths, _, _ = _find(data)
    lines, number = stream_lines(path), 0
    for place, (src, tgt) in enumerate(stream_parallel(*paths), start=1):
        line = next(lines, None)
        if line is None:
            raise InputError(f"{path} has {place - 1} lines, but the training text has more: {_AS_MANY}")
        if src.strip() and tgt.strip():
            if number not in train.left_out:
                yield _parse_links(line, len(src.split()), len(tgt.split()), f"{path}: line {place}")
            number += 1
    if next(lines, None) is not None:
        raise InputError(f"{path} has more lines than the training text, which has {place}: {_AS_MANY}")


def _parse_links(line: str, src_words: int, tgt_words: int, where: str) -> list[Link]:
    links = []
    for text in line.split():
        match = re.fullmatch(r"(\d+)-(\d+)", text, re.ASCII)
        if match is None:
            raise InputError(f"{where} has {text!r}: needed are links i-j of words, counted from 0")
        link = int(match[1]), int(match[2])
        if link[0] >= src_words or link[1] >= tgt_words:
            raise InputError(
                f"{where} has {text}, but its pair has {src_words} and {tgt_words} words, counted from 0"
            )
        links.append(link)
    return links


class Opened(NamedTuple):
    """Text that is still to be read."""

    train: Iterable[Pair]
    valid: Iterable[Pair] | None
    src_lang: str | None  # as the corpus says, if there is one
    tgt_lang: str | None


def open_text(data: DataConfig, seed: int) -> Opened:
    """Find the text that the settings name.

    Args:
        seed: draws the pairs of a source whose weight is no whole number.

    Raises:
        InputError: the corpus folder is missing or bad, or has no training part.
        UsageError: no text was named, or more than one.
    """
    wanted = Wanted(data.src_lang, data.tgt_lang, data.src_column, data.tgt_column, data.markup)
    sources = Sources(data.pairs, wanted, data.format, data.weights, data.strict)
    valid = None
    if bool(data.valid_src) != bool(data.valid_tgt):
        raise UsageError("validation text needs both --valid-src and --valid-tgt")
    if data.valid_pairs:
        if data.valid_src or data.valid_tgt:
            raise UsageError("got both --valid-pairs and --valid-src/--valid-tgt: name one place")
        valid = stream_pairs(sources._replace(paths=data.valid_pairs, weights=()))
    if data.weights and not data.pairs:
        raise UsageError("data.weights are of data.pairs: give --pairs")
    if data.pairs:
        if data.corpus or data.src or data.tgt:
            raise UsageError(
                "got both --pairs and --corpus or --src/--tgt: --pairs takes corpus folders, too, and two "
                "files named by text.{lang}"
            )
        if valid is None and data.valid_src and data.valid_tgt:
            valid = stream_parallel(data.valid_src, data.valid_tgt)
        return Opened(stream_pairs(sources, seed), valid, data.src_lang, data.tgt_lang)
    train_paths, valid_paths, languages = _find(data)
    if valid is None and valid_paths is not None:
        valid = stream_parallel(*valid_paths)
    return Opened(stream_parallel(*train_paths), valid, *languages)


def describe_origin(data: DataConfig) -> str:
    """Say where the training text comes from."""
    return ", ".join(data.pairs) or data.corpus or f"{data.src} and {data.tgt}"


def _find(data: DataConfig) -> tuple[Paths, Paths | None, tuple[str | None, str | None]]:
    """Where the training and the validation text are, and the corpus's two languages."""
    if data.corpus and (data.src or data.tgt):
        raise UsageError("got both --corpus and --src/--tgt: name one place to take the training text from")
    valid = (data.valid_src, data.valid_tgt) if data.valid_src and data.valid_tgt else None
    if data.corpus:
        files = find_files(data.corpus)
        if "train" not in files.splits:
            raise InputError(f"{data.corpus} has no training part, only {', '.join(files.splits)}")
        return files.splits["train"], valid or files.splits.get("valid"), (files.src_lang, files.tgt_lang)
    if not (data.src and data.tgt):
        raise UsageError("no training text: give --corpus FOLDER, --src FILE and --tgt FILE, or --pairs FILE")
    return (data.src, data.tgt), valid, (None, None)


def without_blank(pairs: Iterable[Pair], which: str) -> Iterator[Pair]:
    """Yield the pairs with text on both sides.

    Args:
        which: what messages call them, before the word pairs.

    Raises:
        InputError: the files are missing or bad, or no pair has text on both sides.
    """
    total = kept = 0
    for src, tgt in pairs:
        total += 1
        if src.strip() and tgt.strip():
            kept += 1
            yield src, tgt
    if not kept:
        raise InputError(f"all {total} {which} pairs have a blank side: needed is text on both sides")
    if kept < total:
        log.warning("left out %d of %d %s pairs with a blank side", total - kept, total, which)
