"""XML of any size from anyone: units one after the other, nothing fetched, nothing expanded.

Documents may try to fill the memory with entities (billion laughs, quadratic blowup) or to read other files
through them. libxml2 is told to resolve none and to load no DTD; where it expands them all the same, in
attributes, it has a limit of its own.
"""

import re
from collections.abc import Collection, Iterator
from io import BufferedIOBase

from lxml import etree
from lxml.etree import _Element

from translate.errors import InputError
from translate.text_files import LONGEST

LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class UnresolvedEntityError(ValueError):
    """A text has an entity that the document declares."""


def read_units(stream: BufferedIOBase, name: str, tags: Collection[str]) -> Iterator[_Element]:
    """Yield the elements of some names, in any namespace, once complete; each is gone after its turn.

    Raises InputError when the document is not well-formed, or a unit is too large to be text.
    """
    watched = _Watched(stream, name)
    try:
        for _, unit in etree.iterparse(
            watched,
            tag=[f"{{*}}{tag}" for tag in tags],
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            collect_ids=False,
        ):
            watched.since_unit = 0
            yield unit
            unit.clear()
            for element in (unit, *unit.iterancestors()):
                parent = element.getparent()
                while parent is not None and element.getprevious() is not None:
                    del parent[0]
    except etree.XMLSyntaxError as error:
        byte = watched.find_bad_byte() if "byte" in str(error) or "UTF-8" in str(error) else None
        what = byte or re.sub(r"[., ]*line \d+, column \d+$", "", str(error.msg))
        raise InputError(f"{name}: line {error.lineno or 1}: {what}; needed is well-formed XML") from None


def inline_text(element: _Element, codes: Collection[str], *, keep: bool) -> str:
    """Return the text of an element with markup inside.

    Args:
        element: such as a `seg` or a `source`.
        codes: names of the elements that stand for native codes (`<b>`, `{0}`); of others the text is kept.
        keep: codes become what they stand for, as far as the document says it; otherwise they are dropped,
            and blanks around them that would meet become one.

    Raises UnresolvedEntityError.
    """
    dropped = False

    def collect(element: _Element) -> Iterator[str]:
        nonlocal dropped
        yield element.text or ""
        for child in element:
            if not isinstance(child.tag, str):  # comments and instructions were removed, entities are left
                raise UnresolvedEntityError(f"has an entity ({child.text}), which is not resolved")
            if local_name(child) not in codes:
                yield from collect(child)
            elif keep:
                yield _code(child)
            else:
                dropped = True
            yield child.tail or ""

    text = "".join(collect(element))
    return " ".join(part for part in text.split(" ") if part) if dropped else text


def local_name(element: _Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _code(element: _Element) -> str:
    """Return what a code stands for: its content, or what one of its attributes says."""
    content = "".join(text for text in element.itertext() if isinstance(text, str))
    attributes = (element.get(name) for name in ("equiv-text", "equiv", "disp"))
    return content or next((value for value in attributes if value), "")


class _Watched:
    """A stream that counts what is read of it between two units, and knows where its last lines begin."""

    def __init__(self, stream: BufferedIOBase, name: str) -> None:
        self.stream, self.name = stream, name
        self.since_unit = 0
        self.before = self.chunk = b""
        self.column = 0  # bytes of the line that the chunk begins in, before the chunk

    def read(self, size: int) -> bytes:
        newline = self.chunk.rfind(b"\n")
        self.column = len(self.chunk) - newline - 1 + (self.column if newline < 0 else 0)
        self.before, self.chunk = self.chunk[-3:], self.stream.read(size)
        self.since_unit += len(self.chunk)
        if self.since_unit > LONGEST:
            raise InputError(
                f"{self.name}: {LONGEST:,} bytes without the end of a unit: needed is text in units, one "
                "sentence or paragraph each"
            )
        return self.chunk

    def find_bad_byte(self) -> str | None:
        """Say which byte of its line is no UTF-8, if one of the last chunk is none."""
        window, begin = self.before + self.chunk, 0
        while begin < len(self.before) and window[begin] & 0xC0 == 0x80:  # the rest of a cut character
            begin += 1
        try:
            window[begin:].decode()
        except UnicodeDecodeError as error:
            place = begin + error.start
            newline = window.rfind(b"\n", 0, place)
            if newline < 0:
                place += self.column - len(self.before) + 1
            else:
                place -= newline
            return f"byte {place} (0x{error.object[error.start]:02x}) is not valid UTF-8"
        return None
