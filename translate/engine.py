"""What finds translations: an engine turns rows of source ids into hypotheses, whatever it computes with."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from translate.config.search import SearchConfig

EngineName = Literal["torch", "ctranslate2"]


class Hypothesis(NamedTuple):
    """One translation of one sentence."""

    tokens: list[int]  # without bos and eos
    score: float  # log_prob / length ** length_penalty: what translations are ranked by
    log_prob: float  # natural logarithm of the probability of the tokens, and of eos if finished
    finished: bool  # eos was reached; otherwise the greatest length was, or no token was possible

    @property
    def length(self) -> int:
        """How many tokens log_prob is the sum of: eos counts."""
        return len(self.tokens) + self.finished


class Sampling(NamedTuple):
    """How pieces are drawn, instead of looking for the best translation."""

    temperature: float = 1.0  # of the softmax: below 1 the probable becomes more so
    top_k: int = 0  # only so many most probable pieces can be drawn (Fan et al. 2018); 0: any number
    top_p: float = 1.0  # only the most probable that make up this mass (nucleus, Holtzman et al. 2020)
    seed: int = 0


class Demand(NamedTuple):
    """What a row's translation has to be like beyond what the model holds best; as it stands, nothing."""

    prefix: tuple[int, ...] = ()  # pieces that it begins with
    phrases: tuple[tuple[int, ...], ...] = ()  # runs of pieces that occur in it, each in a place of its own
    sampling: Sampling | None = None  # of all rows of a batch or of none
    place: tuple[int, ...] = ()  # together with the seed, what a row's draws depend on

    @property
    def length(self) -> int:
        """How many pieces are there by force."""
        return len(self.prefix) + sum(map(len, self.phrases))


@runtime_checkable
class Engine(Protocol):
    """A model ready to search with."""

    name: EngineName  # of the distribution that computes
    precision: str  # of its matrix products, such as float32
    device: str
    threads: int
    positions: int | None  # most pieces of a source or a translation, its end counted; None: any number
    batch_tokens: int  # slots of a batch that it is fast with

    def search(
        self,
        rows: Sequence[list[int]],
        max_lengths: Sequence[int],
        config: SearchConfig,
        demands: Sequence[Demand] | None = None,
        *,
        scored: bool = True,
    ) -> list[list[Hypothesis]]:
        """Return for each row its `config.n_best` best hypotheses (or all, if there are fewer), best first.

        The rows are computed together; what one gets does not depend on the others.

        Args:
            rows: source ids without eos, none empty; a direction tag may come first.
            max_lengths: most tokens of each row's translation, eos not counted, at least 1; if too few
                hypotheses end by then, unfinished ones follow, scored by the tokens they have.
            config: how to search; its length ratio has become `max_lengths`.
            demands: of each row; an engine that cannot fulfil any raises UsageError.
            scored: without, scores may be NaN: a greedy search then needs no softmax.
        """
        ...


def max_length(pieces: int, config: SearchConfig) -> int:
    """Most tokens that the translation of so many source pieces may have, eos not counted on either side."""
    return max(1, int(pieces * config.max_length_ratio) + config.max_length_offset)


def describe(engine: Engine) -> str:
    """Say in a few words what translates."""
    return f"{engine.name} in {engine.precision} on {engine.device}"
