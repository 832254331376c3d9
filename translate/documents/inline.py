"""Texts with inline markup: from what a reader of a format finds, in turn, to a text and its elements.

What is translated is the text without its markup. What holds no text (an image, code that stays as it is, a
tag whose other half is not there) is an empty element.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from translate.documents.document import NO_SPACE_BEFORE, Part, Slot, Span, Tag, replace_spans
from translate.documents.projection import Mark

DEEPEST = 50  # elements inside one another; a tag that opens one more is an empty element
_SPACES = re.compile(r"[ \t\r\n\f]+")

Kind = Literal["text", "open", "close", "alone"]


class Item(NamedTuple):
    """A piece of a document: text, a tag that opens or closes something, or what is to stay as it is."""

    kind: Kind
    begin: int
    end: int
    text: str = ""  # as a reader sees it
    name: str = ""  # a tag that closes ends what was opened last by this name
    # What is translated in a tag; of one that closes, how it is written if the text inside has changed.
    spans: Sequence[Span] = ()
    parting: bool = True  # alone: it is seen, so that between letters it parts words
    needs_text: bool = False  # open: as `Tag`


class Writing(NamedTuple):
    """How a format writes a text."""

    write: Callable[[str], str]
    collapse: bool = True  # white space in a row is one space, as in HTML
    shape: Callable[[str], str] = str  # as `Slot`


@dataclass
class _Node:
    """A text, an element with its inside, or an empty element."""

    item: Item
    last: Item | None = None
    inner: list["_Node"] = field(default_factory=list)
    text: str = ""  # of a text, as it is translated
    spaced: list[bool] = field(default_factory=lambda: [False, False])  # of an empty one: as `Tag`
    parts_words: bool = False  # likewise

    def __post_init__(self) -> None:
        self.text = self.item.text

    @property
    def end(self) -> int:
        return self.last.end if self.last else self.item.end

    def has_text(self) -> bool:
        if self.item.kind == "text":
            return bool(self.item.text.strip())
        return any(node.has_text() for node in self.inner)


def inline_spans(raw: str, items: Iterable[Item], writing: Writing) -> list[Span]:
    """Return what is to be replaced in a block: its text, and what tags around it say to people.

    White space and elements before and behind all text, and those around all of it, are no part of the text.

    Args:
        items: one after the other in the document, without gaps.
    """
    spans: list[Span] = []
    nodes = _tree(items)
    while True:
        while nodes and not nodes[0].has_text():
            spans += _spans_in(nodes.pop(0))
        while nodes and not nodes[-1].has_text():
            spans += _spans_in(nodes.pop())
        last = nodes[0].last if len(nodes) == 1 else None
        if last is None or last.spans:  # what is written depends on what becomes of the text
            break
        spans += nodes[0].item.spans
        nodes = nodes[0].inner
    if not nodes:
        return spans
    _mend_spaces(nodes, collapse=writing.collapse)
    builder = _Builder(raw)
    marks = builder.add(nodes)
    begin, end = nodes[0].item.begin, nodes[-1].end
    # White space around the text stays where it is.
    if nodes[0].item.kind == "text":
        begin += len(raw[begin:end]) - len(raw[begin:end].lstrip())
    if nodes[-1].item.kind == "text":
        end = begin + len(raw[begin:end].rstrip())
    text = builder.text
    lead = len(text) - len(text.lstrip())
    slot = Slot(
        text.strip(),
        raw[begin:end],
        writing.write,
        tuple(_moved(mark, -lead, len(text.strip())) for mark in marks),
        tuple(builder.tags),
        writing.shape,
    )
    return [*spans, (begin, end, [slot])]


def _tree(items: Iterable[Item]) -> list[_Node]:
    """Return elements as trees; a tag without its other half is an empty element."""
    levels: list[list[_Node]] = [[]]
    opened: list[Item] = []

    def give_up() -> None:
        """What was opened last is not closed."""
        inner = levels.pop()
        levels[-1] += [_Node(opened.pop()._replace(kind="alone", parting=False)), *inner]

    for item in items:
        if item.kind == "open" and len(opened) < DEEPEST:
            opened.append(item)
            levels.append([])
        elif item.kind == "close" and any(each.name == item.name for each in opened):
            while opened[-1].name != item.name:
                give_up()
            inner = levels.pop()
            levels[-1].append(_Node(opened.pop(), item, inner))
        elif item.kind in ("open", "close"):
            levels[-1].append(_Node(item._replace(kind="alone", parting=False)))
        else:
            levels[-1].append(_Node(item))
    while opened:
        give_up()
    return levels[0]


def _spans_in(node: _Node) -> list[Span]:
    return [*node.item.spans, *(span for each in node.inner for span in _spans_in(each))]


def _moved(mark: Mark, by: int, most: int) -> Mark:
    begin, end = (min(max(place + by, 0), most) for place in (mark.begin, mark.end))
    return Mark(begin, end, mark.tag, tuple(_moved(each, by, most) for each in mark.inner))


def _leaves(nodes: Iterable[_Node]) -> Iterator[_Node]:
    """Yield texts and empty elements, in turn."""
    for node in nodes:
        if node.item.kind == "text" or not node.has_text():
            yield node
        else:
            yield from _leaves(node.inner)


def _mend_spaces(nodes: Sequence[_Node], *, collapse: bool) -> None:
    """Let texts meet as if there were no empty elements between them, and note what was beside these."""
    before: _Node | None = None  # the last text
    between: list[_Node] = []  # since then
    for leaf in _leaves(nodes):
        if leaf.item.kind != "text":
            leaf.spaced[0] = between[-1].spaced[1] if between else _ends_blank(before)
            between.append(leaf)
            continue
        if collapse:
            leaf.text = _SPACES.sub(" ", leaf.text)
        if before is None:
            before, between = leaf, []
            continue
        blank = leaf.text[:1].isspace()
        if between:
            between[-1].spaced[1] |= blank
        if blank and _ends_blank(before) and (between or collapse):
            leaf.text = leaf.text[1:]
        elif between and leaf.text.startswith(NO_SPACE_BEFORE) and before.text.endswith(" "):
            before.text = before.text[:-1]
        elif (
            between
            and all(each.item.parting for each in between)
            and leaf.text[:1].isalnum()
            and before.text[-1:].isalnum()
        ):
            before.text += " "
            for each in between:
                each.parts_words = True
        if leaf.text:
            before, between = leaf, []


def _ends_blank(node: _Node | None) -> bool:
    return node is not None and node.text[-1:].isspace()


class _Builder:
    """Puts a text together, and notes where elements are in it."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.text = ""
        self.tags: list[Tag] = []

    def add(self, nodes: Sequence[_Node]) -> tuple[Mark, ...]:
        """Add texts and elements; return the marks of these."""
        marks = []
        for node in nodes:
            begin, number = len(self.text), len(self.tags)
            if node.item.kind == "text":
                self.text += node.text
            elif node.last is not None and node.has_text():
                first, last = (
                    self._parts(each.begin, each.end, each.spans) for each in (node.item, node.last)
                )
                self.tags.append(Tag(first, last, needs_text=node.item.needs_text))
                inner = self.add(node.inner)
                marks.append(Mark(begin, len(self.text), number, inner))
            else:
                parts = self._parts(node.item.begin, node.end, _spans_in(node))
                seen = node.item.parting  # what nobody sees needs no room
                spaced = node.spaced[0] and seen, node.spaced[1] and seen
                self.tags.append(Tag(parts, (), spaced, node.parts_words))
                marks.append(Mark(begin, begin, number))
        return tuple(marks)

    def _parts(self, begin: int, end: int, spans: Sequence[Span]) -> list[Part]:
        moved = [(first - begin, last - begin, parts) for first, last, parts in spans]
        return replace_spans(self.raw[begin:end], moved).parts
