"""Ensemble: several models that choose each piece together, by the mean of their probabilities."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from translate.model import DecoderState, Seq2Seq


class EnsembleState(NamedTuple):
    """What each member carries from one target position to the next; a row is of one hypothesis in all."""

    members: tuple[DecoderState, ...]

    def select(self, rows: Int[Tensor, " N"]) -> "EnsembleState":
        """Keep these rows of every member in this order; a repeated row forks a hypothesis."""
        return EnsembleState(tuple(state.select(rows) for state in self.members))


class Ensemble(nn.Module):
    """Models as one, for searching: they may be built and trained in any way (Sutskever et al. 2014).

    Args:
        members: at least one, over the same pieces, on one device; they are put into eval mode.
    """

    def __init__(self, members: Sequence[Seq2Seq]) -> None:
        super().__init__()
        self.members: Sequence[Seq2Seq] = nn.ModuleList(members)  # type: ignore[assignment]
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.members[0].device

    def start(self, src: Int[Tensor, "B S"], src_mask: Bool[Tensor, "B S"]) -> EnsembleState:
        """Encode the sources with every member; the state has a row for each."""
        return EnsembleState(tuple(model.start(src, src_mask) for model in self.members))

    def step(
        self, tokens: Int[Tensor, " R"], state: EnsembleState
    ) -> tuple[Float[Tensor, "R V"], EnsembleState]:
        """Read one target token in each row; return the logarithm of the members' mean probability of each.

        Sums are taken of logarithms, so that what is improbable to all members does not become impossible.
        """
        steps = [model.step(tokens, each) for model, each in zip(self.members, state.members, strict=True)]
        (total, _), *others = steps
        for log_probs, _ in others:
            total = torch.logaddexp(total, log_probs)
        return total - math.log(len(steps)), EnsembleState(tuple(each for _, each in steps))

    step_unnormalized = step  # the mean is one of probabilities
