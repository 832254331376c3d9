"""Lines of text from files and streams.

A line ends at a newline and nowhere else: str.splitlines would also break at U+2028, form feeds and others,
and then two parallel files no longer match line by line.
"""

import logging
from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from translate.compression import open_stream
from translate.errors import InputError

log = logging.getLogger(__name__)

BYTE_ORDER_MARK = "\ufeff"
LONGEST = (
    2**24
)  # bytes of a line or a record: what is longer is no text, and may be packed to fill the memory


class NumberedLine(NamedTuple):
    """A line of a file, and where it is no UTF-8."""

    number: int  # from 1
    text: str  # as it was read, line end included; bytes that are no UTF-8 are lone surrogates
    broken: str  # says where such bytes are, "" if nowhere


def decode_lines(stream: Iterable[bytes], name: str, *, strict: bool) -> Iterator[str]:
    r"""Yield the lines of a stream of UTF-8 as they arrive, without "\n" and without one "\r" before it.

    A byte order mark at the very start is dropped.

    Args:
        stream: A binary file (iterating over one gives its lines); nothing is read ahead.
        name: What messages call the stream.
        strict: Whether bytes that are no UTF-8 are an InputError; otherwise they become U+FFFD, and one
            warning for the whole stream says where the first ones were. Lines and bytes count from 1.
    """
    warned = False
    for number, raw in enumerate(stream, start=1):
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            where = f"{name}: line {number}, {describe_byte(error)}"
            if strict:
                raise InputError(f"{where}; the text must be UTF-8 throughout") from None
            if not warned:
                log.warning("%s; such bytes are read as U+FFFD from here on", where)
                warned = True
            line = raw.decode(errors="replace")
        if number == 1 and line.startswith(BYTE_ORDER_MARK):
            line = line[1:]
            if not line:  # a file that holds nothing but the mark has no lines
                continue
        yield line.removesuffix("\n").removesuffix("\r")


def read_lines(path: str | Path, *, strict: bool = True) -> list[str]:
    """Read all lines of a UTF-8 file; raises what `stream_lines` does."""
    return list(stream_lines(path, strict=strict))


def stream_lines(path: str | Path, *, strict: bool = True) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, unpacked on the way as its name says; "-" is standard input.

    Raises InputError as `open_stream`, `split_lines` and `decode_lines` do.
    """
    with open_stream(path) as stream:
        yield from decode_lines(split_lines(stream, str(path)), str(path), strict=strict)


def split_lines(stream: BufferedIOBase, name: str) -> Iterator[bytes]:
    """Yield the lines of a stream; raise InputError at one that is too long to be text."""
    number = 0
    while raw := stream.readline(LONGEST + 1):
        number += 1
        if len(raw) > LONGEST:
            raise InputError(
                f"{name}: line {number} has more than {LONGEST:,} bytes: needed is text in lines, one "
                "sentence or one record each"
            )
        yield raw


def number_lines(stream: BufferedIOBase, name: str) -> Iterator[NumberedLine]:
    """Yield the lines of a stream that may be broken; raises what `split_lines` does."""
    for number, raw in enumerate(split_lines(stream, name), start=1):
        broken = ""
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            text, broken = raw.decode(errors="surrogateescape"), describe_byte(error)
        if number == 1:
            text = text.removeprefix(BYTE_ORDER_MARK)
        yield NumberedLine(number, text, broken)


def describe_byte(error: UnicodeDecodeError) -> str:
    """Say which byte of a line or text is no UTF-8; bytes count from 1."""
    return f"byte {error.start + 1} (0x{error.object[error.start]:02x}) is not valid UTF-8"


def read_parallel(src: str | Path, tgt: str | Path) -> list[tuple[str, str]]:
    """Read two files whose lines are translations of each other; raises what `stream_parallel` does."""
    return list(stream_parallel(src, tgt))


def stream_parallel(src: str | Path, tgt: str | Path) -> Iterator[tuple[str, str]]:
    """Yield the pairs of two files whose lines are translations of each other.

    Raises InputError when they have no lines or, after the last pair, when they have unequal numbers of
    them; when both are standard input; and as `stream_lines` does.
    """
    if str(src) == str(tgt) == "-":
        raise InputError("standard input cannot be both texts: give one of them as a file")
    sides = stream_lines(src), stream_lines(tgt)
    pairs = 0
    for src_line, tgt_line in zip_longest(*sides):
        if src_line is None or tgt_line is None:
            counts = [
                pairs if line is None else pairs + 1 + sum(1 for _ in side)
                for line, side in zip((src_line, tgt_line), sides, strict=True)
            ]
            raise InputError(
                f"{src} has {counts[0]} lines but {tgt} has {counts[1]}: "
                "parallel files must match line by line"
            )
        pairs += 1
        yield src_line, tgt_line
    if not pairs:
        raise InputError(f"{src} and {tgt} are empty: at least one pair of lines is needed")
