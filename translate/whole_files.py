"""Files that are whole at any moment, whoever is killed, runs out of disk or loses power meanwhile."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Make this the content of a file; raises OSError as `aside` does."""
    with aside(path) as new:
        new.write_bytes(content)


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Yield a path to write to; what is there in the end replaces `path`, or after an error is removed.

    First the content reaches the disk, then the name does.

    Raises:
        OSError: no room, no permission, no folder ...; `path` is as it was.
    """
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)  # what a kill left, or a link to somewhere else
    try:
        yield new
        sync(new)
        new.replace(path)
    except BaseException:
        with suppress(OSError):  # the folder may be gone
            new.unlink()
        raise
    _sync_folder(path.parent)


def sha256_of(path: Path) -> str:
    """Return the hash of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Return when the content of a file has reached the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
