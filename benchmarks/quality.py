"""Train the Multi30k configs and score them on test2016, all through the command line; one JSON a config.

    seq2see corpus multi30k --path FOLDER --src-lang de --tgt-lang en --out data/multi30k_de_en
    python benchmarks/quality.py --corpus data/multi30k_de_en
    python benchmarks/quality_table.py

A config with a result is skipped. Relative paths keep the results free of where the checkout lies.
"""

import argparse
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from quality_table import NAMES, RESULTS, ROOT

# test_2016_flickr.en of the Multi30k repository: other text would give other scores under the same name.
TEST_2016 = "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train and score one config; the minutes are those of the training process, from start to end."""
    run = Path(options.runs, name)
    timing = run.with_name(f"{name}.timing.json")  # outlives a failure after the training
    train = ["train", "--config", f"configs/{name}.yaml", "--corpus", options.corpus, "--out", str(run)]
    if options.threads:
        train += ["--threads", str(options.threads)]
    if not timing.is_file():
        if run.exists():
            sys.exit(f"{run} is there, but its training was not timed to the end: remove it to measure again")
        started = time.perf_counter()
        seq2see(train, stdout=sys.stderr)
        minutes = (time.perf_counter() - started) / 60
        timing.write_text(json.dumps({"minutes": minutes, "pinned_to": options.pin}), encoding="utf-8")
    hypotheses = RESULTS.relative_to(ROOT) / f"{name}.hyp.txt"
    evaluate = ["evaluate", str(run), "--corpus", options.corpus, "--split", "test", "--tokenized-lowercase"]
    evaluate += ["--beam-size", "5", "--out", str(hypotheses), "--json"]
    if options.threads:
        evaluate += ["--threads", str(options.threads)]
    evaluation = json.loads(seq2see(evaluate, stdout=subprocess.PIPE))
    return {
        "config": name,
        "commands": [shlex.join(["seq2see", *arguments]) for arguments in (train, evaluate)],
        **json.loads(timing.read_text(encoding="utf-8")),
        "machine": describe_machine(),
        "summary": json.loads((run / "summary.json").read_text(encoding="utf-8")),
        "evaluation": evaluation,
    }


def seq2see(arguments: list[str], *, stdout: IO[str] | int) -> str:
    """Run one command in the checkout and return its stdout when piped; its failure ends us too."""
    command = [sys.executable, "-m", "seq2see", *arguments]
    print(shlex.join(["seq2see", *arguments]), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=stdout, encoding="utf-8")
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout or ""


def describe_machine() -> dict[str, Any]:
    """What the minutes depend on, without the machine's name."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [
            line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")
        ]
        cpu = models[0].partition(":")[2].strip() if models else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "lightning": version("lightning"),
    }


def check_corpus(folder: Path) -> None:
    """Stop when the test part is not the test2016 that others report scores on."""
    path = folder / "test.en"
    if not path.is_file() or not (folder / "test.de").is_file():
        sys.exit(
            f"{folder} is no corpus with a test part in de and en: make it with `seq2see corpus multi30k`"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != TEST_2016:
        sys.exit(f"{path} is not test_2016_flickr.en: scores on it could not be compared with published ones")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", required=True, help="folder made by `seq2see corpus multi30k`, de to en")
    parser.add_argument("--threads", type=int, default=0, help="processor threads (default: one per core)")
    parser.add_argument("--pin", type=int, nargs="+", metavar="CPU", help="run on these cores only (Linux)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="measure only these configs")
    parser.add_argument("--runs", default="runs", help="where the run directories go (default: runs)")
    options = parser.parse_args()
    os.chdir(ROOT)
    check_corpus(Path(options.corpus))
    if options.pin:
        if not hasattr(os, "sched_setaffinity"):
            sys.exit(f"--pin is not possible on {platform.system()}")
        os.sched_setaffinity(0, options.pin)  # the commands inherit it
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        path = RESULTS / f"{name}.json"
        if path.is_file():
            print(f"{name}: {path.relative_to(ROOT)} is there, skipped", file=sys.stderr)
            continue
        result = measure(name, options)
        aside = path.with_name(path.name + ".new")
        aside.write_text(
            json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
        )
        aside.replace(path)


if __name__ == "__main__":
    main()
