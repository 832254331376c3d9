"""Records with named fields, as JSON lines, Parquet and data sets have them; also fields inside fields."""

from collections.abc import Mapping
from typing import Any

from translate.corpora.formats import Record, Wanted


def read_row(fields: Mapping[str, Any], wanted: Wanted, where: str) -> Record:
    """Return the pair of a record.

    A column is a field's name, or names of fields inside fields with dots between them (`translation.de`).
    Without columns: fields named as the languages, on top or in `translation`.
    """
    texts = []
    for column, lang in ((wanted.src_column, wanted.src_lang), (wanted.tgt_column, wanted.tgt_lang)):
        name = column or lang
        assert name is not None  # checked with the settings
        found = _find(fields, name) or _find(fields, f"translation.{name}")
        if found is None:
            nested = fields.get("translation")
            inside = list(nested) if isinstance(nested, Mapping) else []
            there = ", ".join(map(repr, [*fields, *(f"translation.{key}" for key in inside)]))
            return Record(where, broken=f"no field {name!r}; it has {there or 'none'}")
        text = found[0]
        if text is not None and not isinstance(text, str):
            return Record(where, broken=f"field {name!r} holds {type(text).__name__}, text is needed")
        texts.append(text or "")
    return Record(where, texts[0], texts[1])


def top_columns(names: list[str], wanted: Wanted) -> list[str]:
    """Return which of the columns the texts can be in, so that others need not be read."""
    needed = [wanted.src_column or wanted.src_lang, wanted.tgt_column or wanted.tgt_lang]
    return [name for name in names if name == "translation" or any(_leads_to(name, path) for path in needed)]


def _leads_to(name: str, path: str | None) -> bool:
    return path is not None and (path == name or path.startswith(f"{name}."))


def _find(fields: Mapping[str, Any], path: str) -> tuple[Any] | None:
    """Return what a path of keys leads to, or None when it leads nowhere."""
    if path in fields:
        return (fields[path],)
    key, dot, rest = path.partition(".")
    inside = fields.get(key)
    return _find(inside, rest) if dot and isinstance(inside, Mapping) else None
