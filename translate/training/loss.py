"""Label-smoothed cross-entropy, fused with the output layer and taken in chunks of tokens.

The scores of a batch of 2,000 target tokens over 8,000 pieces fill 64 MB in float32, several times over with
their softmax and gradient. Here a chunk's scores live only until its gradients are known.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.autograd.function import once_differentiable

from translate.batches import Batch
from translate.model import Seq2Seq
from translate.tokenizer import UNK_ID

# Tokens: on a CPU large enough for full matrix products, small enough for their scores to stay in cache; on a
# GPU few enough chunks to start.
CHUNK, GPU_CHUNK = 512, 4096


class Guide(NamedTuple):
    """The attention head that follows a batch's links, and how much that counts."""

    layer: int
    head: int
    weight: float


class Objective(NamedTuple):
    """What is minimised on a batch; with the defaults, -log p of the targets."""

    label_smoothing: float = 0.0
    guide: Guide | None = None
    r_drop: float = 0.0  # weight of the divergence between two passes
    word_dropout: float = 0.0  # probability that a piece is not read


def batch_loss(model: Seq2Seq, batch: Batch, objective: Objective) -> tuple[Tensor, Tensor]:
    """Loss to minimise and negative log-likelihood, both a real target token of the batch.

    With R-Drop the batch is there twice, since each pass of a row has its own dropout.
    """
    guide = objective.guide if batch.links is not None else None
    batch = drop_words(doubled(batch) if objective.r_drop else batch, objective.word_dropout)
    output, real = model.output, batch.tgt_mask
    if guide is None:
        features = model.features(batch.src, batch.src_mask, batch.tgt_in)
    else:
        features, weights = model.attend(batch.src, batch.src_mask, batch.tgt_in, guide.layer, guide.head)
    loss, nll = cross_entropy(
        features[real], output.weight, output.bias, batch.tgt_out[real], objective.label_smoothing,
        r_drop=objective.r_drop,
    )  # fmt: skip
    if guide is not None:
        assert batch.links is not None
        loss = loss + guide.weight * guided_loss(weights, batch.links) / real.sum()
    return loss, nll


def doubled(batch: Batch) -> Batch:
    """The batch with each row twice, one behind the other."""
    twice = Batch(*(torch.cat([tensor, tensor]) for tensor in batch[:5]))
    return twice if batch.links is None else twice._replace(links=torch.cat([batch.links, batch.links]))


def drop_words(batch: Batch, probability: float) -> Batch:
    """The batch with the unknown piece in place of some that encoder and decoder read; the targets stay.

    Gal & Ghahramani (2016) zero a dropped word's embedding. The unknown piece's does as well: text never has
    it, since what has no piece is spelled in bytes, so the model learns what it means. Special pieces stay.
    """
    if not probability:
        return batch
    return batch._replace(
        src=_drop_pieces(batch.src, probability), tgt_in=_drop_pieces(batch.tgt_in, probability)
    )


def _drop_pieces(ids: Int[Tensor, "B S"], probability: float) -> Int[Tensor, "B S"]:
    dropped = torch.rand(ids.shape, device=ids.device) < probability
    return ids.masked_fill(dropped & (ids > UNK_ID), UNK_ID)  # the special ids are the lowest ones


def guided_loss(weights: Float[Tensor, "B T S"], links: Bool[Tensor, "B T S"]) -> Float[Tensor, ""]:
    """Sum of the cross-entropies between each row's links, alike, and its weights (Garg et al. 2019, 3.2).

    - sum_t 1/n_t sum_s log w_ts    over the n_t linked positions s of row t; a row without links adds nothing
    """
    logs = weights.clamp_min(torch.finfo(weights.dtype).tiny).log()
    counts = links.sum(dim=-1, keepdim=True).clamp_min(1)
    return -(logs * links / counts).sum()


def padded_batch_loss(model: Seq2Seq, batch: Batch, objective: Objective) -> tuple[Tensor, Tensor]:
    """The same from all slots of the batch, padding counting nothing; it has no links.

    Which tokens are real, and how many, then stays on the device: the host need not wait to know it.
    """
    batch = drop_words(doubled(batch) if objective.r_drop else batch, objective.word_dropout)
    features = model.features(batch.src, batch.src_mask, batch.tgt_in).flatten(0, 1)
    targets, real = batch.tgt_out.flatten(), batch.tgt_mask.flatten()
    return cross_entropy(
        features, model.output.weight, model.output.bias, targets, objective.label_smoothing, real,
        objective.r_drop,
    )  # fmt: skip


def cross_entropy(
    features: Float[Tensor, "n E"],
    weight: Float[Tensor, "V E"],
    bias: Float[Tensor, " V"],
    targets: Int[Tensor, " n"],
    label_smoothing: float = 0.0,
    real: Bool[Tensor, " n"] | None = None,
    r_drop: float = 0.0,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean over the tokens of the loss to minimise, and of -log p(target) to report (no gradient).

    The first is the cross-entropy against (1 - a) on the target and a / V on every piece, a the label
    smoothing (Szegedy et al. 2016, section 7), equal to torch.nn.functional.cross_entropy of
    features @ weight.T + bias.

    R-Drop (Liang et al. 2021) adds, for distributions P and Q that the two passes give a
    token, r_drop / 2 (KL(P | Q) + KL(Q | P)) to the sum of both cross-entropies. Here all of it is halved,
    since the mean is taken over the tokens of both passes.

    Args:
        real: which of the rows are tokens; None: all.
        r_drop: if not 0, the second half of the rows are the tokens of the first half in another pass.
    """
    if r_drop:  # a token's two rows side by side, so that they are in one chunk
        features, targets = (_side_by_side(x) for x in (features, targets))
        real = None if real is None else _side_by_side(real)
    return _LinearCrossEntropy.apply(features, weight, bias, targets, label_smoothing, real, r_drop)  # type: ignore[no-any-return, no-untyped-call]


def _side_by_side(rows: Shaped[Tensor, "n *rest"]) -> Shaped[Tensor, "n *rest"]:
    return torch.stack(rows.chunk(2), dim=1).flatten(0, 1)


def _divergence(
    scores: Float[Tensor, "n V"], probs: Float[Tensor, "n V"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n V"]]:
    """KL(P | Q) of each row's distribution P from that of the row beside it, and what the sum's gradient is.

    With r = log P - log Q, the gradient of KL(P | Q) + KL(Q | P) with respect to the scores of P is
    P (r - KL(P | Q)) + P - Q. For r the scores are taken: a probability may be too small for a float.
    """
    precise = scores.to(probs.dtype)
    log_probs = precise - precise.logsumexp(dim=1, keepdim=True)
    ratio = log_probs - _swap(log_probs)
    divergence = (probs * ratio).sum(dim=1)
    gradient = ratio.sub_(divergence[:, None]).add_(1).mul_(probs).sub_(_swap(probs))
    return divergence, gradient


def _swap(rows: Float[Tensor, "n V"]) -> Float[Tensor, "n V"]:
    """Let the rows that stand side by side change places."""
    return rows.view(-1, 2, rows.shape[1]).flip(1).view_as(rows)


class _LinearCrossEntropy(torch.autograd.Function):
    """Computes the gradients in the forward pass, while a chunk's probabilities are at hand.

    log p(target) is the target's score - top score + log(top probability): right even where p(target) is too
    small for a float. Smoothing asks the same of every piece, so what it adds to loss and gradients needs no
    pass over the scores: sums of the features and of the weight suffice.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        label_smoothing: float,
        real: Tensor | None,
        r_drop: float,
    ) -> tuple[Tensor, Tensor]:
        device = features.device.type
        low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        precise = torch.promote_types(low, torch.float32)  # softmax and sums: never in half precision
        rows, matrix, low_bias = (x.detach().to(low) for x in (features, weight, bias))
        counts = torch.ones_like(targets, dtype=precise) if real is None else real.to(precise)
        if real is not None:
            rows = rows * real[:, None]
        pieces, even = len(bias), label_smoothing / len(bias)
        chunk = min(len(targets), CHUNK if device == "cpu" else GPU_CHUNK)
        scores_buffer = rows.new_empty(chunk, pieces)
        probs_buffer = rows.new_empty(chunk, pieces, dtype=precise)
        with torch.autocast(device, enabled=False):
            count = counts.sum()
            rows_sum, matrix_sum = rows.sum(dim=0, dtype=precise), matrix.sum(dim=0, dtype=precise)
            log_probs = counts.new_zeros(())  # of the targets
            normalizers = counts.new_zeros(())  # log-sum-exp of the scores
            divergences = counts.new_zeros(())
            grad_rows = torch.empty_like(rows)
            grad_weight = torch.zeros_like(weight).sub_(even * rows_sum)
            grad_bias = torch.zeros_like(bias).sub_(even * count)
            for start in range(0, len(targets), chunk):
                part = slice(start, start + chunk)
                target, size = targets[part, None], len(rows[part])
                scores = torch.addmm(low_bias, rows[part], matrix.T, out=scores_buffer[:size])
                probs = torch.softmax(scores, dim=1, dtype=precise, out=probs_buffer[:size])
                top, log_top = scores.amax(dim=1).to(precise), probs.amax(dim=1).log()
                normalizers += counts[part] @ (top - log_top)
                log_probs += counts[part] @ (scores.gather(1, target)[:, 0].to(precise) - top + log_top)
                if r_drop:
                    divergence, pull = _divergence(scores, probs)
                    divergences += counts[part] @ divergence
                # d loss / d scores = probabilities - target distribution, but for the even part
                grad = probs.scatter_add_(1, target, probs.new_full((size, 1), label_smoothing - 1))
                if r_drop:
                    grad.add_(pull, alpha=r_drop / 2)
                grad_bias.addmv_(grad.T, counts[part])
                low_grad = grad.to(low)
                torch.mm(low_grad, matrix, out=grad_rows[part])
                if low == weight.dtype:
                    grad_weight.addmm_(low_grad.T, rows[part])
                else:
                    grad_weight += low_grad.T @ rows[part]
            grad_rows -= even * matrix_sum
            if real is not None:
                grad_rows *= real[:, None]
            scores_mean = (rows_sum @ matrix_sum + count * low_bias.sum(dtype=precise)) / pieces
        ctx.save_for_backward(grad_rows, grad_weight, grad_bias)
        ctx.count = count
        ctx.dtype = features.dtype
        nll = -log_probs / count
        ctx.mark_non_differentiable(nll)
        smoothing = label_smoothing * (normalizers - scores_mean) / count
        return (1 - label_smoothing) * nll + smoothing + r_drop / 2 * divergences / count, nll

    @staticmethod
    @once_differentiable  # the gradients are constants by now
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_rows, grad_weight, grad_bias = ctx.saved_tensors
        scale = grad_loss / ctx.count
        return (
            (grad_rows * scale).to(ctx.dtype),
            grad_weight * scale,
            grad_bias * scale,
            None,
            None,
            None,
            None,
        )
