"""HTML: text between tags, and what attributes say to people."""

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from translate.documents.document import Document, Slot, Span, replace_spans

# Elements whose text is no language, or whose white space matters.
UNTOUCHED = frozenset({"script", "style", "code", "pre", "textarea"})
# Elements that have no end.
VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
SPOKEN = frozenset({"alt", "title", "placeholder"})  # attributes with text for people
_ATTRIBUTE = re.compile(r"""\s([^\s"'<>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_SPACES = re.compile(r"[ \t\r\n\f]+")


def read_html(text: str) -> Document:
    """Read HTML, whole or in part; translations in it cannot become tags.

    Untouched are scripts, styles, code, preformatted text, and what has translate="no".
    """
    splitter = _Splitter(text)
    splitter.feed(text)
    splitter.close()
    return replace_spans(text, splitter.finish())


class _Splitter(HTMLParser):
    """Finds the text between what is markup, by where each begins."""

    def __init__(self, raw: str) -> None:
        super().__init__(convert_charrefs=False)
        self.raw = raw
        self.lines = [0, *(found.end() for found in re.finditer("\n", raw))]
        self.spans: list[Span] = []
        self.begin: int | None = None  # of the text that is being read
        self.within = ""  # the element that is left as it is
        self.depth = 0  # of elements of that name

    def finish(self) -> list[Span]:
        """Return what is to be replaced."""
        self._end_text(len(self.raw))
        return self.spans

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave a tag; what it opens may be left as it is."""
        self._markup()
        untouched = tag in UNTOUCHED or ("translate", "no") in attrs
        if not self.within and ("translate", "no") not in attrs:
            self.spans += _spoken(self.get_starttag_text() or "", self._place())
        if self.within == tag:
            self.depth += 1
        elif not self.within and untouched and tag not in VOID:
            self.within, self.depth = tag, 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave a tag such as <br/>."""
        self._markup()
        if not self.within and ("translate", "no") not in attrs:
            self.spans += _spoken(self.get_starttag_text() or "", self._place())

    def handle_endtag(self, tag: str) -> None:
        """Leave a tag, which may end what is left as it is."""
        self._markup()
        if self.within == tag:
            self.depth -= 1
            if not self.depth:
                self.within = ""

    def handle_data(self, data: str) -> None:
        """Text begins here, or goes on."""
        if self.begin is None:
            self.begin = self._place()

    def handle_entityref(self, name: str) -> None:
        """A character's name is text."""
        self.handle_data(name)

    def handle_charref(self, name: str) -> None:
        """A character's number is text."""
        self.handle_data(name)

    def handle_comment(self, data: str) -> None:
        """Leave a comment."""
        self._markup()

    def handle_decl(self, decl: str) -> None:
        """Leave <!doctype ...>."""
        self._markup()

    def unknown_decl(self, data: str) -> None:
        """Leave <![CDATA[...]]> and the like."""
        self._markup()

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
        self._markup()

    def _place(self) -> int:
        line, column = self.getpos()
        return self.lines[line - 1] + column

    def _markup(self) -> None:
        self._end_text(self._place())

    def _end_text(self, end: int) -> None:
        begin, self.begin = self.begin, None
        if begin is None or self.within:
            return
        written = self.raw[begin:end]
        # A line break in HTML is only white space.
        text = _SPACES.sub(" ", html.unescape(written))
        if core := text.strip():
            first = len(written) - len(written.lstrip())
            last = len(written.rstrip())
            slot = Slot(core, written[first:last], lambda translation: html.escape(translation, quote=False))
            self.spans.append((begin + first, begin + last, [slot]))


def _spoken(tag: str, place: int) -> Iterator[Span]:
    """Yield the attributes of a tag that people read or hear."""
    for found in _ATTRIBUTE.finditer(tag):
        group = 2 if found[2] is not None else 3
        if found[1].lower() in SPOKEN and found[group].strip():
            text = html.unescape(found[group])
            begin, end = found.span(group)
            yield place + begin, place + end, [Slot(text, found[group], html.escape)]
