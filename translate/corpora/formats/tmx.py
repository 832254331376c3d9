"""TMX, the Translation Memory eXchange format (1.1 to 1.4b): units with a text in each language."""

from collections import Counter
from collections.abc import Iterator
from io import BufferedIOBase

from lxml.etree import _Element

from translate.corpora.formats import Record, Wanted
from translate.corpora.formats.languages import choose_language
from translate.corpora.formats.markup import LANG, UnresolvedEntityError, inline_text, local_name, read_units
from translate.errors import InputError

CODES = frozenset(("bpt", "ept", "it", "ph", "ut"))  # native codes; hi and sub hold text


def read_tmx(stream: BufferedIOBase, name: str, wanted: Wanted) -> Iterator[Record]:
    """Yield the units, in memory that does not grow with the file.

    `choose_language` says which texts are taken; of several in one language, the first.

    Raises InputError as `read_units` does, and when no unit has both languages.
    """
    src_lang, tgt_lang = wanted.src_lang, wanted.tgt_lang
    assert src_lang is not None  # checked with the settings
    assert tgt_lang is not None
    found = False
    langs: Counter[str] = Counter()
    for number, unit in enumerate(read_units(stream, name, ["tu"]), start=1):
        where = f"unit {number} (line {unit.sourceline})"
        segments: dict[str, _Element] = {}
        for variant in unit:
            if isinstance(variant.tag, str) and local_name(variant) == "tuv":
                lang = variant.get(LANG) or variant.get("lang") or ""
                segment = next((child for child in variant if local_name(child) == "seg"), None)
                if segment is not None:
                    segments.setdefault(lang, segment)
        langs.update(list(segments))
        chosen = choose_language(src_lang, segments), choose_language(tgt_lang, segments)
        if chosen[0] is None or chosen[1] is None:
            yield Record(where, left_out=f"no text in {src_lang if chosen[0] is None else tgt_lang}")
            continue
        found = True
        try:
            src, tgt = (
                inline_text(segments[lang], CODES, keep=wanted.markup == "keep") for lang in chosen if lang
            )
        except UnresolvedEntityError as error:
            yield Record(where, broken=str(error))
            continue
        yield Record(where, src, tgt)
    if not found:
        there = ", ".join(lang for lang, _ in langs.most_common(20))
        raise InputError(
            f"{name} has no unit in both {src_lang} and {tgt_lang}; it has {there or 'no units'}"
        )
