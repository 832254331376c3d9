"""The average of the weights, which is what is validated and kept."""

from itertools import chain
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor, nn

from translate.collective import Ranks
from translate.run_directory import RunDirectory
from translate.run_directory.checkpoints import load_snapshot, remove_snapshots, save_snapshot
from translate.training.module import TrainingModule


class ExponentialMovingAverage(WeightAveraging):
    """Lightning's weight averaging with a decay that begins low, so that the first steps are soon forgotten.

    The average begins as the weights after the first step. Blending in step n + 1, it keeps a share of
    min(decay, (1 + n) / (10 + n)), as TensorFlow's ExponentialMovingAverage does.

    Args:
        device: where the model will be; when Lightning asks, it has not been moved there yet.
    """

    def __init__(self, decay: float, device: torch.device) -> None:
        super().__init__(device=device, use_buffers=True)
        self.decay = decay

    @property
    def module(self) -> nn.Module:
        """The module with the average as it is now, once training has begun."""
        assert self._average_model is not None
        return self._average_model.module

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Blend in the weights after each step.

        torch's AveragedModel would ask its device how many there were before; the trainer knows it here.
        """
        if trainer.global_step <= self._latest_update_step:
            return  # in the middle of a step
        self._latest_update_step = trainer.global_step
        average = self._average_model
        assert average is not None
        n = trainer.global_step - 1
        share = 1 - min(self.decay, (1 + n) / (10 + n)) if n else 1.0
        torch._foreach_lerp_(_values(average.module), _values(pl_module), share)
        average.n_averaged += 1


class CheckpointAverage(Callback):
    """The mean of the weights at the last validations, this one included (Vaswani et al. 2017).

    They lie in the run directory, and are read one after the other. Two more than are needed stay there: the
    run may go on from the checkpoint before the last one, killed in a validation that no checkpoint knows.

    Args:
        count: of the validations.
        ranks: the first one writes what all read.
    """

    def __init__(self, run: RunDirectory, count: int, ranks: Ranks) -> None:
        self.run, self.count, self.ranks = run, count, ranks
        self.steps: list[int] = []  # of the weights that are in the run directory
        self._trained: list[Tensor] = []

    @torch.no_grad()
    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights, and put the mean into the model."""
        assert isinstance(pl_module, TrainingModule)
        parameters = dict(pl_module.whole.named_parameters())
        self.steps = [*self.steps, trainer.global_step][-self.count - 2 :]
        self.ranks.decide(lambda: save_snapshot(self.run, trainer.global_step, parameters))
        if self.ranks.is_first:
            remove_snapshots(self.run, but=self.steps)
        self._trained = [parameter.clone() for parameter in parameters.values()]
        for number, step in enumerate(self.steps[-self.count :], start=1):
            snapshot = load_snapshot(self.run, step)
            for name, mean in parameters.items():
                mean.lerp_(snapshot[name].to(mean.device), 1 / number)  # the first one whole

    @torch.no_grad()
    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the weights back that are trained."""
        assert isinstance(pl_module, TrainingModule)
        for parameter, trained in zip(pl_module.whole.parameters(), self._trained, strict=True):
            parameter.copy_(trained)
        self._trained = []

    def state_dict(self) -> dict[str, Any]:
        """Which weights the next mean is of."""
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.steps = state_dict["steps"]


def _values(module: nn.Module) -> list[Tensor]:
    return list(chain(module.parameters(), module.buffers()))
