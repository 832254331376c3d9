"""Write what each idea of experiments.yaml buys, and what fine-tuning does, into docs/recipe.md.

From the results of experiments.py and finetune.py:

python benchmarks/experiments_table.py [--check]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from experiments import EXPERIMENTS, RESULTS, read_runs
from quality_table import ROOT, insert_table

PAGE, MARKERS = ROOT / "docs" / "recipe.md", ("<!-- experiments: begin -->", "<!-- experiments: end -->")
FINETUNED = ROOT / "benchmarks" / "results" / "finetune.json"
FINETUNING = ("<!-- fine-tuning: begin -->", "<!-- fine-tuning: end -->")
BLEU, TOKENIZED = "BLEU", "BLEU (lowercased, Moses-tokenised)"

Result = dict[str, Any]  # what experiments.py writes: JSON


def read_results(root: Path = ROOT) -> dict[str, list[Result]]:
    """Return the results that are there, in the order of the list, those of one run's seeds together."""
    results: dict[str, list[Result]] = {}
    for run in read_runs(root / EXPERIMENTS):
        path = root / RESULTS / f"{run.label}.json"
        if path.is_file():
            results.setdefault(run.name, []).append(json.loads(path.read_text(encoding="utf-8")))
    return results


def table(results: dict[str, list[Result]]) -> str:
    """Return the tables and the notes that say how their figures came about, as Markdown.

    One table for each run that is like no other, with those that are like it.
    """
    first: dict[str, str] = {}  # of each run, the one that it comes from
    families: dict[str, list[str]] = {}
    for name, seeds in results.items():
        like: str | None = seeds[0]["like"]
        first[name] = name if like is None else first.get(like, like)
        families.setdefault(first[name], []).append(name)
    parts = []
    for family, names in families.items():
        about = results[names[0]][0]
        corpus = about["corpus_is"]
        parts += [
            f"**{family}**: {corpus['name']}, {corpus['src_lang']} to {corpus['tgt_lang']}, "
            f"{corpus['splits']['train']:,} pairs, {_origin(about['config'])}",
            "",
            *_rows([results[name] for name in names]),
            "",
        ]
    return "\n".join([*parts, *_notes(results)])


def _origin(config: str | None) -> str:
    return "the recipe of its size" if config is None else f"[{config}](../{config})"


def _rows(runs: Sequence[list[Result]]) -> list[str]:
    tests = [
        part for part in ("test", "test_2017_flickr") if any(part in run[0]["evaluations"] for run in runs)
    ]
    heads = ["run", "what is different", "steps", "minutes on a core", "validation BLEU", "beside", "seeds"]
    heads += [f"{part.replace('_', ' ')}: {kind}" for part in tests for kind in ("BLEU", "tokenised")]
    lines = [heads, ["---", "---", *["---:"] * (len(heads) - 2)]]
    for seeds in runs:
        one = seeds[0]
        line = [
            one["name"],
            one["why"],
            f"{one['summary']['steps']:,}",
            f"{mean(result['summary']['minutes'] for result in seeds):.0f}",
            _spread([_score(result, "valid", BLEU) for result in seeds]),
            _difference(seeds),
            str(len(seeds)),
        ]
        for part in tests:
            for kind in (BLEU, TOKENIZED):
                there = [_score(result, part, kind) for result in seeds if part in result["evaluations"]]
                line.append(_spread(there) if there else "")
        lines.append(line)
    return [f"| {' | '.join(line)} |" for line in lines]


def _difference(seeds: Sequence[Result]) -> str:
    found = [result["difference"] for result in seeds if result["difference"] is not None]
    if not found:
        return ""
    significant = sum(each["p_value"] < 0.05 for each in found)
    other = found[0]["from"].partition(".")[0]
    sign = f"{mean(each['difference'] for each in found):+.1f} to {other}"
    return sign + (f" (p < 0.05 in {significant} of {len(found)})" if significant else "")


def _score(result: Result, part: str, name: str) -> float:
    scores = {score["name"]: score["value"] for score in result["evaluations"][part]["scores"]}
    return float(scores[name])


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _notes(results: dict[str, list[Result]]) -> list[str]:
    every = [result for seeds in results.values() for result in seeds]
    signatures = {
        f"{score['name']} `{score['signature']}`"
        for result in every
        for score in result["evaluations"]["valid"]["scores"]
        if score["name"] in (BLEU, TOKENIZED)
    }
    machines = {f"{one['machine']['cpu']}, torch {one['machine']['torch']}" for one in every}
    return [
        "Beam 5, length penalty 1 unless the run says otherwise, one core each, the weights best in "
        f"validation. {' / '.join(sorted(machines))}, shared with other work: minutes are rough. Differences "
        "are tested by paired bootstrap on the validation text; on its thousand sentences about half a point "
        "is noise. Settings, translations and the log of every run: `benchmarks/results/experiments/`; a run "
        "is made again by `python benchmarks/experiments.py --only NAME`.",
        "",
        f"Signatures: {'; '.join(sorted(signatures))}.",
    ]


def finetuning_table(rows: Sequence[Result]) -> str:
    """Return BLEU on the test parts of both domains, before and after, as Markdown."""
    kinds: dict[str, list[Result]] = {}
    for row in rows:
        kinds.setdefault(row["name"].partition("_seed_")[0], []).append(row)
    lines = [["", "steps", "BLEU in the old domain", "BLEU in the new domain", "seeds"]]
    lines.append(["---", *["---:"] * 4])
    for kind, runs in kinds.items():
        what = "before" if kind == "before" else f"after, --mix {kind.removeprefix('mix_')}"
        scores = [_spread([_test_bleu(run, domain) for run in runs]) for domain in ("old", "new")]
        lines.append([what, f"{runs[0]['summary']['steps']:,}", *scores, str(len(runs))])
    old, new = (Path(rows[0]["evaluation"][domain]["test_set"]).parent.name for domain in ("old", "new"))
    machine = rows[0]["machine"]
    return "\n".join(
        [
            *(f"| {' | '.join(line)} |" for line in lines),
            "",
            f"Test parts of {old} (old) and {new} (new). One core of a machine shared with other work, "
            f"{machine['cpu']}, torch {machine['torch']}. Commands and translations: "
            "`benchmarks/results/finetune.json`.",
        ]
    )


def _test_bleu(row: Result, domain: str) -> float:
    return float(row["evaluation"][domain]["scores"][0]["value"])


def fill(page: str) -> str:
    """Return the page with the tables of the kept results."""
    finetuned = json.loads(FINETUNED.read_text(encoding="utf-8"))["rows"]
    page = insert_table(page, table(read_results()), MARKERS)
    return insert_table(page, finetuning_table(finetuned), FINETUNING)


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
            print(f"{PAGE} is stale: run benchmarks/experiments_table.py", file=sys.stderr)
        return int(page != fresh)
    PAGE.write_text(fresh, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
