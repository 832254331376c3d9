"""Train on Multi30k for so many minutes, all in all, and score test2016: BLEU against minutes; one JSON.

    seq2see corpus multi30k --path FOLDER --src-lang de --tgt-lang en --out data/multi30k_de_en
    python benchmarks/budget.py --corpus data/multi30k_de_en --config configs/multi30k_transformer.yaml
    python benchmarks/speed_tables.py

A budget is the wall time of `seq2see train` from the start of its process to the end: tokenizer, validations
and all. Some of it is left for what is not training (--reserve); the schedule ends before that. What is in
the results already is not measured again.
"""

import argparse
import csv
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from measuring import Results, machine, save
from quality import check_corpus, seq2see
from quality_table import ROOT
from speed_tables import BUDGETS

NEVER = 1_000_000  # steps: minutes end the schedule


def measure(minutes: float, options: argparse.Namespace) -> dict[str, Any]:
    """Train within the budget, then translate greedily with what was best in validation."""
    run = options.runs / f"{Path(options.config).stem}_{minutes:g}_minutes"
    if run.exists():
        sys.exit(f"{run} is there, but has no result: remove it to measure again")
    train = ["train", "--config", options.config, "--corpus", options.corpus, "--out", str(run)]
    train += ["--training.max_minutes", f"{minutes - options.reserve:g}"]
    train += ["--training.max_steps", str(NEVER), "--threads", str(len(options.cores))]
    started = time.perf_counter()
    seq2see(train, stdout=sys.stderr)
    wall = (time.perf_counter() - started) / 60
    evaluate = [
        "evaluate",
        str(run),
        "--corpus",
        options.corpus,
        "--split",
        "test",
        "--beam-size",
        "1",
        "--json",
    ]
    evaluation = json.loads(seq2see(evaluate, stdout=subprocess.PIPE))
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    # What training's own clock does not count came before it, all but a few seconds.
    before = wall - summary["minutes"]
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        points = [
            {"minutes": round(before + float(row["minutes"]), 2), "bleu": float(row["valid_bleu"])}
            for row in csv.DictReader(file)
        ]
    return {
        "commands": [shlex.join(["seq2see", *arguments]) for arguments in (train, evaluate)],
        "wall_minutes": round(wall, 3),
        "summary": summary,
        "validations": points,
        "evaluation": evaluation,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", required=True, help="folder made by `seq2see corpus multi30k`, de to en")
    parser.add_argument("--config", default="configs/multi30k_transformer.yaml", help="what to train")
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 20], help="budgets (default: 10 20)")
    parser.add_argument(
        "--reserve",
        type=float,
        default=0.5,
        help="minutes of a budget that are not training's (default: 0.5)",
    )
    parser.add_argument(
        "--cores", type=int, nargs="+", metavar="CPU", help="default: the first two there are"
    )
    parser.add_argument("--runs", default=".bench/budget", help="where the run directories go")
    parser.add_argument("--results", default=str(BUDGETS), help="the JSON file to write, or to go on with")
    options = parser.parse_args()
    if not hasattr(os, "sched_setaffinity"):
        sys.exit(f"a process cannot be kept on given cores on {platform.system()}: measure on Linux")
    path = Path(options.results).absolute()
    os.chdir(ROOT)
    check_corpus(Path(options.corpus))
    options.runs = Path(options.runs)
    options.cores = options.cores or sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, options.cores)  # the commands inherit it
    results: Results = {"machine": machine(), "rows": []}
    if path.is_file():
        known: Results = json.loads(path.read_text(encoding="utf-8"))
        if known["machine"] != results["machine"]:
            sys.exit(f"{path} has another machine: move it away to measure anew")
        results = known
    for minutes in options.minutes:
        row = {"config": Path(options.config).stem, "minutes": minutes, "cores": len(options.cores)}
        if any(row.items() <= old.items() for old in results["rows"]):
            print(f"{row} is there, skipped", file=sys.stderr)
            continue
        results["rows"].append({**row, **measure(minutes, options)})
        save(path, results)


if __name__ == "__main__":
    main()
