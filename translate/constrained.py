"""Beam search for translations in which given phrases occur: dynamic beam allocation (Post & Vilar 2018).

The beam is shared out among banks: hypotheses that have as many pieces of the phrases (Hokamp & Liu 2017,
whose grid has a whole beam for each). So one that has more of them, which is hardly ever more probable, is
not pushed out by those that avoid them. A translation ends only when it has all phrases.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from translate.config.search import SearchConfig
from translate.engine import Hypothesis
from translate.search import Rules, Step, rule_out, top

Phrase = tuple[int, ...]


class Progress(NamedTuple):
    """Which phrases a hypothesis still lacks, and of which it has the beginning."""

    lacking: tuple[Phrase, ...]
    begun: tuple[tuple[int, int], ...] = ()  # places in `lacking`, and how many pieces of each are there
    complete: bool = False  # the last piece was the last of a phrase

    def next_pieces(self) -> set[int]:
        """Pieces that begin a phrase, or go on with one."""
        return {one[0] for one in self.lacking} | {self.lacking[which][at] for which, at in self.begun}

    def read(self, piece: int) -> "Progress":
        """Return what is so after one more piece; phrases do not share pieces."""
        reached = [*self.begun, *((which, 0) for which in range(len(self.lacking)))]
        begun = [(which, at + 1) for which, at in reached if self.lacking[which][at] == piece]
        done = [which for which, at in begun if at == len(self.lacking[which])]
        if not done:
            return Progress(self.lacking, tuple(begun))
        longest = max(done, key=lambda which: len(self.lacking[which]))
        return Progress(self.lacking[:longest] + self.lacking[longest + 1 :], complete=True)

    def lacks(self) -> int:
        """How many pieces are to come."""
        return sum(map(len, self.lacking)) - max((at for _, at in self.begun), default=0)


class Live(NamedTuple):
    """A hypothesis that goes on."""

    tokens: list[int]
    log_prob: float
    progress: Progress


class Candidate(NamedTuple):
    """A hypothesis with one more piece."""

    log_prob: float
    row: int  # of its sentence's beam
    token: int
    progress: Progress


def constrained_search(
    step: Step[Any],
    state: Any,
    max_lengths: Int[Tensor, " B"],
    config: SearchConfig,
    phrases: Sequence[Sequence[Phrase]],
    joins: Bool[Tensor, " V"] | None = None,
    *,
    bos_id: int,
    eos_id: int,
    forbidden_ids: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """As `beam_search`, of translations in which a sentence's phrases occur, each in a place of its own.

    Without phrases the result is that of `beam_search`. Where no translation with all of them is found by the
    greatest length, the unfinished hypotheses follow that lack least.

    Args:
        phrases: of each sentence; none is empty.
        joins: pieces that may not follow a phrase, because they would go on with its last word.
    """
    device = max_lengths.device
    never = torch.tensor([bos_id, *forbidden_ids], device=device)
    rules = Rules(config, eos_id, never, max_lengths, max_lengths.new_zeros(0).float())
    limits = max_lengths.tolist()
    beams = [[Live([], 0.0, Progress(tuple(those)))] for those in phrases]
    finished: list[list[Hypothesis]] = [[] for _ in beams]
    left: list[list[Hypothesis]] = [[] for _ in beams]
    for length in range(max(limits, default=-1) + 1):
        rows = [live for beam in beams for live in beam]
        if not rows:
            break
        tokens = torch.tensor([[bos_id, *live.tokens] for live in rows], device=device)
        log_probs, state = step(tokens[:, -1], state)
        log_probs = rule_out(log_probs.float(), tokens[:, 1:], rules)
        _hold(log_probs, rows, joins, eos_id)
        continued = _continue(log_probs, rows, config.beam_size)
        first, sources = 0, []
        for sentence, beam in enumerate(beams):
            places = config.beam_size - len(finished[sentence])
            candidates = _allocate(continued[first : first + len(beam)], places)
            beams[sentence] = []
            for candidate in candidates:
                live = beam[candidate.row]
                if candidate.token == eos_id:
                    finished[sentence].append(_hypothesis(live.tokens, candidate.log_prob, config, True))
                elif length < limits[sentence]:
                    beams[sentence].append(
                        Live([*live.tokens, candidate.token], candidate.log_prob, candidate.progress)
                    )
                    sources.append(first + candidate.row)
            if _is_settled(finished[sentence], beams[sentence], limits[sentence], config):
                del sources[len(sources) - len(beams[sentence]) :]
                beams[sentence] = []
            elif not beams[sentence] and beam:
                ended = {candidate.row for candidate in candidates if candidate.token == eos_id}
                rest = [live for row, live in enumerate(beam) if row not in ended]
                left[sentence] = _by_lack(rest, config)
            first += len(beam)
        state = state.select(torch.tensor(sources, dtype=torch.long, device=device))
    found = zip(finished, left, strict=True)
    return [[*sorted(them, key=lambda it: -it.score), *rest][: config.n_best] for them, rest in found]


def _hold(
    log_probs: Float[Tensor, "R V"], rows: Sequence[Live], joins: Bool[Tensor, " V"] | None, eos_id: int
) -> None:
    """Rule out an end before all phrases are there, and words that go on behind a phrase; in place."""
    for number, live in enumerate(rows):
        if live.progress.lacking:
            log_probs[number, eos_id] = -math.inf
        if live.progress.complete and joins is not None:
            log_probs[number].masked_fill_(joins, -math.inf)


def _continue(log_probs: Float[Tensor, "R V"], rows: Sequence[Live], width: int) -> list[list[Candidate]]:
    """Return the continuations of each row: by its best pieces, and by those that its phrases want."""
    values, tokens = (column.tolist() for column in top(log_probs, width))
    found = []
    for number, live in enumerate(rows):
        scores = dict(zip(tokens[number], values[number], strict=True))
        wanted = sorted(live.progress.next_pieces() - set(scores))
        if wanted:
            scores |= zip(wanted, log_probs[number, wanted].tolist(), strict=True)
        found.append(
            [
                Candidate(live.log_prob + score, number, token, live.progress.read(token))
                for token, score in scores.items()
                if score > -math.inf
            ]
        )
    return found


def _allocate(continued: Sequence[Sequence[Candidate]], places: int) -> list[Candidate]:
    """Choose which candidates go on: as many of each bank, the best of it first.

    The places of a bank that has too few are shared out among the others, so that the fullest banks, of those
    that lack least, come first (Post & Vilar 2018, section 4.2).
    """
    banks: dict[int, list[Candidate]] = {}
    for row, candidates in enumerate(continued):
        for candidate in candidates:
            banks.setdefault(candidate.progress.lacks(), []).append(candidate._replace(row=row))
    for bank in banks.values():
        bank.sort(key=lambda it: (-it.log_prob, it.row, it.token))
    taken = dict.fromkeys(sorted(banks), 0)
    while places > 0 and any(taken[lack] < len(banks[lack]) for lack in taken):
        for lack in taken:
            if places > 0 and taken[lack] < len(banks[lack]):
                taken[lack] += 1
                places -= 1
    chosen = [candidate for lack, count in taken.items() for candidate in banks[lack][:count]]
    return sorted(chosen, key=lambda it: (-it.log_prob, it.row, it.token))


def _is_settled(
    finished: Sequence[Hypothesis], beam: Sequence[Live], limit: int, config: SearchConfig
) -> bool:
    """Whether no live hypothesis can come among the n best any more: log-probabilities only fall."""
    if len(finished) == config.beam_size:
        return True
    if len(finished) < config.n_best or not beam:
        return False
    lengths = (len(beam[0].tokens) + 1, limit + 1)
    divisor = max(length**config.length_penalty for length in lengths)
    reach = max(live.log_prob for live in beam) / divisor
    return bool(reach <= sorted(one.score for one in finished)[-config.n_best])


def _by_lack(beam: Sequence[Live], config: SearchConfig) -> list[Hypothesis]:
    ordered = sorted(beam, key=lambda it: (it.progress.lacks(), -it.log_prob))
    return [_hypothesis(live.tokens, live.log_prob, config, False) for live in ordered]


def _hypothesis(tokens: list[int], log_prob: float, config: SearchConfig, finished: bool) -> Hypothesis:
    score = log_prob / max(len(tokens) + finished, 1) ** config.length_penalty
    return Hypothesis(tokens, score, log_prob, finished)
