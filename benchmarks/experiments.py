"""Train and score the runs of experiments.yaml, one on each core; a finished one is kept at once.

    seq2see corpus multi30k --path FOLDER --src-lang en --tgt-lang de --out data/multi30k_en_de
    python benchmarks/experiments.py --cores 0 1

What was interrupted goes on where it stopped. Everything is decided on validation text; test text is
translated only by runs that say `test: true`. Of each run and seed are kept its settings, the log of its
validations, its translations and their scores, as `benchmarks/results/experiments/NAME.SEED.json` and
`NAME.SEED.PART.txt`.
"""

import argparse
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from measuring import describe, save
from quality import describe_machine
from quality_table import ROOT

from translate.bootstrap import paired_bootstrap
from translate.evaluation import count_matches
from translate.text_files import read_lines

EXPERIMENTS = Path("benchmarks", "experiments.yaml")
RESULTS = Path("benchmarks", "results", "experiments")
INHERITED = ("corpus", "config", "settings", "search")


class Run(NamedTuple):
    """One training."""

    name: str
    corpus: str
    config: str
    settings: dict[str, Any]  # set beside the config's, by dotted names
    search: dict[str, Any]  # flags of `evaluate`
    test: bool
    seed: int
    like: str | None = None  # the run that it is compared with
    why: str = ""

    @property
    def label(self) -> str:
        """Names its files."""
        return f"{self.name}.{self.seed}"


def read_runs(path: Path) -> list[Run]:
    """Read the runs in their order; one that is `like` another has its settings, too.

    Raises:
        SystemExit: a name is missing or not its own, or something else is listed than there can be.
    """
    entries: dict[str, dict[str, Any]] = {}
    runs = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        name = entry.get("name")
        unknown = entry.keys() - {"name", "like", "why", "seeds", "test", *INHERITED}
        if name is None or name in entries:
            sys.exit(f"{path}: {entry} has no name of its own")
        if unknown:
            sys.exit(f"{path}: {name} has unknown entries: {', '.join(sorted(unknown))}")
        other = entries.get(entry.get("like"), {})
        if "like" in entry and not other:
            sys.exit(f"{path}: {name} is like {entry['like']}, which does not stand before it")
        whole = {
            "corpus": entry.get("corpus", other.get("corpus")),
            "config": entry.get("config", other.get("config")),
            "settings": {**other.get("settings", {}), **entry.get("settings", {})},
            "search": {**other.get("search", {}), **entry.get("search", {})},
        }
        entries[name] = whole
        about = {"test": entry.get("test", False), "like": entry.get("like"), "why": entry.get("why", "")}
        runs += [Run(name, **whole, **about, seed=seed) for seed in entry.get("seeds", [1])]
    return runs


def training(run: Run, directory: Path) -> list[str]:
    """Return the words of the command that trains."""
    train = ["train", "--config", run.config, "--corpus", run.corpus, "--out", str(directory)]
    return [*train, "--seed", str(run.seed), "--threads", "1", *_flags(run.settings)]


def carry_out(run: Run, folder: Path) -> dict[str, Any]:
    """Train, or go on training, and score; everything by commands that anyone can give."""
    directory, log = folder / run.label, folder / f"{run.label}.log"
    RESULTS.mkdir(parents=True, exist_ok=True)
    train = training(run, directory)
    if not (directory / "summary.json").is_file():
        if (directory / "last.ckpt").is_file():
            seq2see(["train", "--resume", str(directory)], log)
        else:
            shutil.rmtree(directory, ignore_errors=True)
            seq2see(train, log)
    corpus = describe(Path(run.corpus))
    commands, evaluations = [train], {}
    for part in corpus["splits"]:
        if part == "valid" or (run.test and part.startswith("test")):
            hypotheses = RESULTS / f"{run.label}.{part}.txt"
            evaluate = [
                "evaluate",
                str(directory),
                "--corpus",
                run.corpus,
                "--split",
                part,
                "--beam-size",
                "5",
            ]
            evaluate += [*_flags(run.search), "--tokenized-lowercase", "--threads", "1"]
            evaluate += ["--out", str(hypotheses), "--json"]
            evaluations[part] = json.loads(seq2see(evaluate, log))
            commands.append(evaluate)
    return {
        **run._asdict(),
        "difference": difference(run, corpus["tgt_lang"]),
        "commands": [shlex.join(["seq2see", *command]) for command in commands],
        "corpus_is": corpus,
        "machine": describe_machine(),
        "summary": json.loads((directory / "summary.json").read_text(encoding="utf-8")),
        "validations": (directory / "metrics.csv").read_text(encoding="utf-8").splitlines(),
        "evaluations": evaluations,
    }


def difference(run: Run, tgt_lang: str) -> dict[str, Any] | None:
    """Say how far its validation BLEU is above that of the run it is like, of the same seed or else 1."""
    others = [RESULTS / f"{run.like}.{seed}.valid.txt" for seed in (run.seed, 1)]
    other = next((path for path in others if path.is_file()), None)
    if other is None:
        return None
    references = read_lines(Path(run.corpus, f"valid.{tgt_lang}"))
    ours, theirs = (
        count_matches(read_lines(path), references, tgt_lang)[0]
        for path in (RESULTS / f"{run.label}.valid.txt", other)
    )
    found = paired_bootstrap(ours.rows, theirs.rows, ours.score)
    return {"from": other.name, **found._asdict()}


def seq2see(arguments: Sequence[str], log: Path) -> str:
    """Run one command of the checkout; what it says goes on in the log.

    Raises:
        RuntimeError: it failed.
    """
    with log.open("a", encoding="utf-8") as file:
        command = [sys.executable, "-m", "seq2see", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=file, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"seq2see {arguments[0]} ended with exit code {done.returncode}; see {log}")
    return done.stdout


def commit(label: str, result: dict[str, Any]) -> None:
    """Commit a finished run, and nothing else."""
    scores = {score["name"]: score["value"] for score in result["evaluations"]["valid"]["scores"]}
    paths = sorted(str(path) for path in RESULTS.glob(f"{label}.*"))
    message = f"Experiment {label}: {scores['BLEU']:.2f} BLEU on validation"
    for command in (["git", "add", *paths], ["git", "commit", "-q", "-m", message, "--", *paths]):
        subprocess.run(command, check=True, stdout=sys.stderr)


class Queue:
    """The runs without a result, which threads take from the front, each on a core of its own."""

    def __init__(self, runs: Sequence[Run], folder: Path, *, commits: bool) -> None:
        self.waiting = deque(run for run in runs if not _result(run).is_file())
        self.folder, self.commits = folder, commits
        self.failed: list[str] = []
        self._lock = threading.Lock()  # git allows one commit at a time

    def work(self, core: int) -> None:
        """Carry out one run after another until none is left."""
        os.sched_setaffinity(0, {core})  # of this thread; the commands inherit it
        while self.waiting:
            run = self.waiting.popleft()
            print(f"{run.label} begins on core {core}", file=sys.stderr, flush=True)
            try:
                result = carry_out(run, self.folder)
            except RuntimeError as error:
                self.failed.append(run.label)
                print(f"{run.label}: {error}", file=sys.stderr, flush=True)
                continue
            with self._lock:
                save(_result(run), result)
                if self.commits:
                    commit(run.label, result)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only the runs of these names")
    parser.add_argument(
        "--cores", type=int, nargs="+", default=[0], metavar="CPU", help="one run on each at a time"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs", "experiments"), help="where run directories go"
    )
    parser.add_argument("--commit", action="store_true", help="commit each result when it is there (git)")
    options = parser.parse_args()
    os.chdir(ROOT)
    runs = read_runs(EXPERIMENTS)
    unknown = set(options.only or ()) - {run.name for run in runs}
    if unknown:
        sys.exit(f"{EXPERIMENTS} has no {', '.join(sorted(unknown))}")
    options.runs.mkdir(parents=True, exist_ok=True)
    with (options.runs / "queue.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"another queue works in {options.runs}")
        chosen = [run for run in runs if options.only is None or run.name in options.only]
        queue = Queue(chosen, options.runs, commits=options.commit)
        threads = [threading.Thread(target=queue.work, args=(core,)) for core in options.cores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return int(bool(queue.failed))


def _result(run: Run) -> Path:
    return RESULTS / f"{run.label}.json"


def _flags(settings: dict[str, Any]) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name}", _spelled(value))]


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    sys.exit(main())
