"""Subtitles, SubRip and WebVTT: what is said between the times."""

import re
from collections.abc import Iterator

from translate.documents.document import Document, Span, replace_spans
from translate.documents.inline import Item, Writing, inline_spans
from translate.errors import InputError

_TIMES = re.compile(r"\s*(\d+:)?\d\d?:\d\d?[,.]\d+\s+-->\s+(\d+:)?\d\d?:\d\d?[,.]\d+")
_TAG = r"(?:<[^<>\n]*>|\{\\[^{}\n]*\})"
# Tags around what is said, a dash before it, and itself.
_SAID = re.compile(rf"((?:{_TAG}|[-–—]\s|\s)*)(.*?)((?:{_TAG}|\s)*)\Z", re.DOTALL)
_SPEAKER = re.compile(rf"\s*{_TAG}*[-–—]\s")


def read_srt(raw: str, name: str) -> Document:
    """Read subtitles. The lines of one are one text, but for those of different speakers, begun with a dash;
    its translation gets as many lines.

    Raises InputError when there are no times.
    """
    spans: list[Span] = []
    said: list[tuple[int, int]] = []  # lines, without their ends
    timed = found = False
    for line in re.finditer(r"[^\n]*\n?", raw):
        text = line.group().rstrip("\r\n")
        if timed and text.strip():
            said.append((line.start(), line.start() + len(text)))
            continue
        spans += _slots(raw, said)
        said, timed = [], _TIMES.match(text) is not None
        found = found or timed
    spans += _slots(raw, said)
    if raw.strip() and not found:
        raise InputError(f"{name} has no times: needed are subtitles with 00:00:01,000 --> 00:00:02,500")
    return replace_spans(raw, spans)


def _slots(raw: str, lines: list[tuple[int, int]]) -> Iterator[Span]:
    groups: list[list[tuple[int, int]]] = []
    for begin, end in lines:
        if not groups or _SPEAKER.match(raw[begin:end]):
            groups.append([])
        groups[-1].append((begin, end))
    for group in groups:
        found = _SAID.match(raw[group[0][0] : group[-1][1]])
        if found is None or not found[2]:
            continue
        begin = group[0][0] + found.start(2)
        written = found[2]
        break_lines = _Breaker(written.count("\n") + 1)
        write = _with_carriage_returns if "\r\n" in written else str
        writing = Writing(write, shape=break_lines)
        yield from inline_spans(raw, _items(raw, begin, begin + len(written)), writing)


def _items(raw: str, begin: int, end: int) -> Iterator[Item]:
    """Yield texts and tags; those in braces only begin something."""
    for piece in re.split(f"({_TAG})", raw[begin:end]):
        end = begin + len(piece)
        if piece.startswith("<") and re.fullmatch(_TAG, piece):
            name = piece.strip("</>").split(" ")[0].split(".")[0]
            yield Item("close" if piece.startswith("</") else "open", begin, end, name=name)
        elif piece.startswith("{") and re.fullmatch(_TAG, piece):
            yield Item("alone", begin, end, parting=False)
        elif piece:
            yield Item("text", begin, end, piece)
        begin = end


def _with_carriage_returns(text: str) -> str:
    return text.replace("\n", "\r\n")


class _Breaker:
    """Breaks a text into so many lines of like lengths, at spaces."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, text: str) -> str:
        lines = []
        for left in range(self.count, 1, -1):
            wanted = len(text) / left
            blanks = [found.start() for found in re.finditer(" ", text)]
            if not blanks:
                break
            place = min(blanks, key=lambda blank: abs(blank - wanted))
            lines.append(text[:place])
            text = text[place + 1 :]
        return "\n".join([*lines, text])
