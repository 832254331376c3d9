"""Files as bytes: unpacked on the way as their names say, and "-" for standard input."""

import bz2
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from translate.errors import InputError

PACKERS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}  # how a name ends, and what packed it


def packed_name(path: str | Path) -> tuple[str, str]:
    """Return a file's name without the ending of a compression, and that ending: ("train.de", ".gz")."""
    name = str(path)
    suffix = next((suffix for suffix in PACKERS if name.endswith(suffix)), "")
    return name.removesuffix(suffix), suffix


@contextmanager
def open_stream(path: str | Path) -> Iterator[io.BufferedIOBase]:
    """Open a file for reading, unpacked when its name ends in .gz, .bz2, .xz or .zst; "-" is standard input.

    Raises InputError when the file is missing or cannot be read, and where it turns out to be damaged.
    """
    if str(path) == "-":
        yield cast("io.BufferedIOBase", sys.stdin.buffer)
        return
    _, suffix = packed_name(path)
    try:
        with _open(Path(path), suffix) as stream:
            yield stream
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, suffix, error) from None
    except OSError as error:
        if suffix and error.strerror is None:  # raised by bzip2 and zstd, not by the system
            raise _damaged(path, suffix, error) from None
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _open(path: Path, suffix: str) -> io.BufferedIOBase:
    match suffix:
        case ".gz":
            return gzip.open(path, "rb")
        case ".bz2":
            return bz2.open(path, "rb")
        case ".xz":
            return lzma.open(path, "rb")
        case ".zst":
            import pyarrow

            return io.BufferedReader(pyarrow.CompressedInputStream(path.open("rb"), "zstd"))
        case _:
            return path.open("rb")


def _damaged(path: str | Path, suffix: str, error: Exception) -> InputError:
    return InputError(f"{path}: damaged or not {PACKERS[suffix]}, though its name ends in {suffix} ({error})")
