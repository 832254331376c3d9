"""Markdown: the texts of paragraphs, headings, lists and tables, by markdown-it's reading of CommonMark."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from html import unescape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from translate.documents.document import Document, Slot, Span, replace_spans
from translate.documents.html import VOID
from translate.documents.inline import Item, Kind, Writing, inline_spans

_FRONT_MATTER = re.compile(
    r"\ufeff?---[ \t]*\r?\n.*?^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_WRITTEN = re.compile(r"\\([!-/:-@\[-`{-~])|&#?\w+;")
_LINE_BREAK = re.compile(r"(?: *|\\)\n[ \t]*")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)")
_RISKY = re.compile(r"[\\`*\[\]<]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|\A~|~\Z|~(?=~)|(?<=~)~")
_RISKY_AT_BEGIN = re.compile(r"(#{1,6}(?=\s)|[-+>](?=\s)|>|~~~)|(\d+)([.)])(?=\s)")


def read_markdown(raw: str) -> Document:
    """Read Markdown. Left as they are: code, HTML, links' addresses, front matter, and all marks.

    Lines of a paragraph are one text, and its translation is one line.
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
                with suppress(LookupError):
                    items = list(_Reader(token.content, parser, environment).items())
                    spans += _spans(raw, token.content, places, items)
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


class _Reader:
    """Finds where markdown-it's tokens are in a block's content: they come in turn, but do not say it."""

    def __init__(self, content: str, parser: MarkdownIt, environment: dict[str, Any]) -> None:
        self.content = content
        self.state = StateInline(content, parser, environment, [])
        self.tokens: list[Token] = []
        parser.inline.parse(content, parser, environment, self.tokens)
        self.at = 0

    def items(self) -> Iterator[Item]:
        """Yield the texts and the marks of the content.

        Raises LookupError when a token is not where it must be.
        """
        links: list[tuple[int, int, int]] = []  # those that are open: where the label is, and the end
        automatic = False
        for token in self.tokens:
            match token.type:
                case "link_open" if token.info == "auto":
                    automatic = True
                    yield self._skip("<")
                case "link_close" if token.info == "auto":
                    automatic = False
                case "text" if automatic:
                    pass  # the address
                case "link_open":
                    links.append(self._link())
                    yield self._next("open", "[", "link")
                case "link_close":
                    yield self._link_end(*links.pop())
                case "image":
                    yield self._image()
                case "code_inline":
                    yield self._skip("`")
                case "html_inline":
                    yield self._html(token.content)
                case "text" | "text_special":
                    yield self._next("text", token.markup or token.content)._replace(text=token.content)
                case "softbreak":
                    yield self._next("text", self._line_break())._replace(text=" ")
                case "hardbreak":
                    yield self._next("alone", self._line_break())
                case _:  # emphasis, and what is struck through
                    kind: Kind = "open" if token.nesting > 0 else "close"
                    yield self._next(kind, token.markup, token.tag)._replace(needs_text=True)
        if self.at != len(self.content):
            raise LookupError

    def _next(self, kind: Kind, written: str, name: str = "") -> Item:
        """Return what is written next."""
        if not self.content.startswith(written, self.at):
            raise LookupError
        begin, self.at = self.at, self.at + len(written)
        return Item(kind, begin, self.at, name=name)

    def _line_break(self) -> str:
        found = _LINE_BREAK.match(self.content, self.at)
        if found is None:
            raise LookupError
        return found.group()

    def _end(self) -> int:
        """Return where what begins here ends, by the parser's reading."""
        self.state.pos = self.at
        self.state.md.inline.skipToken(self.state)
        return self.state.pos

    def _skip(self, begin: str) -> Item:
        if not self.content.startswith(begin, self.at):
            raise LookupError
        return self._next("alone", self.content[self.at : self._end()])

    def _link(self) -> tuple[int, int, int]:
        return self.at + 1, self.state.md.helpers.parseLinkLabel(self.state, self.at), self._end()

    def _link_end(self, label: int, label_end: int, end: int) -> Item:
        """Return what is behind a label; where that is also what the link refers to, it is kept for this."""
        if self.at != label_end:
            raise LookupError
        item = self._next("close", self.content[label_end:end], "link")
        if self.content[label_end:end] in ("]", "][]"):
            return item._replace(spans=[(label_end, end, [f"][{self.content[label:label_end]}]"])])
        return item

    def _image(self) -> Item:
        label_end, end = self.state.md.helpers.parseLinkLabel(self.state, self.at + 1), self._end()
        label = self.at + 2, label_end
        return self._next("alone", self.content[self.at : end])._replace(spans=[(*label, [])])

    def _html(self, written: str) -> Item:
        found = _TAG.match(written)
        if found is None or found[2].lower() in VOID or written.endswith("/>"):
            return self._next("alone", written)
        return self._next("close" if found[1] else "open", written, f"<{found[2].lower()}")


def _spans(raw: str, content: str, places: list[int], items: Sequence[Item]) -> Iterator[Span]:
    """Yield what is to be replaced of a block's content, as spans of the document."""
    moved = []
    for item in items:
        spans: list[Span] = []
        for begin, end, parts in item.spans:
            first, last = places[begin], places[end - 1] + 1
            shown = " ".join(_unescape(content[begin:end]).split())
            if parts:
                spans.append((first, last, parts))
            elif any(map(str.isalpha, shown)):  # what an image shows
                spans.append((first, last, [Slot(shown, raw[first:last], _written)]))
        moved.append(item._replace(begin=places[item.begin], end=places[item.end], spans=spans))
    for begin, end, parts in inline_spans(raw, moved, _WRITING):
        if all(isinstance(part, str) or any(map(str.isalpha, part.text)) for part in parts):
            yield begin, end, parts


def _unescape(text: str) -> str:
    return _WRITTEN.sub(lambda found: found[1] or unescape(found.group()), text)


def _written(text: str) -> str:
    """Write a text so that nothing in it is read as a mark."""
    written = _RISKY.sub(lambda found: f"\\{found.group()}", text)
    if found := _RISKY_AT_BEGIN.match(written):
        number = found[2] or ""
        written = f"{number}\\{written[len(number) :]}"
    return written


_WRITING = Writing(_written)
