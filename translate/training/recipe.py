"""What is chosen by the size of the corpus where nobody chose: architecture, vocabulary, dropout, steps."""

import logging
from collections.abc import Collection
from itertools import islice
from typing import Any, NamedTuple

from translate.config.data import DataConfig
from translate.training.text import open_text

log = logging.getLogger(__name__)


class Size(NamedTuple):
    """Corpora of a size, and what suits them."""

    below: float  # pairs
    name: str
    layers: int
    units: int
    heads: int
    vocab_size: int
    dropout: float
    batch_tokens: int
    max_steps: int
    learning_rate: float

    def settings(self) -> dict[str, Any]:
        """Return them by their whole names."""
        layer = {"type": "transformer", "layers": self.layers, "size": self.units, "heads": self.heads}
        layer["feed_forward_size"] = 4 * self.units
        attention = {"score": "scaled_dot", "size": self.units, "heads": self.heads}
        return {
            "data.batch_tokens": self.batch_tokens,
            "tokenizer.vocab_size": self.vocab_size,
            "model.embedding_size": self.units,
            "model.dropout": self.dropout,
            **{f"model.encoder.{name}": value for name, value in layer.items()},
            **{f"model.attention.{name}": value for name, value in attention.items()},
            **{f"model.decoder.{name}": value for name, value in layer.items()},
            "training.max_steps": self.max_steps,
            "training.learning_rate": self.learning_rate,
            "training.warmup_steps": self.max_steps // 11,
            "training.validate_every": self.max_steps // 11,
        }

    def __str__(self) -> str:
        return (
            f"a transformer of {self.layers}+{self.layers} layers and {self.units} units, "
            f"{self.vocab_size:,} pieces, dropout {self.dropout}, {self.max_steps:,} steps"
        )


# The second row is configs/multi30k_transformer.yaml, which was tuned on 29,000 pairs; the others follow from
# it by custom: more text bears a larger model, and needs less dropout.
SIZES = (
    Size(10_000, "thousands", 3, 128, 4, 2000, 0.3, 2048, 6600, 4e-3),
    Size(100_000, "tens of thousands", 4, 128, 4, 6000, 0.2, 2048, 8800, 4e-3),
    Size(1_000_000, "hundreds of thousands", 4, 256, 4, 12_000, 0.15, 4096, 11_000, 3e-3),
    Size(float("inf"), "millions", 6, 512, 8, 32_000, 0.1, 16_384, 110_000, 1e-3),
)
UNKNOWN = SIZES[1]
# Settings that may be given without choosing another model.
FREE = {"model.dropout"}


def size_of(pairs: int) -> Size:
    """Return what suits so many training pairs."""
    return next(size for size in SIZES if pairs < size.below)


def recipe_settings(data: DataConfig, seed: int, given: Collection[str]) -> dict[str, Any]:
    """Return the settings that suit the size of the training text, without those that were given.

    Whoever gives anything of the model has chosen it, and gets the defaults for the rest of it.

    Args:
        data: names the text, which is read to count it; not from standard input, which can be read only once.
        given: whole names of settings.

    Raises:
        InputError, UsageError: as reading the text does.
    """
    if "-" in (data.src, data.tgt, *data.pairs):
        size, count = UNKNOWN, "standard input cannot be counted beforehand, so it is taken for"
    else:
        enough = int(SIZES[-2].below)  # more pairs would change nothing
        pairs = sum(1 for _ in islice(open_text(data, seed).train, enough))
        size, count = size_of(pairs), f"{pairs:,} training pairs{' or more' if pairs == enough else ''} are"
    settings = size.settings()
    own_model = any(name.startswith("model.") and name not in FREE for name in given)
    chosen = {
        name: value
        for name, value in settings.items()
        if name not in given and not (own_model and name.startswith("model.") and name not in FREE)
    }
    log.info(
        "%s %s: %s%s. --print-config prints all settings, for a file to change and to give with --config",
        count,
        size.name,
        size,
        ", but for what was given" if len(chosen) < len(settings) else "",
    )
    return chosen
