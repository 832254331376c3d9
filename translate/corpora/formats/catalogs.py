"""gettext catalogs, PO and MO: messages and their translations."""

import io
import re
from collections.abc import Iterator
from typing import Literal

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import PoFileError, PoFileParser

from translate.corpora.formats import Record
from translate.errors import InputError
from translate.text_files import describe_byte, split_lines

LARGEST = 2**26  # bytes: a catalog is held in memory
MOST_FORMS = 6  # plural forms; Arabic has that many
PO_LINE = re.compile(
    rb"""\s*(#.*|((msgid(_plural)?|msgctxt|msgstr(\[\d\])?)\s*)?("([^"\\]|\\.)*")?\s*)""", re.DOTALL
)


class BoundedCatalog(Catalog):
    """A catalog whose header cannot ask for any number of plural forms."""

    @property
    def num_plurals(self) -> int:
        """As the header says, within reason."""
        return min(int(super().num_plurals), MOST_FORMS)


def read_catalog(stream: io.BufferedIOBase, name: str, kind: Literal["po", "mo"]) -> Iterator[Record]:
    """Yield the messages of a catalog; fuzzy ones, and those without a translation, are left out.

    A plural message gives a record for each form of the translation: the first belongs to the singular, the
    others to the plural (where there is one form only, it belongs to the plural). A message's context
    is not part of its text.

    Raises InputError when the catalog is damaged.
    """
    catalog = _read_po(stream, name) if kind == "po" else _read_mo(stream, name)
    for number, message in enumerate(catalog, start=0):
        if message.id:  # the first is the header
            yield from _records(message, f"line {message.lineno}" if message.lineno else f"message {number}")


def _records(message: Message, where: str) -> Iterator[Record]:
    forms = [message.string] if isinstance(message.string, str) else list(message.string or [""])
    if isinstance(message.id, str):
        pairs = [(message.id, forms[0])]
    else:
        singular, plural = message.id[0], message.id[-1]
        first = singular if len(forms) > 1 else plural
        pairs = [(plural if number else first, form) for number, form in enumerate(forms)]
    for src, tgt in pairs:
        if message.fuzzy:
            yield Record(where, left_out="fuzzy")
        elif not tgt:
            yield Record(where, left_out="not translated")
        else:
            yield Record(where, src, tgt)


def _read_po(stream: io.BufferedIOBase, name: str) -> Catalog:
    lines = _Lines(stream, name)
    try:
        catalog = BoundedCatalog()
        PoFileParser(catalog, ignore_obsolete=True, abort_invalid=True).parse(lines)
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: line {lines.number}, {_describe(error)}") from None
    except PoFileError as error:
        raise InputError(f"{name}: line {error.lineno + 1}: {error}; needed is a PO file") from None
    except InputError:
        raise
    except Exception as error:  # of many kinds, failed assertions among them
        raise InputError(f"{name}: line {lines.number}: damaged or no PO ({error})") from None
    return catalog


def _read_mo(stream: io.BufferedIOBase, name: str) -> Catalog:
    content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise _too_large(name)
    try:
        return read_mo(io.BytesIO(content))
    except UnicodeDecodeError as error:
        place = content.find(error.object) + error.start + 1
        raise InputError(
            f"{name}: byte {place} (0x{error.object[error.start]:02x}) is not valid UTF-8"
        ) from None
    except Exception as error:  # of many kinds, struct.error among them
        raise InputError(f"{name}: damaged or no MO ({error})") from None


class _Lines:
    """The lines of a stream, counted, and not too many."""

    def __init__(self, stream: io.BufferedIOBase, name: str) -> None:
        self.stream, self.name, self.number = stream, name, 0

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for line in split_lines(self.stream, self.name):
            self.number += 1
            size += len(line)
            if size > LARGEST:
                raise _too_large(self.name)
            if not PO_LINE.fullmatch(line):  # babel would take the last letter for a quote
                raise InputError(
                    f"{self.name}: line {self.number} is none of a PO file: needed is msgid or msgstr and "
                    '"text"'
                )
            yield line


def _too_large(name: str) -> InputError:
    return InputError(f"{name} has more than {LARGEST:,} bytes: a catalog of that size is not read")


def _describe(error: UnicodeDecodeError) -> str:
    return describe_byte(error).replace("UTF-8", error.encoding.upper())
