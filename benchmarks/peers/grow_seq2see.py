"""Train with seq2see from text, or from a run that is prepared already, until its speed is known.

The seconds before are noted too: of the preparation, of planning an epoch, and from the start of the program
to the end of the first step; and the processor's, which do not depend on what else the machine does.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from job import read_job, write_result
from meter import Measured, Meter
from torch.optim.optimizer import register_optimizer_step_post_hook
from train_seq2see import configure, watch

from translate import batches
from translate.config import Config
from translate.run_directory import RunDirectory
from translate.training import trainer

P = ParamSpec("P")
T = TypeVar("T")


def main() -> None:
    job = read_job()
    meter = Meter(job)
    watch(meter)
    seconds: dict[str, float] = {"preparing_seconds": 0.0, "preparing_cpu_seconds": 0.0}
    trainer.prepare_run = _timed(trainer.prepare_run, "preparing", seconds)  # type: ignore[attr-defined]
    batches.plan_batches = _timed(batches.plan_batches, "planning", seconds)
    ends: list[tuple[float, float]] = []  # of steps
    register_optimizer_step_post_hook(
        lambda *_: ends.append((time.time() - job["launched"], time.process_time()))
    )
    config, out = configure(job), Path(job["work"]) / "run"
    try:
        if out.is_dir():
            _change(RunDirectory.open(out), config, job["threads"])
            trainer.resume(out)
        else:
            data = replace(config.data, max_length=job["max_length"])
            trainer.train(replace(config, data=data), out)
    except Measured:
        seconds["first_step_seconds"], seconds["first_step_cpu_seconds"] = ends[0]
        rounded = {name: round(value, 2) for name, value in seconds.items()}
        write_result({**meter.result(), **rounded}, "torch", "lightning")


def _timed(function: Callable[P, T], name: str, seconds: dict[str, float]) -> Callable[P, T]:
    """The function, noting how long each call takes: the last one counts."""

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        started, cpu_started = time.perf_counter(), time.process_time()
        result = function(*args, **kwargs)
        seconds[f"{name}_seconds"] = time.perf_counter() - started
        seconds[f"{name}_cpu_seconds"] = time.process_time() - cpu_started
        return result

    return call


def _change(run: RunDirectory, config: Config, processes: int) -> None:
    """Have a prepared run trained as the job says."""
    training = replace(config.training, processes=processes)
    run.save_config(replace(run.config, model=config.model, training=training))


if __name__ == "__main__":  # its own workers import this file
    main()
