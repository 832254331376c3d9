"""A document in parts: what is translated, and all else, to the letter."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from translate.documents.projection import Mark, WordLinks, merge, project, spread_evenly

_LINE_BREAK = re.compile(r"(\r\n|\r|\n)")
NO_SPACE_BEFORE = tuple(".,;:!?…)]}»”’")
_NO_LINKS: Mapping[int, WordLinks] = {}


class Tag(NamedTuple):
    """What is written where an inline element begins and ends; it may have texts of its own."""

    first: Sequence["Part"]
    last: Sequence["Part"] = ()
    # Of an empty element, whether white space was before and behind it.
    spaced: tuple[bool, bool] = (False, False)
    parting: bool = False  # it stands between letters, such as <br>: a space in the text is in its place
    needs_text: bool = False  # with nothing inside it would be read as text, so it is left out


class Slot(NamedTuple):
    """A text to be translated, in its place."""

    text: str  # as a reader sees it; may have several lines
    written: str  # as it stands in the document: it stays so if its translation is the text itself
    write: Callable[[str], str]  # a translation, or a piece of it, as the format writes it
    marks: tuple[Mark, ...] = ()  # the inline elements in the text
    tags: tuple[Tag, ...] = ()  # how these are written
    shape: Callable[[str], str] = str  # a translation with other white space, but as many characters


Part = str | Slot
Span = tuple[int, int, Sequence[Part]]  # begin, end, and what comes there


class Document(NamedTuple):
    """What is to be translated, and what stands between."""

    parts: list[Part]

    def texts(self) -> list[str]:
        """What is to be translated: lines with something in them, without white space around."""
        return [line for slot in _slots(self.parts) for line in lines_of(slot.text)]

    def marked(self) -> list[bool]:
        """Whether each of `texts` has inline elements, so that `join` wants to know its links."""
        return [bool(slot.marks) for slot in _slots(self.parts) for _ in lines_of(slot.text)]

    def join(self, translations: Sequence[str], links: Mapping[int, WordLinks] = _NO_LINKS) -> str:
        """Put the translations of `texts` in their places; the white space around them is kept.

        Args:
            links: of texts, by their numbers. Without them, inline elements are placed as if the words of
                the translation were in the order of the source.
        """
        waiting = enumerate(translations)
        return "".join(_filled(part, waiting, links) for part in self.parts)


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


def _slots(parts: Iterable[Part]) -> Iterator[Slot]:
    """Yield what is translated; what tags say follows the text that they are in."""
    for part in parts:
        if isinstance(part, Slot):
            yield part
            for tag in part.tags:
                yield from _slots([*tag.first, *tag.last])


def _filled(part: Part, waiting: Iterator[tuple[int, str]], links: Mapping[int, WordLinks]) -> str:
    """Return a part with its translations, in the order of `_slots`."""
    if isinstance(part, str):
        return part
    pieces = _LINE_BREAK.split(part.text)  # a line, its end, the next line, ...
    linked: list[tuple[int, int, WordLinks]] = []
    text, at = "", 0
    for line in pieces:
        core = line.strip()
        begin = line.find(core)
        text += line[:begin]
        if core:
            number, translation = next(waiting)
            if part.marks:
                own = links.get(number)
                own = own if own and own.src else spread_evenly(core, translation)
                linked.append((at + begin, len(text), own))
            text += translation
        text += line[begin + len(core) :]
        at += len(line)
    tags = [
        tuple("".join(_filled(each, waiting, links) for each in parts) for parts in (tag.first, tag.last))
        for tag in part.tags
    ]
    same = text == part.text
    if same and tags == [_written(tag) for tag in part.tags]:
        return part.written
    if not part.marks:
        return part.write(part.shape(text))
    marks = part.marks if same else project(part.marks, part.text, text, merge(linked))
    return _Writer(part, part.shape(text), tags).write(marks, 0, len(text))


def _written(tag: Tag) -> tuple[str, ...]:
    return tuple(
        "".join(each if isinstance(each, str) else each.written for each in parts)
        for parts in (tag.first, tag.last)
    )


class _Writer:
    """Writes a translation with its inline elements."""

    def __init__(self, slot: Slot, text: str, tags: Sequence[tuple[str, ...]]) -> None:
        self.slot, self.text, self.tags = slot, text, tags
        self.spaced = True  # whether what was written last is white space, or nothing

    def write(self, marks: Sequence[Mark], begin: int, end: int) -> str:
        """Return a part of the text, with the marks in it."""
        written = []
        for mark in marks:
            tag = self.slot.tags[mark.tag]
            parting = tag.parting and self.text[begin : mark.begin].endswith(" ")
            written.append(self._piece(begin, mark.begin - parting))
            begin = mark.end
            if mark.end == mark.begin and not mark.inner and not tag.last:
                written.append(self._alone(mark))
                continue
            inner = self.write(mark.inner, mark.begin, mark.end)
            if inner or not tag.needs_text:
                first, last = self.tags[mark.tag]
                written += [first, inner, last]
        return "".join([*written, self._piece(begin, end)])

    def _piece(self, begin: int, end: int) -> str:
        piece = self.text[begin:end]
        if piece:
            self.spaced = piece[-1].isspace()
        return self.slot.write(piece) if piece else ""

    def _alone(self, mark: Mark) -> str:
        """An empty element, apart from words if it was so."""
        tag = self.slot.tags[mark.tag]
        before = " " * (tag.spaced[0] and not self.spaced)
        following = self.text[mark.begin : mark.begin + 1]
        apart = following == "" or following.isspace() or following in NO_SPACE_BEFORE
        behind = " " * (tag.spaced[1] and not apart)
        self.spaced = bool(behind)
        return before + self.tags[mark.tag][0] + behind
