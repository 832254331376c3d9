"""Markdown: the texts of paragraphs, headings, lists and tables, by markdown-it's reading of CommonMark."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from html import unescape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from translate.documents.document import Document, Slot, Span, replace_spans

_FRONT_MATTER = re.compile(
    r"\ufeff?---[ \t]*\r?\n.*?^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_WRITTEN = re.compile(r"\\([!-/:-@\[-`{-~])|&#?\w+;")
_RISKY = re.compile(r"[\\`*\[\]<]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")
_RISKY_AT_BEGIN = re.compile(r"(#{1,6}(?=\s)|[-+>](?=\s)|>|~~~)|(\d+)([.)])(?=\s)")


def read_markdown(raw: str) -> Document:
    """Read Markdown. Left as they are: code, HTML, links' addresses, front matter, and all marks.

    A text ends where emphasis, a link or code begins. Lines of a paragraph are one text, and its translation
    is one line.
    """
    front = _FRONT_MATTER.match(raw)
    begin = front.end() if front else 0
    text = raw[begin:].replace("\r\n", "\n")
    # Where line ends of two characters were.
    double = [found.start() - number for number, found in enumerate(re.finditer("\r\n", raw[begin:]))]
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    lines = [0, *(found.end() for found in re.finditer("\n", text)), len(text)]
    spans: list[Span] = []
    row_ends: dict[int, int] = {}  # how far cells of a table's row are read
    environment: dict[str, Any] = {}  # the addresses that links refer to
    for token in parser.parse(text, environment):
        if token.type == "inline" and token.map:
            first, last = (lines[min(line, len(lines) - 1)] for line in token.map)
            first = max(first, row_ends.get(token.map[0], 0))
            places = _places(text, token.content, first, last)
            if places:
                row_ends[token.map[0]] = places[-1]
                places = [begin + place + bisect_left(double, place) for place in places]
                for text_begin, text_end in _texts(StateInline(token.content, parser, environment, [])):
                    spans += _span(raw, token.content, places, text_begin, text_end)
    return replace_spans(raw, spans)


def _places(text: str, content: str, first: int, last: int) -> list[int]:
    """Where each character of a block's content stands in the text, and where it ends; [] if it is not found.

    The content lacks what marks the block: quotation marks, indentation, the ends of table cells.
    """
    places: list[int] = []
    at = first
    for number, line in enumerate(content.split("\n")):
        if number:
            places.append(text.find("\n", at, last))
            at = places[-1] + 1
        begin = text.find(line, at, last)
        if begin < 0 or (number and not at):
            return []
        at = begin + len(line)
        places += range(begin, at)
    return [*places, at]


def _texts(state: StateInline) -> Iterator[tuple[int, int]]:
    """Yield where the texts of a block's content are, between what is markup."""
    yield from _between(state, 0, len(state.src))


def _between(state: StateInline, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the texts of a part of a content."""
    state.pos, first = begin, begin
    while state.pos < end:
        at, mark = state.pos, state.src[state.pos]
        inner: list[tuple[int, int]] = []
        if state.src.startswith("\\\n", at) or (mark == "\n" and state.src.endswith("  ", 0, at)):
            state.pos = at + 1 + (mark == "\\")  # a line break that is to stay
        elif mark in "*_~" and (delimiters := state.scanDelims(at, mark != "_")).length:
            state.pos = at + delimiters.length
            if not (delimiters.can_open or delimiters.can_close):
                continue
        else:
            state.md.inline.skipToken(state)
            after = state.pos
            link = mark == "[" or state.src.startswith("![", at)
            if mark not in "[!<`" or after - at < 2:
                continue
            if not (link or mark in "<`"):
                continue
            if link:
                label = at + 1 + (mark == "!")
                label_end = state.md.helpers.parseLinkLabel(state, label - 1)
                if label_end >= 0:
                    inner = list(_between(state, label, label_end))
            state.pos = after
        if at > first:
            yield first, at
        yield from inner
        first = state.pos
    if end > first:
        yield first, end


def _span(raw: str, content: str, places: list[int], begin: int, end: int) -> Iterator[Span]:
    """Yield a text of a content, without the white space around, as a span of the document."""
    text = content[begin:end]
    core = text.strip()
    if not any(map(str.isalpha, core)):
        return
    begin += text.find(core)
    end = begin + len(core)
    first, last = places[begin], places[end - 1] + 1
    shown = " ".join(_unescape(core).split())
    yield first, last, [Slot(shown, raw[first:last], _Writer(at_begin=begin == 0))]


def _unescape(text: str) -> str:
    return _WRITTEN.sub(lambda found: found[1] or unescape(found.group()), text)


class _Writer:
    """Writes a text so that nothing in it is read as a mark."""

    def __init__(self, *, at_begin: bool) -> None:
        self.at_begin = at_begin

    def __call__(self, text: str) -> str:
        written = _RISKY.sub(lambda found: f"\\{found.group()}", text)
        if self.at_begin and (found := _RISKY_AT_BEGIN.match(written)):
            number = found[2] or ""
            written = f"{number}\\{written[len(number) :]}"
        return written
