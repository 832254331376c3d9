"""Train with seq2see from text, or from a run that is prepared already, until its speed is known."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from job import read_job, write_result
from meter import Measured, Meter
from train_seq2see import configure, watch

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
    config, out = configure(job), Path(job["work"]) / "run"
    try:
        if out.is_dir():
            _change(RunDirectory.open(out), config, job["threads"])
            trainer.resume(out)
        else:
            data = replace(config.data, max_length=job["max_length"])
            trainer.train(replace(config, data=data), out)
    except Measured:
        write_result({**meter.result(), "preparing_seconds": round(seconds, 2)}, "torch", "lightning")


def _change(run: RunDirectory, config: Config, processes: int) -> None:
    """Have a prepared run trained as the job says."""
    training = replace(config.training, processes=processes)
    run.save_config(replace(run.config, model=config.model, training=training))


if __name__ == "__main__":  # its own workers import this file
    main()
