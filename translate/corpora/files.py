"""The user's own corpus: parallel text, or files of pairs in any format."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from translate.corpora.corpus import Corpus, Pair, to_dataset
from translate.corpora.pairs import Sources, stream_pairs
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
    """Make a corpus of parallel files (packed ones are unpacked); what is not given is held out.

    Given valid and test files are kept line for line; a training pair with a blank side is dropped.

    Raises InputError when a file is missing, empty, no UTF-8, or not as long as its translation.
    """
    lines = read_parallel(*train)
    given = {
        name: read_parallel(*paths) for name, paths in (("valid", valid), ("test", test)) if paths is not None
    }
    where = f"{train[0]} and {train[1]} have no pair of lines with text on both sides"
    return _make(lines, given, (src_lang, tgt_lang), seed, Counter(), where)


def make_from_pairs(
    train: Sources, src_lang: str, tgt_lang: str, seed: int = 1, given: Mapping[str, Sources] | None = None
) -> Corpus:
    """Make a corpus of files of pairs; of valid and test, what is not in `given` is held out.

    Weights are of `train`; a copy that comes of a weight is never held out with another left in train.

    Raises InputError and UsageError as `stream_pairs` does.
    """
    dropped: Counter[str] = Counter()
    pairs = list(stream_pairs(train, seed, dropped))
    parts = {name: list(stream_pairs(sources)) for name, sources in (given or {}).items()}
    where = f"{', '.join(train.paths)}: no pair has text on both sides"
    return _make(pairs, parts, (src_lang, tgt_lang), seed, dropped, where)


def _make(
    lines: Sequence[Pair],
    given: Mapping[str, Sequence[Pair]],
    langs: tuple[str, str],
    seed: int,
    dropped: Counter[str],
    empty: str,
) -> Corpus:
    pairs = [(src, tgt) for src, tgt in lines if src.strip() and tgt.strip()]
    if not pairs:
        raise InputError(empty)
    dropped["blank line"] += len(lines) - len(pairs)
    sizes = {name: HELD_OUT for name in ("valid", "test") if name not in given}
    parts: dict[str, Sequence[Pair]] = {"train": pairs, **given}
    if sizes:
        held_out, dropped[FURTHER_TRANSLATION] = hold_out(pairs, sizes, seed)
        parts |= held_out
    return Corpus(
        name="files",
        src_lang=langs[0],
        tgt_lang=langs[1],
        splits={name: to_dataset(parts[name]) for name in ("train", "valid", "test")},
        links={},
        licence="not stated: that of your files",
        citation="",
        url="",
        seed=seed if sizes else None,
        dropped=dropped,
    )
