"""Placeholders and markup: what of a text is no language, and has to be in its translation to the letter."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

# Braces around anything without spaces; printf conversions without a space flag, so that the percent signs of
# "5 % of" and "5 %discount" are none, nor is "%%". Only ASCII letters after one rule it out: "%s的" has one.
_SIMPLE = r"\{[^{}\s]*\}|%(?:\([^()\s]+\)|[0-9]+\$)?[-+#0]*[0-9]*(?:\.[0-9]+)?[sdiufgx@](?![A-Za-z])"
PLACEHOLDER = re.compile(f"%%|({_SIMPLE})")
# Those, braces in pairs ({{ name }}, ${name}), tags, and characters by name or number (&nbsp; &#160;).
_PAIRS, _TAG = r"\{\{[^{}]*\}\}|\$\{[^{}\s]*\}", r"</?[A-Za-z][^<>]*>"
_CHARACTER = r"&(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);"
MARKUP = re.compile(f"%%|({_PAIRS}|{_SIMPLE}|{_TAG}|{_CHARACTER})")


class Found(NamedTuple):
    """A placeholder in a text."""

    text: str
    begin: int
    end: int


def find(text: str, pattern: re.Pattern[str] = PLACEHOLDER) -> Iterator[Found]:
    """Yield the placeholders of a text: the first group of each match, all of it without groups."""
    group = 1 if pattern.groups else 0
    for match in pattern.finditer(text):
        if match.group(group):
            yield Found(match.group(group), *match.span(group))


def count(text: str, pattern: re.Pattern[str] = PLACEHOLDER) -> Counter[str]:
    """Return how often a text has each placeholder."""
    return Counter(found.text for found in find(text, pattern))


def drop(text: str, superfluous: Counter[str], pattern: re.Pattern[str]) -> str:
    """Take placeholders out of a text, the last ones of each; two spaces that then meet become one.

    So do what stood around a placeholder: if that makes another, it goes, too.
    """
    wanted = count(text, pattern) - superfluous
    while left := count(text, pattern) - wanted:
        for found in reversed(list(find(text, pattern))):
            if left[found.text] > 0:
                left[found.text] -= 1
                before, after = text[: found.begin], text[found.end :]
                if after.startswith(" ") and (before.endswith(" ") or not before):
                    after = after[1:]
                text = before + after
    return text


def insert(text: str, placeholder: str, place: int, pattern: re.Pattern[str]) -> str:
    """Put a placeholder into a text before the word at a place, apart from other words.

    Never inside another placeholder; where it would be lost in what is around, to the end or the beginning.
    """
    wanted = count(text, pattern) + Counter([placeholder])
    tried = [_insert(text, placeholder, where, pattern) for where in (place, len(text), 0)]
    return next((each for each in tried if count(each, pattern) == wanted), tried[0])


def _insert(text: str, placeholder: str, place: int, pattern: re.Pattern[str]) -> str:
    while 0 < place < len(text) and not (text[place - 1].isspace() or text[place].isspace()):
        place -= 1
    for found in find(text, pattern):
        if found.begin < place < found.end:
            place = found.begin
    before, after = text[:place], text[place:]
    if before and not before[-1].isspace():
        before += " "
    if after and not after[0].isspace():
        after = " " + after
    return before + placeholder + after
