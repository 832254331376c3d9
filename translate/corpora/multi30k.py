"""Multi30k: captions of photographs and their translations, from a folder of text files or from the hub.

The test part is test_2016_flickr, as in the literature; test_2017_flickr is kept beside it where it is there.
"""

from collections import Counter
from pathlib import Path

from translate.corpora.corpus import Corpus, Pair, to_dataset
from translate.corpora.hub import HubSource, load_splits, read_pairs
from translate.errors import InputError
from translate.text_files import read_parallel

HUB_DATASET = "bentrevett/multi30k"
HUB_LANGUAGES = ("de", "en")
NAMES = {  # part -> what its files are called in the copies that go round
    "train": ("train",),
    "valid": ("val", "valid", "validation"),
    "test": ("test_2016_flickr", "test2016", "flickr2016", "test"),
    "test_2017_flickr": ("test_2017_flickr", "test2017", "flickr2017"),
}
URL = "https://github.com/multi30k/dataset"
LICENCE = "none stated; for research (the captions describe photographs of Flickr, Young et al. 2014)"
CITATION = (
    "Elliott, Frank, Sima'an, Specia 2016: Multi30K: Multilingual English-German Image Descriptions "
    "(https://aclanthology.org/W16-3210); French and test 2017: Elliott et al. 2017 "
    "(https://aclanthology.org/W17-4718); Czech: Barrault et al. 2018 (https://aclanthology.org/W18-6402)"
)


def make_multi30k(
    folder: str | Path | None, src_lang: str, tgt_lang: str, data_dir: str | Path = "data"
) -> Corpus:
    """Make the corpus from `folder` (files such as train.de.gz or val.en), or from the hub when it is None.

    Raises InputError when a file is missing or the hub is out of reach.
    """
    dropped: Counter[str] = Counter()
    if folder is None:
        pairs = _from_hub(src_lang, tgt_lang, data_dir, dropped)
    else:
        pairs = _from_folder(Path(folder), src_lang, tgt_lang)
    return Corpus(
        name="multi30k",
        src_lang=src_lang,
        tgt_lang=tgt_lang,
        splits={name: to_dataset(part) for name, part in pairs.items()},
        links={},
        licence=LICENCE,
        citation=CITATION,
        url=URL if folder is not None else f"https://huggingface.co/datasets/{HUB_DATASET}",
        seed=None,
        dropped=dropped,
    )


def _from_folder(folder: Path, src_lang: str, tgt_lang: str) -> dict[str, list[Pair]]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; one with files such as train.{src_lang}.gz is needed")
    pairs = {}
    for part, names in NAMES.items():
        src, tgt = _find(folder, names, src_lang), _find(folder, names, tgt_lang)
        if src is not None and tgt is not None:
            pairs[part] = read_parallel(src, tgt)
        elif part != "test_2017_flickr":
            lang = src_lang if src is None else tgt_lang
            wanted = " or ".join(f"{name}.{lang}" for name in names)
            raise InputError(f"{folder} has no {part} text in {lang!r}: {wanted} (or with .gz) is needed")
    return pairs


def _find(folder: Path, names: tuple[str, ...], lang: str) -> Path | None:
    paths = (folder / f"{name}.{lang}{suffix}" for name in names for suffix in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def _from_hub(
    src_lang: str, tgt_lang: str, data_dir: str | Path, dropped: Counter[str]
) -> dict[str, list[Pair]]:
    for lang in (src_lang, tgt_lang):
        if lang not in HUB_LANGUAGES:
            raise InputError(
                f"{HUB_DATASET} has no language {lang!r}, only {' and '.join(HUB_LANGUAGES)}; "
                f"others are in the files of {URL}: give their folder with --path"
            )
    source = HubSource(HUB_DATASET, src_lang, tgt_lang)
    splits = load_splits(HUB_DATASET, None, data_dir)
    return {
        part: read_pairs(splits[name], source, f"{HUB_DATASET}, split {name}", dropped)
        for part, name in (("train", "train"), ("valid", "validation"), ("test", "test"))
    }
