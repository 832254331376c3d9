"""XLIFF 1.2 and 2.0, the XML Localisation Interchange File Format: units with a source and a target."""

from collections.abc import Iterator
from io import BufferedIOBase

from lxml.etree import _Element

from translate.corpora.formats import Record, Wanted
from translate.corpora.formats.languages import choose_language
from translate.corpora.formats.markup import UnresolvedEntityError, inline_text, local_name, read_units
from translate.errors import InputError

CODES = frozenset(("bpt", "ept", "it", "ph", "x", "bx", "ex", "ut", "sc", "ec", "cp"))  # g, pc, mrk hold text
UNTRANSLATED = ("new", "initial", "needs-")  # how states begin in which a target is no translation yet


def read_xliff(stream: BufferedIOBase, name: str, wanted: Wanted) -> Iterator[Record]:
    """Yield the trans-units (1.2) or the segments of the units (2.0).

    Those without a target, or with one in a state as `new`, `initial` or `needs-...`, are left out. Where the
    languages are wanted the other way round, source and target change places.

    Raises InputError as `read_units` does, and when the file has other languages than are wanted.
    """
    keep = wanted.markup == "keep"
    number = 0
    for unit in read_units(stream, name, ["trans-unit", "unit"]):
        swap = _is_backwards(unit, name, wanted)
        for holder in _holders(unit):
            number += 1
            where = f"unit {number} (line {holder.sourceline})"
            src, tgt = (next(_children(holder, side), None) for side in ("source", "target"))
            if src is None:
                yield Record(where, broken="has no source")
                continue
            state = holder.get("state") or (None if tgt is None else tgt.get("state")) or ""
            if tgt is None or state.startswith(UNTRANSLATED):
                yield Record(where, left_out=f"state {state}" if state else "no target")
                continue
            try:
                texts = [inline_text(side, CODES, keep=keep) for side in (src, tgt)]
            except UnresolvedEntityError as error:
                yield Record(where, broken=str(error))
                continue
            if not texts[1].strip():
                yield Record(where, left_out="no target")
            else:
                yield Record(where, *(texts[::-1] if swap else texts))


def _children(element: _Element, name: str) -> Iterator[_Element]:
    return (child for child in element if isinstance(child.tag, str) and local_name(child) == name)


def _holders(unit: _Element) -> list[_Element]:
    """Return what holds a source and a target each: the segments of a unit, or a trans-unit itself."""
    return [unit] if local_name(unit) == "trans-unit" else list(_children(unit, "segment"))


def _is_backwards(unit: _Element, name: str, wanted: Wanted) -> bool:
    """Whether the file's languages are the wanted ones the other way round."""
    there: tuple[str | None, str | None] = (None, None)
    for ancestor in unit.iterancestors():  # `file` in 1.2, `xliff` in 2.0
        for attributes in (("source-language", "target-language"), ("srcLang", "trgLang")):
            if ancestor.get(attributes[0]) is not None:
                there = (ancestor.get(attributes[0]), ancestor.get(attributes[1]))
    asked = (wanted.src_lang, wanted.tgt_lang)
    if _fit(asked, there):
        return False
    if _fit(asked[::-1], there):
        return True
    raise InputError(
        f"{name}: line {unit.sourceline}: from {there[0]} to {there[1]}, but wanted is {asked[0]} to "
        f"{asked[1]}"
    )


def _fit(asked: tuple[str | None, ...], there: tuple[str | None, ...]) -> bool:
    return all(
        lang is None or code is None or choose_language(lang, [code]) is not None
        for lang, code in zip(asked, there, strict=True)
    )
