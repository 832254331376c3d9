"""Train and score the runs of experiments.yaml, one on each core; a finished one is kept at once.

    seq2see corpus multi30k --path FOLDER --src-lang en --tgt-lang de --out data/multi30k_en_de
    python benchmarks/experiments.py --cores 0 1

What was interrupted goes on where it stopped. Everything is decided on validation text; test text is
translated only by runs that say `test: true`. Of each run and seed are kept its settings, the log of its
validations, its translations and their scores, as `benchmarks/results/experiments/NAME.SEED.json` and
`NAME.SEED.PART.txt`.

A run may build on others, whose directories have to be there, as NAME.SEED: `lessons` turn its corpus into
another one, which is the next lesson's (by all `teachers` together, with these `flags`); `init` names the run
whose weights it begins with (of its own seed), and `ensemble` trains nothing, but scores what these find
together. A lesson is given once: what it made is known by its name.
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
from collections import defaultdict, deque
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
INHERITED = ("corpus", "config", "settings", "search", "lessons", "init")

TEACHING: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # runs may share a lesson


class Lesson(NamedTuple):
    """What runs make of a corpus."""

    name: str
    teachers: Sequence[str]  # labels of runs
    flags: Sequence[str] = ()  # of `teach`


class Run(NamedTuple):
    """One training, or one ensemble."""

    name: str
    corpus: str
    config: str | None  # None: the recipe that suits the corpus's size
    settings: dict[str, Any]  # set beside the config's, by dotted names
    search: dict[str, Any]  # flags of `evaluate`
    test: bool
    seed: int
    like: str | None = None  # the run that it is compared with
    why: str = ""
    lessons: Sequence[Lesson] = ()
    init: str | None = None  # name of a run
    ensemble: Sequence[str] = ()  # labels of runs

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
        unknown = entry.keys() - {"name", "like", "why", "seeds", "test", "ensemble", *INHERITED}
        if name is None or name in entries:
            sys.exit(f"{path}: {entry} has no name of its own")
        if unknown:
            sys.exit(f"{path}: {name} has unknown entries: {', '.join(sorted(unknown))}")
        other = entries.get(entry.get("like"), {})
        if "like" in entry and not other:
            sys.exit(f"{path}: {name} is like {entry['like']}, which does not stand before it")
        whole = {what: entry.get(what, other.get(what)) for what in ("corpus", "config", "init")}
        for what in ("settings", "search"):
            whole[what] = {**other.get(what, {}), **entry.get(what, {})}
        lessons = entry.get("lessons")
        whole["lessons"] = (
            other.get("lessons", []) if lessons is None else [Lesson(**lesson) for lesson in lessons]
        )
        entries[name] = whole
        about = {what: entry[what] for what in ("test", "like", "why", "ensemble") if what in entry}
        runs += [
            Run(name, **whole, **{"test": False, **about}, seed=seed) for seed in entry.get("seeds", [1])
        ]
    return runs


def training(run: Run, folder: Path) -> list[str]:
    """Return the words of the command that trains."""
    train = ["train", *(["--config", run.config] if run.config else [])]
    if run.init:
        train += ["--init-from", str(folder / f"{run.init}.{run.seed}")]
    train += ["--corpus", _taught(run.lessons[-1], folder) if run.lessons else run.corpus]
    train += ["--out", str(folder / run.label), "--seed", str(run.seed), "--threads", "1"]
    return [*train, *_flags(run.settings)]


def teaching(run: Run, folder: Path) -> list[list[str]]:
    """Return the words of the commands that make the training text, of one lesson after the other."""
    commands, corpus = [], run.corpus
    for lesson in run.lessons:
        first, *others = (str(folder / label) for label in lesson.teachers)
        teach = ["teach", first, *(["--ensemble", *others] if others else []), "--corpus", corpus]
        corpus = _taught(lesson, folder)
        commands.append([*teach, "--out", corpus, "--threads", "1", *lesson.flags])
    return commands


def _taught(lesson: Lesson, folder: Path) -> str:
    return str(folder / f"{lesson.name}.corpus")


def prepare(run: Run, folder: Path, log: Path) -> list[list[str]]:
    """Train, or go on training, after whoever has to teach; return the commands."""
    directory, commands = folder / run.label, teaching(run, folder)
    for lesson, command in zip(run.lessons, commands, strict=True):
        with TEACHING[lesson.name]:
            if not Path(_taught(lesson, folder)).is_dir():
                seq2see(command, log)
    commands.append(training(run, folder))
    if (directory / "summary.json").is_file():
        return commands
    if (directory / "last.ckpt").is_file():
        seq2see(["train", "--resume", str(directory)], log)
    else:
        shutil.rmtree(directory, ignore_errors=True)
        seq2see(commands[-1], log)
    return commands


def carry_out(run: Run, folder: Path) -> dict[str, Any]:
    """Train and score; everything by commands that anyone can give."""
    log = folder / f"{run.label}.log"
    RESULTS.mkdir(parents=True, exist_ok=True)
    commands = [] if run.ensemble else prepare(run, folder, log)
    directories = [folder / label for label in (run.ensemble or [run.label])]
    directory, *others = directories
    together = ["--ensemble", *map(str, others)] if others else []
    corpus = describe(Path(run.corpus))
    evaluations = {}
    for part in corpus["splits"]:
        if part == "valid" or (run.test and part.startswith("test")):
            hypotheses = RESULTS / f"{run.label}.{part}.txt"
            evaluate = ["evaluate", str(directory), *together, "--corpus", run.corpus, "--split", part]
            evaluate += ["--beam-size", "5"]
            evaluate += [*_flags(run.search), "--tokenized-lowercase", "--threads", "1"]
            evaluate += ["--out", str(hypotheses), "--json"]
            evaluations[part] = json.loads(seq2see(evaluate, log))
            commands.append(evaluate)
    summaries = [json.loads((each / "summary.json").read_text(encoding="utf-8")) for each in directories]
    return {
        **run._asdict(),
        "lessons": [lesson._asdict() for lesson in run.lessons],
        "difference": difference(run, corpus["tgt_lang"]),
        "commands": [shlex.join(["seq2see", *command]) for command in commands],
        "corpus_is": corpus,
        "machine": describe_machine(),
        "summary": {**summaries[0], "minutes": sum(each["minutes"] for each in summaries)},
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
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these runs, NAME or NAME.SEED")
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
    unknown = set(options.only or ()) - {name for run in runs for name in (run.name, run.label)}
    if unknown:
        sys.exit(f"{EXPERIMENTS} has no {', '.join(sorted(unknown))}")
    options.runs.mkdir(parents=True, exist_ok=True)
    with (options.runs / "queue.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"another queue works in {options.runs}")
        chosen = [run for run in runs if options.only is None or {run.name, run.label} & {*options.only}]
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
