"""Scaled dot-product attention without its weights, by whatever is fastest."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

# Positions: up to here, keeping the weights for the way back is faster on a CPU than torch's kernel, which
# computes them again.
SHORT = 64


def fused_attention(
    query: Float[Tensor, "B N T A"],
    key: Float[Tensor, "B N S A"],
    value: Float[Tensor, "B N S D"],
    mask: Bool[Tensor, "B #N #T S"] | None = None,
    *,
    causal: bool = False,
) -> Float[Tensor, "B N T D"]:
    """`attention` without its weights; every query may look somewhere.

    By torch's fused kernel; on a CPU, sentences of a training by products of whole batches.
    """
    with full_precision(query.device):
        query, key, value = precise(query), precise(key), precise(value)
        if _trains_on_cpu(query, key, value) and max(query.shape[2], key.shape[2]) <= SHORT:
            return _ShortAttention.apply(query, key, value, _hiding(query, key, mask, causal=causal))  # type: ignore[no-any-return, no-untyped-call]
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)


def precise(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """On a CPU, as float32: the backward of the bfloat16 kernel is ten times slower."""
    return x.float() if x.device.type == "cpu" and x.dtype == torch.bfloat16 else x


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """On a CPU, keep attention out of autocast."""
    return torch.autocast("cpu", enabled=False) if device.type == "cpu" else nullcontext()


def split_heads(x: Float[Tensor, "B T X"], heads: int) -> Float[Tensor, "B N T D"]:
    """Give each of N heads its own D = X / N units."""
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads).transpose(1, 2)


def join_heads(x: Float[Tensor, "B N T D"]) -> Float[Tensor, "B T X"]:
    """Undo `split_heads`."""
    return x.transpose(1, 2).flatten(2)


def _trains_on_cpu(*inputs: Tensor) -> bool:
    return inputs[0].device.type == "cpu" and torch.is_grad_enabled() and any(x.requires_grad for x in inputs)


def _hiding(
    query: Float[Tensor, "B N T A"],
    key: Float[Tensor, "B N S A"],
    mask: Bool[Tensor, "B #N #T S"] | None,
    *,
    causal: bool,
) -> Float[Tensor, "#B #N #T S"] | None:
    """What is added to the scores: the lowest number where a query may not look."""
    if causal:
        mask = torch.ones(1, 1, query.shape[2], key.shape[2], dtype=torch.bool).tril()
    if mask is None:
        return None
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, torch.finfo(query.dtype).min)


class _ShortAttention(torch.autograd.Function):
    """softmax(Q Kᵀ / √d + hiding) V, with its gradients written out."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, hiding: Tensor | None) -> Tensor:
        rows = query.shape[:2]  # B, N
        query, key, value = (x.reshape(-1, *x.shape[2:]) for x in (query, key, value))
        scores = torch.bmm(query, key.mT).mul_(1 / math.sqrt(query.shape[2]))
        if hiding is not None:
            scores.view(*rows, *scores.shape[1:]).add_(hiding)
        weights = torch.softmax(scores, dim=2)
        ctx.save_for_backward(query, key, value, weights)
        return torch.bmm(weights, value).view(*rows, -1, value.shape[2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights = ctx.saved_tensors
        rows, gradient = gradient.shape[:2], gradient.reshape(-1, *gradient.shape[2:])
        of_weights = torch.bmm(gradient, value.mT)
        of_scores = torch._softmax_backward_data(of_weights, weights, 2, weights.dtype)
        of_scores.mul_(1 / math.sqrt(query.shape[2]))
        gradients = (
            torch.bmm(of_scores, key),
            torch.bmm(of_scores.mT, query),
            torch.bmm(weights.mT, gradient),
        )
        return *(x.view(*rows, *x.shape[1:]) for x in gradients), None
