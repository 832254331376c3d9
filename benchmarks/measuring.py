"""What the speed benchmarks share: rows measured in turns, each by a program of its own on given cores."""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sentencepiece
from environments import find_python
from quality import describe_machine
from quality_table import ROOT

from translate.platforms import cpu_features

PEERS = ROOT / "benchmarks" / "peers"
MATTERING = (
    "avx2",
    "avx512",
    "avx_vnni",
    "amx",
    "bf16",
    "sve",
)  # of a processor's features, to matrix products

# glibc gives large blocks back to the system when they are freed, and asks for them again, page by page, at
# the next tensor; with these it keeps them. seq2see sets the like itself, others can be started with them.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "268435456",
}

Row = dict[str, Any]  # what is measured, and its measurements: JSON
Results = dict[str, Any]  # a file of benchmarks/results: JSON


def add_arguments(parser: argparse.ArgumentParser, results: Path, systems: Sequence[str]) -> None:
    """Declare the options that both benchmarks have."""
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each row (default: 3)")
    parser.add_argument("--peers", nargs="*", choices=systems, default=systems, help="measure only these")
    parser.add_argument(
        "--cores",
        type=int,
        nargs="+",
        metavar="CPU",
        help="the cores to use (default: the first two there are)",
    )
    parser.add_argument(
        "--venvs", default=".bench/venvs", help="where the peers' environments are or are made"
    )
    parser.add_argument("--work", default=".bench/work", help="where tokenizers and the like are kept")
    parser.add_argument("--results", default=str(results), help="the JSON file to write, or to go on with")


def start(options: argparse.Namespace) -> None:
    """Go to the checkout, and choose the cores."""
    if not hasattr(os, "sched_setaffinity"):
        sys.exit(f"a process cannot be kept on given cores on {platform.system()}: measure on Linux")
    for name in ("venvs", "work", "results"):
        setattr(options, name, Path(getattr(options, name)).absolute())
    os.chdir(ROOT)
    options.work.mkdir(parents=True, exist_ok=True)
    options.cores = options.cores or sorted(os.sched_getaffinity(0))[:2]


def seq2see(*arguments: str) -> None:
    """Run a command of the checkout; its failure ends us too."""
    done = subprocess.run([sys.executable, "-m", "seq2see", *arguments], stdout=sys.stderr)
    if done.returncode:
        sys.exit(done.returncode)


def describe(corpus: Path) -> dict[str, Any]:
    """Which text was used, wherever it lies."""
    if not (corpus / "corpus.json").is_file():
        sys.exit(f"{corpus} is no corpus: make one with `seq2see corpus`")
    about = json.loads((corpus / "corpus.json").read_text(encoding="utf-8"))
    return {name: about[name] for name in ("name", "src_lang", "tgt_lang", "splits", "sha256")}


def machine() -> dict[str, Any]:
    """What speed depends on, without the machine's name."""
    features = sorted(name for name in cpu_features() if any(part in name for part in MATTERING))
    return {**describe_machine(), "features": features}


def write_pieces(tokenizer: Path, path: Path) -> int:
    """Write a tokenizer's pieces, one a line in the order of their ids; return how many there are.

    A piece that some reader would take for several lines gets a name that no text has: it is never used then.
    """
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    lines = [
        piece if piece.splitlines() == [piece] else f"<unreadable{number}>"
        for number, piece in enumerate(pieces)
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return len(pieces)


def run_program(
    options: argparse.Namespace,
    system: str,
    program: str,
    job: Mapping[str, Any],
    cores: Sequence[int],
    environment: Mapping[str, str],
    prefix: Sequence[str] = (),
) -> dict[str, Any]:
    """Run one of `peers/` in its system's environment, on these cores; return what it measured.

    Args:
        environment: further variables.
        prefix: what the command begins with, such as one that limits it.

    Raises:
        RuntimeError: it failed; the end of what it said.
    """
    python = find_python(system, options.venvs)
    asked, answered = options.work / "job.json", options.work / "result.json"
    answered.unlink(missing_ok=True)
    variables = {name: value for name, value in os.environ.items() if name not in KEEP_MEMORY}
    variables |= {"OMP_NUM_THREADS": str(len(cores)), "HF_HUB_OFFLINE": "1", "SEQ2SEE_CACHE": ""}
    variables |= environment
    variables["PYTHONPATH"] = str(ROOT) if python == sys.executable else ""
    os.sched_setaffinity(0, cores)  # the program inherits it
    asked.write_text(json.dumps({**job, "launched": time.time()}), encoding="utf-8")
    done = subprocess.run(
        [*prefix, python, str(PEERS / program), str(asked), str(answered)],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode or not answered.is_file():
        raise RuntimeError(f"exit code {done.returncode}\n{done.stdout[-3000:]}")
    result: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
    return result


def measure_in_turns(
    options: argparse.Namespace,
    rows: Sequence[Row],
    about: Mapping[str, Any],
    measure: Callable[[Row], dict[str, Any]],
) -> int:
    """Measure every row once, then every row again ..., saving each time; return 1 if a row has failed.

    What the results have already is left out; results of another machine, corpus or other settings are an
    error.
    """
    results: Results = {**about, "rows": []}
    if options.results.is_file():
        results = json.loads(options.results.read_text(encoding="utf-8"))
        for name, value in about.items():
            if results[name] != value:
                sys.exit(f"{options.results} has another {name}: move it away to measure anew")
    failed = []
    for repeat in range(options.repeats):
        for row in rows:
            known = next((old for old in results["rows"] if row.items() <= old.items()), None)
            label = " ".join(str(value) for value in row.values() if value not in ("", False))
            if row in failed or (known is not None and len(known["measurements"]) > repeat):
                continue
            print(f"{repeat + 1} of {options.repeats}: {label}", file=sys.stderr, flush=True)
            try:
                measured = measure(row)
            except RuntimeError as error:
                print(f"{label} failed: {error}", file=sys.stderr, flush=True)
                failed.append(row)
                continue
            if known is None:
                known = {**row, "measurements": []}
                results["rows"].append(known)
            known["measurements"].append(measured)
            save(options.results, results)
    return int(bool(failed))


def fingerprint(path: Path) -> str:
    """The hash of a file, to tell one from another."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(path: Path, results: Results) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".new")
    aside.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    aside.replace(path)
