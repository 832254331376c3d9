"""Ids that were made of the same text before: kept for other runs, by a hash of all that they follow from.

An entry is a folder with the file of ids, which a run has as a hard link where it can, so that it takes no
room of its own while the run is there. It is never changed: other ids have another key. It may be removed at
any time.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from translate.stored_pairs import IDS
from translate.tokenizer import Tokenizers

log = logging.getLogger(__name__)

VERSION = 1  # of what an entry holds, and of how text becomes ids: to be raised with either
FITS = "fits"  # a byte for each pair of the text: 1, or 0 for one that is too long and has no ids
CHECKSUMS = "sha256"


def find_cache() -> Path | None:
    """The folder of the entries: SEQ2SEE_CACHE if that is set (None: to nothing), else the user's cache."""
    chosen = os.environ.get("SEQ2SEE_CACHE")
    if chosen is None:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(home, "seq2see", "ids")
    return Path(chosen, "ids") if chosen else None


def key_of(texts: Sequence[str], tokenizers: Tokenizers, max_length: int) -> str:
    """Name the entry of these ids.

    Args:
        texts: the hash of each part of the text, as it is cut into pieces.
        tokenizers: by their content, and cutting as the installed SentencePiece does.
        max_length: pieces of a pair's longer side, above which it has no ids.
    """
    made_from = [
        VERSION, version("sentencepiece"), *texts, tokenizers.src.sha256, tokenizers.tgt.sha256, max_length
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def take(entry: Path, ids: Path) -> bytes | None:
    """Give a run the ids of an entry, as a new folder; return which pairs fit, or None without a whole entry.

    A damaged one is removed.
    """
    if not entry.is_dir():
        return None
    try:
        ids.mkdir()
        _link(entry / IDS, ids / IDS)  # before its checksum, lest another one is read than is taken
        fits = (entry / FITS).read_bytes()
        if (entry / CHECKSUMS).read_bytes() == _checksums(ids / IDS, fits):
            return fits
        problem = f"not as its {CHECKSUMS} says"
    except OSError as error:
        problem = str(error)
    log.warning("%s is damaged (%s): it is made anew", entry, problem)
    for folder in (ids, entry):
        shutil.rmtree(folder, ignore_errors=True)
    return None


def keep(entry: Path, ids: Path, fits: bytes) -> None:
    """Make an entry of a run's ids; it is there whole or not at all. Training does not need it to succeed."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".unfinished", dir=entry.parent) as aside:
            new = Path(aside, entry.name)
            new.mkdir()
            _link(ids / IDS, new / IDS)
            (new / FITS).write_bytes(fits)
            (new / CHECKSUMS).write_bytes(_checksums(ids / IDS, fits))
            new.rename(entry)
    except OSError as error:
        if not entry.is_dir():  # else another run was quicker, with the same
            log.warning("the ids cannot be kept for other runs: %s", error)
        return
    size = (ids / IDS).stat().st_size / 1e6
    log.info("kept these ids for other runs in %s (%.1f MB; may be removed at any time)", entry, size)


def _link(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except OSError:  # such as another file system
        shutil.copyfile(old, new)


def _checksums(ids: Path, fits: bytes) -> bytes:
    with ids.open("rb") as file:
        of_ids = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{of_ids} {hashlib.sha256(fits).hexdigest()}\n".encode()
