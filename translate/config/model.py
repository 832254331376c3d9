"""Encoder, attention and decoder, and which of them go together."""

from dataclasses import dataclass, field
from typing import Literal

from translate.config.numbers import below_one, divides
from translate.errors import UsageError

Score = Literal["additive", "dot", "general", "scaled_dot", "symmetric"]
Normalizer = Literal["softmax", "sparsemax", "entmax15"]


@dataclass(frozen=True)
class EncoderConfig:
    """From source ids to the values that the decoder attends to."""

    type: Literal["recurrent", "transformer"] = "recurrent"
    """recurrent: bidirectional (Bahdanau et al. 2015); transformer: pre-norm (Vaswani et al. 2017)."""
    layers: int = 1
    """Layers on top of one another."""
    size: int = 256
    """Hidden units (recurrent: in each direction; transformer: model width)."""
    cell: Literal["gru", "lstm"] = "gru"
    """Recurrent only: Cho et al. 2014 or Hochreiter & Schmidhuber 1997."""
    bidirectional: bool = True
    """Recurrent only: read from both ends."""
    bridging: bool = False
    """Recurrent only: a value has its piece's embedding, too (source-side bridging, Kuang et al. 2018)."""
    heads: int = 4
    """Transformer only: heads of self-attention."""
    feed_forward_size: int = 512
    """Transformer only: hidden units of the feed-forward layer."""
    positions: Literal["sinusoidal", "rotary"] = "rotary"
    """Transformer only: Vaswani et al. 2017, or rotary (Su et al. 2021)."""


@dataclass(frozen=True)
class AttentionConfig:
    """How the decoder looks at the source."""

    score: Score = "additive"
    """additive: Bahdanau 2015; dot, general: Luong 2015; scaled_dot: Vaswani 2017; symmetric: one W."""
    normalizer: Normalizer = "softmax"
    """Scores to weights: softmax, sparsemax (Martins & Astudillo 2016), entmax15 (Peters et al. 2019)."""
    size: int = 256
    """Units that query and keys are projected to, all heads together (dot projects nothing)."""
    heads: int = 1
    """Attentions side by side; with more than one, values are projected for each head."""
    coverage: bool = False
    """Feed what was attended so far into the score (Tu et al. 2016); score additive, feeding not parallel."""
    end_of_sentence: bool = True
    """Whether the source's end of sentence can be attended to, as if it were a word."""


@dataclass(frozen=True)
class DecoderConfig:
    """From target ids and what is attended to the next target piece."""

    type: Literal["recurrent", "transformer"] = "recurrent"
    """recurrent: Bahdanau et al. 2015; transformer: pre-norm (Vaswani et al. 2017)."""
    layers: int = 1
    """Layers on top of one another."""
    size: int = 256
    """Hidden units (transformer: model width)."""
    cell: Literal["gru", "lstm"] = "gru"
    """Recurrent only: Cho et al. 2014 or Hochreiter & Schmidhuber 1997."""
    feeding: Literal["input", "conditional", "parallel"] = "input"
    """Recurrent only. input: the last state asks, the context enters with the token (Bahdanau 2015, A.2.2);
    conditional: the first layer reads the token, asks, and reads the context (Sennrich et al. 2017);
    parallel: the first layer asks, the next one gets the context, a sentence is one call (2+ layers)."""
    context_only: float = 0.0
    """Recurrent only: share of the positions that training scores from their context alone, without state and
    last piece, so that attention has to find the word (Zenkel et al. 2019 always do)."""
    heads: int = 4
    """Transformer only: heads of self-attention."""
    feed_forward_size: int = 512
    """Transformer only: hidden units of the feed-forward layer."""
    positions: Literal["sinusoidal", "rotary"] = "rotary"
    """Transformer only: Vaswani et al. 2017, or rotary (Su et al. 2021)."""


@dataclass(frozen=True)
class ModelConfig:
    """Encoder, attention and decoder, freely combined."""

    embedding_size: int = 256
    """Size of the piece embeddings (for a transformer: its width)."""
    dropout: float = 0.2
    """Probability that an activation is dropped in training (Srivastava et al. 2014); in steps of 1/256."""
    tie_embeddings: bool = True
    """Output layer = target embeddings (= source embeddings when joint; Press & Wolf 2017)."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The encoder."""
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    """The attention between decoder and encoder."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """The decoder."""

    def __post_init__(self) -> None:
        check_model(self)


def check_model(model: ModelConfig) -> None:
    """Refuse combinations that no layer could be built for, naming the settings and their values."""
    encoder, attention, decoder = model.encoder, model.attention, model.decoder
    below_one(model, "model", "dropout")
    below_one(decoder, "model.decoder", "context_only")
    for size_name, size in (
        ("embedding_size", model.embedding_size),
        ("encoder.size", encoder.size),
        ("encoder.feed_forward_size", encoder.feed_forward_size),
        ("attention.size", attention.size),
        ("decoder.size", decoder.size),
        ("decoder.feed_forward_size", decoder.feed_forward_size),
    ):
        if size < 1:
            raise UsageError(f"model.{size_name} is {size}: it must be at least 1")
    _check_part(encoder, "encoder", model.embedding_size)
    _check_part(decoder, "decoder", model.embedding_size)
    divides("model.attention.size", attention.size, "model.attention.heads", attention.heads)
    memory_size = encoder.size
    if encoder.type == "recurrent":
        memory_size *= 2 if encoder.bidirectional else 1
        memory_size += model.embedding_size if encoder.bridging else 0
    if attention.score in ("dot", "symmetric") and decoder.size != memory_size:
        raise UsageError(
            f"model.attention.score {attention.score} needs a query as large as the memory, but "
            f"model.decoder.size is {decoder.size} and the encoder gives {memory_size}"
        )
    if attention.score in ("dot", "general"):
        divides("model.decoder.size", decoder.size, "model.attention.heads", attention.heads)
    if decoder.type == "transformer":  # its contexts are as wide as itself, others' as wide as the memory
        divides("model.decoder.size", decoder.size, "model.attention.heads", attention.heads)
    else:
        divides("the encoder's output size", memory_size, "model.attention.heads", attention.heads)
    if decoder.type == "recurrent" and decoder.feeding == "parallel" and decoder.layers < 2:
        raise UsageError(
            f"model.decoder.feeding parallel needs model.decoder.layers of at least 2, got {decoder.layers}: "
            "the first asks, the second gets the context"
        )
    if attention.coverage and not (
        attention.score == "additive" and decoder.type == "recurrent" and decoder.feeding != "parallel"
    ):
        raise UsageError(
            "model.attention.coverage needs model.attention.score additive and a recurrent model.decoder "
            f"with feeding input or conditional, got {attention.score}, {decoder.type}, {decoder.feeding}"
        )


def _check_part(part: EncoderConfig | DecoderConfig, name: str, embedding_size: int) -> None:
    """Check an encoder or decoder by itself."""
    if part.layers < 1:
        raise UsageError(f"model.{name}.layers is {part.layers}: it must be at least 1")
    if part.type != "transformer":
        return
    divides(f"model.{name}.size", part.size, f"model.{name}.heads", part.heads)
    if part.size != embedding_size:
        raise UsageError(
            f"model.{name}.size is {part.size} but model.embedding_size is {embedding_size}: "
            "a transformer adds to its embeddings, so they must be equal"
        )
    if part.positions == "rotary" and part.size // part.heads % 2:
        raise UsageError(
            f"model.{name}.positions rotary turns pairs of units, but model.{name}.size {part.size} over "
            f"model.{name}.heads {part.heads} gives each head {part.size // part.heads}: it must be even"
        )
