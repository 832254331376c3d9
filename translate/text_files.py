"""Lines of text from files and streams.

A line ends at a newline and nowhere else: str.splitlines would also break at U+2028, form feeds and others,
and then two parallel files no longer match line by line.
"""

import gzip
import logging
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedReader
from itertools import zip_longest
from pathlib import Path

from translate.errors import InputError

log = logging.getLogger(__name__)

BYTE_ORDER_MARK = "\ufeff"


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
            where = (
                f"{name}: line {number}, byte {error.start + 1} (0x{raw[error.start]:02x}) is not valid UTF-8"
            )
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
    """Yield the lines of a UTF-8 file; one whose name ends in .gz is unpacked on the way.

    Raises InputError when the file is missing or cannot be read, and as `decode_lines` does.
    """
    path = Path(path)
    try:
        with _open(path) as stream:
            yield from decode_lines(stream, str(path), strict=strict)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged or not gzip, though its name ends in .gz ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def read_parallel(src: str | Path, tgt: str | Path) -> list[tuple[str, str]]:
    """Read two files whose lines are translations of each other; raises what `stream_parallel` does."""
    return list(stream_parallel(src, tgt))


def stream_parallel(src: str | Path, tgt: str | Path) -> Iterator[tuple[str, str]]:
    """Yield the pairs of two files whose lines are translations of each other.

    Raises InputError when they have no lines or, after the last pair, when they have unequal numbers of
    them; and as `stream_lines` does.
    """
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


def _open(path: Path) -> BufferedReader | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")
