"""Bahdanau's loop over the target positions as one function, with its gradients written out.

The same as `InputFeedingDecoder` step by step, with one GRU layer and additive attention of one head. But
autograd records one node instead of dozens for each position, and weights get their gradients from all
positions at once.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

_sigmoid_backward = torch.ops.aten.sigmoid_backward
_tanh_backward = torch.ops.aten.tanh_backward


class Weights(NamedTuple):
    """What the loop multiplies with: those of `AdditiveAttention`, `InputFeedingDecoder` and `Gates`."""

    query: Float[Tensor, "A H"]
    energy: Float[Tensor, " A"]
    context: Float[Tensor, "X M"]  # X = 3 H: reset gate, update gate, candidate
    recurrent: Float[Tensor, "X H"]
    bias: Float[Tensor, " X"]


def input_feeding_loop(
    from_tokens: Float[Tensor, "B T X"],
    hidden: Float[Tensor, "B H"],
    values: Float[Tensor, "B S M"],
    keys: Float[Tensor, "B S A"],
    masking: Float[Tensor, "B S"],
    weights: Weights,
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B T M"]]:
    """Return the state after each token, and the context that entered with it.

        a = softmax(v . tanh(W_q h + k) + masking)    c = a . values
        h = GRU(from_token + W_c c, h)

    Args:
        from_tokens: the tokens' part of the GRU's input products, bias included.
        hidden: the first state.
        values: what is averaged.
        keys: the sources' part of the attention's hidden layer.
        masking: 0 on tokens, -inf on padding; no row may have only padding.
        weights: of the three products in the loop.
    """
    return _Loop.apply(from_tokens, hidden, values, keys, masking, *weights)  # type: ignore[no-any-return, no-untyped-call]


class _Loop(torch.autograd.Function):
    """Time comes first in what is kept for the backward pass, so that a step's part is one block."""

    @staticmethod
    def forward(
        ctx: Any,
        from_tokens: Tensor,
        hidden: Tensor,
        values: Tensor,
        keys: Tensor,
        masking: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        w = Weights(*weights)
        batch, steps, _ = from_tokens.shape
        size, length = hidden.shape[1], keys.shape[1]
        new = hidden.new_empty
        states, contexts = new(steps + 1, batch, size), new(steps, batch, values.shape[2])
        attended, tanhs = new(steps, batch, length), new(steps, batch, length, keys.shape[2])
        gates, candidates, recurrents = (new(steps, batch, n * size) for n in (2, 1, 1))
        states[0] = hidden
        for t in range(steps):
            torch.add(keys, (states[t] @ w.query.T)[:, None], out=tanhs[t]).tanh_()
            torch.softmax((tanhs[t] @ w.energy).add_(masking), dim=1, out=attended[t])
            torch.bmm(attended[t][:, None], values, out=contexts[t][:, None])
            inputs = torch.addmm(from_tokens[:, t], contexts[t], w.context.T)
            recurrent = torch.addmm(w.bias, states[t], w.recurrent.T)
            torch.add(inputs[:, : 2 * size], recurrent[:, : 2 * size], out=gates[t]).sigmoid_()
            reset, update = gates[t].chunk(2, dim=1)
            recurrents[t] = recurrent[:, 2 * size :]
            torch.addcmul(inputs[:, 2 * size :], reset, recurrents[t], out=candidates[t]).tanh_()
            torch.lerp(candidates[t], states[t], update, out=states[t + 1])
        ctx.save_for_backward(
            values, states, contexts, attended, tanhs, gates, candidates, recurrents, *weights
        )
        return states[1:].transpose(0, 1), contexts.transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor, grad_contexts: Tensor) -> tuple[Tensor | None, ...]:
        values, states, contexts, attended, tanhs, gates, candidates, recurrents, *weights = ctx.saved_tensors
        w = Weights(*weights)
        steps, batch, size = candidates.shape
        new = values.new_empty
        # Of what enters the gates from token and context, and from the state; of queries, scores, contexts.
        inputs, recurrent = (new(steps, batch, 3 * size) for _ in range(2))
        queries, scores = new(steps, batch, tanhs.shape[3]), torch.empty_like(attended)
        context = grad_contexts.transpose(0, 1).contiguous()
        keys = torch.zeros_like(tanhs[0])
        hidden = torch.zeros_like(states[0])
        for t in reversed(range(steps)):
            hidden = hidden + grad_states[:, t]
            reset, update = gates[t].chunk(2, dim=1)
            kept = hidden * update
            of_reset, of_update, of_candidate = inputs[t].chunk(3, dim=1)
            of_update.copy_(_sigmoid_backward(hidden * (states[t] - candidates[t]), update))
            of_candidate.copy_(_tanh_backward(hidden - kept, candidates[t]))
            of_reset.copy_(_sigmoid_backward(of_candidate * recurrents[t], reset))
            recurrent[t] = inputs[t]
            recurrent[t, :, 2 * size :] *= reset
            context[t] += inputs[t] @ w.context
            of_weights = torch.bmm(values, context[t][:, :, None])[:, :, 0]
            torch._softmax_backward_data(of_weights, attended[t], 1, of_weights.dtype, grad_input=scores[t])
            before_tanh = _tanh_backward(scores[t][:, :, None] * w.energy, tanhs[t])
            keys += before_tanh
            torch.sum(before_tanh, dim=1, out=queries[t])
            hidden = torch.addmm(kept, recurrent[t], w.recurrent).addmm_(queries[t], w.query)
        flat = [x.flatten(0, -2) for x in (inputs, recurrent, queries, states[:-1], contexts, tanhs)]
        inputs_, recurrent_, queries_, states_, contexts_, tanhs_ = flat
        return (
            inputs.transpose(0, 1),
            hidden,
            torch.bmm(attended.permute(1, 2, 0), context.transpose(0, 1)),
            keys,
            None,
            queries_.T @ states_,
            tanhs_.T @ scores.flatten(),
            inputs_.T @ contexts_,
            recurrent_.T @ states_,
            recurrent_.sum(dim=0),
        )
