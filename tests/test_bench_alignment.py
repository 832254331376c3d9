"""The alignment benchmarks: text that is joined keeps its links, and the pages say what the results say."""

import gzip
import importlib
import json

import pytest

PAIRS = [("a b", "A B"), ("c", "C"), ("d e f", "D E"), ("g", "G H"), ("i", "I")]
LINKED = [[(0, 0), (1, 1)], [(0, 0)], [(2, 1)], [(0, 1)], []]


@pytest.fixture
def benchmark(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    return importlib.import_module("alignment")


@pytest.fixture
def variants(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
    return importlib.import_module("attention_variants")


def linked_words(pair, links):
    src, tgt = (text.split() for text in pair)
    return {(src[i], tgt[j]) for i, j in links}


def test_joined_pairs_link_the_same_words(benchmark):
    joined = benchmark.join(PAIRS, LINKED)
    assert 2 <= len(joined) < len(PAIRS)
    words = set().union(*(linked_words(pair, links) for pair, links in joined))
    assert words == set().union(*map(linked_words, PAIRS, LINKED))
    for side in (0, 1):
        together = sorted(" ".join(pair[side] for pair, _ in joined).split())
        assert together == sorted(" ".join(pair[side] for pair in PAIRS).split())


@pytest.mark.parametrize(("languages", "first"), [(("de", "en"), 0), (("en", "de"), 1)])
def test_tatoeba_is_read_the_way_round_that_is_asked_for(benchmark, tmp_path, languages, first):
    with gzip.open(tmp_path / "pairs.gz", "wt", encoding="utf-8") as text:
        text.write("It's OK.\tDas geht!\tfrom somebody\n")
    (pair,) = benchmark.read_tatoeba(tmp_path / "pairs.gz", languages)
    assert pair[first] == "das geht !"
    assert pair[1 - first] == "it ' s ok ."


def test_gold_is_counted_from_one_and_text_is_lower_case(benchmark, tmp_path):
    for name, text in (("de.gz", "Ein Hund\n"), ("en.gz", "A Dog\n"), ("de-en.talp.gz", "1-1 2p2\n")):
        with gzip.open(tmp_path / name, "wt", encoding="utf-8") as lines:
            lines.write(text)
    pairs, (gold,) = benchmark.read_test(tmp_path, ("de", "en"))
    assert pairs == [("ein hund", "a dog")]
    assert (gold.sure, gold.possible) == ({(0, 0)}, {(1, 1)})


def row(system, aer, *, named=False):
    rates = {"aer": aer, "precision": 0.5, "recall": 0.25}
    return {"system": system, "how": "union", "named": named, "development": rates, "test": rates}


def test_the_row_that_was_named_is_in_bold(benchmark):
    rows = [row("eflomal", 0.3), row("seq2see", 0.2, named=True)]
    training = {"seq2see": {"best_bleu": 34.98}, "seq2see, guided by itself": {"best_bleu": 35.64}}
    lines = benchmark.table([{"languages": ["de", "en"], "rows": rows, "training": training}]).splitlines()
    assert lines[0] == "**de-en**"
    assert lines[-1].endswith("one run each: seq2see 35.0; seq2see, guided by itself 35.6.")
    assert lines[-4:-2] == [
        "| eflomal | union | 30.0 | 50.0 | 25.0 | 30.0 |",
        "| seq2see | union | **20.0** | 50.0 | 25.0 | 20.0 |",
    ]


def test_the_pages_are_what_the_kept_results_give(benchmark, variants):
    page = benchmark.PAGE.read_text(encoding="utf-8")
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(benchmark.RESULTS.glob("*.json"))]
    assert kept
    assert benchmark.table(kept) in page
    assert variants.table(json.loads(variants.RESULTS.read_text(encoding="utf-8"))) in page
