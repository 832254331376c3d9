import gzip
from pathlib import Path

import pytest

from translate.corpora.split import source_group
from translate.corpora.tatoeba import make_tatoeba
from translate.errors import InputError
from translate.text_files import read_lines

SHARED = Path(__file__).parents[2] / "shared" / "corpora" / "tatoeba" / "eng-deu.2018-05-13.tsv.gz"
WORDS = ["red", "green", "blue", "black", "white", "grey", "pink", "brown", "gold", "beige", "lilac", "cyan"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "eng-deu.tsv"
    path.write_text("".join(f"{word}.\tDE {word} {i}!\tCC-BY\n" for word in WORDS for i in range(2)))
    return path


def pairs_of(corpus, names=("train", "valid", "test")):
    return [pair for name in names for pair in zip(*corpus.splits[name][:].values(), strict=True)]


def test_the_first_two_columns_are_read_and_others_ignored(path):
    corpus = make_tatoeba(path, "en", "de")
    assert set(pairs_of(corpus)) <= {(f"{word}.", f"DE {word} {i}!") for word in WORDS for i in range(2)}
    assert len(corpus.splits["train"]) == 20


def test_english_is_the_target_when_asked_for(path):
    corpus = make_tatoeba(path, "de", "en")
    assert all(src.startswith("DE ") and tgt.endswith(".") for src, tgt in pairs_of(corpus))
    assert (corpus.src_lang, corpus.tgt_lang) == ("de", "en")


def test_other_languages_are_taken_in_the_order_of_the_columns(path):
    assert all(tgt.startswith("DE ") for _, tgt in pairs_of(make_tatoeba(path, "es", "de")))


def test_all_translations_of_a_source_are_in_one_part(path):
    corpus = make_tatoeba(path)
    held_out = {src for src, _ in pairs_of(corpus, ("valid", "test"))}
    assert held_out.isdisjoint(corpus.splits["train"]["src"])
    assert len(held_out) == 2
    assert corpus.dropped["further translation of a held-out source"] == 2


def test_a_held_out_source_keeps_a_random_translation(path):
    kept = {
        tgt[-2] for seed in range(9) for _, tgt in pairs_of(make_tatoeba(path, seed=seed), ("valid", "test"))
    }
    assert kept == {"0", "1"}


def test_repeated_and_empty_pairs_are_dropped_and_counted(path):
    path.write_text(path.read_text() + "red.\tDE red 0!\n\tleer\nempty\t \n")
    corpus = make_tatoeba(path)
    assert corpus.dropped["repeated pair"] == 1
    assert corpus.dropped["empty text"] == 2


def test_a_gz_file_gives_the_same_corpus(path):
    packed = path.with_suffix(".tsv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert pairs_of(make_tatoeba(packed)) == pairs_of(make_tatoeba(path))


def test_licence_and_attribution_are_stated(path):
    corpus = make_tatoeba(path)
    assert "CC BY 2.0" in corpus.licence
    assert "Tatoeba" in corpus.citation
    assert "manythings.org/anki" in corpus.citation


def test_a_line_without_a_tab_is_refused(path):
    path.write_text("Hi.\tHallo!\nno translation\n")
    message = r"eng-deu\.tsv: line 2 has no tab; a sentence, a tab and its translation are needed$"
    with pytest.raises(InputError, match=message):
        make_tatoeba(path)


def test_a_file_without_pairs_is_refused(path):
    path.write_text("")
    with pytest.raises(InputError, match=r"eng-deu\.tsv has no pairs of sentences: one a line is needed"):
        make_tatoeba(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.tsv: no such file$"):
        make_tatoeba(tmp_path / "none.tsv")


@pytest.mark.skipif(not SHARED.is_file(), reason=f"{SHARED} is not there")
def test_a_sample_of_the_real_file_is_split_without_a_group_in_two_parts(tmp_path):
    sample = read_lines(SHARED)[::50]
    (tmp_path / "sample.tsv").write_text("\n".join(sample), encoding="utf-8")
    corpus = make_tatoeba(tmp_path / "sample.tsv")
    assert len(sample) == 3397
    assert sum(len(split) for split in corpus.splits.values()) + corpus.dropped.total() == len(sample)
    train = {source_group(text) for text in corpus.splits["train"]["src"]}
    assert train.isdisjoint(source_group(text) for text in corpus.splits["test"]["src"])
