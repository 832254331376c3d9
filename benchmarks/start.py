"""Measure how soon a command answers: its help, and the first translated line; one JSON.

    python benchmarks/start.py --runs runs/multi30k_transformer runs/multi30k_bahdanau
    python benchmarks/speed_tables.py

Every measurement is a process of its own, from its start; they take turns. A run that CTranslate2 can run is
exported, as a copy. What is in the results already is not measured again.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from measuring import Row, add_arguments, machine, measure_in_turns, seq2see, start
from quality_table import ROOT
from speed_tables import STARTING

from translate.cli import VERBS
from translate.errors import UsageError
from translate.export.ctranslate2_model import check_exportable
from translate.run_directory import RunDirectory

SENTENCE = "Ein Hund läuft über die Wiese."


def list_rows(runs: list[str], exported: list[str]) -> list[Row]:
    """Everything there is to measure; what is compared with `import torch` stands beside it."""
    return [
        {"what": "import torch"},
        *({"what": "translate", "run": run, "engine": "torch"} for run in runs),
        *({"what": "translate", "run": run, "engine": "ctranslate2"} for run in exported),
        *({"what": "help", "verb": verb} for verb in ("", *VERBS)),
    ]


def measure(row: Row, paths: dict[str, Path]) -> dict[str, Any]:
    """Run one command; the times from its start to its first line, and from its last to its end."""
    match row["what"]:
        case "import torch":
            arguments = ["-c", "import torch; print(torch.__version__)"]
        case "translate":
            run = str(paths[f"{row['engine']} {row['run']}"])
            arguments = ["-m", "seq2see", "translate", run, SENTENCE, "--engine", row["engine"]]
        case _:
            arguments = ["-m", "seq2see", *([row["verb"]] if row["verb"] else []), "--help"]
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first_line = time.perf_counter()
        process.stdout.read()  # whatever follows, and the end of the output
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.perf_counter()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(arguments)}")
    return {
        "first_line_seconds": round(first_line - started, 3),
        "exit_seconds": round(ended - first_line, 3),
        "seconds": round(ended - started, 3),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
    }


def export(run: RunDirectory, copy: Path) -> bool:
    """Make a copy of the run with an export for CTranslate2 in int8; return whether that can run it."""
    try:
        check_exportable(run.config.model)
    except UsageError:
        return False
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("*.ckpt", "ids", "tensorboard"))
    seq2see("export", str(copy), "--quantization", "int8")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", nargs="+", required=True, help="run directories to translate with")
    add_arguments(parser, STARTING, ())
    parser.set_defaults(repeats=10)
    options = parser.parse_args()
    runs = {path.name: path for path in (Path(run).absolute() for run in options.runs)}
    start(options)
    paths = {f"torch {name}": path for name, path in runs.items()}
    for name, path in runs.items():
        copy = options.work / f"start_{name}"
        if export(RunDirectory.open(path), copy):
            paths[f"ctranslate2 {name}"] = copy
    exported = [name for name in runs if f"ctranslate2 {name}" in paths]
    os.sched_setaffinity(0, options.cores[:1])
    return measure_in_turns(
        options, list_rows(list(runs), exported), {"machine": machine()}, lambda row: measure(row, paths)
    )


if __name__ == "__main__":
    sys.exit(main())
