"""Write the tables of docs/benchmarks.md from what train_speed.py, translate_speed.py and growth.py measured.

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
STARTING = RESULTS / "start.json"
PAGE = ROOT / "docs" / "benchmarks.md"

Results = dict[str, Any]  # what the two programs write: JSON
Row = dict[str, Any]

# Of a system: what people call it, and the distribution whose version is shown with it.
TRAINED = {
    "seq2see": ("**seq2see**", None),
    "eole": ("eole", "eole"),
    "joeynmt": ("JoeyNMT", "joeynmt"),
    "huggingface": ("Hugging Face MarianMTModel, plain loop", "transformers"),
}
TRANSLATED = {
    "seq2see": ("**seq2see**", None),
    "joeynmt": ("JoeyNMT", "joeynmt"),
    "huggingface": ("Hugging Face `generate`", "transformers"),
    "ctranslate2": ("CTranslate2 called directly", "ctranslate2"),
}


def training_tables(results: Results) -> str:
    """A table for each model, and the notes that say how the figures came about, as Markdown."""
    lines: list[str] = []
    for model in dict.fromkeys(row["model"] for row in results["rows"]):
        header = ["", "precision", "cores", "source+target tokens/s", "real tokens a step", "memory, GB"]
        rows = [row for row in results["rows"] if row["model"] == model]
        lines += [f"**{model.capitalize()}**", "", *_table(header, map(_training_row, rows)), ""]
    settings = results["settings"]
    return "\n".join(
        [
            *lines,
            f"{_corpus(results)}, one SentencePiece vocabulary of {settings['vocabulary']:,}, batches of "
            f"{settings['batch_tokens']:,} tokens; {_repeats(results)} of {settings['seconds']:g} s, after "
            f"{settings['warm_up_steps']} steps. {_machine(results)}",
        ]
    )


def translation_table(results: Results) -> str:
    """The table and its notes, as Markdown; scores counted in different ways are a ValueError."""
    signatures = {each["score"]["signature"] for row in results["rows"] for each in row["measurements"]}
    if len(signatures) > 1:
        raise ValueError(f"scores that were counted in different ways: {', '.join(sorted(signatures))}")
    columns = list(dict.fromkeys((row["batch"], row["beam"]) for row in results["rows"]))
    beams = sorted({beam for _, beam in columns})
    header = ["", "precision", *(f"{_search(beam)}, batch {batch}" for batch, beam in columns)]
    header += [f"BLEU, {_search(beam)}" for beam in beams] + ["memory, GB"]
    kinds = ("system", "engine", "precision", "malloc")
    groups: dict[tuple[str, ...], dict[tuple[int, int], Row]] = {}
    for row in results["rows"]:
        groups.setdefault(tuple(row[kind] for kind in kinds), {})[row["batch"], row["beam"]] = row
    rows = []
    for those in groups.values():
        first = next(iter(those.values()))
        scores = [
            next(
                (row["measurements"][0]["score"]["value"] for row in those.values() if row["beam"] == beam),
                None,
            )
            for beam in beams
        ]
        rows.append(
            [
                _label(first, TRANSLATED),
                first["precision"],
                *(_rates(those[column], "sentences") if column in those else "" for column in columns),
                *("" if value is None else f"{value:.1f}" for value in scores),
                _memory(each for row in those.values() for each in row["measurements"]),
            ]
        )
    settings = results["settings"]
    sentences = next(each["sentences"] for row in results["rows"] for each in row["measurements"])
    return "\n".join(
        [
            *_table(header, rows),
            "",
            f"Sentences/s, {_corpus(results)}, test2016 ({sentences:,} sentences), the weights of "
            f"`{settings['config']}`, length penalty {settings['length_penalty']}; {_repeats(results)}. "
            f"{_machine(results)} BLEU: `{signatures.pop()}`.",
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
            beyond = f"{middle(row, 'first_line_seconds') - middle(torch, 'seconds'):.2f}"
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


PARTS = (
    (TRAINING, training_tables, ("<!-- training speed: begin -->", "<!-- training speed: end -->")),
    (
        TRANSLATING,
        translation_table,
        ("<!-- translation speed: begin -->", "<!-- translation speed: end -->"),
    ),
    (STARTING, starting_table, ("<!-- start: begin -->", "<!-- start: end -->")),
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


def _training_row(row: Row) -> list[str]:
    steps = sum(each["steps"] for each in row["measurements"])
    return [
        _label(row, TRAINED),
        row["precision"],
        str(row["cores"]),
        _rates(row, "tokens"),
        f"{sum(each['tokens'] for each in row['measurements']) / steps:,.0f}",
        _memory(row["measurements"]),
    ]


def _label(row: Row, names: dict[str, tuple[str, str | None]]) -> str:
    name, package = names[row["system"]]
    parts = [name if package is None else f"{name} {row['measurements'][0]['versions'][package]}"]
    if row["system"] == "seq2see" and row.get("engine") == "ctranslate2":
        parts.append("engine CTranslate2")
    if row.get("batches"):
        parts.append(f"batches {row['batches']}")
    if row["malloc"] == "tuned":
        parts.append("with our malloc settings")
    return ", ".join(parts)


def _rates(row: Row, what: str) -> str:
    """The median of the measurements, with the slowest and the fastest."""
    rates = [each[what] / each["seconds"] for each in row["measurements"]]
    digits = 1 if median(rates) < 100 else 0
    shown = f"{median(rates):,.{digits}f}"
    return shown if len(rates) == 1 else f"{shown} ({min(rates):,.{digits}f} to {max(rates):,.{digits}f})"


def _memory(measurements: Iterable[dict[str, Any]]) -> str:
    return f"{max(each['peak_memory_mb'] for each in measurements) / 1024:.1f}"


def _search(beam: int) -> str:
    return "greedy" if beam == 1 else f"beam {beam}"


def _corpus(results: Results) -> str:
    corpus = results["corpus"]
    name = {"multi30k": "Multi30k"}.get(corpus["name"], corpus["name"])
    return f"{name} {corpus['src_lang']}→{corpus['tgt_lang']}"


def _repeats(results: Results) -> str:
    counts = sorted({len(row["measurements"]) for row in results["rows"]})
    return f"median, slowest and fastest of {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))}"


def _machine(results: Results) -> str:
    """The machine, and whether its cores were ours alone."""
    machine = results["machine"]
    shares = [
        each["cpu_seconds"] / each["seconds"]
        for row in results["rows"]
        if row.get("cores", 1) == 1
        for each in row["measurements"]
    ]
    return (
        f"{machine['cpu']} ({machine['cores']} cores; {', '.join(machine['features'])}), torch "
        f"{machine['torch']}, Python {machine['python']}. Processes on one core had between "
        f"{min(shares):.0%} and {max(shares):.0%} of its time."
    )


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
