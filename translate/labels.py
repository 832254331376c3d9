"""How a token is written on a picture, where control characters and very long words would spoil it."""

import unicodedata

_MAX_LABEL = 28  # characters of a word that are shown


def shown(token: str, limit: int | None = _MAX_LABEL) -> str:
    """Return a token as a label: control characters as U+FFFD, the middle of a very long word left out."""
    visible = "".join("\ufffd" if _steers(c) else c for c in token)
    if limit is None or len(visible) <= limit:
        return visible
    return f"{visible[: limit - 9]}…{visible[-8:]}"


def _steers(character: str) -> bool:
    """Whether a character would break the line, the writing direction around it, or the XML of an SVG."""
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or "\u202a" <= character <= "\u202e"
        or "\u2066" <= character <= "\u2069"
        or ord(character) & 0xFFFE == 0xFFFE
    )


def needs_glyph(character: str) -> bool:
    """Whether a character is drawn: not a space, not a mark that only steers the layout."""
    return not (
        character.isspace() or unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"
    )


def columns_of(character: str) -> int:
    """Return the width of a character in those of a letter: 0 for marks on letters, 2 for East Asian ones."""
    if unicodedata.combining(character) or not needs_glyph(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
