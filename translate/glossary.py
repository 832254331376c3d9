"""Terms: which words of the source have to become which words of the target."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from translate.errors import InputError
from translate.text_files import stream_lines
from translate.tokenizer import Tokenizer

# From Thai on, most scripts are written without spaces between words (Hangul and some others are not).
_UNSPACED = 0x0E00


class Term(NamedTuple):
    """A term in both languages."""

    src: str
    tgt: str


class Rate(NamedTuple):
    """How many terms of the sources have their target term in the translation."""

    kept: int
    total: int


class Glossary:
    """Terms, found in texts as whole words, upper case like lower case; the longest where several begin.

    Args:
        terms: no two with the same source (but for its case), no side blank.
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        self.terms = {term.src.casefold(): term for term in terms}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.terms.values(), key=lambda term: -len(term.src))
        return re.compile("|".join(_as_word(term.src) for term in longest_first), re.IGNORECASE)

    def find(self, text: str) -> list[Term]:
        """Return the terms of a source text, each as often as it occurs."""
        found = (self.terms.get(match.group().casefold()) for match in self._pattern.finditer(text))
        return [term for term in found if term is not None]


def read_glossary(path: str | Path) -> Glossary:
    """Read a TSV file: a term and its translation in each line; blank lines are passed over.

    Raises InputError when the file has no terms, a line has no two columns, or a term has two translations.
    """
    terms: dict[str, Term] = {}
    for number, line in enumerate(stream_lines(path), start=1):
        if not line.strip():
            continue
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != 2 or not all(columns):
            raise InputError(
                f"{path}: line {number} is {line[:40]!r}: needed is a source term, a tab and a target term"
            )
        term = Term(*columns)
        known = terms.setdefault(term.src.casefold(), term)
        if known.tgt != term.tgt:
            raise InputError(
                f"{path}: line {number}: {term.src!r} is to become {term.tgt!r}, but a line before says "
                f"{known.tgt!r}: leave one out"
            )
    if not terms:
        raise InputError(f"{path} has no terms: needed are lines of a source term, a tab and a target term")
    return Glossary(terms.values())


def count_kept(terms: Sequence[Term], translation: str) -> Rate:
    """Count the terms of a source whose target term is in its translation, as whole words, as it is spelled.

    A term that the source has twice must be there twice.
    """
    kept = 0
    for term in terms:
        translation, done = re.subn(_as_word(term.tgt), "\n", translation, count=1)
        kept += done
    return Rate(kept, len(terms))


def phrase(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return the pieces of a text that stands inside another.

    They begin with a space if the text does, or begins as a word does. Otherwise ({name}, a script without
    spaces) a space that is a piece of its own is left out, so that there may be one or none.
    """
    ids = tokenizer.encode(text.removeprefix(" "))  # which begins with a space anyway
    spaced = text[0] == " " or (text[0].isalnum() and ord(text[0]) < _UNSPACED)
    return ids[1:] if not spaced and len(ids) > 1 and tokenizer.pieces(ids[:1]) == ["▁"] else ids


def goes_on_word(tokenizer: Tokenizer) -> list[bool]:
    """Say of each piece whether it goes on with a word, so that a term before it would not be a whole one."""
    return [
        name[0].isalnum() and ord(name[0]) < _UNSPACED and not re.fullmatch("<0x[0-9A-F]{2}>", name)
        for name in tokenizer.vocabulary()
    ]


def _as_word(text: str) -> str:
    """A pattern of a text that is no part of a longer word, where its script has spaces between words."""
    begins, ends = (char.isalnum() and ord(char) < _UNSPACED for char in (text[0], text[-1]))
    return r"(?<!\w)" * begins + re.escape(text) + r"(?!\w)" * ends
