"""Translations that begin as they are told to: a step function that leaves only a prefix's next piece."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from translate.search import Step


class ForcedState(NamedTuple):
    """A model's state, and where each row is in which prefix."""

    inner: Any
    sentence: Int[Tensor, " R"]
    position: Int[Tensor, " R"]

    def select(self, rows: Int[Tensor, " N"]) -> "ForcedState":
        """Keep these rows in this order; a repeated row forks a hypothesis."""
        return ForcedState(self.inner.select(rows), self.sentence[rows], self.position[rows])


def force_prefixes(
    step: Step[Any], state: Any, prefixes: Sequence[Sequence[int]], device: torch.device
) -> tuple[Step[ForcedState], ForcedState]:
    """Return a step function after which each sentence begins with its prefix, and the state to start with.

    The prefix's pieces keep their probabilities, so a score is that of the whole translation.

    Args:
        state: a row for each sentence.
        prefixes: ids of each sentence's; an empty one leaves the choice.
    """
    longest = max(map(len, prefixes), default=0)
    table = torch.full((len(prefixes), longest + 1), -1, device=device)  # -1: any piece
    for row, prefix in zip(table, prefixes, strict=True):
        row[: len(prefix)] = torch.tensor(prefix, dtype=torch.long, device=device)

    def forced(tokens: Int[Tensor, " R"], state: ForcedState) -> tuple[Float[Tensor, "R V"], ForcedState]:
        log_probs, inner = step(tokens, state.inner)
        wanted = table[state.sentence, state.position.clamp(max=longest)]
        (rows,) = (wanted >= 0).nonzero(as_tuple=True)
        if len(rows):
            kept = log_probs[rows, wanted[rows]]
            log_probs[rows] = -math.inf
            log_probs[rows, wanted[rows]] = kept
        return log_probs, ForcedState(inner, state.sentence, state.position + 1)

    sentence = torch.arange(len(prefixes), device=device)
    return forced, ForcedState(state, sentence, torch.zeros_like(sentence))
