"""gettext catalogs: messages that are not translated yet get their translations."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from babel.messages.pofile import normalize, unescape

from translate.corpora.formats.catalogs import read_catalog
from translate.documents.document import Document, Slot, Span, replace_spans
from translate.errors import InputError

_KEYWORD = re.compile(r'\s*(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d+)\])?\s*(".*")')
_MORE = re.compile(r'\s*(".*")')
# What may stand before a keyword in its message.
_BEFORE = {
    "msgctxt": ("",),
    "msgid": ("", "msgctxt"),
    "msgid_plural": ("msgid",),
    "msgstr": ("msgid", "msgid_plural", "msgstr"),
}
_FLAGS = re.compile(r"#,(.*)")


@dataclass
class _Entry:
    """A message, and where its parts stand."""

    begin: int = -1  # of its first keyword
    flags: tuple[int, str] | None = None  # where they begin behind "#,", and what they are
    texts: dict[str, str] = field(default_factory=dict)  # msgid, msgid_plural
    forms: dict[int, str] = field(default_factory=dict)  # of the translation
    places: dict[int, tuple[int, int]] = field(default_factory=dict)  # of the forms, line ends not counted


def read_po(raw: str, name: str, *, overwrite: bool = False, fuzzy: bool = False) -> Document:
    """Read a catalog; of plural messages the first form comes from the singular, the others from the plural.
    Where there is one form only, it comes from the plural.

    Args:
        overwrite: translate messages anew that are translated, or fuzzy, already.
        fuzzy: mark what is translated as fuzzy, to be looked at.

    Raises InputError as `read_catalog` does, and when the parts of a message are not in order.
    """
    for _ in read_catalog(io.BytesIO(raw.encode()), name, "po"):
        pass
    newline = "\r\n" if "\r\n" in raw else "\n"
    spans: list[Span] = []
    for entry in _entries(raw, name):
        if not entry.texts.get("msgid") or (any(entry.forms.values()) and not overwrite):
            continue
        for number, (begin, end) in entry.places.items():
            plural = "msgid_plural" in entry.texts and (number > 0 or len(entry.places) == 1)
            text = entry.texts["msgid_plural" if plural else "msgid"]
            keyword = f"msgstr[{number}]" if "msgid_plural" in entry.texts else "msgstr"
            writer = _Writer(keyword, newline)
            same = entry.forms[number] == text
            spans.append((begin, end, [Slot(text, raw[begin:end] if same else writer(text), writer)]))
        if fuzzy:
            spans += _mark(entry, newline)
    return replace_spans(raw, spans)


def _entries(raw: str, name: str) -> Iterator[_Entry]:
    entry, last = _Entry(), ""
    number = 0
    for line_number, line in enumerate(re.finditer(r"[^\n]*\n?", raw), start=1):
        text = line.group().lstrip("\ufeff").rstrip("\r\n")
        begin, end = (
            line.end() - len(line.group().lstrip("\ufeff")),
            line.start() + len(line.group().rstrip("\r\n")),
        )
        keyword, more = _KEYWORD.match(text), _MORE.match(text)
        if last == "msgstr" and not more and (keyword is None or keyword[1] != "msgstr"):
            yield entry
            entry, last = _Entry(), ""
        if flags := _FLAGS.match(text):
            entry.flags = (begin + 2, flags[1])
        elif keyword:
            if not _is_next(keyword, last, entry):
                raise InputError(
                    f"{name}: line {line_number}: {keyword[1]} does not belong here: a message is a msgid "
                    "and a msgstr, or msgid, msgid_plural, msgstr[0], msgstr[1] and so on"
                )
            last, number = keyword[1], int(keyword[2] or 0)
            if entry.begin < 0:
                entry.begin = begin
        if keyword or more:
            string = unescape(keyword[3] if keyword else more[1].rstrip() if more else "")
            if last == "msgstr":
                entry.forms[number] = entry.forms.get(number, "") + string
                entry.places[number] = (entry.places.get(number, (begin,))[0], end)
            elif last:
                entry.texts[last] = entry.texts.get(last, "") + string
    if last == "msgstr":
        yield entry


def _is_next(keyword: re.Match[str], last: str, entry: _Entry) -> bool:
    if last not in _BEFORE[keyword[1]]:
        return False
    if keyword[1] != "msgstr":
        return True
    numbered = keyword[2] is not None
    return numbered == ("msgid_plural" in entry.texts) and int(keyword[2] or 0) == len(entry.places)


def _mark(entry: _Entry, newline: str) -> Iterator[Span]:
    if entry.flags is None:
        yield entry.begin, entry.begin, [f"#, fuzzy{newline}"]
    elif "fuzzy" not in re.split(r"[,\s]+", entry.flags[1]):
        yield entry.flags[0], entry.flags[0], [" fuzzy,"]


class _Writer:
    """Writes a translation behind its keyword, a line of the catalog for each of its own."""

    def __init__(self, keyword: str, newline: str) -> None:
        self.keyword, self.newline = keyword, newline

    def __call__(self, text: str) -> str:
        return f"{self.keyword} {normalize(text, width=0)}".replace("\n", self.newline)
