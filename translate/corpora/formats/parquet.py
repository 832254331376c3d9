"""Parquet files, a batch of rows at a time."""

import shutil
import tempfile
from collections.abc import Iterator
from io import BufferedIOBase
from typing import Any

import pyarrow
import pyarrow.parquet

from translate.compression import packed_name
from translate.corpora.formats import Record, Wanted
from translate.corpora.formats.rows import read_row, top_columns
from translate.errors import InputError
from translate.text_files import describe_byte

ROWS_TOGETHER = 1000
BUFFER = 2**20  # bytes of a column that are read ahead; without it, all of a row group is


def read_parquet(stream: BufferedIOBase, name: str, wanted: Wanted) -> Iterator[Record]:
    """Yield the rows; `read_row` says what columns are.

    Parquet is read from its end: what is packed, or comes through a pipe, is put on disk first.

    Raises InputError when it is no Parquet.
    """
    with tempfile.TemporaryFile() as aside:
        if name == "-" or packed_name(name)[1]:
            shutil.copyfileobj(stream, aside)
            stream = aside
        try:
            table = pyarrow.parquet.ParquetFile(stream, buffer_size=BUFFER)
            names = table.schema_arrow.names
            columns = top_columns(names, wanted) or names
            number = 0
            for batch in table.iter_batches(ROWS_TOGETHER, columns=columns):
                for fields, broken in _rows(batch):
                    number += 1
                    where = f"row {number}"
                    yield Record(where, broken=broken) if broken else read_row(fields, wanted, where)
        except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:  # UTF-8 of columns' names
            raise InputError(f"{name}: damaged or no Parquet ({error})") from None


def _rows(batch: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each row of a record batch, or what is wrong with it."""
    try:
        yield from [(fields, "") for fields in batch.to_pylist()]
    except UnicodeDecodeError:  # Parquet promises UTF-8, but not all who write it keep the promise
        for number in range(batch.num_rows):
            try:
                yield batch.slice(number, 1).to_pylist()[0], ""
            except UnicodeDecodeError as error:
                yield {}, describe_byte(error)
