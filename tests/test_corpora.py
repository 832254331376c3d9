import hashlib
import json

import pytest

from translate.corpora.corpus import (
    Corpus,
    check_unused,
    load_corpus,
    read_settings,
    to_dataset,
    write_corpus,
)
from translate.errors import InputError

PAIRS = {
    "train": [("a b", "x y"), ("c\u2028d", "z"), ("e\x0cf", "ü \x85"), ("g\ufeff", " h ")],
    "valid": [("i", "j")],
    "test": [("k", "l"), ("m", "")],
}


def small_corpus(**changes: object) -> Corpus:
    fields = {
        "name": "small",
        "src_lang": "en",
        "tgt_lang": "de",
        "splits": {name: to_dataset(pairs) for name, pairs in PAIRS.items()},
        "links": {"test": ["0-0", ""]},
        "licence": "CC0-1.0",
        "citation": "Müller 2020",
        "url": "https://example.org",
        "seed": 3,
        "dropped": {"empty text": 2},
    }
    return Corpus(**fields | changes)


def pairs_of(corpus: Corpus) -> dict[str, list[tuple[str, str]]]:
    return {name: list(zip(split["src"], split["tgt"], strict=True)) for name, split in corpus.splits.items()}


def test_a_dataset_has_the_columns_src_and_tgt():
    dataset = to_dataset(iter([("a", "b"), ("c", "d")]))
    assert dataset.column_names == ["src", "tgt"]
    assert dataset[1] == {"src": "c", "tgt": "d"}


def test_a_corpus_comes_back_as_it_was_written(tmp_path):
    corpus = small_corpus()
    write_corpus(corpus, tmp_path / "new" / "corpus", {"source": "files", "size": 3})
    loaded = load_corpus(tmp_path / "new" / "corpus")
    assert pairs_of(loaded) == PAIRS
    assert loaded._replace(splits={}) == corpus._replace(splits={})
    assert read_settings(tmp_path / "new" / "corpus") == {"source": "files", "size": 3}


def test_a_corpus_folder_is_plain_text(tmp_path):
    write_corpus(small_corpus(), tmp_path / "c")
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        *("corpus.json", "test.de", "test.en", "test.links"),
        *("train.de", "train.en", "valid.de", "valid.en"),
    ]
    assert (tmp_path / "c" / "train.en").read_bytes() == "a b\nc\u2028d\ne\x0cf\ng\ufeff\n".encode()
    assert (tmp_path / "c" / "test.links").read_bytes() == b"0-0\n\n"
    about = json.loads((tmp_path / "c" / "corpus.json").read_bytes())
    assert about["splits"] == {"train": 4, "valid": 1, "test": 2}
    assert about["citation"] == "Müller 2020"
    assert about["sha256"]["test.links"] == hashlib.sha256(b"0-0\n\n").hexdigest()


def test_further_test_splits_are_kept(tmp_path):
    splits = {name: to_dataset([("a", "b")]) for name in ("train", "valid", "test", "test_2017_flickr")}
    write_corpus(small_corpus(splits=splits, links={}), tmp_path / "c")
    assert list(load_corpus(tmp_path / "c").splits) == list(splits)


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "c").mkdir()
    write_corpus(small_corpus(), tmp_path / "c")
    assert pairs_of(load_corpus(tmp_path / "c")) == PAIRS


@pytest.mark.parametrize("is_file", [True, False])
def test_nothing_is_overwritten(tmp_path, is_file):
    taken = tmp_path / "c" if is_file else tmp_path / "c" / "mine"
    taken.parent.mkdir(exist_ok=True)
    taken.write_text("mine")
    message = r"c is not empty and is not overwritten: move it away, or choose another --out$"
    with pytest.raises(InputError, match=message):
        check_unused(tmp_path / "c")
    with pytest.raises(InputError, match=message):
        write_corpus(small_corpus(), tmp_path / "c")
    assert taken.read_text() == "mine"


def test_an_interrupted_write_leaves_nothing(tmp_path):
    class Interrupting(list):
        def __iter__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corpus(small_corpus(links={"test": Interrupting(["0-0"])}), tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none: no such folder; `seq2see corpus` makes one$"):
        load_corpus(tmp_path / "none")


def test_a_folder_without_corpus_json_is_no_corpus(tmp_path):
    with pytest.raises(
        InputError, match=r"holds no corpus\.json, so it is no corpus folder; `seq2see corpus files`"
    ):
        load_corpus(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "small"}', "\udc80"])
def test_a_damaged_corpus_json_is_refused(tmp_path, text):
    (tmp_path / "corpus.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"corpus\.json is damaged \(.+\): make the corpus again"):
        load_corpus(tmp_path)


def test_a_missing_part_is_named(tmp_path):
    write_corpus(small_corpus(), tmp_path / "c")
    (tmp_path / "c" / "valid.de").unlink()
    with pytest.raises(
        InputError, match=r"valid\.de is missing: make the corpus again with `seq2see corpus`$"
    ):
        load_corpus(tmp_path / "c")


def test_a_changed_part_is_refused(tmp_path):
    write_corpus(small_corpus(), tmp_path / "c")
    (tmp_path / "c" / "valid.de").write_text("changed\n")
    message = (
        r"valid\.de is not the file that corpus\.json lists \(its checksum differs\): make the corpus again"
    )
    with pytest.raises(InputError, match=message):
        load_corpus(tmp_path / "c")
