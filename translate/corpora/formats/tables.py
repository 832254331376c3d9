"""Tab-separated and comma-separated values: a record a row, columns by name or by number."""

import csv
from collections.abc import Iterator
from io import BufferedIOBase
from itertools import chain
from typing import Literal, NamedTuple

from translate.corpora.formats import Record, Wanted
from translate.errors import InputError
from translate.text_files import number_lines

SEPARATORS = ",;\t"


class _Row(NamedTuple):
    where: str
    fields: list[str]
    broken: str


def read_table(
    stream: BufferedIOBase, name: str, wanted: Wanted, kind: Literal["tsv", "csv"]
) -> Iterator[Record]:
    r"""Yield the rows of a table.

    tsv: fields between tabs, a row a line, quotes are text like any other. csv: as the csv module reads it
    (RFC 4180), quoted fields may hold separators and line breaks; the separator is the one of , ; and tab
    that the first line has most of.

    Columns given by name are looked for in the first row, which is then no record; columns given by number
    (from 1) need no such row. Without columns: those named as the languages, or else the first and second.

    Raises InputError when the first row lacks a column that was named.
    """
    rows = _split_rows(stream, name) if kind == "tsv" else _parse_rows(stream, name)
    first = next(rows, None)
    if first is None:
        return
    columns, has_header = _find_columns(first, wanted, name)
    for row in rows if has_header else chain([first], rows):
        if row.broken:
            yield Record(row.where, broken=row.broken)
        elif not any(row.fields):
            yield Record(row.where, left_out="blank row")
        elif len(row.fields) <= max(columns):
            needed = " and ".join(str(column + 1) for column in columns)
            yield Record(row.where, broken=f"needed are columns {needed}, but there are {len(row.fields)}")
        else:
            yield Record(row.where, row.fields[columns[0]], row.fields[columns[1]])


def _find_columns(first: _Row, wanted: Wanted, name: str) -> tuple[tuple[int, int], bool]:
    """Return the two columns, from 0, and whether the first row names them."""
    names = wanted.src_column, wanted.tgt_column
    if wanted.src_column is None:
        if not {wanted.src_lang, wanted.tgt_lang} <= set(first.fields):
            return (0, 1), False
        names = wanted.src_lang, wanted.tgt_lang
    columns = []
    for column in names:
        assert column is not None  # checked with the settings
        if _is_number(column):
            columns.append(int(column) - 1)
        elif first.fields.count(column) == 1 and not first.broken:
            columns.append(first.fields.index(column))
        else:
            raise InputError(
                f"{name}: {first.where} names no column {column!r}, or several; it has "
                f"{', '.join(map(repr, first.fields))}: name one of them, or give its number, from 1"
            )
    return (columns[0], columns[1]), not all(map(_is_number, map(str, names)))


def _is_number(column: str) -> bool:
    return column.isascii() and column.isdecimal()


def _split_rows(stream: BufferedIOBase, name: str) -> Iterator[_Row]:
    for number, text, broken in number_lines(stream, name):
        yield _Row(f"line {number}", text.removesuffix("\n").removesuffix("\r").split("\t"), broken)


def _parse_rows(stream: BufferedIOBase, name: str) -> Iterator[_Row]:
    lines = number_lines(stream, name)
    first = next(lines, None)
    if first is None:
        return
    flaws: list[str] = []  # of the lines of the row that is being read

    def texts() -> Iterator[str]:
        for number, text, broken in chain([first], lines):
            if broken:
                flaws.append(f"line {number}, {broken}")
            yield text

    reader = csv.reader(texts(), delimiter=_guess_separator(first.text), strict=True)
    while True:
        start = reader.line_num + 1
        flaws.clear()
        fields: list[str] = []
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            flaws.append(f"not well-formed CSV ({error})")
        end = "" if reader.line_num <= start else f" to {reader.line_num}"
        yield _Row(f"line {start}{end}", fields, "; ".join(flaws))


def _guess_separator(line: str) -> str:
    unquoted = "".join(line.split('"')[::2])
    return max(SEPARATORS, key=unquoted.count)
