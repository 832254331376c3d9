"""GRU layers over whole sentences as one function, with their gradients written out.

On a CPU, torch's own is a dozen operators for each position and direction, all recorded by autograd. Here the
directions take their steps together, autograd records one node, and weights get their gradients from all
positions at once. `gru_step` and `Slopes` serve the decoders' loop, too.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_sigmoid_backward = torch.ops.aten.sigmoid_backward
_tanh_backward = torch.ops.aten.tanh_backward


def gru_step(
    sums: Float[Tensor, "*rows X"],
    candidate: Float[Tensor, "*rows H"],
    hidden: Float[Tensor, "*rows H"],
    new: Float[Tensor, "*rows H"],
) -> None:
    """Take a step, all in place (torch.nn.GRU's equations; Cho et al. 2014, v3).

        r, z = sigmoid(sums)    n = tanh(candidate + r * sum)    h' = n + z * (h - n)

    Args:
        sums: of all products of the reset and of the update gate, which become the gates; and of the
            candidate's recurrent products. X = 3 H.
        candidate: the sum of the candidate's input products, which becomes n.
        hidden: h, the old state.
        new: room for h'.
    """
    sums[..., : 2 * hidden.shape[-1]].sigmoid_()
    reset, update, recurrent = sums.chunk(3, dim=-1)
    candidate.addcmul_(reset, recurrent).tanh_()
    torch.lerp(candidate, hidden, update, out=new)


class Slopes(NamedTuple):
    """What a change passes on within a step, for all steps."""

    hidden: Float[Tensor, "T *rows H"]  # from the old state, where it is kept, to the new one
    update: Float[Tensor, "T *rows H"]  # from the update gate's sum to the new state
    candidate: Float[Tensor, "T *rows H"]  # from the candidate's sum to the new state
    reset: Float[Tensor, "T *rows H"]  # from the reset gate's sum to the candidate's
    recurrent: Float[Tensor, "T *rows H"]  # from the candidate's recurrent products to its sum

    @staticmethod
    def of(
        sums: Float[Tensor, "T *rows X"],
        candidates: Float[Tensor, "T *rows H"],
        hidden: Float[Tensor, "T *rows H"],
    ) -> "Slopes":
        """Take what `gru_step` left, and the old states."""
        reset, update, recurrent = sums.chunk(3, dim=-1)
        return Slopes(
            update,
            _sigmoid_backward(hidden - candidates, update),
            _tanh_backward(1 - update, candidates),
            _sigmoid_backward(recurrent, reset),
            reset,
        )

    def back(
        self,
        t: int,
        gradient: Float[Tensor, "*rows H"],
        sums: Float[Tensor, "*rows X"],
        candidate: Float[Tensor, "*rows H"],
    ) -> None:
        """Compute the gradients of what step t summed up.

        Args:
            gradient: of the new state; becomes that of the old one, where it is kept.
            sums: room for their gradients.
            candidate: room for the gradient of the candidate's sum.
        """
        of_reset, of_update, of_recurrent = sums.chunk(3, dim=-1)
        torch.mul(gradient, self.update[t], out=of_update)
        torch.mul(gradient, self.candidate[t], out=candidate)
        torch.mul(candidate, self.reset[t], out=of_reset)
        torch.mul(candidate, self.recurrent[t], out=of_recurrent)
        gradient.mul_(self.hidden[t])


class Orders(NamedTuple):
    """In which order each of D directions reads the N = B S positions of a batch."""

    steps: Int[Tensor, "D N"]  # step by step, which position is read: b S + s
    positions: Int[Tensor, "D N"]  # position by position, when it is read: t B + b


def reading_orders(reversals: Sequence[Int[Tensor, "B S"]]) -> Orders:
    """Return the orders of directions that read, as step t, position reversal[b, t] of sentence b.

    A reversal is its own inverse: position s is step reversal[b, s].
    """
    positions = torch.stack(list(reversals))
    _, batch, length = positions.shape
    sentences = torch.arange(batch, device=positions.device)[:, None]
    steps = (sentences * length + positions).transpose(1, 2)
    return Orders(steps.flatten(1), (positions * batch + sentences).flatten(1))


def gru_layer(
    x: Float[Tensor, "B S E"], orders: Orders, directions: Sequence[nn.GRU]
) -> Float[Tensor, "B S Y"]:
    """Return the states of all directions side by side (Y = D H), each as its torch.nn.GRU has them."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weights = [getattr(direction, name) for direction in directions for name in names]
    return _Layer.apply(x, *orders, *weights)  # type: ignore[no-any-return, no-untyped-call]


class Weights(NamedTuple):
    """Of one direction, as torch.nn.GRU has them: reset gate, update gate, candidate."""

    input: Float[Tensor, "X E"]
    recurrent: Float[Tensor, "X H"]
    input_bias: Float[Tensor, " X"]
    recurrent_bias: Float[Tensor, " X"]

    @staticmethod
    def each(tensors: Sequence[Tensor]) -> "list[Weights]":
        """Those of all directions, from one list of all their tensors."""
        return [Weights(*tensors[start : start + 4]) for start in range(0, len(tensors), 4)]


class _Layer(torch.autograd.Function):
    """In what is kept for the backward pass directions come first, then steps; N = S B rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, steps: Tensor, positions: Tensor, *tensors: Tensor) -> Tensor:
        batch, length, units = x.shape
        weights = Weights.each(tensors)
        size = weights[0].recurrent.shape[1]
        read = x.flatten(0, 1).index_select(0, steps.flatten()).view(len(steps), -1, units)  # (D, N, E)
        sums, candidates = (x.new_empty(len(steps), length, batch, n * size) for n in (3, 1))
        for w, read_, sums_ in zip(weights, read, sums.flatten(1, 2), strict=True):
            torch.addmm(w.input_bias, read_, w.input.T, out=sums_)
        # A candidate's recurrent products are kept apart from its input products: the reset gate is for them.
        candidates.copy_(sums[..., 2 * size :])
        sums[..., 2 * size :] = 0
        sums += torch.stack([w.recurrent_bias for w in weights])[:, None, None]
        states = x.new_zeros(len(steps), length + 1, batch, size)
        recurrent = [w.recurrent.T.contiguous() for w in weights]  # for small batches faster products
        for t in range(length):
            for direction, weight in enumerate(recurrent):
                sums[direction, t].addmm_(states[direction, t], weight)
            gru_step(sums[:, t], candidates[:, t], states[:, t], states[:, t + 1])
        ctx.save_for_backward(read, steps, positions, sums, candidates, states, *tensors)
        new = zip(states[:, 1:].flatten(1, 2), positions, strict=True)
        output = torch.cat([states_.index_select(0, order) for states_, order in new], dim=1)
        return output.view(batch, length, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        read, steps, positions, sums, candidates, states, *tensors = ctx.saved_tensors
        directions, length, batch, size = candidates.shape
        weights = Weights.each(tensors)
        old, gates = states[:, :-1], slice(2 * size)
        of_new = zip(gradient.flatten(0, 1).chunk(directions, dim=1), steps, strict=True)
        of_states = torch.stack([x.index_select(0, order) for x, order in of_new]).view_as(candidates)
        slopes = Slopes.of(*(x.transpose(0, 1) for x in (sums, candidates, old)))
        of_sums, of_candidates = torch.empty_like(sums), torch.empty_like(candidates)
        hidden = torch.zeros_like(states[:, 0])
        for t in reversed(range(length)):
            hidden += of_states[:, t]
            slopes.back(t, hidden, of_sums[:, t], of_candidates[:, t])
            for direction, w in enumerate(weights):
                hidden[direction].addmm_(of_sums[direction, t], w.recurrent)
        of_x = gradient.new_zeros(batch * length, read.shape[2])
        of_weights: list[Tensor] = []
        rows = zip(*(x.flatten(1, 2) for x in (of_sums, of_candidates, old)), read, positions, strict=True)
        for w, (sums_, candidates_, old_, read_, order) in zip(weights, rows, strict=True):
            of_read = torch.mm(sums_[:, gates], w.input[gates]).addmm_(candidates_, w.input[2 * size :])
            of_x += of_read.index_select(0, order)
            of_input, bias = torch.empty_like(w.input), sums_.sum(dim=0)
            torch.mm(sums_[:, gates].T, read_, out=of_input[gates])
            torch.mm(candidates_.T, read_, out=of_input[2 * size :])
            input_bias = torch.cat([bias[gates], candidates_.sum(dim=0)])
            of_weights += Weights(of_input, sums_.T @ old_, input_bias, bias)
        return of_x.view(batch, length, -1), None, None, *of_weights
