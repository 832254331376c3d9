"""Kill a training at random moments, resume it each time, and compare its end with that of one left alone.

    python benchmarks/kills.py --kills 50

Every second kill waits until some file is being written (it is there under its name aside), so that it falls
into the writing of a checkpoint, of weights or of settings. SIGKILL: nothing in the process can answer it.
One JSON in benchmarks/results.
"""

import argparse
import csv
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from measuring import machine, save
from quality_table import ROOT
from safetensors.torch import load_file

from translate.config import Config
from translate.config.data import DataConfig
from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.config.search import SearchConfig
from translate.config.tokenizer import TokenizerConfig
from translate.config.training import TrainingConfig
from translate.run_directory import RunDirectory
from translate.run_directory.checkpoints import find_checkpoint
from translate.training.prepare import prepare_run
from translate.training.trainer import resume

RESULTS = ROOT / "benchmarks" / "results" / "kills.json"
TIMED = {"minutes", "seconds"}  # what two runs cannot have in common


def prepare(folder: Path, steps: int) -> RunDirectory:
    """Make a small run with all there is to lose: dropout, averages, accumulation, patience."""
    rng = random.Random(1)
    for name, count in (("train", 60), ("valid", 4)):
        texts = [" ".join(rng.choices("abcdefgh", k=rng.randint(2, 5))) for _ in range(count)]
        folder.joinpath(f"{name}.src").write_text("".join(f"{text}\n" for text in texts))
        folder.joinpath(f"{name}.tgt").write_text("".join(f"{text[::-1].upper()}\n" for text in texts))
    config = Config(
        DataConfig(
            src=str(folder / "train.src"),
            tgt=str(folder / "train.tgt"),
            valid_src=str(folder / "valid.src"),
            valid_tgt=str(folder / "valid.tgt"),
            batch_tokens=80,
        ),
        TokenizerConfig(vocab_size=290),
        ModelConfig(
            8,
            0.2,
            encoder=EncoderConfig(size=6),
            attention=AttentionConfig(size=6),
            decoder=DecoderConfig(size=7),
        ),
        TrainingConfig(
            max_steps=steps,
            warmup_steps=3,
            learning_rate=0.02,
            accumulate=2,
            validate_every=5,
            checkpoint_every=1,
            patience=steps,
            precision="float32",
            device="cpu",
            threads=1,
        ),
        SearchConfig(max_length_ratio=0.5, max_length_offset=2),
    )
    return prepare_run(config, folder / "fresh")


def go_on(path: Path, log: Path) -> None:
    """Resume a run: what the processes do that are killed."""
    with log.open("ab", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    resume(path)


def start(path: Path, log: Path) -> BaseProcess:
    """Resume a run in a process of its own, which has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["translate.training.trainer"])
    process = context.Process(target=go_on, args=(path, log))
    process.start()
    return process


def written_aside(run: RunDirectory) -> dict[str, int]:
    """The files that are there under their names aside, and when they were written to, in nanoseconds."""
    found = {}
    for path in run.path.glob("*.new"):
        with suppress(FileNotFoundError):  # it has its own name by now
            found[path.name.removesuffix(".new")] = path.stat().st_mtime_ns
    return found


def wait_for_writing(run: RunDirectory, process: BaseProcess, passed_over: int) -> None:
    """Return while some file is being written, but not at the first few."""
    before = written_aside(run)  # by the process that was killed before
    while process.exitcode is None:
        now = written_aside(run)
        if now and now != before:
            passed_over -= 1
            if passed_over < 0:
                return
        before = now


def kill(run: RunDirectory, log: Path, rng: random.Random, seconds: float, number: int) -> dict[str, Any]:
    """Resume a run and kill it, in the writing of a file if the number is odd; say what was left.

    Raises:
        RuntimeError: no good checkpoint is left, though there was one.
    """
    had, left_before = find_checkpoint(run)[0] is not None, written_aside(run).items()
    began = time.monotonic()
    process = start(run.path, log)
    if number % 2:
        wait_for_writing(run, process, passed_over=rng.randrange(12))
        time.sleep(rng.choice([0.0, 0.0005, 0.002]))
    else:
        process.join(rng.uniform(0, seconds))
    process.kill()
    process.join()
    if process.exitcode not in (0, -9):
        raise RuntimeError(f"training failed with exit code {process.exitcode}: {log.read_text()[-3000:]}")
    checkpoint, damaged = find_checkpoint(run)
    if checkpoint is None and had:
        raise RuntimeError(f"kill {number} left no checkpoint")
    step = torch.load(checkpoint, weights_only=True)["global_step"] if checkpoint is not None else 0
    return {
        "killed": process.exitcode == -9,
        "seconds": round(time.monotonic() - began, 3),
        "writing": sorted(dict(written_aside(run).items() - left_before)),
        "step": step,
        "damaged": [path.name for path in damaged],
    }


def facts(run: RunDirectory) -> dict[str, Any]:
    """All that a run leaves, but for times."""
    assert run.checkpoint_path.is_file()
    with run.metrics_path.open(newline="", encoding="utf-8") as file:
        rows = [
            {key: value for key, value in row.items() if key not in TIMED} for row in csv.DictReader(file)
        ]
    return {
        "weights": load_file(run.weights_path),
        "checkpoint": torch.load(run.checkpoint_path, weights_only=True),
        "metrics": rows,
        "summary": json.loads(run.summary_path.read_text(encoding="utf-8")),
        "scalars": scalars(run),
    }


def scalars(run: RunDirectory) -> dict[str, list[Any]]:
    """What TensorBoard shows of validations; of the training loss, which depends on the clock, the steps."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    shown = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    return {
        tag: [(event.step, event.value) if tag.startswith("valid/") else event.step for event in of_tag]
        for tag, of_tag in shown.items()
    }


def differences(one: Any, other: Any, where: str = "run") -> list[str]:
    """Where two nested values differ, tensors by any bit."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [
            found
            for key in one
            if key not in TIMED
            for found in differences(one[key], other[key], f"{where}.{key}")
        ]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for number, (a, b) in pairs for found in differences(a, b, f"{where}[{number}]")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [where]
    return [] if type(one) is type(other) and one == other else [where]


def measure(folder: Path, kills: int, steps: int, seed: int, minutes: float) -> dict[str, Any]:
    """Kill so many times, or until the time is over; each run that this takes ends and is compared."""
    rng = random.Random(seed)
    began = time.monotonic()
    fresh = prepare(folder, steps)
    log = folder / "log.txt"
    whole = RunDirectory(shutil.copytree(fresh.path, folder / "whole"))
    undisturbed = start(whole.path, log)
    since = time.monotonic()
    undisturbed.join()
    if undisturbed.exitcode:
        raise RuntimeError(log.read_text()[-3000:])
    seconds, expected = time.monotonic() - since, facts(whole)
    found: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    while len(found) < kills and time.monotonic() - began < 60 * minutes:
        run = RunDirectory(shutil.copytree(fresh.path, folder / f"run{len(runs)}"))
        of_run = 0
        while len(found) < kills and time.monotonic() - began < 60 * minutes:
            result = kill(run, log, rng, seconds, len(found))
            if not result["killed"]:  # it had ended before
                break
            found.append(result)
            of_run += 1
        last = start(run.path, log)
        last.join()
        if last.exitcode:
            raise RuntimeError(log.read_text()[-3000:])
        runs.append({"kills": of_run, "differences": differences(facts(run), expected)})
        shutil.rmtree(run.path)
    writing = [name for result in found for name in result["writing"]]
    return {
        "steps": steps,
        "seed": seed,
        "minutes": round((time.monotonic() - began) / 60, 2),
        "kills": len(found),
        "while_writing": {name: writing.count(name) for name in sorted(set(writing))},
        "between_writing": sum(not result["writing"] for result in found),
        "runs": runs,
        "runs_equal": sum(not run["differences"] for run in runs),
        "each_kill": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="how often (default: 50)")
    parser.add_argument("--steps", type=int, default=40, help="of each run (default: 40)")
    parser.add_argument("--minutes", type=float, default=60, help="stop earlier after so many (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    parser.add_argument("--results", default=str(RESULTS), help="the JSON file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), options.kills, options.steps, options.seed, options.minutes)
    save(Path(options.results), {"machine": machine(), "torch": torch.__version__, **measured})
    equal, runs = measured["runs_equal"], len(measured["runs"])
    print(
        f"{measured['kills']} kills survived; {equal} of {runs} runs ended as the one left alone, bit for bit"
    )
    sys.exit(equal != runs)


if __name__ == "__main__":
    main()
