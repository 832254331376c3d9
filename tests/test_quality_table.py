import copy
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def quality_table():
    spec = importlib.util.spec_from_file_location("quality_table", ROOT / "benchmarks/quality_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RESULT = {
    "config": "multi30k_bahdanau",
    "minutes": 19.6,
    "machine": {"cpu": "Some CPU", "cores": 4, "torch": "2.12.0"},
    "summary": {"parameters": 3_640_000, "threads": 1},
    "evaluation": {
        "sentences": 1000,
        "search": {"beam_size": 5, "length_penalty": 1.0},
        "scores": [
            {"name": "BLEU", "value": 38.549, "signature": "tok:13a"},
            {"name": "chrF2", "value": 61.96, "signature": "nc:6"},
        ],
    },
}


def test_the_table_has_a_row_for_each_result_and_its_notes(quality_table):
    other = copy.deepcopy(RESULT) | {"config": "multi30k_transformer", "minutes": 31.2}
    other["summary"] |= {"threads": 2, "processes": 3}

    assert quality_table.make_table([RESULT, other]).splitlines() == [
        "| config | parameters | cores | minutes | BLEU | chrF2 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| [multi30k_bahdanau](configs/multi30k_bahdanau.yaml) | 3.6M | 1 | 20 | 38.5 | 62.0 |",
        "| [multi30k_transformer](configs/multi30k_transformer.yaml) | 3.6M | 6 | 31 | 38.5 | 62.0 |",
        "",
        "Multi30k, German to English, test2016 (1,000 sentences), beam 5, length penalty 1.0, the weights "
        "that were best in validation. Minutes: all of `seq2see train`, from start to end, on so many cores "
        "of Some CPU (4 cores), torch 2.12.0. Raw results: `benchmarks/results/quality/`.",
        "",
        "Signatures: BLEU `tok:13a`; chrF2 `nc:6`.",
    ]


def test_scores_that_were_counted_differently_do_not_share_a_column(quality_table):
    other = copy.deepcopy(RESULT) | {"config": "multi30k_hybrid"}
    other["evaluation"]["scores"][0]["signature"] = "tok:none"

    with pytest.raises(ValueError, match=r"multi30k_hybrid has BLEU with tok:none, another one has tok:13a"):
        quality_table.make_table([RESULT, other])


def test_the_table_replaces_what_is_between_the_markers_and_nothing_else(quality_table):
    begin, end = quality_table.BEGIN, quality_table.END

    page = quality_table.insert_table(f"# Before\n{begin}\nold\n{end}\nafter\n", "| new |")

    assert page == f"# Before\n{begin}\n| new |\n{end}\nafter\n"
    assert quality_table.insert_table(page, "| new |") == page


def test_a_page_without_markers_is_refused(quality_table):
    with pytest.raises(
        ValueError, match=r"no place for the table: it needs the lines <!-- quality table: begin"
    ):
        quality_table.insert_table(f"only {quality_table.END}", "| new |")


def test_the_table_in_the_readme_is_what_the_kept_results_give(quality_table):
    results = quality_table.read_results()
    if not results:
        pytest.skip("no results yet")
    page = (ROOT / "README.md").read_text(encoding="utf-8")

    fresh = quality_table.insert_table(page, quality_table.make_table(results))

    assert page == fresh, "the table is stale: run benchmarks/quality_table.py"
