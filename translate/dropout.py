"""Dropout that does not pay for one random float an element."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Dropout(nn.Module):
    """Zero activations at random in training, scale the others up (Srivastava et al. 2014).

    The probability is rounded to 1/256 (255/256 at most), because eight elements share one draw of 64
    random bits, each taking a byte; torch's own dropout draws a float for each, a sixth of a training
    step on CPU. Elsewhere that is one kernel, and is used.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.threshold = min(round(probability * 256), 255)  # 256 would keep nothing to scale up

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return x unchanged in evaluation, with some elements zeroed in training."""
        if not self.training or self.threshold == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.threshold / 256)
        return x * self.draw(x).mul_(self.scale)

    @property
    def scale(self) -> float:
        """What is kept is multiplied by it."""
        return 256 / (256 - self.threshold)

    def draw(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Draw one for what is kept of x and zero for the rest, on a CPU."""
        bits = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
        # From the lowest int64 to no upper end: every byte is then uniform.
        bits.random_(torch.iinfo(torch.int64).min, None)
        signed = bits.view(torch.int8)[: x.numel()].view(x.shape)
        # Straight into numbers: on a CPU, from bytes to bools and on to floats takes much longer.
        mask = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        return torch.ge(signed, self.threshold - 128, out=mask)

    def extra_repr(self) -> str:
        """Show the probability in printed models."""
        return f"probability={self.threshold / 256:.3f}"
