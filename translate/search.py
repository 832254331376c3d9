"""Which translation is best: one batched beam search over any step function.

Search knows no model, only `step(tokens, state) -> (log_probs, state)`, one row for each live hypothesis,
and `state.select(rows)`. The hypotheses of all sentences lie side by side as rows: a sentence that is done
has none and has left the batch, and nothing that a sentence gets depends on its neighbours.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from translate.config.search import SearchConfig
from translate.engine import Hypothesis

AnyState = TypeVar("AnyState", bound="State")

# The best of a whole vocabulary are looked for in the runs of so many ids that hold them.
RUN = 64


@runtime_checkable
class State(Protocol):
    """What a step function carries from one position to the next: a row for each hypothesis."""

    def select(self: AnyState, rows: Int[Tensor, " N"], /) -> AnyState:
        """Keep these rows in this order; a repeated row forks a hypothesis."""
        ...


# From the last token of each row (R) and the state to the log-probabilities of its next token (R, V) and the
# new state. They are handed over: search writes into them, which saves a copy as large as a model's output.
Step = Callable[[Tensor, AnyState], tuple[Tensor, AnyState]]


class Rules(NamedTuple):
    """What holds throughout a search."""

    config: SearchConfig
    eos_id: int
    never: Int[Tensor, " X"]  # tokens that are not produced; the first is bos
    max_lengths: Int[Tensor, " B"]  # eos not counted
    divisors: Float[Tensor, " Y"]  # of log-probabilities, by length


class Beam(NamedTuple):
    """The live hypotheses of all sentences; those of a sentence are neighbours."""

    tokens: Int[Tensor, "R T"]  # bos first
    log_probs: Float[Tensor, " R"]
    sentence: Int[Tensor, " R"]  # one that is done does not occur
    slot: Int[Tensor, " R"]  # place in the sentence's beam: 0 is best


class Candidates(NamedTuple):
    """The best continuations of each sentence's hypotheses, best first."""

    log_probs: Float[Tensor, "B K"]  # -inf where there are fewer
    rows: Int[Tensor, "B K"]  # of the beam that they continue
    tokens: Int[Tensor, "B K"]  # by which


class Progress(NamedTuple):
    """What each sentence has reached."""

    places: Int[Tensor, " B"]  # of its beam that finished hypotheses have not used up
    best: Float[Tensor, "B n"]  # the best scores of finished hypotheses, best first


class Leaving(NamedTuple):
    """Hypotheses that leave the beam at one step."""

    tokens: Int[Tensor, "N T"]
    log_probs: Float[Tensor, " N"]
    scores: Float[Tensor, " N"]
    sentence: Int[Tensor, " N"]
    finished: bool


def beam_search(
    step: Step[AnyState],
    state: AnyState,
    max_lengths: Int[Tensor, " B"],
    config: SearchConfig,
    *,
    bos_id: int,
    eos_id: int,
    forbidden_ids: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """Return for each sentence its `config.n_best` best hypotheses (or all, if there are fewer), best first.

    At each step a sentence's K best continuations are taken. One that ends leaves and uses up a place of the
    beam, until none is left (Graves 2012; Sutskever et al. 2014, section 3.2). So a beam of 1 is greedy
    search, and a beam as wide as the space finds the best there is. A sentence also stops when no live
    hypothesis can come among its n best any more, which never changes the result. Among equals the one with
    the better slot goes first, then the one with the lower token id; in the result, the one that ended first.

    Args:
        step: continues every row; between calls, rows are reordered, forked and dropped by `state.select`.
        state: a row for each sentence, nothing written yet.
        max_lengths: most tokens of each translation, eos not counted. If fewer than n_best have ended by
            then, the others are kept as unfinished, behind all finished ones and scored by the tokens they
            have. This goes before `config.min_length`.
        config: how to search; its length ratio is for the caller, who turns it into `max_lengths`.
        bos_id: stands before the first token; never produced.
        eos_id: ends a translation, and counts in the length that scores are normalised by.
        forbidden_ids: other tokens that are never produced.
    """
    count, device = len(max_lengths), max_lengths.device
    if count == 0:
        return []
    lengths = torch.arange(int(max_lengths.max()) + 2, device=device, dtype=torch.float32)
    divisors = lengths.clamp(min=1) ** config.length_penalty
    never = torch.tensor([bos_id, *forbidden_ids], device=device)
    rules = Rules(config, eos_id, never, max_lengths, divisors)
    beam = _first_beam(rules)
    progress = Progress(
        torch.full((count,), config.beam_size, device=device),
        torch.full((count, config.n_best), -math.inf, device=device),
    )
    gone: list[Leaving] = []
    while len(beam.tokens):
        log_probs, state = step(beam.tokens[:, -1], state)
        candidates = expand(beam, rule_out(log_probs.float(), beam.tokens[:, 1:], rules), rules)
        ends, goes_on, progress = judge(candidates, progress, beam.tokens.shape[1], rules)
        gone += _leaving(beam, candidates, ends, goes_on, progress, rules)
        beam, rows = _advance(beam, candidates, goes_on)
        # Selecting copies the whole state. A greedy search only needs it when a sentence leaves.
        if not torch.equal(rows, torch.arange(len(log_probs), device=device)):
            state = state.select(rows)
    return _collect(gone, count, config.n_best)


def rule_out(
    log_probs: Float[Tensor, "R V"], tokens: Int[Tensor, "R T"], rules: Rules
) -> Float[Tensor, "R V"]:
    """Set what may not come next to -inf, in place; `tokens` is what has been written."""
    log_probs.index_fill_(1, rules.never, -math.inf)
    if tokens.shape[1] < rules.config.min_length:
        log_probs[:, rules.eos_id] = -math.inf
    size = rules.config.no_repeat_ngram
    if 0 < size <= tokens.shape[1]:
        windows = tokens.unfold(1, size, 1)  # (R, number of n-grams, n)
        last = tokens[:, tokens.shape[1] - size + 1 :]  # (R, n - 1)
        seen = (windows[:, :, :-1] == last[:, None]).all(dim=2)
        # An n-gram that begins otherwise rules out bos, which is ruled out anyway.
        log_probs.scatter_(1, windows[:, :, -1].where(seen, rules.never[0]), -math.inf)
    return log_probs


def expand(beam: Beam, log_probs: Float[Tensor, "R V"], rules: Rules) -> Candidates:
    """Return the K best continuations of each sentence; a sentence that is done has only some of -inf."""
    count, width = len(rules.max_lengths), rules.config.beam_size
    # The K best of a sentence are among the K best of each of its hypotheses.
    values, tokens = top(log_probs, width)
    table = values.new_full((count, width, values.shape[1]), -math.inf)
    table[beam.sentence, beam.slot] = values + beam.log_probs[:, None]
    row_at = beam.slot.new_zeros((count, width))
    row_at[beam.sentence, beam.slot] = torch.arange(len(values), device=values.device)
    if width == 1:
        return Candidates(table[:, 0], row_at, tokens[row_at[:, 0]])

    best, places = top(table.flatten(1), width)
    rows = row_at.gather(1, places // values.shape[1])
    return Candidates(best, rows, tokens[rows, places % values.shape[1]])


def judge(
    candidates: Candidates, progress: Progress, length: int, rules: Rules
) -> tuple[Bool[Tensor, "B K"], Bool[Tensor, "B K"], Progress]:
    """Say which candidates end, which go on, and what each sentence has reached then; `length` is theirs."""
    rank = torch.arange(rules.config.beam_size, device=progress.places.device)
    taken = (candidates.log_probs > -math.inf) & (rank < progress.places[:, None])
    ends = taken & (candidates.tokens == rules.eos_id)
    live = taken & ~ends
    scores = (candidates.log_probs / rules.divisors[length]).masked_fill(~ends, -math.inf)
    best = torch.cat([progress.best, scores], dim=1).topk(rules.config.n_best).values
    # What a live hypothesis can still reach: log-probabilities only fall, and the divisor is greatest at the
    # greatest length (at the smallest, if the penalty is negative).
    divisor = rules.divisors[rules.max_lengths + 1].clamp(min=rules.divisors[length])
    reach = (candidates.log_probs / divisor[:, None]).masked_fill(~live, -math.inf).amax(dim=1)
    open_ended = (reach > best[:, -1]) & (length <= rules.max_lengths)
    return ends, live & open_ended[:, None], Progress(progress.places - ends.sum(dim=1), best)


def top(scores: Float[Tensor, "R V"], count: int) -> tuple[Float[Tensor, "R K"], Int[Tensor, "R K"]]:
    """Return each row's `count` best (or all) and where they are: best first, equal ones in order.

    As torch.topk, which leaves open which of equal ones it takes, and which on a CPU takes longer to go
    through a vocabulary than the output layer takes to score it.
    """
    runs = scores.shape[1] // RUN
    if runs <= 2 * count:
        places = _places(scores, min(count, scores.shape[1]))
        return scores.gather(1, places), places
    # Each of the best is in one of the `count` runs with the highest maxima, or behind the last whole run.
    maxima = scores[:, : runs * RUN].reshape(-1, runs, RUN).amax(dim=2)
    chosen = _places(maxima, count).sort(dim=1).values
    every = torch.arange(scores.shape[1], device=scores.device)
    ids = torch.cat(
        [
            (chosen[:, :, None] * RUN + every[:RUN]).flatten(1),
            every[runs * RUN :].expand(len(scores), -1),
        ],
        dim=1,
    )
    places = ids.gather(1, _places(scores.gather(1, ids), count))
    return scores.gather(1, places), places


def _places(scores: Float[Tensor, "R V"], count: int) -> Int[Tensor, "R K"]:
    """Where the best are; among equals the lower place first."""
    if count == 1:
        return scores.argmax(dim=1, keepdim=True)
    # As integers, so that the place can break ties. The bits of negative floats count away from zero: turned
    # round, bits are ordered as their floats are.
    bits = scores.view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    keys = (ordered.long() << 32) - torch.arange(scores.shape[1], device=scores.device)
    return keys.topk(count, dim=1).indices


def _first_beam(rules: Rules) -> Beam:
    """One empty hypothesis for each sentence."""
    sentence = torch.arange(len(rules.max_lengths), device=rules.never.device)
    zeros = torch.zeros_like(sentence)
    return Beam(zeros[:, None] + rules.never[0], zeros.float(), sentence, zeros)


def _advance(beam: Beam, candidates: Candidates, goes_on: Bool[Tensor, "B K"]) -> tuple[Beam, Tensor]:
    """The beam of the candidates that go on, and the rows they continue."""
    sentence, slot = goes_on.nonzero(as_tuple=True)
    log_probs, rows, tokens = (column[sentence, slot] for column in candidates)
    return Beam(torch.cat([beam.tokens[rows], tokens[:, None]], dim=1), log_probs, sentence, slot), rows


def _leaving(
    beam: Beam,
    candidates: Candidates,
    ends: Bool[Tensor, "B K"],
    goes_on: Bool[Tensor, "B K"],
    progress: Progress,
    rules: Rules,
) -> list[Leaving]:
    """What ends; and where nothing goes on but too little has ended, the others, as they were before."""
    tokens, divisors = beam.tokens[:, 1:], rules.divisors[beam.tokens.shape[1] - 1 :]
    sentence, slot = ends.nonzero(as_tuple=True)
    log_probs, rows, _ = (column[sentence, slot] for column in candidates)
    finished = Leaving(tokens[rows], log_probs, log_probs / divisors[1], sentence, finished=True)

    lacking = rules.config.beam_size - progress.places < rules.config.n_best
    stuck = (~goes_on.any(dim=1) & lacking)[beam.sentence].index_fill(0, rows, value=False)
    (rows,) = stuck.nonzero(as_tuple=True)
    log_probs = beam.log_probs[rows]
    unfinished = Leaving(
        tokens[rows], log_probs, log_probs / divisors[0], beam.sentence[rows], finished=False
    )
    return [finished, unfinished]


def _collect(gone: Sequence[Leaving], count: int, n_best: int) -> list[list[Hypothesis]]:
    """Sort hypotheses by sentence, finished before unfinished, and the best first."""
    found: list[list[Hypothesis]] = [[] for _ in range(count)]
    for leaving in gone:
        columns = (leaving.tokens, leaving.scores, leaving.log_probs, leaving.sentence)
        for tokens, score, log_prob, sentence in zip(*(column.tolist() for column in columns), strict=True):
            found[sentence].append(Hypothesis(tokens, score, log_prob, leaving.finished))
    # Sorting keeps the order of equals, which is that of leaving.
    return [sorted(them, key=lambda it: (not it.finished, -it.score))[:n_best] for them in found]
