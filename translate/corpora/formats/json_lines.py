"""JSON lines: an object a line."""

import json
from collections.abc import Iterator
from io import BufferedIOBase

from translate.corpora.formats import Record, Wanted
from translate.corpora.formats.rows import read_row
from translate.text_files import number_lines


def read_json_lines(stream: BufferedIOBase, name: str, wanted: Wanted) -> Iterator[Record]:
    """Yield the objects; `read_row` says what columns are."""
    for number, text, broken in number_lines(stream, name):
        where = f"line {number}"
        if broken:
            yield Record(where, broken=broken)
            continue
        if not text.strip():
            yield Record(where, left_out="blank line")
            continue
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield Record(where, broken=f"no JSON ({error})")
            continue
        if isinstance(fields, dict):
            yield read_row(fields, wanted, where)
        else:
            yield Record(where, broken=f"holds {type(fields).__name__}, an object is needed")
