"""XLIFF 1.2 and 2.0: units without a translation get a target, marked as a machine's."""

from collections.abc import Iterator

from translate.corpora.formats.xliff import CODES
from translate.documents.document import Document, Part, Span, replace_spans
from translate.documents.xml_tree import Element, indentation, inner_parts, read_tree, with_attribute
from translate.errors import InputError

# States in which a target is none yet. (needs-review-translation is what a machine's gets here.)
UNTRANSLATED = frozenset({"new", "initial", "needs-translation"})


def read_xliff(raw: str, name: str, tgt_lang: str | None = None, *, overwrite: bool = False) -> Document:
    """Read an XLIFF. Inline codes of a source are in its target too; what has translate="no" is left.

    A target that is added has the state needs-review-translation (1.2), or its segment the state translated
    (2.0).

    Args:
        tgt_lang: put where the document has no target language.
        overwrite: translate units anew that are translated already.

    Raises InputError as `read_tree` does, and when the document is no XLIFF.
    """
    root = read_tree(raw, name).children[0]
    if root.name != "xliff":
        raise InputError(f"{name} is no XLIFF: its root is {root.tag}")
    spans: list[Span] = []
    if tgt_lang is not None:
        for element in root.walk():
            for src, tgt in (("source-language", "target-language"), ("srcLang", "trgLang")):
                if src in element.attributes and tgt not in element.attributes:
                    tag = raw[element.begin : element.inner_begin]
                    spans.append((element.begin, element.inner_begin, [with_attribute(tag, tgt, tgt_lang)]))
    for holder, is_segment in _holders(root, translated=True):
        spans += _target(raw, holder, is_segment, overwrite)
    return replace_spans(raw, spans)


def _holders(element: Element, *, translated: bool) -> Iterator[tuple[Element, bool]]:
    """Yield what holds a source and a target each, and whether it is a segment, as in 2.0."""
    translated = element.attributes.get("translate", "yes" if translated else "no") == "yes"
    if element.name in ("trans-unit", "segment"):
        if translated:
            yield element, element.name == "segment"
        return
    for child in element.children:
        yield from _holders(child, translated=translated)


def _target(raw: str, holder: Element, is_segment: bool, overwrite: bool) -> Iterator[Span]:
    source, target = holder.child("source"), holder.child("target")
    if source is None or not raw[source.inner_begin : source.inner_end].strip():
        return
    if target is not None and raw[target.inner_begin : target.inner_end].strip() and not overwrite:
        state = (holder if is_segment else target).attributes.get("state", "")
        if state not in UNTRANSLATED or (is_segment and not state):
            return
    if is_segment:
        tag = with_attribute(raw[holder.begin : holder.inner_begin], "state", "translated")
        yield holder.begin, holder.inner_begin, [tag]
    parts: list[Part] = inner_parts(raw, source, CODES)
    first = f"<{source.prefix}target>" if target is None else raw[target.begin : target.inner_begin]
    if not is_segment:
        first = with_attribute(first, "state", "needs-review-translation")
    elif target is not None:
        first = f"{first.rstrip('/> ')}>"
    whole = [first, *parts, f"</{source.prefix}target>"]
    if target is not None:
        yield target.begin, target.end, whole
    else:
        before = holder.child("seg-source") or source
        yield before.end, before.end, [indentation(raw, source.begin), *whole]
