import copy
import importlib

import pytest


@pytest.fixture(scope="module")
def speed_tables(pytestconfig):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(pytestconfig.rootpath / "benchmarks")
        return importlib.import_module("speed_tables")


MACHINE = {"cpu": "Some CPU", "cores": 2, "features": ["avx2"], "torch": "2.13.0", "python": "3.12.1"}
CORPUS = {"name": "multi30k", "src_lang": "de", "tgt_lang": "en"}


def measured(tokens, seconds, **others):
    return {
        "tokens": tokens,
        "steps": 10,
        "seconds": seconds,
        "cpu_seconds": 0.5 * seconds,
        "peak_memory_mb": 1536,
        "versions": {"eole": "0.6.4"},
        **others,
    }


def training_row(system, precision, cores, malloc, *measurements):
    kind = {"model": "transformer", "system": system, "precision": precision, "cores": cores}
    return {**kind, "batches": "", "malloc": malloc, "measurements": list(measurements)}


TRAINING = {
    "machine": MACHINE,
    "corpus": CORPUS,
    "settings": {"vocabulary": 8000, "batch_tokens": 4096, "warm_up_steps": 5, "seconds": 12.0},
    "rows": [
        training_row(
            *("seq2see", "bf16", 1, "own"),
            *(measured(38_000, 10.0), measured(40_000, 10.0), measured(41_000, 10.0)),
        ),
        training_row("seq2see", "bf16", 2, "own", measured(70_000, 10.0)),
        training_row("eole", "float32", 1, "tuned", measured(20_000, 10.0, cpu_seconds=9.9)),
    ],
}


def test_the_training_table_has_the_median_of_each_row_and_compares_peers_with_one_core(speed_tables):
    lines = speed_tables.training_tables(TRAINING).splitlines()

    assert lines[:7] == [
        "**Transformer**",
        "",
        "|  | precision | cores | source+target tokens/s | real tokens a step | memory, GB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| **seq2see** | bf16 | 1 | 4,000 | 3,967 | 1.5 |",
        "| **seq2see** | bf16 | 2 | 7,000 | 7,000 | 1.5 |",
        "| eole 0.6.4, with our malloc settings | float32 | 1 | 2,000 (2.0×) | 2,000 | 1.5 |",
    ]


def test_the_notes_say_how_it_was_measured_and_that_the_core_was_shared(speed_tables):
    notes = speed_tables.training_tables(TRAINING).splitlines()[-1]

    assert notes == (
        "In brackets: how many times as fast seq2see is on one core. Multi30k de→en, one SentencePiece "
        "vocabulary of 8,000, batches of 4,096 tokens; medians of 1 to 3 measurements, of which the fastest "
        "is at most 8% above the slowest, each of 12 s after 5 steps. Some CPU (2 cores; avx2), torch "
        "2.13.0, Python 3.12.1. Processes on one core had between 50% and 99% of its time."
    )


def translated(system, beam, batch, seconds, bleu, one_in=1):
    score = {"name": "BLEU", "value": bleu, "signature": "tok:13a"}
    measurement = {
        "sentences": 1000 // one_in,
        "seconds": seconds,
        "cpu_seconds": seconds,
        "first_line_seconds": 2.5,
        "peak_memory_mb": 512,
        "versions": {"joeynmt": "2.3.0"},
        "score": score,
        "part_score": {**score, "value": bleu + 1},
    }
    kind = {"model": "transformer", "config": "multi30k_transformer", "system": system, "engine": "torch"}
    return {
        **{**kind, "precision": "float32", "malloc": "own", "batches": "", "beam": beam, "batch": batch},
        **{"one_in": one_in, "measurements": [measurement]},
    }


TRANSLATING = {
    "machine": MACHINE,
    "corpus": CORPUS,
    "settings": {"weights_sha256": {"multi30k_transformer": "abc"}, "length_penalty": 1.0},
    "rows": [
        translated("seq2see", 1, 64, 2.0, 39.84),
        translated("seq2see", 5, 64, 10.0, 41.12),
        translated("joeynmt", 1, 64, 50.0, 39.8),
        translated("joeynmt", 5, 64, 25.0, 42.1, one_in=4),
    ],
}


def test_the_translation_table_has_a_line_for_each_system_and_a_column_for_each_search(speed_tables):
    lines = speed_tables.translation_tables(TRANSLATING).splitlines()

    assert lines[:2] == ["**Transformer**", ""]
    assert lines[2] == (
        "|  | precision | greedy, batch 64 | beam 5, batch 64 | BLEU, greedy | BLEU, beam 5 | first line, "
        "s | memory, GB |"
    )
    assert lines[4] == "| **seq2see** | float32 | 500 | 100 | 39.8 | 41.1 | 2.5 | 0.5 |"
    assert "measured once" in lines[-1]
    assert lines[-1].endswith("BLEU: `tok:13a`.")


def test_a_score_of_a_part_of_the_test_set_stands_beside_that_of_seq2see(speed_tables):
    lines = speed_tables.translation_tables(TRANSLATING).splitlines()

    assert (
        lines[5]
        == "| JoeyNMT 2.3.0 | float32 | 20.0 (25.0×) | 10.0 (10.0×) | 39.8 | 42.1 (42.1) | 2.5 | 0.5 |"
    )
    assert "1,000 sentences with batch 64; 250 with JoeyNMT's transformer and batch 64." in lines[-1]


def test_the_frontier_has_the_fastest_first_and_beside_ctranslate2_with_the_same_search(speed_tables):
    def int8(config, *of):
        return {**translated(*of), "config": config, "precision": "int8", "engine": "ctranslate2"}

    rows = [
        translated("seq2see", 1, 64, 4.0, 39.84),
        translated("seq2see", 1, 1, 0.1, 39.84),
        translated("joeynmt", 1, 64, 1.0, 39.84),
        {**int8("four", "ctranslate2", 1, 64, 2.0, 39.8), "malloc": "stock"},
        {**int8("four", "ctranslate2", 5, 64, 8.0, 41.1), "malloc": "stock"},
        {**int8("deep", "seq2see", 5, 64, 5.0, 41.0), "model": "other"},
    ]
    for row in rows:
        row["measurements"][0]["versions"]["ctranslate2"] = "4.8.5"
    lines = speed_tables.frontier_table({**TRANSLATING, "rows": rows}).splitlines()

    assert lines[2:6] == [
        "| CTranslate2 4.8.5, called directly, four | int8 | greedy | 500 | 1.00 | 39.8 |",
        "| **seq2see**, multi30k_transformer | float32 | greedy | 250 | 0.50 | 39.8 |",
        "| **seq2see**, deep, engine CTranslate2 | int8 | beam 5 | 200 | 1.60 | 41.0 |",
        "| CTranslate2 4.8.5, called directly, four | int8 | beam 5 | 125 | 1.00 | 41.1 |",
    ]
    assert "batches of 64" in lines[-1]


BUDGETS = {
    "machine": MACHINE,
    "rows": [
        {
            **{"config": "multi30k_transformer", "minutes": 10.0, "cores": 2, "wall_minutes": 9.62},
            "summary": {"steps": 1234, "precision": "bf16"},
            "validations": [{"minutes": 4.21, "bleu": 30.04}, {"minutes": 9.5, "bleu": 38.06}],
            "evaluation": {"scores": [{"name": "BLEU", "value": 38.25, "signature": "tok:13a"}]},
        }
    ],
}


def test_the_budget_table_has_the_score_of_the_test_set_and_the_validations_before(speed_tables):
    lines = speed_tables.budget_tables(BUDGETS).splitlines()

    assert lines[2] == (
        "| [multi30k_transformer](../configs/multi30k_transformer.yaml) | 2 | 10 | 9.6 | 1,234 | 38.2 | "
        "4.2: 30.0, 9.5: 38.1 |"
    )
    assert lines[-1] == (
        "Multi30k de→en, greedy, in bf16. Some CPU (2 cores; avx2), torch 2.13.0, Python 3.12.1. "
        "BLEU: `tok:13a`."
    )


def test_budgets_that_were_scored_differently_do_not_share_a_table(speed_tables):
    other = copy.deepcopy(BUDGETS["rows"][0])
    other["evaluation"]["scores"][0]["signature"] = "tok:none"

    with pytest.raises(ValueError, match=r"counted in different ways: tok:13a, tok:none"):
        speed_tables.budget_tables({**BUDGETS, "rows": [*BUDGETS["rows"], other]})


def test_models_that_seq2see_alone_translates_with_are_in_a_table_by_name(speed_tables):
    other = {**translated("seq2see", 1, 64, 1.0, 40.0), "model": "other", "config": "multi30k_deep"}

    text = speed_tables.translation_tables({**TRANSLATING, "rows": [*TRANSLATING["rows"], other]})

    _, table = text.split("**Other models, translated by seq2see alone**\n\n")
    assert table.splitlines()[2] == "| **seq2see**, multi30k_deep | float32 | 1,000 | 40.0 | 2.5 | 0.5 |"


def test_translations_that_were_scored_differently_do_not_share_a_table(speed_tables):
    other = copy.deepcopy(TRANSLATING)
    other["rows"][2]["measurements"][0]["score"]["signature"] = "tok:none"

    with pytest.raises(ValueError, match=r"counted in different ways: tok:13a, tok:none"):
        speed_tables.translation_tables(other)


def test_the_table_of_starts_has_medians_and_what_is_beyond_importing_torch(speed_tables):
    def started(first, **what):
        times = {"exit_seconds": 0.2, "seconds": first + 0.2, "cpu_seconds": first}
        measurements = [{**times, "first_line_seconds": first + more} for more in (0.0, 0.5, 0.1)]
        return {**what, "measurements": measurements}

    rows = [
        started(1.0, what="import torch"),
        started(1.5, what="translate", run="some_run", engine="torch"),
        started(0.4, what="translate", run="some_run", engine="ctranslate2"),
        started(0.1, what="help", verb=""),
        started(0.2, what="help", verb="train"),
    ]
    lines = speed_tables.starting_table({"machine": MACHINE, "rows": rows}).splitlines()

    assert lines[2:7] == [
        "| `import torch` alone | 1.10 |  | 0.20 | 1.00 |",
        "| `translate` some_run, engine torch | 1.60 | 0.50 | 0.20 | 1.50 |",
        "| `translate` some_run, engine ctranslate2 | 0.50 |  | 0.20 | 0.40 |",
        "| `seq2see --help` | 0.20 |  | 0.20 | 0.10 |",
        "| `seq2see train --help` | 0.30 |  | 0.20 | 0.20 |",
    ]
    assert "medians of 3" in lines[-1]


def test_the_table_of_alignment_has_medians_and_their_ratio(speed_tables):
    def timed(what, *seconds):
        measurements = [{"sentences": 1000, "seconds": 9.0, "cpu_seconds": each} for each in seconds]
        return {"run": "some_run", "what": what, "measurements": measurements}

    results = {
        "machine": MACHINE,
        "corpus": CORPUS,
        "settings": {"beam": 5},
        "rows": [timed("align", 2.0, 9.0, 3.0), timed("translate", 10.0, 12.0, 10.0)],
    }
    lines = speed_tables.aligning_table(results).splitlines()

    assert lines[0] == "|  | aligning, s | translating, beam 5, s | aligning / translating |"
    assert lines[2] == "| some_run | 3.0 | 10.0 | 0.30 (0.20 to 0.75) |"
    assert "Multi30k de→en, 1,000 pairs of test2016, engine torch in float32; medians of 3" in lines[-1]


def test_the_table_of_exports_counts_equal_translations(speed_tables):
    def counted(export, beam_size, equal):
        return {"run": "some_run", "export": export, "beam_size": beam_size, "lines": 40, "equal": equal}

    results = {
        "machine": MACHINE,
        "versions": {"onnxruntime": "1.2"},
        "text": {"name": "some_corpus/valid.de"},
        "rows": [counted("onnx", 1, 40), counted("ctranslate2", 5, 38)],
    }
    lines = speed_tables.equal_table(results).splitlines()

    assert lines[2:4] == [
        "| some_run | ONNX, docs/examples/translate_onnx.py | greedy | 40 of 40 |",
        "| some_run | CTranslate2, float32 | beam 5 | 38 of 40 |",
    ]
    assert lines[-1].startswith("The first lines of some_corpus/valid.de, beside engine torch in float32")
    assert "; onnxruntime 1.2. Some CPU" in lines[-1]


def test_the_serving_table_has_a_line_for_each_number_of_clients_and_one_for_too_much(speed_tables):
    latencies = {"p50_ms": 1234.5, "p95_ms": 2000.0, "p99_ms": 3000.0}
    results = {
        "machine": TRAINING["machine"],
        "settings": {"threads": 1, "engine": "torch"},
        "sentences": 1000,
        "load": [{"clients": 8, "seconds": 30.0, "answers": {"200": 900}, **latencies}],
        "overload": {
            "seconds": 600.0,
            "answers": {"200": 9000, "429": 12000},
            "memory_second_quarter_kib": 2048,
            "memory_last_quarter_kib": 4096,
            **latencies,
        },
    }
    lines = speed_tables.serving_table(results).splitlines()

    assert lines[2:4] == [
        "| 8 | 30.0 | 900 | 0 | 1,234 | 2,000 | 3,000 |",
        "| twice as much as it can, 10 minutes | 35.0 | 9,000 | 12,000 | 1,234 | 2,000 | 3,000 |",
    ]
    assert "minutes and in the last: 2 and 4 MiB." in lines[-1]


def test_the_page_is_what_the_kept_results_give(speed_tables):
    page = speed_tables.PAGE.read_text(encoding="utf-8")

    assert speed_tables.fill(page) == page, "a table is stale: run benchmarks/speed_tables.py"


def test_the_page_has_a_place_for_every_table(speed_tables):
    page = speed_tables.PAGE.read_text(encoding="utf-8")

    for _, _, markers in speed_tables.PARTS:
        assert page.count(markers[0]) == page.count(markers[1]) == 1


def grown(pairs, seconds, kib, *, source="text", cores=1, words=0, model="transformer", preparing=3.0):
    return {
        "model": model,
        "cores": cores,
        "words": words,
        "pairs": pairs,
        "from": source,
        "measurements": [
            {
                "tokens": 10_000,
                "steps": 4,
                "seconds": each,
                "cpu_seconds": each,
                "preparing_seconds": preparing,
                "preparing_cpu_seconds": preparing / 2,
                "planning_cpu_seconds": each / 10,
                "first_step_cpu_seconds": each * 10,
                "limit_kib": 2 * kib,
                "peak_preparing_kib": kib // 2,
                "peak_running_kib": kib,
                "steady_kib": kib - 1024,
            }
            for each in seconds
        ],
    }


GROWTH = {
    "machine": MACHINE,
    "settings": {
        "batch_tokens": 4096,
        "vocabulary": 8000,
        "precision": "bf16",
        "seconds": 12.0,
        "warm_up_steps": 5,
    },
    "rows": [
        grown(30_000, [2.0], 512_000),
        grown(3_000_000, [2.0], 512_000 + 29_700, preparing=200.0),
        grown(30_000, [2.0], 512_000, source="cache", preparing=1.0),
        grown(30_000, [2.0, 4.0, 5.0], 400_000, source="ids"),
        grown(3_000_000, [5.0], 400_000, source="ids"),
        grown(3_000_000, [5.0], 300_000, source="text, limited"),
        grown(3_000_000, [2.5], 800_000, source="ids", cores=2),
        grown(8_000, [4.0], 300_000, words=50, model="recurrent"),
    ],
}


def test_the_growth_tables_say_what_a_pair_costs(speed_tables):
    lines = speed_tables.growth_tables(GROWTH).splitlines()

    assert lines[2:4] == [
        "| 30,000 | 3 | 1.5 | 0.5 | 250 | 500 | 499 | 0.4 | 40.0 | 2,500 (2,000 to 5,000) |  |  |",
        "| 3,000,000 | 200 | 100.0 |  | 265 | 529 | 528 | 0.5 | 50.0 | 2,000 | 4,000 | 780 |",
    ]
    assert lines[5] == (
        "From 30,000 to 3,000,000 pairs the highest peak grows by 10.2 bytes a pair, the steady state by "
        "10.2; the speed changes by -20.0%. 3,000,000 pairs were also trained on from text in a cgroup of "
        "586 MB."
    )
    assert lines[9] == "| recurrent | 50 | 2,500 | 2,500 | 293 |"
