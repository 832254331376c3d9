import gzip
from pathlib import Path

import datasets
import pytest

from translate.corpora.multi30k import make_multi30k
from translate.errors import InputError

SHARED = Path(__file__).parents[2] / "shared" / "corpora" / "multi30k"
SIZES = {"train": 4, "val": 3, "test_2016_flickr": 2, "test_2017_flickr": 1}


def write_folder(folder: Path, names: dict[str, int], suffix: str = ".gz") -> Path:
    folder.mkdir()
    for name, size in names.items():
        for lang in ("de", "en"):
            data = "".join(f"{name} {lang} {i}\n" for i in range(size)).encode()
            path = folder / f"{name}.{lang}{suffix}"
            path.write_bytes(gzip.compress(data) if suffix else data)
    return folder


def sizes_of(corpus):
    return {name: len(split) for name, split in corpus.splits.items()}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_of_files_is_read(tmp_path, suffix):
    corpus = make_multi30k(write_folder(tmp_path / "m", SIZES, suffix), "de", "en")
    assert sizes_of(corpus) == {"train": 4, "valid": 3, "test": 2, "test_2017_flickr": 1}
    assert corpus.splits["test"][1] == {"src": "test_2016_flickr de 1", "tgt": "test_2016_flickr en 1"}
    assert (corpus.name, corpus.src_lang, corpus.tgt_lang, corpus.seed) == ("multi30k", "de", "en", None)


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("train", "valid", "test2016"), ("train", "validation", "flickr2016")],
)
def test_the_names_of_other_copies_are_known(tmp_path, names):
    folder = write_folder(tmp_path / "m", dict(zip(names, (4, 3, 2), strict=True)))
    assert sizes_of(make_multi30k(folder, "en", "de")) == {"train": 4, "valid": 3, "test": 2}


def test_test_2016_is_the_test_part_even_beside_another_test(tmp_path):
    folder = write_folder(tmp_path / "m", SIZES | {"test": 9})
    assert len(make_multi30k(folder, "en", "de").splits["test"]) == 2


def test_a_test_2017_in_one_language_only_is_left_out(tmp_path):
    folder = write_folder(tmp_path / "m", SIZES)
    (folder / "test_2017_flickr.de.gz").unlink()
    assert "test_2017_flickr" not in make_multi30k(folder, "en", "de").splits


def test_citation_and_licence_are_stated(tmp_path):
    corpus = make_multi30k(write_folder(tmp_path / "m", SIZES), "en", "de")
    assert "Elliott" in corpus.citation
    assert "research" in corpus.licence


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(
        InputError, match=r"none: no such folder; one with files such as train\.de\.gz is needed$"
    ):
        make_multi30k(tmp_path / "none", "de", "en")


def test_a_missing_language_is_named(tmp_path):
    folder = write_folder(tmp_path / "m", SIZES)
    message = r"m has no train text in 'fr': train\.fr \(or with \.gz\) is needed$"
    with pytest.raises(InputError, match=message):
        make_multi30k(folder, "en", "fr")


def test_a_missing_part_is_named(tmp_path):
    folder = write_folder(tmp_path / "m", {"train": 1, "test": 1})
    message = r"no valid text in 'en': val\.en or valid\.en or validation\.en \(or with \.gz\) is needed$"
    with pytest.raises(InputError, match=message):
        make_multi30k(folder, "en", "de")


def test_without_a_folder_it_comes_from_the_hub(tmp_path, monkeypatch):
    asked = []

    def load_dataset(name, config, cache_dir, streaming):
        asked.append((name, config, cache_dir))
        rows = {"en": ["a dog ", "a cat"], "de": ["ein Hund", ""]}
        return datasets.DatasetDict(
            {name: datasets.Dataset.from_dict(rows) for name in ("train", "validation", "test")}
        )

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    corpus = make_multi30k(None, "de", "en", tmp_path)
    assert asked == [("bentrevett/multi30k", None, str(tmp_path / "hub"))]
    assert sizes_of(corpus) == {"train": 1, "valid": 1, "test": 1}
    assert corpus.splits["test"][0] == {"src": "ein Hund", "tgt": "a dog"}
    assert corpus.dropped["empty text"] == 3
    assert corpus.url == "https://huggingface.co/datasets/bentrevett/multi30k"


def test_an_unreachable_hub_says_how_to_use_a_folder(tmp_path, monkeypatch):
    def load_dataset(*_args, **_options):
        raise ConnectionError("Couldn't reach the hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    message = (
        r"cannot load bentrevett/multi30k .*Couldn't reach the hub.*`seq2see corpus multi30k --path FOLDER`"
    )
    with pytest.raises(InputError, match=message):
        make_multi30k(None, "de", "en", tmp_path)


def test_the_hub_has_english_and_german_only(tmp_path):
    message = (
        r"bentrevett/multi30k has no language 'fr', only de and en; others are in the files of .*--path$"
    )
    with pytest.raises(InputError, match=message):
        make_multi30k(None, "en", "fr", tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")
@pytest.mark.parametrize(("lang", "has_2017"), [("de", True), ("fr", True), ("cs", False)])
def test_the_real_folder_has_the_known_sizes(lang, has_2017):
    sizes = {"train": 29_000, "valid": 1_014, "test": 1_000} | (
        {"test_2017_flickr": 1_000} if has_2017 else {}
    )
    assert sizes_of(make_multi30k(SHARED, lang, "en")) == sizes
