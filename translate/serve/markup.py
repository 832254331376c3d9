"""What of a text is translated and what is kept: lines of plain text, text between the tags of HTML."""

import html
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Literal, NamedTuple

Format = Literal["text", "html"]

# Elements whose text is no language, or whose white space matters.
UNTOUCHED = frozenset({"script", "style", "code", "pre", "textarea"})
# Elements that have no end.
VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
_LINE_BREAK = re.compile(r"(\r\n|\r|\n)")
_SPACES = re.compile(r"[ \t\r\n\f]+")


class Part(NamedTuple):
    """A part of a text, as it stands there; `text` is to be translated if `translated`."""

    text: str
    translated: bool


class Document(NamedTuple):
    """A text in parts."""

    format: Format
    parts: list[Part]

    def texts(self) -> list[str]:
        """What is to be translated."""
        return [part.text for part in self.parts if part.translated]

    def join(self, translations: Sequence[str]) -> str:
        """Put the translations of `texts` in their places; in HTML they cannot become tags."""
        waiting = iter(translations)
        return "".join(self._written(next(waiting)) if part.translated else part.text for part in self.parts)

    def _written(self, translation: str) -> str:
        return html.escape(translation, quote=False) if self.format == "html" else translation


def split(text: str, format: Format) -> Document:
    """Split a text: at line breaks, or at tags; white space around what is translated is kept."""
    if format == "text":
        lines = _LINE_BREAK.split(text)  # a line, its end, the next line, ...
        return Document(format, [part for line in lines for part in _trimmed(line)])
    parser = _Splitter()
    parser.feed(text)
    parser.close()
    return Document(format, parser.finish())


def _trimmed(text: str) -> Iterator[Part]:
    """Yield the white space before a text, the text and the white space behind it, if there are such."""
    core = text.strip()
    begin = text.find(core)
    if core:
        yield Part(text[:begin], translated=False)
        yield Part(core, translated=True)
    yield Part(text[begin + len(core) :], translated=False)


class _Splitter(HTMLParser):
    """Collects tags as they are written, and the text between them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._parts: list[Part] = []
        self._text: list[str] = []  # since the last tag, as it is written
        self._within = ""  # the element that is left as it is
        self._depth = 0  # of elements of that name

    def finish(self) -> list[Part]:
        """Return what was collected."""
        self._flush()
        return self._parts

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag; what it opens may be left as it is."""
        self._keep(self.get_starttag_text() or "")
        if self._within == tag:
            self._depth += 1
        elif not self._within and (tag in UNTOUCHED or ("translate", "no") in attrs) and tag not in VOID:
            self._within, self._depth = tag, 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag such as <br/>."""
        self._keep(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        """Keep a tag, which may end what is left as it is."""
        self._keep(f"</{tag}>")
        if self._within == tag:
            self._depth -= 1
            if not self._depth:
                self._within = ""

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self._text.append(data)

    def handle_entityref(self, name: str) -> None:
        """Collect a character's name."""
        self._text.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        """Collect a character's number."""
        self._text.append(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        """Keep a comment."""
        self._keep(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        """Keep <!doctype ...>."""
        self._keep(f"<!{decl}>")

    def unknown_decl(self, data: str) -> None:
        """Keep <![CDATA[...]]> and the like."""
        self._keep(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        """Keep <?...>."""
        self._keep(f"<?{data}>")

    def _keep(self, written: str) -> None:
        self._flush()
        self._parts.append(Part(written, translated=False))

    def _flush(self) -> None:
        written, self._text = "".join(self._text), []
        if self._within:
            self._parts.append(Part(written, translated=False))
        else:
            # A line break in HTML is only white space.
            self._parts += _trimmed(_SPACES.sub(" ", html.unescape(written)))
