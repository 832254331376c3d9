"""Files of sentence pairs as people have them: one module a format, each yields Records.

What is wrong with one record is said in it, and the file is read on; what ends the reading is an InputError.
"""

from typing import Literal, NamedTuple


class Wanted(NamedTuple):
    """Which two texts of a record make a pair."""

    src_lang: str | None = None
    tgt_lang: str | None = None
    src_column: str | None = None  # by name, by number from 1, or by keys as in translation.de
    tgt_column: str | None = None
    markup: Literal["drop", "keep"] = "drop"  # codes inside texts of TMX and XLIFF


class Record(NamedTuple):
    """A pair, or why a record is none."""

    where: str  # in its file: "line 7"
    src: str = ""
    tgt: str = ""
    left_out: str = ""  # why it is no pair, though nothing is wrong with it
    broken: str = ""  # what is wrong with it
