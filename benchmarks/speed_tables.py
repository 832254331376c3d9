"""Write the tables of docs/benchmarks.md from what the benchmarks beside this file measured.

python benchmarks/speed_tables.py [--check]
"""

import argparse
import json
import sys
from collections.abc import Iterable
from statistics import median
from typing import Any

from growth_table import GROWTH, growth_tables
from quality_table import ROOT, insert_table

RESULTS = ROOT / "benchmarks" / "results"
TRAINING, TRANSLATING = RESULTS / "train_speed.json", RESULTS / "translate_speed.json"
CORES = RESULTS / "train_cores.json"
STARTING = RESULTS / "start.json"
BUDGETS = RESULTS / "budget.json"
ALIGNING = RESULTS / "align_speed.json"
SERVING = RESULTS / "serve_load.json"
EQUAL = RESULTS / "export_equal.json"
PAGE = ROOT / "docs" / "benchmarks.md"

Results = dict[str, Any]  # what these programs write: JSON
Row = dict[str, Any]

FRONTIER = ("seq2see", "ctranslate2")  # systems
FEATURES = ("avx2", "avx512_f", "vnni", "bf16", "int8", "sve")  # ends of the names that are shown

# Of a system: what people call it, and the distribution whose version is shown with it.
TRAINED = {
    "seq2see": ("**seq2see**", None),
    "eole": ("eole", "eole"),
    "joeynmt": ("JoeyNMT", "joeynmt"),
    "huggingface": ("Hugging Face MarianMTModel, transformers", "transformers"),
}
TRANSLATED = {
    "seq2see": ("**seq2see**", None),
    "joeynmt": ("JoeyNMT", "joeynmt"),
    "huggingface": ("Hugging Face transformers", "transformers"),
    "ctranslate2": ("CTranslate2", "ctranslate2"),
}


def training_tables(results: Results) -> str:
    """A table for each model, and the notes that say how the figures came about, as Markdown."""
    lines: list[str] = []
    header = ["", "precision", "cores", "source+target tokens/s", "real tokens a step", "memory, GB"]
    for model, rows in _by_model(results):
        ours = next((row for row in rows if row["system"] == "seq2see" and row["cores"] == 1), None)
        table = [_training_row(row, ours) for row in rows]
        lines += [f"**{model.capitalize()}**", "", *_table(header, table), ""]
    settings = results["settings"]
    return "\n".join(
        [
            *lines,
            "In brackets: how many times as fast seq2see is on one core. "
            f"{_corpus(results)}, one SentencePiece vocabulary of {settings['vocabulary']:,}, batches of "
            f"{settings['batch_tokens']:,} tokens; {_repeats(results, 'tokens')}, each of "
            f"{settings['seconds']:g} s after {settings['warm_up_steps']} steps. {_machine(results)}",
        ]
    )


def translation_tables(results: Results) -> str:
    """A table for each model, and its notes; scores counted in different ways are a ValueError."""
    signatures = {each["score"]["signature"] for row in results["rows"] for each in row["measurements"]}
    if len(signatures) > 1:
        raise ValueError(f"scores that were counted in different ways: {', '.join(sorted(signatures))}")
    lines: list[str] = []
    for model, rows in _by_model(results):
        heading = "Other models, translated by seq2see alone" if model == "other" else model.capitalize()
        lines += [f"**{heading}**", "", *_translation_table(rows), ""]
    settings = results["settings"]
    configs = ", ".join(f"`{name}`" for name in settings["weights_sha256"])
    return "\n".join(
        [
            *lines,
            "Sentences/s; in brackets: how many times as fast seq2see is with the same engine and precision. "
            f"{_corpus(results)}, test2016, the weights of {configs}, length penalty "
            f"{settings['length_penalty']}; {_repeats(results, 'sentences')}. {_parts(results)}"
            f"{_machine(results)} BLEU: `{signatures.pop()}`.",
        ]
    )


def frontier_table(results: Results) -> str:
    """All models of seq2see with large batches, the fastest first, as Markdown: speed against BLEU.

    Beside them CTranslate2 itself.
    """
    batch = max(row["batch"] for row in results["rows"])
    rows = sorted(
        (row for row in results["rows"] if row["batch"] == batch and row["system"] in FRONTIER),
        key=lambda row: -median(_rates(row, "sentences")),
    )
    reference = {
        row["beam"]: median(_rates(row, "sentences"))
        for row in rows
        if (row["system"], row["precision"], row["malloc"]) == ("ctranslate2", "int8", "stock")
    }
    table = []
    for row in rows:
        rate = median(_rates(row, "sentences"))
        label = _label({**row, "model": "other"}, TRANSLATED)
        times = f"{rate / reference[row['beam']]:.2f}"
        bleu = f"{row['measurements'][0]['score']['value']:.1f}"
        table.append([label, row["precision"], _search(row["beam"]), f"{rate:,.0f}", times, bleu])
    header = ["", "precision", "search", "sentences/s", "beside CTranslate2 in int8", "BLEU"]
    signatures = {row["measurements"][0]["score"]["signature"] for row in rows}
    return "\n".join(
        [
            *_table(header, table),
            "",
            f"{_corpus(results)}, test2016, batches of {batch}, length penalty "
            f"{results['settings']['length_penalty']}; {_repeats({'rows': rows}, 'sentences')}. "
            f"{_machine({**results, 'rows': rows})} BLEU: `{' and '.join(sorted(signatures))}`.",
        ]
    )


def _translation_table(rows: list[Row]) -> list[str]:
    columns = list(dict.fromkeys((row["batch"], row["beam"]) for row in rows))
    beams = sorted({beam for _, beam in columns})
    header = ["", "precision", *(f"{_search(beam)}, batch {batch}" for batch, beam in columns)]
    header += [f"BLEU, {_search(beam)}" for beam in beams] + ["first line, s", "memory, GB"]
    kinds = ("config", "system", "engine", "precision", "malloc", "batches")
    groups: dict[tuple[str, ...], dict[tuple[int, int], Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[kind] for kind in kinds), {})[row["batch"], row["beam"]] = row
    table = []
    for (config, system, engine, precision, _, _), those in groups.items():
        ours = (
            groups.get((config, "seq2see", engine, precision, "own", ""), {}) if system != "seq2see" else {}
        )
        first = next(iter(those.values()))
        measurements = [each for row in those.values() for each in row["measurements"]]
        table.append(
            [
                _label(first, TRANSLATED),
                precision,
                *(_rate(those.get(column), "sentences", ours.get(column)) for column in columns),
                *(_bleu(those.values(), beam, rows) for beam in beams),
                f"{median(each['first_line_seconds'] for each in measurements):.1f}",
                _memory(measurements),
            ]
        )
    return _table(header, table)


def _bleu(rows: Iterable[Row], beam: int, all_rows: Iterable[Row]) -> str:
    """The score with the largest batches; if it is that of a part, seq2see's of the same lines beside it."""
    row = max((row for row in rows if row["beam"] == beam), key=lambda row: row["batch"], default=None)
    if row is None:
        return ""
    shown = f"{row['measurements'][0]['score']['value']:.1f}"
    if row["one_in"] == 1:
        return shown
    kind = {**{name: row[name] for name in ("engine", "precision", "beam", "batch")}, "system": "seq2see"}
    ours: Row = next((each["measurements"][0] for each in all_rows if kind.items() <= each.items()), {})
    return f"{shown} ({ours['part_score']['value']:.1f})" if "part_score" in ours else ""


def _parts(results: Results) -> str:
    """How many lines were translated: of most rows with each batch, and of the slow ones."""
    described: list[str] = []
    usual: dict[int, int] = {}
    for row in results["rows"]:  # seq2see's come first
        batch, sentences = row["batch"], row["measurements"][0]["sentences"]
        if usual.setdefault(batch, sentences) == sentences:
            described.append(f"{sentences:,} sentences with batch {batch}")
        else:
            name = TRANSLATED[row["system"]][0]
            described.append(f"{sentences:,} with {name}'s {row['model']} and batch {batch}")
    return f"{'; '.join(dict.fromkeys(described))}. BLEU in brackets: seq2see's of the same sentences. "


def budget_tables(results: Results) -> str:
    """What each budget comes to, and the validations on the way, as Markdown."""
    header = [
        "config",
        "cores",
        "budget, minutes",
        "used",
        "steps",
        "BLEU, test2016",
        "minutes: BLEU in validation",
    ]
    rows, signatures = [], set()
    for row in results["rows"]:
        bleu = row["evaluation"]["scores"][0]
        signatures.add(bleu["signature"])
        points = (f"{each['minutes']:.1f}: {each['bleu']:.1f}" for each in row["validations"])
        rows.append(
            [
                f"[{row['config']}](../configs/{row['config']}.yaml)",
                str(row["cores"]),
                f"{row['minutes']:g}",
                f"{row['wall_minutes']:.1f}",
                f"{row['summary']['steps']:,}",
                f"{bleu['value']:.1f}",
                ", ".join(points),
            ]
        )
    if len(signatures) > 1:
        raise ValueError(f"scores that were counted in different ways: {', '.join(sorted(signatures))}")
    precisions = sorted({row["summary"]["precision"] for row in results["rows"]})
    return "\n".join(
        [
            *_table(header, rows),
            "",
            f"Multi30k de→en, greedy, in {' or '.join(precisions)}. {_machine(results)} BLEU: "
            f"`{signatures.pop()}`.",
        ]
    )


def starting_table(results: Results) -> str:
    """How soon each command answers, as Markdown."""

    def middle(row: Row, name: str) -> float:
        return float(median(each[name] for each in row["measurements"]))

    torch = next(row for row in results["rows"] if row["what"] == "import torch")
    rows = []
    for row in results["rows"]:
        label = {
            "import torch": "`import torch` alone",
            "translate": f"`translate` {row.get('run')}, engine {row.get('engine')}",
            "help": " ".join(["`seq2see", *([row["verb"]] if row.get("verb") else []), "--help`"]),
        }[row["what"]]
        beyond = ""
        if row.get("engine") == "torch":
            beyond = f"{middle(row, 'first_line_seconds') - middle(torch, 'first_line_seconds'):.2f}"
        seconds = [middle(row, name) for name in ("first_line_seconds", "exit_seconds", "cpu_seconds")]
        rows.append([label, f"{seconds[0]:.2f}", beyond, f"{seconds[1]:.2f}", f"{seconds[2]:.2f}"])
    header = ["", "first line, s", "of it beyond `import torch`, s", "from there to the exit, s"]
    repeats = min(len(row["measurements"]) for row in results["rows"])
    return "\n".join(
        [
            *_table([*header, "processor time, s"], rows),
            "",
            f"Seconds from the start of a process, which translates one sentence or shows its help; medians "
            f"of {repeats}. {_machine(results)}",
        ]
    )


def aligning_table(results: Results) -> str:
    """How long aligning takes beside translating, as Markdown; in processor time."""
    rows = []
    for run in dict.fromkeys(row["run"] for row in results["rows"]):
        times = {
            row["what"]: [each["cpu_seconds"] for each in row["measurements"]]
            for row in results["rows"]
            if row["run"] == run
        }
        shares = [ours / theirs for ours, theirs in zip(times["align"], times["translate"], strict=True)]
        seconds = [f"{median(times[what]):.1f}" for what in ("align", "translate")]
        share = f"{median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"
        rows.append([run, *seconds, share])
    first = results["rows"][0]["measurements"]
    header = ["", "aligning, s", f"translating, {_search(results['settings']['beam'])}, s"]
    return "\n".join(
        [
            *_table([*header, "aligning / translating"], rows),
            "",
            f"Seconds of processor time on one core: {_corpus(results)}, {first[0]['sentences']:,} pairs of "
            f"test2016, engine torch in float32; medians of {len(first)}, and of the ratio the lowest and "
            f"highest. {_machine(results)}",
        ]
    )


def serving_table(results: Results) -> str:
    """A line for each number of clients and one for twice what the server can do, and notes, as Markdown."""
    over = results["overload"]
    rows = [(f"{row['clients']}", row) for row in results["load"]]
    rows.append((f"twice as much as it can, {over['seconds'] / 60:.0f} minutes", over))
    header = ["clients", "answers/s", "of them translated", "refused (429)", "p50, ms", "p95, ms", "p99, ms"]
    cells = [
        [
            name,
            f"{sum(row['answers'].values()) / row['seconds']:.1f}",
            f"{row['answers'].get('200', 0):,}",
            f"{row['answers'].get('429', 0):,}",
            *(f"{row[f'{percentile}_ms']:,.0f}" for percentile in ("p50", "p95", "p99")),
        ]
        for name, row in rows
    ]
    quarters = [over[f"memory_{which}_quarter_kib"] / 1024 for which in ("second", "last")]
    return "\n".join(
        [
            *_table(header, cells),
            "",
            f"One of {results['sentences']:,} sentences a request, the run's own search, engine "
            f"{results['settings']['engine']} on {results['settings']['threads']} thread; each number of "
            f"clients for {results['load'][0]['seconds']:.0f} s. Latencies are of translations. Anonymous "
            f"memory in the second quarter of the {over['seconds'] / 60:.0f} minutes and in the last: "
            f"{quarters[0]:.0f} and {quarters[1]:.0f} MiB. {_machine(results)}",
        ]
    )


def equal_table(results: Results) -> str:
    """How many translations of exports are torch's too, as Markdown."""
    names = {"onnx": "ONNX, docs/examples/translate_onnx.py", "ctranslate2": "CTranslate2, float32"}
    rows = [
        [row["run"], names[row["export"]], _search(row["beam_size"]), f"{row['equal']} of {row['lines']}"]
        for row in results["rows"]
    ]
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return "\n".join(
        [
            *_table(["", "export", "search", "equal translations"], rows),
            "",
            f"The first lines of {results['text']['name']}, beside engine torch in float32 with the same "
            f"search; {versions}. {_machine(results)}",
        ]
    )


PARTS = (
    (TRAINING, training_tables, ("<!-- training speed: begin -->", "<!-- training speed: end -->")),
    (BUDGETS, budget_tables, ("<!-- budgets: begin -->", "<!-- budgets: end -->")),
    (CORES, training_tables, ("<!-- cores: begin -->", "<!-- cores: end -->")),
    (
        TRANSLATING,
        translation_tables,
        ("<!-- translation speed: begin -->", "<!-- translation speed: end -->"),
    ),
    (TRANSLATING, frontier_table, ("<!-- frontier: begin -->", "<!-- frontier: end -->")),
    (ALIGNING, aligning_table, ("<!-- aligning: begin -->", "<!-- aligning: end -->")),
    (STARTING, starting_table, ("<!-- start: begin -->", "<!-- start: end -->")),
    (SERVING, serving_table, ("<!-- serving: begin -->", "<!-- serving: end -->")),
    (EQUAL, equal_table, ("<!-- equal: begin -->", "<!-- equal: end -->")),
    (GROWTH, growth_tables, ("<!-- growth: begin -->", "<!-- growth: end -->")),
)


def fill(page: str) -> str:
    """Return the page with a fresh table for each of the results that are there."""
    for path, table, markers in PARTS:
        if path.is_file():
            page = insert_table(page, table(json.loads(path.read_text(encoding="utf-8"))), markers)
    return page


def _table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(row)} |" for row in (header, ruler, *rows)]


def _training_row(row: Row, ours: Row | None) -> list[str]:
    steps = sum(each["steps"] for each in row["measurements"])
    return [
        _label(row, TRAINED),
        row["precision"],
        str(row["cores"]),
        _rate(row, "tokens", None if row["system"] == "seq2see" else ours),
        f"{sum(each['tokens'] for each in row['measurements']) / steps:,.0f}",
        _memory(row["measurements"]),
    ]


def _label(row: Row, names: dict[str, tuple[str, str | None]]) -> str:
    name, package = names[row["system"]]
    parts = [name if package is None else f"{name} {row['measurements'][0]['versions'][package]}"]
    if row["system"] == "huggingface":
        parts.append("`generate`" if "engine" in row else "plain loop")
    if row["system"] == "ctranslate2":
        parts.append("called directly")
    if row["model"] == "other":
        parts.append(row["config"])
    if row["system"] == "seq2see" and row.get("engine") == "ctranslate2":
        parts.append("engine CTranslate2")
    if row.get("batches"):
        parts.append(f"batches {row['batches']}")
    if row.get("trim") is False:
        parts.append("every target position scores the whole vocabulary")
    if row["malloc"] == "tuned":
        parts.append("with our malloc settings")
    return ", ".join(parts)


def _rates(row: Row, what: str) -> list[float]:
    return [each[what] / each["seconds"] for each in row["measurements"]]


def _rate(row: Row | None, what: str, ours: Row | None) -> str:
    """The median of the measurements and how many times as fast ours is."""
    if row is None:
        return ""
    rate = median(_rates(row, what))
    shown = f"{rate:,.{1 if rate < 100 else 0}f}"
    return shown if ours is None else f"{shown} ({median(_rates(ours, what)) / rate:.1f}×)"


def _memory(measurements: Iterable[dict[str, Any]]) -> str:
    return f"{max(each['peak_memory_mb'] for each in measurements) / 1024:.1f}"


def _by_model(results: Results) -> list[tuple[str, list[Row]]]:
    models = dict.fromkeys(row["model"] for row in results["rows"])
    return [(model, [row for row in results["rows"] if row["model"] == model]) for model in models]


def _search(beam: int) -> str:
    return "greedy" if beam == 1 else f"beam {beam}"


def _corpus(results: Results) -> str:
    corpus = results["corpus"]
    name = {"multi30k": "Multi30k"}.get(corpus["name"], corpus["name"])
    return f"{name} {corpus['src_lang']}→{corpus['tgt_lang']}"


def _repeats(results: Results, what: str) -> str:
    """How often, and how far apart the measurements of one row are."""
    counts = sorted({len(row["measurements"]) for row in results["rows"]})
    if counts == [1]:
        return "measured once"
    spread = max(max(_rates(row, what)) / min(_rates(row, what)) - 1 for row in results["rows"])
    return (
        f"medians of {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} measurements, of which "
        f"the fastest is at most {spread:.0%} above the slowest"
    )


def _machine(results: Results) -> str:
    """The machine, and whether its cores were ours alone, where that is known."""
    machine = results["machine"]
    shares = [
        each["cpu_seconds"] / each["seconds"]
        for row in results.get("rows", ())
        if row.get("cores", 1) == 1
        for each in row.get("measurements", ())
    ]
    features = ", ".join(name for name in machine["features"] if name.endswith(FEATURES))
    text = (
        f"{machine['cpu']} ({machine['cores']} cores; {features}), torch "
        f"{machine['torch']}, Python {machine['python']}."
    )
    if shares:
        text += f" Processes on one core had between {min(shares):.0%} and {max(shares):.0%} of its time."
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="only say (exit code 1) whether the page is stale"
    )
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    fresh = fill(page)
    if options.check:
        if page != fresh:
            print(f"{PAGE}: stale: run benchmarks/speed_tables.py", file=sys.stderr)
        return int(page != fresh)
    PAGE.write_text(fresh, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
