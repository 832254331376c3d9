"""GRU layers over whole sentences as one function, with their gradients written out.

On a CPU, torch's own is a dozen operators for each position and direction, all recorded by autograd. Here the
directions take their steps together, autograd records one node, and weights get their gradients from all
positions at once. `Steps` and `Slopes` serve the decoders' loop, too.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_sigmoid_backward = torch.ops.aten.sigmoid_backward
_tanh_backward = torch.ops.aten.tanh_backward


class Steps(NamedTuple):
    """What a GRU computes with, or the gradients of that, step by step in the first dimension."""

    sums: Float[
        Tensor, "T *rows X"
    ]  # of reset and update gate; of the candidate's recurrent products. X = 3 H
    candidates: Float[Tensor, "T *rows H"]  # of the candidate's input products

    @staticmethod
    def begin(inputs: Float[Tensor, "T *rows X"], bias: Float[Tensor, "*#rows X"]) -> "Steps":
        """Sum up what is known before the first step: input products, and the bias of the recurrent ones."""
        candidate = slice(2 * bias.shape[-1] // 3, None)
        sums = inputs + bias
        sums[..., candidate] = bias[..., candidate]
        return Steps(sums, inputs[..., candidate].clone())

    def take(self, t: int, hidden: Float[Tensor, "*rows H"], new: Float[Tensor, "*rows H"]) -> None:
        """Take step t, once all products are summed up (torch.nn.GRU's equations; Cho et al. 2014, v3).

            r, z = sigmoid(sums)    n = tanh(candidate + r * recurrent)    h' = n + z * (h - n)

        Gates and candidate take the places of their sums.

        Args:
            hidden: h, the old state.
            new: room for h'.
        """
        sums, candidate = self.sums[t], self.candidates[t]
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
    def of(steps: Steps, hidden: Float[Tensor, "T *rows H"]) -> "Slopes":
        """Of steps that were taken from these states."""
        reset, update, recurrent = steps.sums.chunk(3, dim=-1)
        return Slopes(
            update,
            _sigmoid_backward(hidden - steps.candidates, update),
            _tanh_backward(1 - update, steps.candidates),
            _sigmoid_backward(recurrent, reset),
            reset,
        )

    def back(self, t: int, gradient: Float[Tensor, "*rows H"], gradients: Steps) -> None:
        """Compute the gradients of what step t summed up.

        Args:
            gradient: of the new state; becomes that of the old one, where it is kept.
            gradients: room for those of the sums.
        """
        candidate = gradients.candidates[t]
        reset, update, recurrent = gradients.sums[t].chunk(3, dim=-1)
        torch.mul(gradient, self.update[t], out=update)
        torch.mul(gradient, self.candidate[t], out=candidate)
        torch.mul(candidate, self.reset[t], out=reset)
        torch.mul(candidate, self.recurrent[t], out=recurrent)
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
    """What is kept for the backward pass lies direction by direction, then step by step: N = S B rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, positions: Tensor, *tensors: Tensor) -> Tensor:
        batch, length, units = x.shape
        weights = Weights.each(tensors)
        width, size = weights[0].recurrent.shape
        read = x.flatten(0, 1).index_select(0, order.flatten()).view(len(order), -1, units)  # (D, N, E)
        inputs = x.new_empty(len(order), length, batch, width)
        for w, read_, inputs_ in zip(weights, read, inputs.flatten(1, 2), strict=True):
            torch.addmm(w.input_bias, read_, w.input.T, out=inputs_)
        bias = torch.stack([w.recurrent_bias for w in weights])[:, None]
        steps = Steps.begin(inputs.transpose(0, 1), bias)
        states = x.new_zeros(len(order), length + 1, batch, size)
        recurrent = [w.recurrent.T.contiguous() for w in weights]  # so, products of few rows are faster
        for t in range(length):
            for direction, weight in enumerate(recurrent):
                steps.sums[t, direction].addmm_(states[direction, t], weight)
            steps.take(t, states[:, t], states[:, t + 1])
        ctx.save_for_backward(read, order, positions, states, *steps, *tensors)
        new = zip(states[:, 1:].flatten(1, 2), positions, strict=True)
        output = torch.cat([states_.index_select(0, places) for states_, places in new], dim=1)
        return output.view(batch, length, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        read, order, positions, states, sums, candidates, *tensors = ctx.saved_tensors
        weights = Weights.each(tensors)
        length, directions, batch, size = candidates.shape
        old = states[:, :-1]
        of_output = zip(gradient.flatten(0, 1).chunk(directions, dim=1), order, strict=True)
        of_new = torch.stack([x.index_select(0, places) for x, places in of_output]).view_as(old)
        steps = Steps(sums, candidates)
        slopes = Slopes.of(steps, old.transpose(0, 1))
        of_steps = Steps(*map(torch.empty_like, steps))
        hidden = torch.zeros_like(states[:, 0])
        for t in reversed(range(length)):
            hidden += of_new[:, t]
            slopes.back(t, hidden, of_steps)
            for direction, w in enumerate(weights):
                hidden[direction].addmm_(of_steps.sums[t, direction], w.recurrent)
        gates, candidate = slice(2 * size), slice(2 * size, None)
        of_x = gradient.new_zeros(batch * length, read.shape[2])
        of_weights: list[Tensor] = []
        rows = (x.flatten(1, 2) for x in (*(x.transpose(0, 1) for x in of_steps), old))
        for w, sums_, candidates_, old_, read_, places in zip(weights, *rows, read, positions, strict=True):
            of_read = torch.mm(sums_[:, gates], w.input[gates]).addmm_(candidates_, w.input[candidate])
            of_x += of_read.index_select(0, places)
            of_input, bias = torch.empty_like(w.input), sums_.sum(dim=0)
            torch.mm(sums_[:, gates].T, read_, out=of_input[gates])
            torch.mm(candidates_.T, read_, out=of_input[candidate])
            input_bias = torch.cat([bias[gates], candidates_.sum(dim=0)])
            of_weights += Weights(of_input, sums_.T @ old_, input_bias, bias)
        return of_x.view(batch, length, -1), None, None, *of_weights
