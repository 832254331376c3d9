"""What both transformers share: positions, self-attention, feed-forward (Vaswani et al. 2017)."""

import math
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from translate.dropout import Dropout
from translate.fused_attention import fused_attention, join_heads

Positions = Literal["sinusoidal", "rotary"]

CACHE_GROWTH = 16  # positions at a time


def sinusoids(positions: Int[Tensor, " T"], size: int) -> Float[Tensor, "T E"]:
    """Sines and cosines of the positions, sines first (Vaswani et al. 2017, section 3.5)."""
    angles = _angles(positions, (size + 1) // 2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :size]


def rotate(x: Float[Tensor, "*any T D"], positions: Int[Tensor, " T"]) -> Float[Tensor, "*any T D"]:
    """Turn pairs of units by an angle that grows with the position (Su et al. 2021, equation 34).

    The product of two rotated vectors depends on how far apart they are, not on where they are. As complex
    numbers, pairs are turned by one product, forward and backward.
    """
    angles = _angles(positions, x.shape[-1] // 2)
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


def _angles(positions: Int[Tensor, " T"], count: int) -> Float[Tensor, "T F"]:
    """Positions times `count` frequencies, from 1 down to almost 1/10,000."""
    exponents = torch.arange(count, device=positions.device) / count
    return positions[:, None] * torch.exp(-math.log(10_000) * exponents)


class KeyValueCache(NamedTuple):
    """The keys and values of the target prefix, one layer's self-attention.

    A state and the one after it share their memory: a position is written into room that is there already.
    """

    keys: Float[Tensor, "R N C D"]
    values: Float[Tensor, "R N C D"]
    length: int  # positions that are written, of the C that there is room for

    def append(self, key: Float[Tensor, "R N 1 D"], value: Float[Tensor, "R N 1 D"]) -> "KeyValueCache":
        """Write the next position."""
        keys, values, length = self
        if length == keys.shape[2]:
            keys, values = (F.pad(x, (0, 0, 0, CACHE_GROWTH)) for x in (keys, values))
        keys[:, :, length : length + 1] = key
        values[:, :, length : length + 1] = value
        return KeyValueCache(keys, values, length + 1)

    def written(self) -> tuple[Float[Tensor, "R N T D"], Float[Tensor, "R N T D"]]:
        """Keys and values of the positions that are written."""
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def select(self, rows: Int[Tensor, " R2"]) -> "KeyValueCache":
        """Keep these rows in this order."""
        keys, values = (x.index_select(0, rows) for x in (self.keys, self.values))
        return KeyValueCache(keys, values, self.length)


class SelfAttention(nn.Module):
    """Multi-head scaled dot-product attention of a sequence to itself."""

    def __init__(self, size: int, heads: int, positions: Positions) -> None:
        super().__init__()
        self.heads = heads
        self.rotary = positions == "rotary"
        self.project = nn.Linear(size, 3 * size, bias=False)
        self.join = nn.Linear(size, size, bias=False)

    def empty_cache(self, x: Float[Tensor, "B S E"]) -> KeyValueCache:
        """A cache of no positions, with x's rows, precision and device."""
        shape = (x.shape[0], self.heads, 0, self.project.in_features // self.heads)
        return KeyValueCache(x.new_empty(shape), x.new_empty(shape), 0)

    def forward(self, x: Float[Tensor, "B S E"], mask: Bool[Tensor, "B S"]) -> Float[Tensor, "B S E"]:
        """Every position attends to every real one (encoder)."""
        query, key, value = self._project(x, 0)
        return self.join(join_heads(fused_attention(query, key, value, mask[:, None, None, :])))  # type: ignore[no-any-return]

    def causal(self, x: Float[Tensor, "B T E"]) -> Float[Tensor, "B T E"]:
        """Every position attends to itself and to earlier ones (decoder, a whole sentence)."""
        query, key, value = self._project(x, 0)
        return self.join(join_heads(fused_attention(query, key, value, causal=True)))  # type: ignore[no-any-return]

    def step(
        self, x: Float[Tensor, "R 1 E"], cache: KeyValueCache
    ) -> tuple[Float[Tensor, "R 1 E"], KeyValueCache]:
        """Attend from the newest position to the cached ones and itself (decoder, one step)."""
        query, key, value = self._project(x, cache.length)
        cache = cache.append(key, value)
        return self.join(join_heads(fused_attention(query, *cache.written()))), cache

    def _project(self, x: Float[Tensor, "B T E"], first: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (each B N T D); `first` is the position of x's first row."""
        projected = self.project(x).unflatten(-1, (3, self.heads, -1))  # (B, T, 3, N, D)
        projected = projected.permute(2, 0, 3, 1, 4)  # (3, B, N, T, D)
        query, key, value = projected.unbind(0)
        if self.rotary:
            positions = torch.arange(first, first + x.shape[1], device=x.device)
            query, key = rotate(projected[:2], positions).unbind(0)
        return query, key, value


class FeedForward(nn.Sequential):
    """Two linear layers around a ReLU, at every position alike."""

    def __init__(self, size: int, hidden_size: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(size, hidden_size), nn.ReLU(), Dropout(dropout), nn.Linear(hidden_size, size)
        )

    def forward(self, x: Float[Tensor, "B T E"]) -> Float[Tensor, "B T E"]:
        """Transform each position; in a training on a CPU with fewer passes over the hidden units."""
        first, _, dropout, second = self
        on_cpu = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if on_cpu and self.training and torch.is_grad_enabled():
            return _FeedForward.apply(x, first.weight, first.bias, second.weight, second.bias, dropout)  # type: ignore[no-any-return, no-untyped-call]
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


class _FeedForward(torch.autograd.Function):
    """ReLU and dropout in place, with gradients written out.

    A hidden unit is zero where either made it so, and its gradient is zero there, too: nothing else has to be
    kept for the way back. What dropout scales up is scaled by the products.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, back: Tensor, back_bias: Tensor, dropout: Dropout
    ) -> Tensor:
        rows = x.flatten(0, -2)
        hidden = torch.addmm(bias, rows, weight.T).relu_()
        ctx.scale = 1.0
        if dropout.threshold:
            hidden.mul_(dropout.draw(hidden))
            ctx.scale = dropout.scale
        ctx.save_for_backward(rows, hidden, weight, back)
        return torch.addmm(back_bias, hidden, back.T, alpha=ctx.scale).view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, hidden, weight, back = ctx.saved_tensors
        of_rows = gradient.flatten(0, -2)
        of_hidden = torch.addmm(hidden, of_rows, back, beta=0, alpha=ctx.scale)
        torch.ops.aten.threshold_backward.grad_input(of_hidden, hidden, 0, grad_input=of_hidden)
        return (
            (of_hidden @ weight).view_as(gradient),
            of_hidden.T @ rows,
            of_hidden.sum(dim=0),
            torch.addmm(back, of_rows.T, hidden, beta=0, alpha=ctx.scale),
            of_rows.sum(dim=0),
            None,
        )
