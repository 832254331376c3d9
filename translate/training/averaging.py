"""The moving average of the weights, which is what is validated and kept."""

from itertools import chain
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn


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


def _values(module: nn.Module) -> list[Tensor]:
    return list(chain(module.parameters(), module.buffers()))
