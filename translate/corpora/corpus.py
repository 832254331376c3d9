"""Sentence pairs with where they come from: what every source makes.

A Corpus is kept as a folder of plain text, so that any tool can read it:

    train.en  train.de      one sentence a line, lines of the two languages belong together
    valid.en  valid.de
    test.en   test.de
    test.links              gold word alignments, 0-based "src-tgt" pairs of words (Pharaoh), if there are any
    corpus.json             name, languages, licence, citation, counts, checksums, settings it was made with
"""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeGuard

from datasets import Dataset

from translate.errors import InputError
from translate.text_files import read_lines, read_parallel
from translate.whole_files import sha256_of

CORPUS_JSON = "corpus.json"
Pair = tuple[str, str]  # source text, target text
Settings = Mapping[str, Any]  # what a corpus was made from, as JSON values


class Corpus(NamedTuple):
    """Sentence pairs in parts, with what must be said about where they come from."""

    name: str
    src_lang: str
    tgt_lang: str
    splits: dict[str, Dataset]  # columns src and tgt; train, valid, test and perhaps further tests
    links: dict[str, list[str]]  # of some splits: gold word alignments, one Pharaoh line a pair
    licence: str
    citation: str
    url: str
    seed: int | None  # None: nothing was drawn
    dropped: Mapping[str, int] = MappingProxyType({})  # reason -> pairs that were left out for it


def to_dataset(pairs: Iterable[Pair]) -> Dataset:
    """Return the pairs as a Dataset with the columns src and tgt."""
    pairs = list(pairs)
    return Dataset.from_dict({"src": [src for src, _ in pairs], "tgt": [tgt for _, tgt in pairs]})


def check_unused(folder: str | Path) -> None:
    """Raise InputError when there is something in (or at) the folder that a corpus would go to."""
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and next(folder.iterdir(), None) is None):
        raise InputError(
            f"{folder} is not empty and is not overwritten: move it away, or choose another --out"
        )


def write_corpus(corpus: Corpus, folder: str | Path, settings: Settings | None = None) -> None:
    """Write a corpus as a folder, which appears only when it is complete.

    Args:
        corpus: Texts must have no line breaks.
        folder: Must not exist yet, or be empty.
        settings: What the corpus was made from; `read_settings` gives it back.

    Raises InputError when there is something in the folder.
    """
    with new_corpus(folder) as made:
        for name, lines in _texts(corpus).items():
            made.joinpath(name).write_bytes(_join(lines))
        lengths = {name: len(split) for name, split in corpus.splits.items()}
        describe(made, corpus, lengths, links=corpus.links, settings=settings or {})


@contextmanager
def new_corpus(folder: str | Path) -> Iterator[Path]:
    """Yield a folder to fill, which stands at its place when it is complete.

    Raises InputError when there is something in the folder.
    """
    folder = Path(folder)
    check_unused(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its final place, because a rename within one file system is all or nothing.
    with tempfile.TemporaryDirectory(prefix=".corpus-", dir=folder.parent) as aside:
        made = Path(aside, folder.name)
        made.mkdir()
        yield made
        if folder.exists():
            folder.rmdir()
        made.rename(folder)


def describe(
    folder: Path, corpus: Corpus, lengths: Mapping[str, int], links: Iterable[str], settings: Settings
) -> None:
    """Write corpus.json beside the texts of a corpus.

    Args:
        folder: Of the texts.
        corpus: What else is said of it; its splits and links are not looked at.
        lengths: Pairs of each split.
        links: The splits that have gold word alignments.
        settings: What the corpus was made from.
    """
    endings = (f".{corpus.src_lang}", f".{corpus.tgt_lang}", ".links")
    about = corpus._asdict() | {
        "splits": dict(lengths),
        "links": sorted(links),
        "dropped": dict(corpus.dropped),
        "sha256": {
            path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name.endswith(endings)
        },
        "settings": dict(settings),
    }
    folder.joinpath(CORPUS_JSON).write_text(
        json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8", newline="\n"
    )


class Files(NamedTuple):
    """Where the text of a corpus lies."""

    src_lang: str
    tgt_lang: str
    splits: dict[str, tuple[Path, Path]]  # source and target file of each


def find_files(folder: str | Path) -> Files:
    """Return the files of a folder that `write_corpus` made, checked but not held in memory.

    Raises InputError when the folder is missing, incomplete, or was changed since.
    """
    folder = Path(folder)
    about = read_about(folder)
    for name, checksum in about["sha256"].items():
        if not folder.joinpath(name).is_file():
            raise InputError(f"{folder / name} is missing: make the corpus again with `seq2see corpus`")
        if sha256_of(folder / name) != checksum:
            raise InputError(
                f"{folder / name} is not the file that corpus.json lists (its checksum differs): make the "
                "corpus again, or make a new one from the changed files with `seq2see corpus files`"
            )
    src_lang, tgt_lang = about["src_lang"], about["tgt_lang"]
    splits = {
        name: (folder / f"{name}.{src_lang}", folder / f"{name}.{tgt_lang}") for name in about["splits"]
    }
    return Files(src_lang, tgt_lang, splits)


def load_corpus(folder: str | Path) -> Corpus:
    """Read a folder that `write_corpus` made.

    Raises InputError as `find_files` does.
    """
    folder = Path(folder)
    splits = {name: to_dataset(read_parallel(*paths)) for name, paths in find_files(folder).splits.items()}
    about = read_about(folder)
    links = {name: read_lines(folder / f"{name}.links") for name in about["links"]}
    fields = {name: about[name] for name in Corpus._fields}
    return Corpus(**fields | {"splits": splits, "links": links})


def read_description(folder: str | Path) -> Corpus:
    """Return what is said of the corpus in a folder: no splits, and of its links only which there are.

    Raises InputError when there is no corpus in it.
    """
    about = read_about(Path(folder))
    fields = {name: about[name] for name in Corpus._fields}
    return Corpus(**fields | {"splits": {}, "links": {name: [] for name in about["links"]}})


def read_settings(folder: str | Path) -> Settings:
    """Return the settings that the corpus in a folder was made with.

    Raises InputError when there is no corpus in it.
    """
    settings: Settings = read_about(Path(folder))["settings"]
    return settings


def _texts(corpus: Corpus) -> dict[str, list[str]]:
    """File name -> lines."""
    texts = {}
    for name, split in corpus.splits.items():
        texts[f"{name}.{corpus.src_lang}"] = list(split["src"])
        texts[f"{name}.{corpus.tgt_lang}"] = list(split["tgt"])
    for name, lines in corpus.links.items():
        texts[f"{name}.links"] = lines
    return texts


def _join(lines: list[str]) -> bytes:
    assert not any("\n" in line for line in lines)
    return "".join(line + "\n" for line in lines).encode()


def read_about(folder: Path) -> dict[str, Any]:
    """Return what corpus.json says of a folder: `Corpus`'s fields, checksums, settings.

    Raises InputError when the folder is none that `write_corpus` made.
    """
    path = folder / CORPUS_JSON
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; `seq2see corpus` makes one")
    if not path.is_file():
        raise InputError(
            f"{folder} holds no corpus.json, so it is no corpus folder; "
            "`seq2see corpus files` makes one from text files"
        )
    try:
        about = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged ({error}): make the corpus again with `seq2see corpus`"
        ) from None
    if not _is_whole(about):
        raise InputError(
            f"{path} is damaged (keys are missing or of a wrong kind): make the corpus again with "
            "`seq2see corpus`"
        )
    names = [*about["splits"], *about["links"], *about["sha256"], about["src_lang"], about["tgt_lang"]]
    for name in names:
        if not re.fullmatch(r"[\w.-]+", name):
            raise InputError(f"{path} has the name {name!r}: files of a corpus lie in its folder")
    return about


def _is_whole(about: Any) -> TypeGuard[dict[str, Any]]:
    kinds = {"splits": dict, "links": list, "dropped": dict, "sha256": dict, "settings": dict}
    return (
        isinstance(about, dict)
        and {*Corpus._fields, "sha256", "settings"} <= about.keys()
        and all(isinstance(about[name], kind) for name, kind in kinds.items())
        and all(isinstance(name, str) for name in (about["src_lang"], about["tgt_lang"], *about["links"]))
    )
