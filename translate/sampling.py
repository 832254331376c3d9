"""Translations drawn by chance, piece by piece, from what the model holds probable."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from translate.config.search import SearchConfig
from translate.engine import Hypothesis, Sampling
from translate.search import Rules, Step, rule_out


def sample(
    step: Step[Any],
    state: Any,
    max_lengths: Int[Tensor, " B"],
    config: SearchConfig,
    sampling: Sampling,
    places: Sequence[tuple[int, ...]],
    *,
    bos_id: int,
    eos_id: int,
    forbidden_ids: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """Return for each sentence `config.n_best` translations, in the order drawn; the same one may come twice.

    Each draw of a sentence depends on the seed, its place and the draw's number, and on nothing else, but for
    rounding: neither on its neighbours nor on how many draws there are. Scores are those of the model itself.

    Args:
        step: as of `beam_search`, and so the arguments that have the same names there.
        state: a row for each sentence.
        sampling: what can be drawn.
        places: of each sentence, what its draws depend on, such as its line number.
    """
    draws, count, device = config.n_best, len(max_lengths), max_lengths.device
    never = torch.tensor([bos_id, *forbidden_ids], device=device)
    rules = Rules(config, eos_id, never, max_lengths, max_lengths.new_zeros(0).float())
    rows = torch.arange(count, device=device).repeat_interleave(draws)  # the sentence of each row
    chances = _chances(sampling.seed, places, draws, max_lengths.tolist()).to(device)  # (rows, length + 1)
    alive = torch.arange(len(rows), device=device)
    state = state.select(rows)
    tokens = torch.full((len(rows), 1), bos_id, dtype=torch.long, device=device)
    totals = torch.zeros(len(rows), device=device)
    drawn: list[Hypothesis | None] = [None] * len(rows)
    while len(alive):
        position = tokens.shape[1] - 1
        log_probs, state = step(tokens[:, -1], state)
        log_probs = rule_out(log_probs.float(), tokens[:, 1:], rules)
        full = position >= max_lengths[rows[alive]]
        ends, stuck = _last_chance(log_probs, full, eos_id)
        chosen = draw(log_probs, sampling, chances[alive, position]).where(~full, eos_id)
        goes_on = ~stuck & (chosen != eos_id)
        totals = totals + log_probs.gather(1, chosen[:, None])[:, 0].where(~stuck, 0)
        finished = ~goes_on & ends
        for row in (~goes_on).nonzero()[:, 0].tolist():
            drawn[int(alive[row])] = _hypothesis(
                tokens[row, 1:].tolist(), float(totals[row]), bool(finished[row]), config
            )
        (kept,) = goes_on.nonzero(as_tuple=True)
        tokens = torch.cat([tokens[kept], chosen[kept, None]], dim=1)
        if len(kept) < len(alive):  # selecting copies the whole state
            totals, alive, state = totals[kept], alive[kept], state.select(kept)
    whole = [hypothesis for hypothesis in drawn if hypothesis is not None]
    return [whole[first : first + draws] for first in range(0, len(whole), draws)]


def draw(
    log_probs: Float[Tensor, "R V"], sampling: Sampling, chances: Float[Tensor, " R"]
) -> Int[Tensor, " R"]:
    """Return a token for each row, by a number of [0, 1): where that falls in the summed probabilities.

    They are summed in the order of the tokens: in that of the probabilities, two of nearly the same would
    change places where other rows are computed beside this one.
    """
    ordered, ids = (log_probs / sampling.temperature).sort(dim=1, descending=True, stable=True)
    if sampling.top_k:
        ordered[:, sampling.top_k :] = -math.inf
    if sampling.top_p < 1:
        # A token is kept if the mass before it is less than wanted: the first one always is.
        probs = ordered.softmax(dim=1)
        ordered = ordered.masked_fill(probs.cumsum(dim=1) - probs >= sampling.top_p, -math.inf)
    kept = torch.empty_like(ordered).scatter_(1, ids, ordered)
    places = torch.searchsorted(kept.softmax(dim=1).cumsum(dim=1), chances[:, None], right=True)
    every = torch.arange(kept.shape[1], device=kept.device)
    last = torch.where(kept > -math.inf, every, 0).amax(dim=1, keepdim=True)  # sums may be rounded below one
    return places.minimum(last)[:, 0]


def _last_chance(
    log_probs: Float[Tensor, "R V"], full: Bool[Tensor, " R"], eos_id: int
) -> tuple[Bool[Tensor, " R"], Bool[Tensor, " R"]]:
    """Say which rows may end now, and which can neither end nor go on: the greatest length is reached, and
    the model would not end there, or nothing is possible at all.

    As in beam search, what has the greatest length ends if the end is what the model holds best there.
    """
    best = log_probs.argmax(dim=1) == eos_id
    possible = log_probs.amax(dim=1) > -math.inf
    return possible & (~full | best), ~possible | (full & ~best)


def _chances(
    seed: int, places: Sequence[tuple[int, ...]], draws: int, lengths: Sequence[int]
) -> Float[Tensor, "R T"]:
    """Numbers of [0, 1) for each draw of each sentence, and for each of its positions."""
    longest = max(lengths, default=0) + 1
    numbers = [
        np.random.default_rng([seed, *place, number]).random(longest)
        for place in places
        for number in range(draws)
    ]
    return torch.tensor(np.array(numbers, dtype=np.float32).reshape(len(numbers), longest))


def _hypothesis(tokens: list[int], log_prob: float, finished: bool, config: SearchConfig) -> Hypothesis:
    length = max(len(tokens) + finished, 1)
    return Hypothesis(tokens, log_prob / length**config.length_penalty, log_prob, finished)
