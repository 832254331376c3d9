"""TMX: units without a text in the target language get one."""

from collections.abc import Iterator

from translate.corpora.formats.languages import choose_language
from translate.corpora.formats.tmx import CODES
from translate.documents.document import Document, Span, replace_spans
from translate.documents.xml_tree import LANG, Element, indentation, inner_parts, read_tree
from translate.errors import InputError, UsageError


def read_tmx(
    raw: str, name: str, src_lang: str | None, tgt_lang: str | None, *, overwrite: bool = False
) -> Document:
    """Read a TMX. Units without a text in the source language are left.

    Args:
        src_lang: found as `choose_language` does; None: the one of the header.
        overwrite: translate units anew that have a text in the target language.

    Raises InputError as `read_tree` does, and when the document is no TMX or says no source language;
    UsageError without a target language.
    """
    if tgt_lang is None:
        raise UsageError("a TMX has texts in any number of languages: say with --tgt-lang into which one")
    root = read_tree(raw, name).children[0]
    if root.name != "tmx":
        raise InputError(f"{name} is no TMX: its root is {root.tag}")
    header = root.child("header")
    src_lang = src_lang or (header.attributes.get("srclang") if header else None)
    if src_lang is None or src_lang == "*all*":
        raise InputError(f"{name} does not say its source language: give it with --src-lang")
    units = [element for element in root.walk() if element.name == "tu"]
    spans = [span for unit in units for span in _variant(raw, unit, src_lang, tgt_lang, overwrite)]
    return replace_spans(raw, spans)


def _variant(raw: str, unit: Element, src_lang: str, tgt_lang: str, overwrite: bool) -> Iterator[Span]:
    variants: dict[str, Element] = {}
    for child in unit.children:
        code = child.attributes.get(LANG) or child.attributes.get("lang")
        if child.name == "tuv" and code:
            variants.setdefault(code, child)
    src, tgt = choose_language(src_lang, variants), choose_language(tgt_lang, variants)
    source = variants[src].child("seg") if src else None
    if src is None or source is None or tgt == src:
        return
    parts = inner_parts(raw, source, CODES)
    there = variants[tgt].child("seg") if tgt else None
    if there is not None and raw[there.inner_begin : there.inner_end].strip() and not overwrite:
        return
    if there is not None:
        yield there.begin, there.end, [f"<{there.tag}>", *parts, f"</{there.tag}>"]
        return
    last = list(variants.values())[-1]
    prefix = last.prefix
    # As the source's variant is written, with the same white space, but for its notes and properties.
    before, after = indentation(raw, source.begin), indentation(raw, variants[src].inner_end)
    yield (
        last.end,
        last.end,
        [
            f'{indentation(raw, last.begin)}<{prefix}tuv xml:lang="{tgt_lang}">{before}<{prefix}seg>',
            *parts,
            f"</{prefix}seg>{after}</{prefix}tuv>",
        ],
    )
