"""What is wrong with one pair, seen by itself: its characters, scripts and languages."""

import html
import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import NamedTuple

from translate.languages import NAMES, SCRIPTS, Identifier, base_of, count_scripts

COPY = 20  # letters from which on a target that equals its source is no name or term
LETTERS = 10  # that a text needs for its script to say something: "GitHub" stands in any
IDENTIFIED = 40  # letters that a text needs for its language to be told
CONFIDENCE = 95.0  # percent
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")
# Languages that the identifier cannot tell apart in a sentence.
_NEAR = ({"bs", "hr", "sr"}, {"da", "nb", "nn", "no"}, {"id", "ms"})


class Flaw(NamedTuple):
    """One thing that is wrong with a pair."""

    reason: str
    severity: float  # the worst examples of a reason are those with the highest
    note: str


class Checks:
    """Finds the flaws of a pair.

    Args:
        langs: of source and target; of one that is None or unknown, neither script nor language is looked at.
        identify: whether to identify languages, too, which takes by far the longest.
    """

    def __init__(self, langs: tuple[str | None, str | None], *, identify: bool = True) -> None:
        self._bases = [None if lang is None else base_of(lang) for lang in langs]
        self._identifier = None
        self.unchecked: list[str] = []  # what is not looked at, and why
        for lang, base in zip(langs, self._bases, strict=True):
            if base not in SCRIPTS:
                what = "a language that is not given" if lang is None else f"unknown language {lang}"
                self.unchecked.append(f"script and language: {what}")
        missing = "is not installed: the extra corpus brings it"
        if identify and find_spec("py3langid") is None:
            self.unchecked.append(f"language: py3langid {missing}")
        elif identify:
            self._identifier = Identifier(list(NAMES))
        self._moji = find_spec("ftfy") is not None
        if not self._moji:
            self.unchecked.append(f"mojibake: ftfy {missing}")

    def find(self, src: str, tgt: str) -> list[Flaw]:
        """Return the flaws of a pair, at most one of each reason."""
        found: dict[str, Flaw] = {}
        for flaw in self._all(src, tgt):
            known = found.setdefault(flaw.reason, flaw)
            if flaw.severity > known.severity:
                found[flaw.reason] = flaw
        return list(found.values())

    def _all(self, src: str, tgt: str) -> Iterator[Flaw]:
        if not src.strip() or not tgt.strip():
            yield Flaw("empty", len(src) + len(tgt), "")
            return
        if src.split() == tgt.split():
            letters = sum(map(str.isalpha, src))
            if letters:
                yield Flaw("copy" if letters >= COPY else "short-copy", letters, f"{letters} letters")
        for text, base in zip((src, tgt), self._bases, strict=True):
            yield from _damage(text)
            if self._moji and not text.isascii():
                yield from _mojibake(text)
            if base in SCRIPTS:
                yield from self._wrong_language(text, base)

    def _wrong_language(self, text: str, base: str) -> Iterator[Flaw]:
        scripts = count_scripts(text)
        letters = scripts.total()
        wrong = letters - sum(scripts[script] for script in SCRIPTS[base])
        if letters >= LETTERS and 2 * wrong > letters:
            yield Flaw("script", wrong, f"{scripts.most_common(1)[0][0].title()}, not {NAMES[base]}")
        elif letters >= IDENTIFIED and self._identifier is not None:
            language, confidence = self._identifier.detect(text)[0]
            near = any({language, base} <= group for group in _NEAR)
            if language != base and not near and confidence >= CONFIDENCE:
                yield Flaw("language", letters * confidence, f"{NAMES[language]}, not {NAMES[base]}")


def _damage(text: str) -> Iterator[Flaw]:
    if "\ufffd" in text:
        count = text.count("\ufffd")
        yield Flaw("damaged", count, f"{count}×")
    if control := _CONTROL.findall(text):
        yield Flaw("control", len(control), ", ".join(sorted({f"U+{ord(c):04X}" for c in control})))
    if "&" in text:
        entities = [entity for entity in _ENTITY.findall(text) if html.unescape(entity) != entity]
        if entities:
            yield Flaw("entity", len(entities), ", ".join(dict.fromkeys(entities)))


def _mojibake(text: str) -> Iterator[Flaw]:
    from ftfy import fix_encoding
    from ftfy.badness import badness

    if (degree := badness(text)) and (repaired := fix_encoding(text)) != text:
        yield Flaw("mojibake", degree, f"should be: {repaired}")
