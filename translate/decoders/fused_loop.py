"""The loop over the target positions as one function, with its gradients written out.

The same as `InputFeedingDecoder` or `ConditionalDecoder` step by step, with one GRU layer and additive
attention of one head. But autograd records one node instead of dozens for each position, and weights get
their gradients from all positions at once.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from translate.gru import Slopes, Steps

_sigmoid_backward = torch.ops.aten.sigmoid_backward


class Weights(NamedTuple):
    """What the loop multiplies with: those of `AdditiveAttention`, of the decoder and of its `Gates`."""

    query: Float[Tensor, "A H"]
    energy: Float[Tensor, " A"]
    context: Float[Tensor, "X M"]  # X = 3 H: reset gate, update gate, candidate
    recurrent: Float[Tensor, "X H"]
    bias: Float[Tensor, " X"]
    coverage: Float[Tensor, " A"] | None = None
    token_recurrent: Float[Tensor, "X H"] | None = None  # of the GRU that reads the token before asking
    token_bias: Float[Tensor, " X"] | None = None


def fused_loop(
    from_tokens: Float[Tensor, "T B X"],
    hidden: Float[Tensor, "B H"],
    values: Float[Tensor, "B S M"],
    keys: Float[Tensor, "B S A"],
    masking: Float[Tensor, "B S"],
    coverage: Float[Tensor, "B S"] | None,
    weights: Weights,
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B T M"], Float[Tensor, "B T S"]]:
    """Return the state after each token, the context that entered it, and the weights a of its average.

        a = softmax(v . tanh(W_q h + k + W_s s) + masking)    c = a . values    s' = s + a
        h' = GRU(from_token + W_c c, h)

    Without coverage there is no s. With a GRU for tokens, h = GRU(from_token, h) comes first, and W_c c alone
    enters the second.

    tanh(x) is computed as 2 sigmoid(2x) - 1, of which softmax does not notice the last term: on a CPU torch's
    sigmoid takes a quarter of the time of its tanh.

    Args:
        from_tokens: the tokens' part of a GRU's input products, bias included.
        hidden: the first state.
        values: what is averaged.
        keys: the sources' part of the attention's hidden layer.
        masking: 0 on tokens, -inf on padding; no row may be of -inf only.
        coverage: s, the sum of the weights so far.
        weights: of all products in the loop.
    """
    return _Loop.apply(from_tokens, hidden, values, keys, masking, coverage, *weights)  # type: ignore[no-any-return, no-untyped-call]


class _Attention(NamedTuple):
    """What an attention computes, step by step."""

    sigmoids: Float[Tensor, "T B S A"]  # (1 + tanh) / 2
    weights: Float[Tensor, "T B S"]
    contexts: Float[Tensor, "T B M"]
    coverages: Float[Tensor, "T+1 B S"] | None  # before each step


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        from_tokens: Tensor,
        hidden: Tensor,
        values: Tensor,
        keys: Tensor,
        masking: Tensor,
        coverage: Tensor | None,
        *weights: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        w = Weights(*weights)  # type: ignore[arg-type]
        steps, batch, _ = from_tokens.shape
        size, length = hidden.shape[1], keys.shape[1]
        new = hidden.new_empty
        states = new(steps + 1, batch, size)
        states[0] = hidden
        attention = _Attention(
            new(steps, batch, length, keys.shape[2]),
            new(steps, batch, length),
            new(steps, batch, values.shape[2]),
            None if coverage is None else coverage.expand(steps + 1, -1, -1).clone(),
        )
        sigmoids, attended, contexts, coverages = attention
        asking, reading, inputs = states[:-1], None, from_tokens
        if w.token_recurrent is not None and w.token_bias is not None:
            asking, inputs = new(steps, batch, size), torch.zeros_like(from_tokens)
            reading = Steps.begin(from_tokens, w.token_bias)
            token_recurrent = w.token_recurrent.T.contiguous()
        gru = Steps.begin(inputs, w.bias)
        # Lying this way, they are multiplied faster with few rows.
        query, from_context, recurrent = (x.T.contiguous() for x in (2 * w.query, w.context, w.recurrent))
        keys, energy = 2 * keys, 2 * w.energy
        for t in range(steps):
            if reading is not None:
                reading.sums[t].addmm_(states[t], token_recurrent)
                reading.take(t, states[t], asking[t])
            covered = keys
            if coverages is not None and w.coverage is not None:
                covered = torch.addcmul(keys, coverages[t][..., None], w.coverage, value=2, out=sigmoids[t])
            torch.add(covered, (asking[t] @ query)[:, None], out=sigmoids[t]).sigmoid_()
            torch.softmax((sigmoids[t] @ energy).add_(masking), dim=1, out=attended[t])
            if coverages is not None:
                torch.add(coverages[t], attended[t], out=coverages[t + 1])
            torch.bmm(attended[t][:, None], values, out=contexts[t][:, None])
            gru.sums[t].addmm_(asking[t], recurrent)
            gru.sums[t, :, : 2 * size].addmm_(contexts[t], from_context[:, : 2 * size])
            gru.candidates[t].addmm_(contexts[t], from_context[:, 2 * size :])
            gru.take(t, asking[t], states[t + 1])
        ctx.save_for_backward(values, states, asking, *attention, *gru, *(reading or (None, None)), *weights)
        return states[1:].transpose(0, 1), contexts.transpose(0, 1), attended.transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_states: Tensor, of_contexts: Tensor, of_attended: Tensor
    ) -> tuple[Tensor | None, ...]:
        values, states, asking, *rest = ctx.saved_tensors
        sigmoids, attended, contexts, coverages = _Attention(*rest[:4])
        gru, reading, w = Steps(*rest[4:6]), Steps(*rest[6:8]), Weights(*rest[8:])
        steps, _, size = gru.candidates.shape
        gates, candidate = slice(2 * size), slice(2 * size, None)
        slopes, of_gru = Slopes.of(gru, asking), Steps(*map(torch.empty_like, gru))
        of_inputs = of_gru  # where the tokens enter
        if w.token_recurrent is not None:
            token_slopes, of_inputs = Slopes.of(reading, states[:-1]), Steps(*map(torch.empty_like, reading))
        of_context = of_contexts.transpose(0, 1).clone(memory_format=torch.contiguous_format)
        of_scores = torch.empty_like(attended)
        of_queries = sigmoids.new_empty(*sigmoids.shape[:2], sigmoids.shape[3])
        of_keys, of_coverage = torch.zeros_like(sigmoids[0]), torch.zeros_like(attended[0])
        of_energy, of_coverage_weight = torch.zeros_like(w.energy), torch.zeros_like(w.energy)
        steepest = (4 * w.energy).expand_as(of_keys)  # 1 - tanh² = 4 sigmoid (1 - sigmoid)
        hidden = torch.zeros_like(states[0])
        for t in reversed(range(steps)):
            hidden += of_states[:, t]
            slopes.back(t, hidden, of_gru)
            of_context[t].addmm_(of_gru.sums[t, :, gates], w.context[gates])
            of_context[t].addmm_(of_gru.candidates[t], w.context[candidate])
            # Rows times matrices: matrices times columns took ten times as long.
            of_weights = torch.bmm(of_context[t][:, None], values.mT)[:, 0].add_(of_coverage)
            of_weights += of_attended[:, t]
            torch._softmax_backward_data(
                of_weights, attended[t], 1, of_weights.dtype, grad_input=of_scores[t]
            )
            slope = _sigmoid_backward(steepest, sigmoids[t])  # of a score by what is in a tanh
            torch.bmm(of_scores[t][:, None], slope, out=of_queries[t][:, None])
            of_keys.addcmul_(slope, of_scores[t][..., None])
            # Of 2 sigmoid - 1; a row of these gradients sums to nothing.
            of_energy.addmv_(sigmoids[t].flatten(0, 1).T, of_scores[t].flatten(), alpha=2)
            if coverages is not None:
                of_coverage.addcmul_(of_scores[t], slope @ w.coverage)
                of_coverage_weight += (of_scores[t] * coverages[t]).flatten() @ slope.flatten(0, 1)
            hidden.addmm_(of_gru.sums[t], w.recurrent).addmm_(of_queries[t], w.query)
            if w.token_recurrent is not None:
                token_slopes.back(t, hidden, of_inputs)
                hidden.addmm_(of_inputs.sums[t], w.token_recurrent)
        flat = (x.flatten(0, 1) for x in (*of_gru, *of_inputs, of_queries, states[:-1], asking, contexts))
        sums_, candidates_, token_sums_, _, queries_, states_, asking_, contexts_ = flat
        of_w = Weights(
            queries_.T @ asking_,
            of_energy,
            torch.empty_like(w.context),
            sums_.T @ asking_,
            sums_.sum(dim=0),
        )
        torch.mm(sums_[:, gates].T, contexts_, out=of_w.context[gates])
        torch.mm(candidates_.T, contexts_, out=of_w.context[candidate])
        if coverages is not None:
            of_w = of_w._replace(coverage=of_coverage_weight)
        if w.token_recurrent is not None:
            of_w = of_w._replace(token_recurrent=token_sums_.T @ states_, token_bias=token_sums_.sum(dim=0))
        return (
            torch.cat([of_inputs.sums[..., gates], of_inputs.candidates], dim=2),
            hidden,
            torch.bmm(attended.permute(1, 2, 0), of_context.transpose(0, 1)),
            of_keys,
            None,
            None if coverages is None else of_coverage,
            *of_w,
        )
