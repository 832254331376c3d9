"""Every setting of a run as frozen dataclasses, and the checks across fields.

A YAML file, a flag (`--model.attention.score general`) and a field here are the same thing; a
field's docstring is its help text. Nothing heavy is imported, so `--help` is quick.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from translate.config.data import DataConfig, InitialConfig
from translate.config.model import ModelConfig
from translate.config.search import SearchConfig
from translate.config.tokenizer import TokenizerConfig
from translate.config.training import TrainingConfig
from translate.errors import UsageError

MOST_LINKED = 2**16  # pieces of a side: the number of each is half of four bytes


@dataclass(frozen=True)
class Config:
    """Every setting of a run."""

    data: DataConfig = field(default_factory=DataConfig)
    """The corpus."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    """The tokenizer."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The model."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """The recipe."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """The search used by `translate` and `evaluate` unless told otherwise."""
    initial: InitialConfig = field(default_factory=InitialConfig)
    """The run that is fine-tuned, if one is."""

    def __post_init__(self) -> None:
        _check_window(self)
        _check_guide(self)
        _check_sharding(self)


class GuidedHead(NamedTuple):
    """The attention that training guides towards links."""

    layer: int  # from 0
    head: int  # from 0
    shift: int  # 0: the row of the step that emits a piece is guided; 1: of the step that has read it


def guided_head(config: Config) -> GuidedHead | None:
    """Return which attention is guided, if one is.

    A transformer's is guided at the step that has read the piece (as Chen et al. 2020, SHIFT-AET), so that
    the head need not know yet what will be emitted. A recurrent decoder's one attention is guided at the step
    that emits the piece, whose context has to bring the word.
    """
    settings = config.training
    if settings.alignment == "none":
        return None
    transformer = config.model.decoder.type == "transformer"
    layers = config.model.decoder.layers if transformer else 1
    layer = settings.alignment_layer or max(layers - 1, 1)
    return GuidedHead(layer - 1, settings.alignment_head - 1, int(transformer))


# Everyday flags and the settings they stand for.
ALIASES = {
    "corpus": "data.corpus",
    "src": "data.src",
    "tgt": "data.tgt",
    "valid_src": "data.valid_src",
    "valid_tgt": "data.valid_tgt",
    "pairs": "data.pairs",
    "valid_pairs": "data.valid_pairs",
    "weights": "data.weights",
    "format": "data.format",
    "src_lang": "data.src_lang",
    "tgt_lang": "data.tgt_lang",
    "src_column": "data.src_column",
    "tgt_column": "data.tgt_column",
    "strict": "data.strict",
    "window": "data.window",
    "monolingual": "data.monolingual",
    "reverse": "data.reverse",
    "init_from": "initial.run",
    "mix": "initial.mix",
    "mix_corpus": "initial.corpus",
    "mix_src": "initial.src",
    "mix_tgt": "initial.tgt",
    "batch_tokens": "data.batch_tokens",
    "vocab_size": "tokenizer.vocab_size",
    "tokenizer_path": "tokenizer.path",
    "max_steps": "training.max_steps",
    "learning_rate": "training.learning_rate",
    "seed": "training.seed",
    "device": "training.device",
    "threads": "training.threads",
    "devices": "training.devices",
    "nodes": "training.nodes",
    "precision": "training.precision",
    "alignment": "training.alignment",
}


def check_both_directions(config: Config, run: str) -> None:
    """Refuse a run whose model has not learned to read its pairs backwards."""
    if config.data.directions != "both":
        raise UsageError(
            f"{run} was trained to translate forward only: going backwards needs data.directions both"
        )


def _check_window(config: Config) -> None:
    """Refuse what needs the whole text at once."""
    if not config.data.window:
        return
    for name, given in (
        ("data.monolingual", config.data.monolingual is not None),
        ("initial.mix", config.initial.mix > 0),
        ("training.alignment guided", config.training.alignment == "guided"),
    ):
        if given:
            raise UsageError(
                f"data.window trains on a part of the text at a time, but {name} needs all of it: leave one "
                "of the two out"
            )


def _check_sharding(config: Config) -> None:
    """Refuse what needs the weights in one piece at each step, or has no layers to be gathered one by one."""
    if not config.training.sharding:
        return
    if config.training.average == "ema":
        raise UsageError(
            "training.sharding leaves no weights in one piece for training.average ema: set it to "
            "checkpoints or none"
        )
    if config.training.alignment == "guided":
        raise UsageError("training.sharding does not go together with training.alignment guided")
    if config.training.share_spelling:
        raise UsageError("training.sharding does not go together with training.share_spelling")
    types = config.model.encoder.type, config.model.decoder.type
    if types != ("transformer", "transformer"):
        raise UsageError(
            "training.sharding needs a transformer as model.encoder and model.decoder, got "
            f"{types[0]} and {types[1]}"
        )


def _check_guide(config: Config) -> None:
    """Refuse a guide for an attention that is not there, or that cannot follow."""
    guided, attention = guided_head(config), config.model.attention
    if guided is None:
        return
    layers = config.model.decoder.layers if guided.shift else 1
    for name, number, count in (("layer", guided.layer, layers), ("head", guided.head, attention.heads)):
        if number >= count:
            raise UsageError(
                f"training.alignment_{name} is {number + 1}, but attention has {count} to be guided"
            )
    if attention.normalizer != "softmax":
        raise UsageError(
            "training.alignment guided needs model.attention.normalizer softmax, got "
            f"{attention.normalizer}: a weight of zero has no gradient"
        )
    if config.data.max_length >= MOST_LINKED:
        raise UsageError(
            f"training.alignment guided links pieces of sentences with less than {MOST_LINKED}, but "
            f"data.max_length is {config.data.max_length}"
        )
