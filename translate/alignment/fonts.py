"""Which of this machine's fonts can draw a text."""

import logging
import unicodedata
from collections.abc import Iterable
from functools import cache

from matplotlib import font_manager, ft2font

from translate.labels import needs_glyph, shown

log = logging.getLogger(__name__)

_DEFAULT_FONT = "DejaVu Sans"  # comes with matplotlib
# First words of the Unicode names of what a font for Chinese, Japanese and Korean has.
_EAST_ASIAN = frozenset(
    ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH")
)


def choose_fonts(texts: Iterable[str]) -> list[str]:
    """Find families of fonts that together have a glyph for every character of the texts.

    matplotlib's own font comes first. Characters that no font on this machine has are logged once, with their
    script and where to get a font; they are drawn as boxes.
    """
    missing = {character for text in texts for character in shown(text, limit=None) if needs_glyph(character)}
    missing -= _charmap(font_manager.findfont(_DEFAULT_FONT), 0)
    families = [_DEFAULT_FONT]
    if missing:
        covers = _covers()
        # Chinese alone: a Japanese or Korean font would draw other variants of its characters.
        variant = "JP" if any("\u3040" <= c <= "\u30ff" for c in missing) else "SC"
        while missing and covers:
            best = max(covers, key=lambda family: (len(missing & covers[family]), _taste(family, variant)))
            if not missing & covers[best]:
                break
            families.append(best)
            missing -= covers.pop(best)
    if missing:
        _warn_of_missing(missing)
    return families


@cache
def _charmap(path: str, face: int) -> frozenset[str]:
    """Return the characters that a font has glyphs for; none if it cannot be read."""
    try:
        font = ft2font.FT2Font(path, face_index=face)
    except (OSError, RuntimeError, NotImplementedError):
        return frozenset()
    return frozenset(map(chr, font.get_charmap()))


def _covers() -> dict[str, frozenset[str]]:
    """Family -> characters, of the upright fonts of normal weight on this machine."""
    manager = font_manager.fontManager
    known = {entry.fname for entry in manager.ttflist}
    for path in font_manager.findSystemFonts():
        # matplotlib remembers what was there when it was first used.
        if path not in known:
            try:
                manager.addfont(path)
            except (OSError, RuntimeError, NotImplementedError):
                continue  # damaged, or made of bitmaps (colour emoji), which matplotlib cannot draw
    return {
        entry.name: _charmap(entry.fname, entry.index)
        for entry in manager.ttflist
        if entry.style == "normal" and entry.weight == 400 and not entry.name.startswith("Last Resort")
    }


def _taste(family: str, variant: str) -> tuple[bool, bool, bool, str]:
    """Rank fonts with the same characters: no serifs, proportional, the fitting variant; then by name."""
    words = family.split()
    return "Sans" in words, "Mono" not in words, variant in words, family


def _warn_of_missing(missing: set[str]) -> None:
    """Log which characters have no glyph, by script, and which package has a font for them."""
    scripts: dict[str, list[str]] = {}
    for character in sorted(missing):
        word = unicodedata.name(character, "UNNAMED").split()[0]
        scripts.setdefault("CJK" if word in _EAST_ASIAN else word, []).append(character)
    packages = sorted({"fonts-noto-cjk" if script == "CJK" else "fonts-noto-core" for script in scripts})
    listing = ", ".join(
        f"{len(found)} {script} ({' '.join(found[:5])}{' ...' if len(found) > 5 else ''})"
        for script, found in sorted(scripts.items())
    )
    log.warning(
        "no font on this machine has %d characters of the text, drawn as boxes: %s; install fonts for them "
        "(Debian: apt-get install %s; elsewhere: Noto, https://fonts.google.com/noto)",
        len(missing),
        listing,
        " ".join(packages),
    )
