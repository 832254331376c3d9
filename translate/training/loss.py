"""Label-smoothed cross-entropy, fused with the output layer and taken in chunks of tokens.

The scores of a batch of 2,000 target tokens over 8,000 pieces fill 64 MB in float32, several times over with
their softmax and gradient. Here a chunk's scores live only until its gradients are known.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from translate.batches import Batch
from translate.model import Seq2Seq

# Tokens: on a CPU large enough for full matrix products, small enough for their scores to stay in cache; on a
# GPU few enough chunks to start.
CHUNK, GPU_CHUNK = 512, 4096


def batch_loss(model: Seq2Seq, batch: Batch, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Loss to minimise and negative log-likelihood, both a real target token of the batch."""
    features = model.features(batch.src, batch.src_mask, batch.tgt_in)
    output = model.output
    real = batch.tgt_mask
    return cross_entropy(features[real], output.weight, output.bias, batch.tgt_out[real], label_smoothing)


def padded_batch_loss(model: Seq2Seq, batch: Batch, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """The same from all slots of the batch, padding counting nothing.

    Which tokens are real, and how many, then stays on the device: the host need not wait to know it.
    """
    features = model.features(batch.src, batch.src_mask, batch.tgt_in).flatten(0, 1)
    targets, real = batch.tgt_out.flatten(), batch.tgt_mask.flatten()
    return cross_entropy(features, model.output.weight, model.output.bias, targets, label_smoothing, real)


def cross_entropy(
    features: Float[Tensor, "n E"],
    weight: Float[Tensor, "V E"],
    bias: Float[Tensor, " V"],
    targets: Int[Tensor, " n"],
    label_smoothing: float = 0.0,
    real: Bool[Tensor, " n"] | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean over the tokens of the loss to minimise, and of -log p(target) to report (no gradient).

    The first is the cross-entropy against (1 - a) on the target and a / V on every piece, a the label
    smoothing (Szegedy et al. 2016, section 7), equal to torch.nn.functional.cross_entropy of
    features @ weight.T + bias.

    Args:
        real: which of the rows are tokens; None: all.
    """
    return _LinearCrossEntropy.apply(features, weight, bias, targets, label_smoothing, real)  # type: ignore[no-any-return, no-untyped-call]


class _LinearCrossEntropy(torch.autograd.Function):
    """Computes the gradients in the forward pass, while a chunk's probabilities are at hand."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        label_smoothing: float,
        real: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        device = features.device.type
        low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        precise = torch.promote_types(low, torch.float32)  # softmax and sums: never in half precision
        inputs, matrix = features.detach().to(low), weight.detach().to(low)
        pieces = weight.shape[0]
        count = len(targets) if real is None else real.sum()
        chunk = CHUNK if device == "cpu" else GPU_CHUNK
        grad_features = torch.empty_like(inputs)
        grad_weight = torch.zeros_like(weight)
        grad_bias = torch.zeros_like(bias)
        loss = torch.zeros((), dtype=precise, device=features.device)
        nll = torch.zeros((), dtype=precise, device=features.device)
        with torch.autocast(device, enabled=False):
            for start in range(0, len(targets), chunk):
                rows = inputs[start : start + chunk]
                target = targets[start : start + chunk, None]
                scores = torch.addmm(bias.detach().to(low), rows, matrix.T)
                log_probs = scores.to(precise).log_softmax(dim=1)
                if real is not None:
                    counts = real[start : start + chunk, None]
                    log_probs = log_probs * counts
                right = log_probs.gather(1, target).sum()
                nll -= right
                loss -= (1 - label_smoothing) * right
                if label_smoothing:
                    loss -= label_smoothing / pieces * log_probs.sum()
                # d loss / d scores = probabilities - target distribution
                grad = log_probs.exp_().sub_(label_smoothing / pieces)
                grad.scatter_add_(1, target, grad.new_full((len(target), 1), label_smoothing - 1))
                if real is not None:
                    grad *= counts
                grad_bias += grad.sum(dim=0)
                grad_low = grad.to(low)
                grad_features[start : start + chunk] = grad_low @ matrix
                grad_weight += grad_low.T @ rows
        ctx.save_for_backward(grad_features, grad_weight, grad_bias)
        ctx.count = count
        ctx.dtype = features.dtype
        nll = nll / count
        ctx.mark_non_differentiable(nll)
        return loss / count, nll

    @staticmethod
    @once_differentiable  # the gradients are constants by now
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_features, grad_weight, grad_bias = ctx.saved_tensors
        scale = grad_loss / ctx.count
        return (grad_features * scale).to(ctx.dtype), grad_weight * scale, grad_bias * scale, None, None, None
