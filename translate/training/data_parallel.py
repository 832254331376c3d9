"""How several processes on a CPU share each training step (the processes: `translate.training.workers`)."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from translate.batches import Batch, deal
from translate.platforms import set_threads
from translate.training.module import TrainingModule
from translate.training.workers import Task, Workers


class DataParallel(Callback):
    """Gives the workers their parts of each batch, and adds their gradients to those of this process.

    Args:
        workers: hold the weights of the model that is trained.
        threads: of each process in a step; a validation, which this one does alone, takes those of all.
    """

    def __init__(self, workers: Workers, threads: int) -> None:
        self.workers, self.threads = workers, threads
        self._nll = 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Leave the workers' start out of the first step's time."""
        self.workers.wait_until_ready()
        set_threads(self.threads)

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Set the workers going."""
        assert isinstance(module, TrainingModule)
        parts = list(enumerate(deal(batch, module.processes)))
        self.workers.start(
            [
                Task(part, share / module.config.accumulate, module.objective, module.seed_of(number))
                for number, (part, share) in parts[1:]  # the first is ours
            ]
        )

    def on_after_backward(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Wait for them."""
        assert isinstance(module, TrainingModule)
        self._nll = self.workers.collect() * module.config.accumulate

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Complete what is reported."""
        outputs["nll"] += self._nll

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Use the cores that the workers leave free now."""
        set_threads(self.threads * (1 + len(self.workers)))

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Give them back."""
        set_threads(self.threads)
