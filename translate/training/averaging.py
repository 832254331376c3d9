"""The moving average of the weights, which is what is validated and kept."""

from collections.abc import Sequence

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class ExponentialMovingAverage(WeightAveraging):
    """Lightning's weight averaging with a decay that begins low, so that the first steps are soon forgotten.

    The average begins as the weights after the first step. Blending in step n + 1, it keeps a share of
    min(decay, (1 + n) / (10 + n)), as TensorFlow's ExponentialMovingAverage does.

    Args:
        device: where the model will be; when Lightning asks, it has not been moved there yet.
    """

    def __init__(self, decay: float, device: torch.device) -> None:
        super().__init__(device=device, use_buffers=True, multi_avg_fn=self._blend)
        self.decay = decay

    @torch.no_grad()
    def _blend(self, averages: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        n = int(updates)
        decay = min(self.decay, (1 + n) / (10 + n))
        torch._foreach_lerp_(list(averages), list(current), 1 - decay)
