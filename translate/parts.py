"""Texts to what is translated at once: pieces, as many as a model takes; a long text becomes parts."""

import logging
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from translate.errors import InputError
from translate.tokenizer import Tokenizer

log = logging.getLogger(__name__)

OnLong = Literal["split", "truncate", "error"]
Span = tuple[int, int]

# Where a long line may best be cut: before the white space after a sentence (or a part of one), and in
# scripts without white space behind the full stop.
SENTENCE_END = re.compile(r"""[.!?…;:]["'”’»)\]]*(?=\s)|[。！？；…]["'”’」』）]*""")
NAMED_LINES = 10  # in one warning


class Part(NamedTuple):
    """What is translated at once: a text, or as much of it as the model can take."""

    number: int  # of the text
    ids: list[int]
    spaced: bool  # there is white space between it and the part before


def split_texts(
    tokenizer: Tokenizer, texts: Sequence[str], limit: int, on_long: OnLong, first_line: int
) -> list[Part]:
    """Encode. A text that is too long becomes several parts or a shorter one, a blank one none."""
    parts: list[Part] = []
    long: list[str] = []
    for number, (text, ids) in enumerate(zip(texts, tokenizer.encode_batch(texts), strict=True)):
        if not ids or text.isspace():
            continue
        if len(ids) <= limit:
            parts.append(Part(number, ids, spaced=False))
            continue
        long.append(f"line {first_line + number} ({len(ids)})")
        match on_long:
            case "split":
                parts += _split(number, text, ids, tokenizer.offsets(text), limit)
            case "truncate":
                parts.append(Part(number, ids[:limit], spaced=False))
            case "error":
                raise InputError(
                    f"line {first_line + number} has {len(ids)} pieces, more than the {limit} that the model "
                    "takes at once: shorten it, or choose --on-long split or truncate"
                )
    if long:
        done = (
            "translated in parts" if on_long == "split" else f"only the first {limit} pieces are translated"
        )
        more = f" and {len(long) - NAMED_LINES} more" if len(long) > NAMED_LINES else ""
        named = ", ".join(long[:NAMED_LINES])
        log.warning("longer than the %d pieces the model takes at once, %s: %s%s", limit, done, named, more)
    return parts


def _split(number: int, text: str, ids: Sequence[int], spans: Sequence[Span], limit: int) -> Iterator[Part]:
    """Yield the parts of a text; what is only white space is left out."""
    for first, last in cut(text, spans, limit):
        begin, end = spans[first][0], spans[last - 1][1]
        if not text[begin:end].isspace():
            spaced = first > 0 and any(character.isspace() for character in text[begin - 1 : begin + 1])
            yield Part(number, list(ids[first:last]), spaced)


def cut(text: str, spans: Sequence[Span], limit: int) -> list[Span]:
    """Cut a text into parts of at most `limit` pieces: after a sentence, else at white space, else anywhere.

    Args:
        text: the text.
        spans: where each of its pieces comes from, as `Tokenizer.offsets` gives them.
        limit: at least 1.

    Returns the first piece of each part, and the one behind its last.
    """
    ends = {found.end() for found in SENTENCE_END.finditer(text)}

    def fitness(place: int) -> tuple[int, int]:
        """How good it is to cut before this piece; a piece begins with the space before its word."""
        begin = spans[place][0]
        if begin in ends and place - first > limit // 2:  # earlier, it would make a short part
            return 3, place
        if text[begin].isspace():
            return 2, place
        # Bytes that only together are a character share its span: better not to tear it apart.
        return int(begin >= spans[place - 1][1]), place

    parts = []
    first = 0
    while len(spans) - first > limit:
        last = max(range(first + 1, first + limit + 1), key=fitness)
        parts.append((first, last))
        first = last
    return [*parts, (first, len(spans))]
