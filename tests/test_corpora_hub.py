import json
import logging
from pathlib import Path

import datasets
import pytest

from translate.corpora.formats import Wanted
from translate.corpora.hub import HubSource, load_splits, make_hub, stream_dataset
from translate.corpora.pairs import Sources, stream_pairs
from translate.errors import InputError, UsageError

WORDS = ["red", "green", "blue", "black", "white", "grey", "pink", "brown", "gold", "beige", "lilac", "cyan"]
FLAT = HubSource("someone/colours", "english", "german")


def offer(monkeypatch, splits, **info):
    """Stand in for the hub; splits: name -> columns."""
    made = {
        name: datasets.Dataset.from_dict(columns, info=datasets.DatasetInfo(**info))
        for name, columns in splits.items()
    }
    monkeypatch.setattr(datasets, "load_dataset", lambda *_args, **_options: datasets.DatasetDict(made))


def flat(words=WORDS):
    return {"english": words, "german": [word.upper() for word in words], "id": list(range(len(words)))}


def sizes_of(corpus):
    return {name: len(split) for name, split in corpus.splits.items()}


def test_columns_are_chosen_by_name(monkeypatch, tmp_path):
    offer(monkeypatch, {"train": flat(), "validation": flat(["x"]), "test": flat(["y", "z"])})
    corpus = make_hub(FLAT, "en", "de", tmp_path)
    assert sizes_of(corpus) == {"train": 12, "valid": 1, "test": 2}
    assert corpus.splits["test"][1] == {"src": "z", "tgt": "Z"}
    assert corpus.splits["train"].column_names == ["src", "tgt"]
    assert (corpus.name, corpus.src_lang, corpus.tgt_lang, corpus.seed) == (
        "someone/colours",
        "en",
        "de",
        None,
    )
    assert corpus.url == "https://huggingface.co/datasets/someone/colours"


def test_entries_of_a_translation_column_are_chosen_by_name(monkeypatch, tmp_path):
    rows = {"translation": [{"en": word, "de": word.upper()} for word in WORDS]}
    offer(monkeypatch, {"train": rows, "validation": rows, "test": rows})
    corpus = make_hub(HubSource("someone/colours", "de", "en"), "de", "en", tmp_path)
    assert corpus.splits["valid"][0] == {"src": "RED", "tgt": "red"}


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
def test_the_validation_split_may_have_any_usual_name(monkeypatch, tmp_path, name):
    offer(monkeypatch, {"train": flat(), name: flat(["x", "y", "z"])})
    assert sizes_of(make_hub(FLAT, "en", "de", tmp_path)) == {"train": 11, "valid": 3, "test": 1}


def test_parts_that_the_dataset_lacks_are_held_out(monkeypatch, tmp_path):
    offer(monkeypatch, {"train": flat()})
    corpus = make_hub(FLAT, "en", "de", tmp_path, seed=5)
    assert sizes_of(corpus) == {"train": 10, "valid": 1, "test": 1}
    assert corpus.seed == 5
    assert corpus.dropped["further translation of a held-out source"] == 0


def test_other_splits_are_left_aside_and_named(monkeypatch, tmp_path, caplog):
    offer(monkeypatch, {"train": flat(), "extra": flat(["x"])})
    with caplog.at_level(logging.INFO, "translate"):
        assert "extra" not in make_hub(FLAT, "en", "de", tmp_path).splits
    assert "someone/colours: split extra is not used" in caplog.text


def test_texts_are_put_on_one_line_and_empty_ones_dropped(monkeypatch, tmp_path):
    rows = {"english": ["a\nb", "", "c", None], "german": ["A\r\n B", "x", " ", "y"]}
    offer(monkeypatch, {"train": rows, "validation": flat(), "test": flat()})
    corpus = make_hub(FLAT, "en", "de", tmp_path)
    assert corpus.splits["train"][:] == {"src": ["a b"], "tgt": ["A B"]}
    assert corpus.dropped["empty text"] == 3


def test_licence_and_citation_are_those_of_the_dataset(monkeypatch, tmp_path):
    offer(monkeypatch, {"train": flat()}, license="CC0-1.0", citation="@misc{\n  x}")
    corpus = make_hub(FLAT, "en", "de", tmp_path)
    assert (corpus.licence, corpus.citation) == ("CC0-1.0", "@misc{ x}")


def test_without_them_its_page_is_named(monkeypatch, tmp_path):
    offer(monkeypatch, {"train": flat()})
    corpus = make_hub(FLAT, "en", "de", tmp_path)
    assert corpus.licence == corpus.citation == "not stated: see the dataset's page"


def test_a_missing_column_is_named_with_those_there_are(monkeypatch, tmp_path):
    offer(monkeypatch, {"train": flat()})
    message = (
        r"^someone/colours, split train has no column 'french'; it has 'english', 'german', 'id': "
        "choose with --src-column and --tgt-column$"
    )
    with pytest.raises(InputError, match=message):
        make_hub(FLAT._replace(tgt_column="french"), "en", "fr", tmp_path)


def test_a_missing_entry_of_translation_is_named(monkeypatch, tmp_path):
    offer(monkeypatch, {"train": {"translation": [{"en": "a", "de": "b"}]}})
    with pytest.raises(InputError, match="split train has no column 'fr'; it has 'en', 'de': choose"):
        make_hub(HubSource("someone/colours", "fr", "en"), "fr", "en", tmp_path)


def test_a_column_of_numbers_is_refused(monkeypatch, tmp_path):
    offer(monkeypatch, {"train": flat()})
    with pytest.raises(InputError, match=r"split train: column 'id' holds int, text is needed$"):
        make_hub(FLAT._replace(tgt_column="id"), "en", "de", tmp_path)


def test_a_dataset_without_train_is_refused(monkeypatch, tmp_path):
    offer(monkeypatch, {"test": flat(), "extra": flat()})
    with pytest.raises(InputError, match=r"^someone/colours has no split train, only test, extra$"):
        make_hub(FLAT, "en", "de", tmp_path)


def test_a_split_without_text_is_refused(monkeypatch, tmp_path):
    offer(monkeypatch, {"train": {"english": [""], "german": ["x"]}})
    with pytest.raises(InputError, match=r"split train has no pairs with text on both sides$"):
        make_hub(FLAT, "en", "de", tmp_path)


@pytest.mark.parametrize(
    "error", [ConnectionError("no way\nthere"), ValueError("no way"), RuntimeError("no way")]
)
def test_an_unreachable_hub_says_how_to_use_local_files(monkeypatch, tmp_path, error):
    def load_dataset(*_args, **_options):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    message = (
        "^cannot load someone/colours from the Hugging Face hub: no way. Local files do as well: "
        "`seq2see corpus files --src FILE --tgt FILE`, `seq2see corpus tatoeba --path FILE`, "
        "`seq2see corpus multi30k --path FOLDER`, or --dataset with a downloaded dataset's folder$"
    )
    with pytest.raises(InputError, match=message):
        make_hub(FLAT, "en", "de", tmp_path)


def test_an_error_without_words_is_named_by_its_kind(monkeypatch, tmp_path):
    def load_dataset(*_args, **_options):
        raise TimeoutError

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError, match=r"hub: TimeoutError. Local files"):
        load_splits("x", None, tmp_path)


def test_a_folder_with_a_downloaded_dataset_is_read(tmp_path):
    folder = tmp_path / "colours"
    folder.mkdir()
    for name, words in (("train", WORDS), ("validation", ["x"]), ("test", ["y"])):
        lines = [json.dumps({"english": word, "german": word.upper()}) for word in words]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    corpus = make_hub(HubSource(str(folder), "english", "german"), "en", "de", tmp_path / "data")
    assert sizes_of(corpus) == {"train": 12, "valid": 1, "test": 1}
    assert corpus.url == str(folder)
    assert Path(tmp_path, "data", "hub").is_dir()


@pytest.fixture
def local(tmp_path):
    """A downloaded dataset in a folder, and what it is called as a source."""
    folder = tmp_path / "colours"
    folder.mkdir()
    for name, words in (("train", WORDS), ("validation", ["x"])):
        lines = [json.dumps({"translation": {"en": word, "de": word.upper()}}) for word in words]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    return str(folder)


def test_a_dataset_is_a_source_of_pairs_that_is_streamed(local):
    pairs = list(stream_pairs(Sources([f"hub:{local}"], Wanted("en", "de"))))
    assert pairs == [(word, word.upper()) for word in WORDS]
    valid = Sources([f"hub:{local}?split=validation"], Wanted(None, None, "translation.en", "translation.de"))
    assert list(stream_pairs(valid)) == [("x", "X")]


def test_a_streamed_dataset_becomes_a_corpus(local, tmp_path):
    corpus = make_hub(HubSource(local, "en", "de", streaming=True), "en", "de", tmp_path / "data")
    assert sizes_of(corpus) == {"train": 11, "valid": 1, "test": 1}


@pytest.mark.parametrize("address", ["", "x?part=1", "?split=train"])
def test_an_address_that_names_no_dataset_is_refused(address):
    with pytest.raises(UsageError, match=r"^hub:.* is no dataset: needed is hub:NAME, or hub:NAME\?config="):
        next(stream_dataset(address, Wanted("en", "de")))


def test_a_split_that_is_not_there_is_named(local):
    with pytest.raises(InputError, match=r"colours has no split dev, only train, validation$"):
        next(stream_dataset(f"{local}?split=dev", Wanted("en", "de")))


def test_a_stream_that_breaks_off_says_so(local):
    Path(local, "train.jsonl").write_text('{"translation": {"en": "a", "de": "b"}}\n{"translation": ')
    with pytest.raises(InputError, match=r"colours breaks off: "):
        list(stream_dataset(local, Wanted("en", "de")))
