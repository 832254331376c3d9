"""HTML: the text of each block, and what attributes say to people."""

import html
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

from translate.documents.document import Document, Slot, Span, replace_spans
from translate.documents.inline import Item, Kind, Writing, inline_spans

# Elements whose text is no language, or whose white space matters.
UNTOUCHED = frozenset({"script", "style", "code", "pre", "textarea"})
# Elements that have no end.
VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
# Elements that are part of a sentence: phrasing content of the HTML standard, and what it had before. All
# others begin and end a text.
INLINE = frozenset(
    re.findall(
        r"\w+",
        "a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd label mark nobr q s "
        "samp small span strike strong sub sup time tt u var wbr",
    )
)
SPOKEN = frozenset({"alt", "title", "placeholder"})  # attributes with text for people
_ATTRIBUTE = re.compile(r"""\s([^\s"'<>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def read_html(text: str) -> Document:
    """Read HTML, whole or in part; translations in it cannot become tags.

    Untouched are scripts, styles, code, preformatted text, and what has translate="no".
    """
    splitter = _Splitter(text)
    splitter.feed(text)
    splitter.close()
    return replace_spans(text, splitter.finish())


_WRITING = Writing(lambda translation: html.escape(translation, quote=False))


class _Splitter(HTMLParser):
    """Finds the blocks between what is no text, by where each begins."""

    def __init__(self, raw: str) -> None:
        super().__init__(convert_charrefs=False)
        self.raw = raw
        self.lines = [0, *(found.end() for found in re.finditer("\n", raw))]
        self.spans: list[Span] = []
        self.items: list[Item] = []  # of the block that is being read
        self.open: Item | None = None  # what was read last, which ends where the next begins
        self.within = ""  # the element that is left as it is
        self.depth = 0  # of elements of that name

    def finish(self) -> list[Span]:
        """Return what is to be replaced."""
        self._end_block(len(self.raw))
        return self.spans

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag as part of a text, or as its end; what it opens may be left as it is."""
        if self.within:
            self.depth += self.within == tag
            return
        left = ("translate", "no") in attrs
        spans = [] if left else list(_spoken(self.get_starttag_text() or "", self._place()))
        if tag in VOID:
            self._begin("alone", tag, spans)
        elif tag in UNTOUCHED or left:
            self._begin("alone", tag, spans)
            self.within, self.depth = tag, 1
        else:
            self._begin("open", tag, spans)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag such as <br/>; other than of a void element, HTML takes it for one that only opens."""
        if not self.within:
            left = ("translate", "no") in attrs
            spans = [] if left else list(_spoken(self.get_starttag_text() or "", self._place()))
            self._begin("alone", tag, spans)

    def handle_endtag(self, tag: str) -> None:
        """Take a tag, which may end what is left as it is."""
        if not self.within:
            self._begin("close", tag)
        elif self.within == tag:
            self.depth -= 1
            if not self.depth:
                self.within = ""

    def handle_data(self, data: str) -> None:
        """Text begins here, or goes on."""
        if not self.within and (self.open is None or self.open.kind != "text"):
            self._begin("text")

    def handle_entityref(self, name: str) -> None:
        """A character's name is text."""
        self.handle_data(name)

    def handle_charref(self, name: str) -> None:
        """A character's number is text."""
        self.handle_data(name)

    def handle_comment(self, data: str) -> None:
        """Leave a comment."""
        self._leave()

    def handle_decl(self, decl: str) -> None:
        """Leave <!doctype ...>."""
        self._leave()

    def unknown_decl(self, data: str) -> None:
        """Leave <![CDATA[...]]> and the like."""
        self._leave()

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Return where <![...]> ends: of any kind, while Python 3.11 gives up at what it does not know."""
        end = self.rawdata.find("]]>", i) + 2 if self.rawdata.startswith("<![CDATA[", i) else 1
        if end < 2:  # to HTML it is a comment
            end = self.rawdata.find(">", i)
        if end < 0:
            return -1
        self.unknown_decl(self.rawdata[i : end + 1])
        return end + 1

    def handle_pi(self, data: str) -> None:
        """Leave <?...>."""
        self._leave()

    def _place(self) -> int:
        line, column = self.getpos()
        return self.lines[line - 1] + column

    def _leave(self) -> None:
        if not self.within:
            self._begin("alone", "wbr")  # it is seen as little

    def _begin(self, kind: Kind, tag: str = "", spans: Sequence[Span] = ()) -> None:
        """Something begins where the parser is, and with it ends what was before."""
        if tag and tag not in INLINE:
            # What is outside of a block has no text, but what attributes say.
            self._end_block(self._place())
            self.spans += spans
            return
        self._end_item(self._place())
        self.open = Item(kind, self._place(), -1, "", tag, spans, tag != "wbr")

    def _end_item(self, end: int) -> None:
        if self.open is not None:
            text = html.unescape(self.raw[self.open.begin : end]) if self.open.kind == "text" else ""
            self.items.append(self.open._replace(end=end, text=text))
        self.open = None

    def _end_block(self, end: int) -> None:
        self._end_item(end)
        self.spans += inline_spans(self.raw, self.items, _WRITING)
        self.items = []


def _spoken(tag: str, place: int) -> Iterator[Span]:
    """Yield the attributes of a tag that people read or hear."""
    for found in _ATTRIBUTE.finditer(tag):
        group = 2 if found[2] is not None else 3
        if found[1].lower() in SPOKEN and found[group].strip():
            text = html.unescape(found[group])
            begin, end = found.span(group)
            yield place + begin, place + end, [Slot(text, found[group], html.escape)]
