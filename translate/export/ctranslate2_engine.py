"""The engine that runs transformers fast on processors: CTranslate2, from an export in a run directory.

Its greedy search is ours. Its beam search is not quite: a hypothesis that ends leaves its place to the next
best one, and the search goes on until as many have ended as the beam is wide, where ours narrows the beam.
When a beam comes to the greatest length, fewer of the unfinished ones are known.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

from translate.config.search import SearchConfig
from translate.engine import Demand, EngineName, Hypothesis
from translate.errors import InputError, UsageError
from translate.export import need_ctranslate2
from translate.run_directory.exports import Export
from translate.tokenizer import EOS_ID, Tokenizers

Pieces = list[str]  # CTranslate2 takes and gives names of pieces, not ids


class Ctranslate2Engine:
    """An export as an engine; torch is not needed.

    Args:
        export: made from the run's weights.
        tokenizers: those of the run.
        threads: of the processor.

    Raises:
        InputError: CTranslate2 is not installed, or cannot read or run the export.
    """

    name: EngineName = "ctranslate2"
    device = "cpu"
    # Measured with 4 + 4 layers of 128 units: twice as many are 10 percent slower in a beam of 5.
    batch_tokens = 1024

    def __init__(self, export: Export, tokenizers: Tokenizers, threads: int) -> None:
        need_ctranslate2()
        import ctranslate2

        self.precision = export.quantization
        self.positions: int | None = export.positions
        self.threads = threads
        self._src_names = tokenizers.src.vocabulary()
        self._tgt_names = tokenizers.tgt.vocabulary()
        self._tgt_ids = {name: number for number, name in enumerate(self._tgt_names)}
        try:
            self._translator = ctranslate2.Translator(
                str(export.path), device=self.device, compute_type=self.precision, intra_threads=threads
            )
        except ValueError:  # a type that the processor has no instructions for
            raise InputError(
                f"CTranslate2 has no {self.precision} on this processor: make another export with "
                f"`seq2see export {export.path.parent} --quantization float32`, or choose --engine torch"
            ) from None
        except RuntimeError as error:
            raise InputError(
                f"{export.path} is damaged ({error}): make it anew with `seq2see export {export.path.parent}`"
            ) from None

    def search(
        self,
        rows: Sequence[list[int]],
        max_lengths: Sequence[int],
        config: SearchConfig,
        demands: Sequence[Demand] | None = None,
        *,
        scored: bool = True,
    ) -> list[list[Hypothesis]]:
        """As `Engine.search`."""
        if demands is not None:
            raise UsageError(
                "engine ctranslate2 only looks for the best translation: a prefix, terms, placeholders to be "
                "kept and samples are for engine torch"
            )
        sources = [[self._src_names[number] for number in [*row, EOS_ID]] for row in rows]
        scored = scored or config.beam_size > 1
        found = self._translate(sources, max(max_lengths), config, scored=scored)
        # CTranslate2 has one greatest length for all. It only matters to rows of which a hypothesis came to
        # its own: these search again, together with those that have the same.
        again = defaultdict(list)
        for number, limit in enumerate(max_lengths):
            if not all(one.finished and len(one.tokens) <= limit for one in found[number]):
                again[limit].append(number)
        for limit, numbers in again.items():
            those = [found[number] for number in numbers]
            if limit < max(max_lengths):
                those = self._translate([sources[number] for number in numbers], limit, config, scored=scored)
            for number, hypotheses in zip(numbers, those, strict=True):
                found[number] = _shorten(hypotheses, limit, config.n_best)
        if config.min_length or config.no_repeat_ngram:
            # Where a rule excludes pieces, CTranslate2 shares out their probability among the others.
            found = [[one._replace(log_prob=math.nan) for one in hypotheses] for hypotheses in found]
        if scored:
            self._score(sources, found)
        return [_rank(hypotheses, config) for hypotheses in found]

    def _translate(
        self, sources: Sequence[Pieces], limit: int, config: SearchConfig, *, scored: bool
    ) -> list[list[Hypothesis]]:
        """Search for up to a whole beam of hypotheses; those that do not end have limit + 1 tokens."""
        unscored = [math.nan] * config.beam_size
        results = self._translator.translate_batch(
            sources,
            beam_size=config.beam_size,
            num_hypotheses=config.beam_size,
            length_penalty=config.length_penalty,
            no_repeat_ngram_size=config.no_repeat_ngram,
            max_decoding_length=limit + 1,  # the end is counted
            min_decoding_length=min(config.min_length, limit + 1),
            max_input_length=0,  # nothing is cut off
            return_end_token=True,
            return_scores=scored,
        )
        return [
            [
                self._hypothesis(names, score, config.length_penalty)
                for names, score in zip(result.hypotheses, result.scores or unscored, strict=True)
            ]
            for result in results
        ]

    def _hypothesis(self, names: Pieces, score: float, length_penalty: float) -> Hypothesis:
        """Read what CTranslate2 found; its score is normalised by length, the end counted, as ours."""
        tokens = [self._tgt_ids[name] for name in names]
        finished = tokens[-1] == EOS_ID
        return Hypothesis(
            tokens[:-1] if finished else tokens, score, score * len(tokens) ** length_penalty, finished
        )

    def _score(self, sources: Sequence[Pieces], found: list[list[Hypothesis]]) -> None:
        """Put in the log-probabilities that are not known yet (NaN)."""
        places = [
            (number, rank)
            for number, hypotheses in enumerate(found)
            for rank, one in enumerate(hypotheses)
            if math.isnan(one.log_prob)
        ]
        if not places:
            return
        ones = [found[number][rank] for number, rank in places]
        results = self._translator.score_batch(
            [sources[number] for number, _ in places],
            [[self._tgt_names[token] for token in one.tokens] for one in ones],
            max_input_length=0,
        )
        for (number, rank), one, result in zip(places, ones, results, strict=True):
            # Of every piece and the end.
            found[number][rank] = one._replace(log_prob=math.fsum(result.log_probs[: one.length]))


def _shorten(hypotheses: Sequence[Hypothesis], limit: int, n_best: int) -> list[Hypothesis]:
    """Cut unfinished ones to the limit, or leave them out where enough have finished."""
    finished = [one for one in hypotheses if one.finished]
    if len(finished) >= n_best:
        return finished
    unfinished = dict.fromkeys(tuple(one.tokens[:limit]) for one in hypotheses if not one.finished)
    return finished + [Hypothesis(list(tokens), math.nan, math.nan, finished=False) for tokens in unfinished]


def _rank(hypotheses: Sequence[Hypothesis], config: SearchConfig) -> list[Hypothesis]:
    """Return the n best, finished ones before unfinished, with scores of their log-probabilities."""
    scored = [
        one._replace(score=one.log_prob / max(one.length, 1) ** config.length_penalty) for one in hypotheses
    ]
    return sorted(scored, key=lambda one: (not one.finished, -one.score))[: config.n_best]
