"""Which beam and which length penalty: chosen by BLEU on a run's validation text, never on a test set."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from translate.config.search import SearchConfig
from translate.engine import Hypothesis
from translate.errors import InputError
from translate.evaluation import Score, bleu_score
from translate.run_directory import RunDirectory
from translate.translation import Found, join
from translate.translator import Translator

log = logging.getLogger(__name__)

NOTE = "search.beam_size and search.length_penalty were chosen by `seq2see tune` (tuning.json)"


Pairs = tuple[list[str], list[str]]  # sources and references


class Trial(NamedTuple):
    """A search, and how well it translates the validation text."""

    beam_size: int
    length_penalty: float
    bleu: Score


def try_searches(
    translator: Translator, searches: Sequence[SearchConfig], pairs: Pairs | None = None
) -> Iterator[Trial]:
    """Yield a trial of each search, by translating a validation text once for each beam size.

    With as many hypotheses returned as the beam is wide, `beam_search` goes on until all its places are used,
    and what it finds does not depend on the length penalty: that ranks what has ended, and says when nothing
    better can come. So ranking what was found anew is the same as searching anew, in every trial.

    Args:
        pairs: the text. Default: the one in the run directory.

    Raises:
        InputError: the run directory has none, but is asked for it.
    """
    sources, references = pairs or _read_valid(translator.directory)
    beam_size, found = 0, []
    for search in sorted(searches, key=lambda search: search.beam_size):
        if search.beam_size != beam_size:
            beam_size = search.beam_size
            log.info("beam %d", beam_size)
            found = translator.search(sources, replace(search, n_best=beam_size, mbr=0))
        texts = [
            join(source, rank(those, search), translator.tokenizers.tgt, search).text
            for source, those in zip(sources, found, strict=True)
        ]
        score = bleu_score(texts, references, translator.config.data.tgt_lang)
        yield Trial(beam_size, search.length_penalty, score)


def rank(found: Found, search: SearchConfig) -> Found:
    """What the search would have found, out of all that a search of the same beam has found."""

    def key(hypothesis: Hypothesis) -> tuple[bool, float]:
        divisor = max(hypothesis.length, 1) ** search.length_penalty
        return not hypothesis.finished, -hypothesis.log_prob / divisor

    return [(part, sorted(those, key=key)[: search.mbr or search.n_best]) for part, those in found]


def grid(
    config: SearchConfig, beam_sizes: Sequence[int], length_penalties: Sequence[float]
) -> list[SearchConfig]:
    """Every beam size with every penalty, the run's own among them; for one best, and else as the run."""
    return [
        replace(config, beam_size=beam_size, length_penalty=length_penalty, n_best=1)
        for beam_size in sorted({config.beam_size, *beam_sizes})
        for length_penalty in sorted({config.length_penalty, *length_penalties})
    ]


def choose(trials: Sequence[Trial], config: SearchConfig) -> Trial:
    """The highest BLEU; among equals the smallest beam, then the penalty nearest to the run's own."""
    return min(
        trials,
        key=lambda it: (-it.bleu.value, it.beam_size, abs(it.length_penalty - config.length_penalty)),
    )


def save(run: RunDirectory, chosen: Trial, record: object) -> None:
    """Let the run search as chosen from now on; the record says how that came."""
    run.save_json(run.tuning_path, record)
    search = run.config.search
    n_best = min(search.n_best, chosen.beam_size)
    search = replace(search, beam_size=chosen.beam_size, length_penalty=chosen.length_penalty, n_best=n_best)
    run.save_config(replace(run.config, search=search), NOTE)


def _read_valid(run: RunDirectory) -> Pairs:
    for path in (run.valid_src_path, run.valid_tgt_path):
        if not path.is_file():
            raise InputError(f"{path} is missing: search is tuned on the validation text that training keeps")
    return run.read_valid()
