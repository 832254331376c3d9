"""The engine that runs any model: our own search over a Seq2Seq's steps."""

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from translate.config.search import SearchConfig
from translate.constrained import constrained_search
from translate.engine import Demand, EngineName, Hypothesis
from translate.ensemble import Ensemble
from translate.forcing import force_prefixes
from translate.model import Seq2Seq
from translate.padding import pad
from translate.sampling import sample
from translate.search import beam_search
from translate.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID

SPECIAL: dict[str, Any] = {"bos_id": BOS_ID, "eos_id": EOS_ID, "forbidden_ids": (PAD_ID, UNK_ID)}


class TorchEngine:
    """A model or several as an engine; it computes where and in what they are, with torch's threads.

    Args:
        joins: says of each target piece whether it goes on with a word: such ones do not follow a phrase that
            is demanded. None: all may.
    """

    name: EngineName = "torch"
    precision = "float32"
    positions: int | None = None
    # Enough for full matrix products, little enough for a laptop; half of it is hardly slower.
    batch_tokens = 8192

    def __init__(self, model: Seq2Seq | Ensemble, joins: Callable[[], list[bool]] | None = None) -> None:
        self.model = model
        self.joins = joins
        self.device = model.device.type
        self.threads = torch.get_num_threads()

    @torch.inference_mode()
    def search(
        self,
        rows: Sequence[list[int]],
        max_lengths: Sequence[int],
        config: SearchConfig,
        demands: Sequence[Demand] | None = None,
        *,
        scored: bool = True,
    ) -> list[list[Hypothesis]]:
        """As `Engine.search`. The model searches as in eval mode, and stays in its own."""
        was_training = self.model.training
        self.model.eval()
        try:
            if demands is None:
                step, state, limits = self._start(rows, max_lengths)
                if scored or config.beam_size > 1:
                    return beam_search(step, state, limits, config, **SPECIAL)
                found = beam_search(self.model.step_unnormalized, state, limits, config, **SPECIAL)
                return [[one._replace(score=math.nan, log_prob=math.nan) for one in best] for best in found]
            return self._fulfil(rows, max_lengths, config, demands)
        finally:
            self.model.train(was_training)

    @cached_property
    def _joining(self) -> Tensor | None:
        return None if self.joins is None else torch.tensor(self.joins(), device=self.model.device)

    def _start(self, rows: Sequence[list[int]], max_lengths: Sequence[int]) -> tuple[Any, Any, Tensor]:
        """Return what every search begins with: the step function, its state, and the greatest lengths."""
        model = self.model
        src, mask = (tensor.to(model.device) for tensor in pad([[*row, EOS_ID] for row in rows]))
        return model.step, model.start(src, mask), torch.tensor(max_lengths, device=model.device)

    def _fulfil(
        self,
        rows: Sequence[list[int]],
        max_lengths: Sequence[int],
        config: SearchConfig,
        demands: Sequence[Demand],
    ) -> list[list[Hypothesis]]:
        """Search as is demanded: rows with phrases take more work, so they go by themselves."""
        found: list[list[Hypothesis]] = [[] for _ in rows]
        for with_phrases in (False, True):
            chosen = [n for n, demand in enumerate(demands) if bool(demand.phrases) == with_phrases]
            if not chosen:
                continue
            step, state, limits = self._start([rows[n] for n in chosen], [max_lengths[n] for n in chosen])
            those = [demands[n] for n in chosen]
            if any(demand.prefix for demand in those):
                step, state = force_prefixes(step, state, [demand.prefix for demand in those], limits.device)
            search: Any = beam_search
            sampling = those[0].sampling
            if sampling is not None:
                search = partial(sample, sampling=sampling, places=[demand.place for demand in those])
            elif with_phrases:
                phrases = [demand.phrases for demand in those]
                search = partial(constrained_search, phrases=phrases, joins=self._joining)
            hypotheses = search(step, state, limits, config, **SPECIAL)
            for n, best in zip(chosen, hypotheses, strict=True):
                found[n] = best
        return found
