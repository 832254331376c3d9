"""The user's own corpus: two plain text files whose lines are translations of each other."""

from collections import Counter
from pathlib import Path

from translate.corpora import Corpus, to_dataset
from translate.corpora.split import FURTHER_TRANSLATION, HELD_OUT, hold_out
from translate.errors import InputError
from translate.text_files import read_parallel

Paths = tuple[str | Path, str | Path]  # source file, target file


def make_files(
    train: Paths,
    src_lang: str,
    tgt_lang: str,
    seed: int = 1,
    *,
    valid: Paths | None = None,
    test: Paths | None = None,
) -> Corpus:
    """Make a corpus of parallel files (.gz is read as is); what is not given of valid and test is held out.

    Given valid and test files are kept line for line; a training pair with a blank side is dropped.

    Raises InputError when a file is missing, empty, no UTF-8, or not as long as its translation.
    """
    lines = read_parallel(*train)
    pairs = [(src, tgt) for src, tgt in lines if src.strip() and tgt.strip()]
    if not pairs:
        raise InputError(f"{train[0]} and {train[1]} have no pair of lines with text on both sides")
    dropped = Counter({"blank line": len(lines) - len(pairs)})
    given = {
        name: read_parallel(*paths) for name, paths in (("valid", valid), ("test", test)) if paths is not None
    }
    sizes = {name: HELD_OUT for name in ("valid", "test") if name not in given}
    parts = {"train": pairs}
    if sizes:
        parts, dropped[FURTHER_TRANSLATION] = hold_out(pairs, sizes, seed)
    return Corpus(
        name="files",
        src_lang=src_lang,
        tgt_lang=tgt_lang,
        splits={name: to_dataset((parts | given)[name]) for name in ("train", "valid", "test")},
        links={},
        licence="not stated: that of your files",
        citation="",
        url="",
        seed=seed if sizes else None,
        dropped=dropped,
    )
