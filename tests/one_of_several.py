"""What each of several training processes does in test_distributed.py, started with torchrun's environment.

All that is tested there is done by the same processes, since starting one takes longer.
"""

import json
import logging
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from tiny_training import numbers, tiny_config, with_data
from window_threads import start_thread

from translate import cli
from translate.commands import translate_parts
from translate.config import Config
from translate.config.tokenizer import TokenizerConfig
from translate.errors import InputError
from translate.output_parts import Parts
from translate.training import trainer as training
from translate.training import window_process
from translate.training.progress import Progress
from translate.training.trainer import resume, train

LOSSES = {"max_steps": 100, "validate_every": 40, "accumulate": 1, "share_spelling": True}


class Losses(pl.Callback):
    """Writes down each batch's -log p, and stops the process at a step as a launcher would."""

    def __init__(self, stop_at: int = -1) -> None:
        self.stop_at = stop_at
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(float(outputs["nll"]))
        if trainer.global_step == self.stop_at:
            for _ in range(2):  # SLURM sends it, and then torchrun
                os.kill(os.getpid(), signal.SIGTERM)


def without_dropout(config: Config) -> Config:
    return replace(config, model=replace(config.model, dropout=0.0))


def trained(config: Config, out: Path, stop_at: int = -1) -> list[float]:
    """Train, or go on where there is something; return the losses."""
    losses = Losses(stop_at)
    with pytest.MonkeyPatch.context() as patch:
        build = training._trainer

        def with_losses(*args: Any) -> pl.Trainer:
            trainer = build(*args)
            trainer.callbacks.insert(0, losses)  # before the callback that stops
            return trainer

        patch.setattr(training, "_trainer", with_losses)
        if (out / "config.yaml").exists():
            resume(out)
        else:
            train(config, out)
    return losses.losses


def same_losses(folder: Path, rank: int) -> Any:
    """Without dropout, for 100 steps."""
    return trained(without_dropout(tiny_config(folder, **LOSSES)), folder / "losses")


def stopped_and_resumed(folder: Path, rank: int) -> Any:
    """Only the second process gets the signal."""
    config = tiny_config(folder, "transformer", accumulate=2)
    trained(config, folder / "straight")
    with pytest.raises(SystemExit) as stopped:
        trained(config, folder / "stopped", stop_at=6 if rank else -1)
    trained(config, folder / "stopped")
    return stopped.value.code


def every_setting(folder: Path, rank: int) -> Any:
    """Guided by its own links, drawn pieces, two passes and means of checkpoints, until it ends early."""
    config = tiny_config(
        folder, alignment="guided", alignment_start=0.2, r_drop=0.5, word_dropout=0.1, average="checkpoints",
        average_checkpoints=2, max_steps=40, validate_every=3, patience=2, learning_rate=0.0,
    )  # fmt: skip
    config = replace(config, tokenizer=TokenizerConfig(vocab_size=290, sampling_alpha=0.2))
    return len(trained(config, folder / "settings"))


def sharded(folder: Path, rank: int) -> Any:
    """Some steps, and some more after going on from a checkpoint; and without shards."""
    settings = {"max_steps": 6, "validate_every": 3, "average": "checkpoints", "r_drop": 0.5}
    config = without_dropout(tiny_config(folder, "transformer", **settings))
    losses = trained(config, folder / "unsharded")
    shards = replace(config, training=replace(config.training, sharding=True))
    return {"whole": losses, "shards": trained(shards, folder / "sharded")}


def in_windows(folder: Path, rank: int) -> Any:
    """Some passes over three windows; and the same stopped, its windows lost, and gone on with."""
    config = with_data(without_dropout(tiny_config(folder, max_steps=12, accumulate=2)), window=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_process, "start_process", start_thread)
        losses = trained(config, folder / "windows")
        with pytest.raises(SystemExit):
            trained(config, folder / "windows_lost", stop_at=5)
        torch.distributed.barrier()
        if rank == 0:
            shutil.rmtree(folder / "windows_lost" / "windows")
        trained(config, folder / "windows_lost")
    return losses


def first_fails(folder: Path, rank: int) -> Any:
    """Nothing is overwritten; the others end too, and only the first says why."""
    (folder / "full").mkdir(exist_ok=True)
    (folder / "full" / "file").touch()
    try:
        train(tiny_config(folder), folder / "full")
    except (InputError, SystemExit) as error:
        return repr(error)
    return None


def translated(folder: Path, rank: int) -> Any:
    """A text in parts of four lines; then once more, stopped before the parts are joined, and begun again."""
    text = folder / "text"
    if rank == 0:
        text.write_text("".join(f"{src}\n" for src, _ in numbers(30, seed=2)))
    torch.distributed.barrier()
    words = [
        "translate",
        str(folder / "losses"),
        "--src",
        str(text),
        "--n-best",
        "2",
        "--beam-size",
        "2",
        "--out",
    ]
    translate_parts.PART_LINES = 4
    codes = [cli.main([*words, str(folder / "whole.out")])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parts, "join", stop)
        codes.append(cli.main([*words, str(folder / "again.out")]))
    torch.distributed.barrier()
    if rank == 0:
        parts = Parts(folder / "again.out")
        (parts.folder / "00000000").write_text("kept\n")
        (parts.folder / "00000001").unlink()
        (parts.folder / "00000004").unlink()
    torch.distributed.barrier()
    codes.append(cli.main([*words, str(folder / "again.out")]))
    return codes


def stop(*_: Any) -> None:
    raise KeyboardInterrupt


def main(folder: Path, *names: str) -> None:
    rank = int(os.environ["RANK"])
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("translate").setLevel(logging.INFO)
    Progress.LINE_EVERY = 0.0
    torch.distributed.init_process_group("gloo")
    found = {}
    for name in names:
        found[name] = globals()[name](folder, rank)
        torch.distributed.barrier()
    (folder / f"found{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
