"""Everyday sentences of Tatoeba, in the tab-separated files of manythings.org/anki (English, then the other).

A sentence has several translations, and the files are sorted by length, so parts are drawn by source group.
"""

import random
from collections import Counter
from pathlib import Path

from translate.corpora.corpus import Corpus, Pair, to_dataset
from translate.corpora.split import FURTHER_TRANSLATION, HELD_OUT, fold_white_space, hold_out
from translate.errors import InputError
from translate.text_files import read_lines

LICENCE = "CC BY 2.0 FR (https://creativecommons.org/licenses/by/2.0/fr/), attribution required"
CITATION = "Sentences by the contributors of Tatoeba (https://tatoeba.org), by way of https://www.manythings.org/anki"


def make_tatoeba(path: str | Path, src_lang: str = "en", tgt_lang: str = "de", seed: int = 1) -> Corpus:
    """Make a corpus of a tab-separated file (.gz is read as is); columns after the second are ignored.

    The first column is English: it is the source, unless `tgt_lang` is "en". (Without English among the
    languages, the first column is the source.)

    Raises InputError when the file is missing, has no pairs, or a line has no tab.
    """
    dropped: Counter[str] = Counter()
    pairs = _read(Path(path), dropped)
    if tgt_lang == "en":
        pairs = [(second, first) for first, second in pairs]
    random.Random(seed).shuffle(pairs)  # of several translations, a held-out source keeps a random one
    parts, dropped[FURTHER_TRANSLATION] = hold_out(pairs, {"valid": HELD_OUT, "test": HELD_OUT}, seed)
    return Corpus(
        name="tatoeba",
        src_lang=src_lang,
        tgt_lang=tgt_lang,
        splits={name: to_dataset(part) for name, part in parts.items()},
        links={},
        licence=LICENCE,
        citation=CITATION,
        url="https://www.manythings.org/anki/",
        seed=seed,
        dropped=dropped,
    )


def _read(path: Path, dropped: Counter[str]) -> list[Pair]:
    pairs: Counter[Pair] = Counter()
    for number, line in enumerate(read_lines(path), start=1):
        columns = [fold_white_space(column) for column in line.split("\t")[:2]]
        if len(columns) < 2:
            raise InputError(
                f"{path}: line {number} has no tab; a sentence, a tab and its translation are needed"
            )
        if not all(columns):
            dropped["empty text"] += 1
        else:
            pairs[columns[0], columns[1]] += 1
    if not pairs:
        raise InputError(f"{path} has no pairs of sentences: one a line is needed, separated by a tab")
    dropped["repeated pair"] = pairs.total() - len(pairs)
    return list(pairs)
