"""Fine-tune a run on another domain, with and without its old text mixed in: BLEU inside and outside of it.

    seq2see corpus tatoeba --path deu-eng.tsv --out data/tatoeba_en_de
    seq2see corpus home-assistant --out data/home_assistant_en_de
    python benchmarks/finetune.py --old data/tatoeba_en_de --new data/home_assistant_en_de \
        --config configs/multi30k_adamw.yaml --mix 0 0.5 --seeds 1 2 3

Both test parts are translated by the run before and by each one after. What is in the results is not done
again, and a training that was interrupted goes on. Scores come with signatures, translations lie beside them.
"""

import argparse
import io
import json
import os
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from quality import describe_machine
from quality_table import ROOT

from translate.cli import main as seq2see

Row = dict[str, Any]


def run(arguments: list[str]) -> str:
    """Run one command and return its standard output; its failure ends us too."""
    print(shlex.join(["seq2see", *arguments]), file=sys.stderr, flush=True)
    output = io.StringIO()
    with redirect_stdout(output):
        code = seq2see(arguments)
    if code:
        sys.exit(code)
    return output.getvalue()


def measure(name: str, train: list[str], options: argparse.Namespace) -> Row:
    """Train (or go on), then score both test parts."""
    folder = options.runs / name
    command = [*train, "--out", str(folder), *options.threads]
    run(["train", "--resume", str(folder)] if folder.exists() else command)
    commands = [command]
    scores = {}
    for domain in ("old", "new"):
        hypotheses = options.results.parent / f"{options.results.stem}.{name}.{domain}.hyp.txt"
        evaluate = ["evaluate", str(folder), "--corpus", getattr(options, domain), "--split", "test"]
        evaluate += ["--json", "--out", str(hypotheses), *options.threads]
        hypotheses.unlink(missing_ok=True)
        scores[domain] = json.loads(run(evaluate))
        commands.append(evaluate)
    return {
        "name": name,
        "commands": [shlex.join(["seq2see", *words]) for words in commands],
        "summary": json.loads((folder / "summary.json").read_text(encoding="utf-8")),
        "evaluation": scores,
    }


def plan(options: argparse.Namespace) -> dict[str, list[str]]:
    """Every run by its name: the one before, then each one after."""
    base = ["train", "--config", options.config, "--corpus", options.old, *options.base_flags]
    runs = {"before": base}
    for mix in options.mix:
        for seed in options.seeds:
            tune = ["train", "--init-from", str(options.runs / "before"), "--corpus", options.new]
            tune += ["--mix", f"{mix:g}", "--seed", str(seed), *options.flags]
            runs[f"mix_{mix:g}_seed_{seed}"] = tune
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--old", required=True, help="corpus folder of the run before")
    parser.add_argument("--new", required=True, help="corpus folder of the domain, in the same languages")
    parser.add_argument("--config", required=True, help="of the run before")
    parser.add_argument("--mix", type=float, nargs="+", default=[0.0, 0.5], help="default: 0 0.5")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="of the runs after (default: 1)")
    parser.add_argument("--threads", type=int, default=0, help="processor threads (default: one per core)")
    parser.add_argument("--base-flags", default="", help="further flags for the run before, as one word")
    parser.add_argument("--flags", default="", help="further flags for the runs after, as one word")
    parser.add_argument("--runs", default=".bench/finetune", help="where the run directories go")
    parser.add_argument(
        "--results", default="benchmarks/results/finetune.json", help="the JSON file to write"
    )
    options = parser.parse_args()
    os.chdir(ROOT)
    options.runs, options.results = Path(options.runs), Path(options.results)
    options.base_flags, options.flags = shlex.split(options.base_flags), shlex.split(options.flags)
    options.threads = ["--threads", str(options.threads)] if options.threads else []
    results: dict[str, list[Row]] = {"rows": []}
    if options.results.is_file():
        results = json.loads(options.results.read_text(encoding="utf-8"))
    for name, train in plan(options).items():
        if any(row["name"] == name for row in results["rows"]):
            print(f"{name} is there, skipped", file=sys.stderr)
            continue
        results["rows"].append({**measure(name, train, options), "machine": describe_machine()})
        aside = options.results.with_name(options.results.name + ".new")
        aside.write_text(
            json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
        )
        aside.replace(options.results)


if __name__ == "__main__":
    main()
