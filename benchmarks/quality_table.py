"""Write the table of what the configs reach on Multi30k into README.md, from the results of quality.py.

python benchmarks/quality_table.py [--check]
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "quality"
NAMES = (
    "multi30k_bahdanau",
    "multi30k_scaled_dot",
    "multi30k_transformer",
    "multi30k_adamw",
    "multi30k_hybrid",
)
BEGIN, END = "<!-- quality table: begin -->", "<!-- quality table: end -->"

Result = dict[str, Any]  # what quality.py writes: JSON


def read_results(folder: Path = RESULTS) -> list[Result]:
    """Return the results that are there, in the order of NAMES."""
    paths = [folder / f"{name}.json" for name in NAMES]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def make_table(results: list[Result]) -> str:
    """Return the table and the notes that say how its figures came about, as Markdown.

    Scores of one name must have one signature, or they could not stand in one column: ValueError.
    """
    signatures = _signatures(results)
    header = ["config", "parameters", "cores", "minutes", *signatures]
    rows = [header, ["---", *["---:"] * (len(header) - 1)]]
    for result in results:
        summary, name = result["summary"], result["config"]
        values = {score["name"]: score["value"] for score in result["evaluation"]["scores"]}
        row = [
            f"[{name}](configs/{name}.yaml)",
            f"{summary['parameters'] / 1e6:.1f}M",
            f"{summary['threads'] * summary.get('processes', 1)}",
            f"{result['minutes']:.0f}",
        ]
        rows.append(row + [f"{values[score]:.1f}" if score in values else "" for score in signatures])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *_notes(results, signatures)])


def insert_table(page: str, table: str, markers: tuple[str, str] = (BEGIN, END)) -> str:
    """Return the page with the table between its markers; ValueError where they are not, in this order."""
    before, begin, rest = page.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not (begin and end):
        raise ValueError(f"the page has no place for the table: it needs the lines {' and '.join(markers)}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def _signatures(results: list[Result]) -> dict[str, str]:
    signatures: dict[str, str] = {}
    for result in results:
        for score in result["evaluation"]["scores"]:
            known = signatures.setdefault(score["name"], score["signature"])
            if known != score["signature"]:
                raise ValueError(
                    f"{result['config']} has {score['name']} with {score['signature']}, another one has "
                    f"{known}: evaluate both in the same way"
                )
    return signatures


def _notes(results: list[Result], signatures: dict[str, str]) -> list[str]:
    tests = {f"{_test_set(result)}, {_search(result)}" for result in results}
    machines = {_machine(result) for result in results}
    return [
        f"Multi30k, German to English, {' / '.join(sorted(tests))}, the weights that were best in "
        f"validation. Minutes: all of `seq2see train`, from start to end, on so many cores of "
        f"{' / '.join(sorted(machines))}. "
        "Raw results: `benchmarks/results/quality/`.",
        "",
        "Signatures: " + "; ".join(f"{name} `{signature}`" for name, signature in signatures.items()) + ".",
    ]


def _test_set(result: Result) -> str:
    return f"test2016 ({result['evaluation']['sentences']:,} sentences)"


def _search(result: Result) -> str:
    search = result["evaluation"]["search"]
    if search["beam_size"] == 1:
        return "greedy search"
    return f"beam {search['beam_size']}, length penalty {search['length_penalty']}"


def _machine(result: Result) -> str:
    machine = result["machine"]
    return f"{machine['cpu']} ({machine['cores']} cores), torch {machine['torch']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="only say (exit code 1) whether the page is stale"
    )
    options = parser.parse_args()
    results, readme = read_results(), ROOT / "README.md"
    if not results:
        print(f"no results in {RESULTS}: run benchmarks/quality.py first", file=sys.stderr)
        return 0 if options.check else 1
    page = readme.read_text(encoding="utf-8")
    fresh = insert_table(page, make_table(results))
    if options.check:
        if page != fresh:
            print("README.md: the quality table is stale: run benchmarks/quality_table.py", file=sys.stderr)
        return int(page != fresh)
    readme.write_text(fresh, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
