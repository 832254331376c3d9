"""When a checkpoint is written, and when training stops."""

from io import BytesIO
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO

from translate.collective import Ranks
from translate.config.training import TrainingConfig
from translate.run_directory import RunDirectory
from translate.run_directory.checkpoints import save_checkpoint
from translate.training.board import flush_events
from translate.training.clock import Clock
from translate.training.interruption import Interrupted, Signals


class Checkpoints(Callback):
    """Writes a checkpoint at each validation, every so many steps, and when a signal asks to stop.

    Stands after the averaging callback, so that a step's average is in the checkpoint too.
    """

    def __init__(
        self, run: RunDirectory, config: TrainingConfig, clock: Clock, signals: Signals, ranks: Ranks
    ) -> None:
        self.run, self.config, self.clock, self.signals, self.ranks = run, config, clock, signals, ranks

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take the signals back from Lightning, which has just set its own handlers."""
        self.signals.listen()
        self._stop_if_asked()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time; stop if asked to; let the last step be validated."""
        if (trainer.fit_loop.total_batch_idx + 1) % self.config.accumulate:
            return  # in the middle of a step: a checkpoint does not hold its gradients
        step, limit = trainer.global_step, self.config.max_minutes
        if step >= self.config.max_steps or 0 < limit <= self.clock.minutes:
            trainer.should_stop = True  # makes Lightning validate now, whatever the interval
        if trainer.should_stop or step % self.config.validate_every == 0:
            return  # saved after the validation that comes now: resumed from before, it would be left out
        every = self.config.checkpoint_every
        if self.signals.received or (every and step % every == 0):
            self._save(trainer)
        self._stop_if_asked()

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save after each validation; the callbacks have scored it and put the weights back."""
        self._save(trainer)
        self._stop_if_asked()

    def _save(self, trainer: pl.Trainer) -> None:
        flush_events(trainer.loggers)
        if self.ranks.is_first:
            save_checkpoint(self.run, lambda path: trainer.save_checkpoint(path))
        else:  # has its part in it, but writes nothing
            trainer.save_checkpoint(self.run.checkpoint_path)

    def _stop_if_asked(self) -> None:
        if self.signals.received:
            raise Interrupted(self.signals.received)


class CheckpointFile(TorchCheckpointIO):
    """Writes to the very file that it is given.

    Lightning's own writes to the system's folder for temporary files first, which may be another disk and
    full, and makes a run directory again that was removed.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write as torch does."""
        content = BytesIO()  # given a file, torch would hide why it could not be written
        torch.save(checkpoint, content)
        Path(path).write_bytes(content.getbuffer())
