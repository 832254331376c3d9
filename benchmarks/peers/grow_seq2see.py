"""Train with seq2see from text, or from a run that is prepared already, until its speed is known.

The seconds before are noted too: of the preparation, of planning an epoch, and from the start of the program
to the end of the first step.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from job import read_job, write_result
from meter import Measured, Meter
from torch.optim.optimizer import register_optimizer_step_post_hook
from train_seq2see import configure, watch

from translate import batches
from translate.config import Config
from translate.run_directory import RunDirectory
from translate.training import trainer


def main() -> None:
    job = read_job()
    meter = Meter(job)
    watch(meter)
    prepare = trainer.prepare_run  # type: ignore[attr-defined]
    seconds = 0.0

    def prepare_run(*arguments: Any) -> RunDirectory:
        nonlocal seconds
        started = time.perf_counter()
        run = prepare(*arguments)
        seconds = time.perf_counter() - started
        return run

    trainer.prepare_run = prepare_run  # type: ignore[attr-defined,assignment]
    planning, first_step = _watch_beginning(job["launched"])
    config, out = configure(job), Path(job["work"]) / "run"
    try:
        if out.is_dir():
            _change(RunDirectory.open(out), config, job["threads"])
            trainer.resume(out)
        else:
            data = replace(config.data, max_length=job["max_length"])
            trainer.train(replace(config, data=data), out)
    except Measured:
        write_result(
            {
                **meter.result(),
                "preparing_seconds": round(seconds, 2),
                "planning_seconds": round(planning[0], 2),
                "first_step_seconds": round(first_step[0], 2),
            },
            "torch",
            "lightning",
        )


def _watch_beginning(launched: float) -> tuple[list[float], list[float]]:
    """Return lists that get the seconds of each planning, and from the launch to the end of each step."""
    planning: list[float] = []
    steps: list[float] = []
    plan = batches.plan_batches

    def plan_batches(*arguments: Any) -> list[batches.Indices]:
        started = time.perf_counter()
        planned = plan(*arguments)
        planning.append(time.perf_counter() - started)
        return planned

    batches.plan_batches = plan_batches
    register_optimizer_step_post_hook(lambda *_: steps.append(time.time() - launched))
    return planning, steps


def _change(run: RunDirectory, config: Config, processes: int) -> None:
    """Have a prepared run trained as the job says."""
    training = replace(config.training, processes=processes)
    run.save_config(replace(run.config, model=config.model, training=training))


if __name__ == "__main__":  # its own workers import this file
    main()
