"""How the best translation is looked for."""

from dataclasses import dataclass

from translate.config.numbers import at_least
from translate.errors import UsageError


@dataclass(frozen=True)
class SearchConfig:
    """How the best translation is looked for."""

    beam_size: int = 5
    """Hypotheses kept for each sentence; 1 is greedy."""
    length_penalty: float = 1.0
    """Log-probability is divided by length to this power (0: not at all)."""
    n_best: int = 1
    """Translations returned for each sentence, at most beam_size."""
    max_length_ratio: float = 2.0
    """A translation has at most this many times the source's pieces, plus `max_length_offset`."""
    max_length_offset: int = 10
    """See max_length_ratio."""
    min_length: int = 0
    """A translation has at least this many pieces."""
    no_repeat_ngram: int = 0
    """No sequence of so many pieces occurs twice (0: repetition is allowed; Paulus et al. 2018)."""
    mbr: int = 0
    """Of so many best translations the one with the highest expected chrF against all of them is taken, each
    weighted by its probability (0: simply the best one; Kumar & Byrne 2004)."""

    def __post_init__(self) -> None:
        at_least(self, "search", beam_size=1, n_best=1, min_length=0, no_repeat_ngram=0, mbr=0)
        for name in ("n_best", "mbr"):
            if getattr(self, name) > self.beam_size:
                count = getattr(self, name)
                raise UsageError(f"search.{name} is {count}, more than search.beam_size {self.beam_size}")
        if self.mbr and self.n_best > 1:
            raise UsageError(
                f"search.mbr is {self.mbr}, which chooses one translation, but search.n_best is {self.n_best}"
                ": leave one at its default (mbr 0, n_best 1)"
            )
