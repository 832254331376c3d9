"""XML by places: where each element stands in a text, so that all around it can stay as it is.

Python's expat knows the places, which lxml does not. Nothing is fetched, and a document that declares
entities, as those do that try to fill the memory, is refused.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from html import unescape
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from translate.documents.document import Part, replace_spans
from translate.documents.inline import Item, Kind, Writing, inline_spans
from translate.errors import InputError

DEEPEST = 200  # elements inside one another
LANG = "xml:lang"
# Codes that begin or end something; the two halves are told by their attributes.
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("bpt", "bx", "sc"), "open"),
    **dict.fromkeys(("ept", "ex", "ec"), "close"),
}
_WRITING = Writing(escape, collapse=False)
_TAG_END = re.compile(r"""(?:[^<>"']|"[^"]*"|'[^']*')*>""")
_NO_TEXT = re.compile(r"(<!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?.*?\?>)", re.DOTALL)


@dataclass
class Element:
    """An element, and where its tags are."""

    tag: str  # as it is written
    attributes: dict[str, str]
    begin: int
    inner_begin: int  # behind its first tag
    inner_end: int = -1  # before its last tag; as inner_begin in <tag/>
    end: int = -1
    line: int = 0
    children: list["Element"] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name without its namespace's prefix."""
        return self.tag.rpartition(":")[2]

    @property
    def prefix(self) -> str:
        """The namespace's prefix with its colon, or nothing."""
        return self.tag[: len(self.tag) - len(self.name)]

    def child(self, name: str) -> "Element | None":
        """The first child of a name."""
        return next((child for child in self.children if child.name == name), None)

    def walk(self) -> Iterator["Element"]:
        """This element and all in it, in the order of the document."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_tree(raw: str, name: str) -> Element:
    """Return the root of a document.

    Raises InputError when it is not well-formed, declares entities or another encoding than UTF-8, or nests
    deeper than anyone writes.
    """
    reader = _Reader(raw, name)
    try:
        reader.parser.Parse(raw.encode(), True)
    except expat.ExpatError as error:
        raise InputError(
            f"{name}: line {error.lineno}: {expat.ErrorString(error.code)}; needed is well-formed XML"
        ) from None
    return reader.root


def inner_parts(raw: str, element: Element, codes: Collection[str]) -> list[Part]:
    """Return what is inside an element: its texts to be translated, and tags as they are.

    Args:
        codes: names of elements that stand for native codes, whose content is no language.
    """
    spans = inline_spans(raw, _items(raw, element, codes), _WRITING)
    first = element.inner_begin
    moved = [(begin - first, end - first, parts) for begin, end, parts in spans]
    return replace_spans(raw[first : element.inner_end], moved).parts


def with_attribute(tag: str, name: str, value: str) -> str:
    """Return a first tag in which an attribute has a value; <tag/> becomes <tag>."""
    tag = re.sub(r"\s*/>\Z", ">", tag)
    written = f"{name}={quoteattr(value)}"
    changed, count = re.subn(rf"(?<=\s){re.escape(name)}\s*=\s*(\"[^\"]*\"|'[^']*')", lambda _: written, tag)
    return changed if count else f"{tag[:-1]} {written}>"


def indentation(raw: str, place: int) -> str:
    """Return the line break and the white space before a place, if nothing else is before it in its line."""
    found = re.search(r"\r?\n[ \t]*\Z", raw[:place])
    return found.group() if found else ""


def _items(raw: str, element: Element, codes: Collection[str]) -> Iterator[Item]:
    """Yield the texts and the tags inside an element."""
    at = element.inner_begin
    for child in element.children:
        yield from _texts(raw, at, child.begin)
        if child.name in codes or child.inner_begin == child.end:
            yield Item(_KINDS.get(child.name, "alone"), child.begin, child.end, name=_pair(child))
        else:
            name = f"element {child.begin}"
            yield Item("open", child.begin, child.inner_begin, name=name)
            yield from _items(raw, child, codes)
            yield Item("close", child.inner_end, child.end, name=name)
        at = child.end
    yield from _texts(raw, at, element.inner_end)


def _pair(code: Element) -> str:
    """Return what a code that begins or ends something has in common with its other half."""
    given = (code.attributes.get(name) for name in ("startRef", "rid", "i", "id"))
    return next((value for value in given if value), "")


def _texts(raw: str, begin: int, end: int) -> Iterator[Item]:
    for piece in _NO_TEXT.split(raw[begin:end]):
        end = begin + len(piece)
        if piece.startswith("<![CDATA["):
            yield Item("text", begin, end, piece[9:-3])
        elif piece.startswith("<"):
            yield Item("alone", begin, end, parting=False)
        elif piece:
            yield Item("text", begin, end, unescape(piece))
        begin = end


class _Reader:
    """Builds the tree from what expat reports."""

    def __init__(self, raw: str, name: str) -> None:
        self.raw, self.name = raw, name
        self.bytes_before = self.begin = 0
        self.bytes = raw.encode()
        self.open: list[Element] = []
        self.root = Element("", {}, 0, 0)
        self.parser = expat.ParserCreate("utf-8")
        self.parser.XmlDeclHandler = self._declared
        self.parser.EntityDeclHandler = self._entity
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _place(self) -> int:
        """Where the parser is, in characters; it only goes forward."""
        place = self.parser.CurrentByteIndex
        self.begin += len(self.bytes[self.bytes_before : place].decode())
        self.bytes_before = place
        return self.begin

    def _tag_end(self, begin: int) -> int:
        found = _TAG_END.match(self.raw, begin + 1)
        assert found is not None  # expat has read it
        return found.end()

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() not in ("utf-8", "utf8"):
            raise InputError(f"{self.name} is in {encoding}, as it says: needed is UTF-8")

    def _entity(self, entity: str, *_declaration: object) -> None:
        raise InputError(
            f"{self.name}: line {self.parser.CurrentLineNumber}: declares an entity ({entity}): a document "
            "with entities of its own is not read"
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.open) == DEEPEST:
            raise InputError(
                f"{self.name}: line {self.parser.CurrentLineNumber}: more than {DEEPEST} elements inside one "
                "another"
            )
        begin = self._place()
        line = self.parser.CurrentLineNumber
        element = Element(tag, attributes, begin, self._tag_end(begin), line=line)
        (self.open[-1] if self.open else self.root).children.append(element)
        self.open.append(element)

    def _end(self, _tag: str) -> None:
        element = self.open.pop()
        if self.raw.startswith("/>", element.inner_begin - 2):
            element.inner_end = element.end = element.inner_begin
        else:
            element.inner_end = self._place()
            element.end = self._tag_end(element.inner_end)
