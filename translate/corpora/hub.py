"""Any dataset of the Hugging Face hub that has a column (or an entry of `translation`) for each language."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import datasets
from datasets import Dataset, IterableDataset

from translate.corpora.corpus import Corpus, Pair, to_dataset
from translate.corpora.formats import Record, Wanted
from translate.corpora.formats.rows import read_row
from translate.corpora.split import FURTHER_TRANSLATION, HELD_OUT, fold_white_space, hold_out
from translate.errors import InputError, UsageError

log = logging.getLogger(__name__)

PARTS = {
    "train": "train",
    "validation": "valid",
    "valid": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}


class HubSource(NamedTuple):
    """A dataset and the columns that hold its two languages."""

    dataset: str  # a name on the hub, or a local folder that `datasets` can read
    src_column: str
    tgt_column: str
    config: str | None = None  # of datasets that have several, such as a language pair
    streaming: bool = False  # read over the network as it is needed, without a copy on disk


def make_hub(source: HubSource, src_lang: str, tgt_lang: str, data_dir: str | Path, seed: int = 1) -> Corpus:
    """Make a corpus of a hub dataset; valid and test are held out from train where the dataset has none.

    Raises InputError when it cannot be loaded, has no train split or lacks a column.
    """
    dropped: Counter[str] = Counter()
    given: dict[str, list[Pair]] = {}
    splits = load_splits(source.dataset, source.config, data_dir, streaming=source.streaming)
    for name, rows in splits.items():
        if name in PARTS:
            given[PARTS[name]] = read_pairs(rows, source, f"{source.dataset}, split {name}", dropped)
        else:
            log.info("%s: split %s is not used (only %s are)", source.dataset, name, ", ".join(PARTS))
    if "train" not in given:
        raise InputError(f"{source.dataset} has no split train, only {', '.join(splits)}")
    sizes = {name: HELD_OUT for name in ("valid", "test") if name not in given}
    if sizes:
        parts, dropped[FURTHER_TRANSLATION] = hold_out(given["train"], sizes, seed)
        given |= parts
    info = splits["train"].info
    local = Path(source.dataset).exists()
    return Corpus(
        name=source.dataset,
        src_lang=src_lang,
        tgt_lang=tgt_lang,
        splits={name: to_dataset(given[name]) for name in ("train", "valid", "test")},
        links={},
        licence=info.license or "not stated: see the dataset's page",
        citation=fold_white_space(info.citation) or "not stated: see the dataset's page",
        url=source.dataset if local else f"https://huggingface.co/datasets/{source.dataset}",
        seed=seed if sizes else None,
        dropped=dropped,
    )


def stream_dataset(address: str, wanted: Wanted) -> Iterator[Record]:
    """Yield the rows of a split over the network as they are read; nothing is kept on disk.

    Args:
        address: NAME?config=CONFIG&split=SPLIT; train is the split by default.
        wanted: `read_row` says what columns are.

    Raises:
        InputError: as `load_splits` does, and when the dataset has no such split or breaks off.
        UsageError: the address says something else.
    """
    dataset, _, query = address.partition("?")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    if not dataset or not settings.keys() <= {"config", "split"}:
        raise UsageError(
            f"hub:{address} is no dataset: needed is hub:NAME, or hub:NAME?config=CONFIG&split=SPLIT"
        )
    split = settings.get("split", "train")
    splits = load_splits(dataset, settings.get("config"), streaming=True)
    if split not in splits:
        raise InputError(f"{dataset} has no split {split}, only {', '.join(splits)}")
    for number, row in enumerate(_read_on(splits[split], dataset), start=1):
        yield read_row(row, wanted, f"row {number}")


def _read_on(rows: IterableDataset, dataset: str) -> Iterator[Mapping[str, Any]]:
    """Yield rows, and turn whatever goes wrong on the way into an InputError."""
    unread = iter(rows)
    while True:
        try:
            row = next(unread, None)
        except Exception as error:  # as in `load_splits`
            raise InputError(f"{dataset} breaks off: {_first_line(error)}") from error
        if row is None:
            return
        yield row


def load_splits(
    dataset: str, config: str | None, data_dir: str | Path | None = None, *, streaming: bool = False
) -> Mapping[str, Any]:
    """Return the splits of a hub dataset, kept under `data_dir`: the one door to the hub.

    With `streaming` they are IterableDatasets, of which nothing is kept.

    Raises InputError when it is out of reach or has no such dataset, and says how to do without.
    """
    datasets.disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it reports each of its retries
    log.info("loading %s from the Hugging Face hub (out of reach, it gives up after half a minute)", dataset)
    try:
        cache = None if data_dir is None else str(Path(data_dir, "hub"))
        loaded = datasets.load_dataset(dataset, config, cache_dir=cache, streaming=streaming)
    except Exception as error:  # datasets, huggingface_hub and what they stand on raise dozens of kinds
        raise InputError(
            f"cannot load {dataset} from the Hugging Face hub: {_first_line(error)}. Local files do as well: "
            "`seq2see corpus files --src FILE --tgt FILE`, `seq2see corpus tatoeba --path FILE`, "
            "`seq2see corpus multi30k --path FOLDER`, or --dataset with a downloaded dataset's folder"
        ) from error
    return {str(name): split for name, split in loaded.items()}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def read_pairs(
    rows: Dataset | IterableDataset, source: HubSource, where: str, dropped: Counter[str]
) -> list[Pair]:
    """Return the pairs of a split, each text on one line; those with an empty side are counted in `dropped`.

    Raises InputError when a column is missing or holds no text.
    """
    pairs = []
    for row in rows:
        fields = row if source.src_column in row else row.get("translation", row)
        texts = []
        for column in (source.src_column, source.tgt_column):
            if column not in fields:
                raise InputError(
                    f"{where} has no column {column!r}; it has {', '.join(map(repr, fields))}: "
                    "choose with --src-column and --tgt-column"
                )
            text = fields[column]
            if not isinstance(text, str | None):
                raise InputError(f"{where}: column {column!r} holds {type(text).__name__}, text is needed")
            texts.append(fold_white_space(text or ""))
        if all(texts):
            pairs.append((texts[0], texts[1]))
        else:
            dropped["empty text"] += 1
    if not pairs:
        raise InputError(f"{where} has no pairs with text on both sides")
    return pairs
