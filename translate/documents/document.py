"""A document in parts: what is translated, and all else, to the letter."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

_LINE_BREAK = re.compile(r"(\r\n|\r|\n)")


class Slot(NamedTuple):
    """A text to be translated, in its place."""

    text: str  # as a reader sees it; may have several lines
    written: str  # as it stands in the document: it stays so if its translation is the text itself
    write: Callable[[str], str]  # a translation as the format writes it


Part = str | Slot
Span = tuple[int, int, Sequence[Part]]  # begin, end, and what comes there


class Document(NamedTuple):
    """What is to be translated, and what stands between."""

    parts: list[Part]

    def texts(self) -> list[str]:
        """What is to be translated: lines with something in them, without white space around."""
        return [line for part in self.parts if isinstance(part, Slot) for line in lines_of(part.text)]

    def join(self, translations: Sequence[str]) -> str:
        """Put the translations of `texts` in their places; the white space around them is kept."""
        waiting = iter(translations)
        return "".join(part if isinstance(part, str) else _fill(part, waiting) for part in self.parts)


def plain_text(text: str) -> Document:
    """A text whose lines are translated."""
    return Document([Slot(text, text, str)])


def replace_spans(raw: str, spans: Iterable[Span]) -> Document:
    """A document with other parts in place of some spans, which do not overlap; an empty one is inserted."""
    parts: list[Part] = []
    at = 0
    for begin, end, instead in sorted(spans, key=lambda span: span[:2]):
        parts += [raw[at:begin], *instead]
        at = end
    return Document([*parts, raw[at:]])


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that have something in them, without white space around."""
    return [line.strip() for line in _LINE_BREAK.split(text)[::2] if line.strip()]


def _fill(slot: Slot, translations: Iterator[str]) -> str:
    pieces = _LINE_BREAK.split(slot.text)  # a line, its end, the next line, ...
    for number in range(0, len(pieces), 2):
        line = pieces[number]
        if core := line.strip():
            begin = line.find(core)
            pieces[number] = line[:begin] + next(translations) + line[begin + len(core) :]
    text = "".join(pieces)
    return slot.written if text == slot.text else slot.write(text)
