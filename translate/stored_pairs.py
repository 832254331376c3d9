"""Tokenised sentence pairs as they lie on disk, and beside them their links and their text."""

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset, Features, Value
from datasets.arrow_writer import ArrowWriter
from numpy.typing import NDArray

from translate.batches import Batch, Indices, collate
from translate.errors import InputError
from translate.tokenizer import BACKWARDS_ID

IDS = "pairs.arrow"  # in the folder of ids
COLUMNS = Features(  # 32 bits, not 64: there may be millions of pairs
    {
        "src": [Value("int32")],
        "tgt": [Value("int32")],
        "src_length": Value("int32"),
        "tgt_length": Value("int32"),
    }
)
LINKS = Features({"links": [Value("uint32")]})  # of a pair: source piece << 16 | target piece
TEXT = Features({"src": Value("string"), "tgt": Value("string")})
WRITTEN_TOGETHER = 10_000  # pairs: few enough for memory, and many, since each piece of a file costs some


class Rows(NamedTuple):
    """The ids of some texts, one after the other, without special ones."""

    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]  # of each text

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "Rows":
        """Put rows of ids together."""
        ids = np.fromiter(chain.from_iterable(rows), np.int32)
        return cls(ids, np.fromiter(map(len, rows), np.int32, len(rows)))

    def select(self, which: NDArray[np.bool_]) -> "Rows":
        """Leave out texts for which there is no True."""
        return Rows(self.ids[np.repeat(which, self.lengths)], self.lengths[which])

    def arrow(self) -> pa.ListArray:
        """The same as a column."""
        return pa.ListArray.from_arrays(
            np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32), self.ids
        )


class IdPairs:
    """Tokenised sentence pairs, memory-mapped from an Arrow folder (columns src and tgt).

    Args:
        both: each pair is there twice; the second half of the rows are the pairs read backwards, whose
            sources (the targets) begin with BACKWARDS_ID.

    Raises:
        InputError: the folder is missing or damaged.
    """

    def __init__(self, folder: Path, *, both: bool = False) -> None:
        self.both = both
        try:
            self._rows = Dataset.from_file(str(folder / IDS))
            src: Indices = self._rows.data.column("src_length").to_numpy()
            tgt: Indices = self._rows.data.column("tgt_length").to_numpy()
            self.src_lengths = np.concatenate([src, tgt + 1]) if both else src
            self.tgt_lengths = np.concatenate([tgt, src]) if both else tgt
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{folder}: the training pairs in it are missing or damaged ({error}); restore the folder, "
                "or train again"
            ) from None
        self._links: Dataset | None = None
        self._shift = 0

    @property
    def pairs(self) -> int:
        """How many there are, whatever the directions."""
        return len(self._rows)

    def use_links(self, path: Path, shift: int) -> None:
        """Let batches have links from now on.

        Args:
            path: what `write_links` wrote, for these pairs.
            shift: 0 for the row in which a piece is emitted, 1 for the one in which it has been read.

        Raises:
            InputError: the file is missing or damaged, or not of these pairs.
        """
        self._links, self._shift = self.open_beside(path, LINKS, "links"), shift

    def open_beside(self, path: Path, columns: Features, what: str) -> Dataset:
        """Map a file with a row for each pair.

        Raises:
            InputError: the file is missing or damaged, or not of these pairs.
        """
        try:
            rows = Dataset.from_file(str(path))
            for name in columns:
                rows.data.column(name)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{path}: the {what} of the training pairs are missing or damaged ({error}); train again"
            ) from None
        if len(rows) != self.pairs:
            raise InputError(
                f"{path} has {what} of {len(rows)} pairs, but there are {self.pairs}: they belong to another "
                "run"
            )
        return rows

    def __len__(self) -> int:
        """Number of pairs; one that is read in both directions counts twice."""
        return len(self.src_lengths)

    def batch(self, rows: Indices, seed: int = 0) -> Batch:
        """Read and pad these pairs; nothing is drawn."""
        pairs = self._rows[(rows % self.pairs).tolist()]
        return self.collate(rows, pairs["src"], pairs["tgt"], self.links(rows))

    def links(self, rows: Indices) -> list[NDArray[np.int64]] | None:
        """Return the (source piece, target piece) links of each of these pairs; None before `use_links`."""
        if self._links is None:
            return None
        codes = (
            np.array(of_pair, np.int64) for of_pair in self._links[(rows % self.pairs).tolist()]["links"]
        )
        return [np.stack([code >> 16, code & 0xFFFF], axis=1) for code in codes]

    def collate(
        self,
        rows: Indices,
        src: list[list[int]],
        tgt: list[list[int]],
        links: Sequence[NDArray[np.int64]] | None,
    ) -> Batch:
        """Pad the pieces of these pairs, turned around where the row is one that is read backwards."""
        backwards = rows >= self.pairs
        for number in np.flatnonzero(backwards).tolist():
            src[number], tgt[number] = [BACKWARDS_ID, *tgt[number]], src[number]
        batch = collate(src, tgt)
        if links is None:
            return batch
        where = torch.zeros(*batch.tgt_out.shape, batch.src.shape[1], dtype=torch.bool)
        numbers = np.repeat(np.arange(len(rows)), [len(of_pair) for of_pair in links])
        of_src, of_tgt = np.concatenate(links).T
        emitted = np.where(backwards[numbers], of_src, of_tgt)
        read = np.where(backwards[numbers], of_tgt + 1, of_src)
        where[numbers, emitted + self._shift, read] = True
        return batch._replace(links=where)

    def padding(self, batches: Sequence[Indices]) -> float:
        """Share of the batches' slots that are padding."""
        slots = sum(
            len(rows) * int(self.src_lengths[rows].max() + self.tgt_lengths[rows].max()) for rows in batches
        )
        used = sum(int((self.src_lengths[rows] + self.tgt_lengths[rows]).sum()) for rows in batches)
        return 1 - used / slots

    def flat(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The ids of all sources, row after row and without special ones, and those of all targets."""
        src, tgt = (
            [chunk.flatten().to_numpy() for chunk in self._rows.data.column(side).chunks]
            for side in ("src", "tgt")
        )
        src_ids, tgt_ids = (np.concatenate(side).astype(np.int32) for side in (src, tgt))
        if not self.both:
            return src_ids, tgt_ids
        lengths = self.tgt_lengths[: len(self._rows)].astype(np.int64) - 1
        tagged = np.insert(tgt_ids, np.cumsum(lengths) - lengths, BACKWARDS_ID)
        return np.concatenate([src_ids, tagged]), np.concatenate([tgt_ids, src_ids])

    @staticmethod
    def write(folder: Path, pieces: Iterable[tuple[Rows, Rows]]) -> None:
        """Write sources and targets, some at a time, as they come; in the file lengths count an end."""
        folder.mkdir()
        with ArrowWriter(path=str(folder / IDS), features=COLUMNS) as writer:
            for src, tgt in pieces:
                columns = [src.arrow(), tgt.arrow(), src.lengths + 1, tgt.lengths + 1]
                writer.write_table(pa.table(columns, names=list(COLUMNS)))
            writer.finalize()


def write_links(path: Path, pairs: Iterable[Iterable[tuple[int, int]]]) -> None:
    """Write the (source piece, target piece) links of each pair as they come, for `IdPairs.use_links`."""
    rows = iter(pairs)
    with ArrowWriter(path=str(path), features=LINKS, writer_batch_size=WRITTEN_TOGETHER) as writer:
        while piece := list(islice(rows, WRITTEN_TOGETHER)):
            writer.write_batch({"links": [[src << 16 | tgt for src, tgt in links] for links in piece]})
        writer.finalize()


def write_text(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Write the text of each pair as it comes, to be read at random."""
    rows = iter(pairs)
    with ArrowWriter(path=str(path), features=TEXT, writer_batch_size=WRITTEN_TOGETHER) as writer:
        while piece := list(islice(rows, WRITTEN_TOGETHER)):
            src, tgt = zip(*piece, strict=True)
            writer.write_batch({"src": list(src), "tgt": list(tgt)})
        writer.finalize()
