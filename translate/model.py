"""Seq2Seq: an encoder, an attention and a decoder as one model over piece ids."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from translate.attention import Attention, build_attention
from translate.config.model import ModelConfig
from translate.decoders.folded import can_fold, fold
from translate.decoders.recurrent import (
    ConditionalDecoder,
    InputFeedingDecoder,
    ParallelDecoder,
    RecurrentState,
)
from translate.decoders.transformer import TransformerDecoder, TransformerState
from translate.encoders import RecurrentEncoder, TransformerEncoder

Encoder = RecurrentEncoder | TransformerEncoder
Decoder = InputFeedingDecoder | ConditionalDecoder | ParallelDecoder | TransformerDecoder
DecoderState = RecurrentState | TransformerState


class Seq2Seq(nn.Module):
    """Encoder-decoder with attention, from source ids to the log-probabilities of target ids.

    Source ids end with the end-of-sentence id; target inputs begin with the beginning-of-sentence id.

    Args:
        src_embedding: also the target embedding when the vocabulary is joint and embeddings are tied, or a
            longer one that begins with it.
        tgt_embedding: also the output layer when `tied_output`.
        end_of_sentence: whether the decoder sees what the encoder makes of the source's end of sentence.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        src_embedding: "nn.Embedding | LongerEmbedding",
        tgt_embedding: nn.Embedding,
        tied_output: bool = True,
        end_of_sentence: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.src_embedding = src_embedding
        self.tgt_embedding = tgt_embedding
        self.end_of_sentence = end_of_sentence
        self.output = nn.Linear(tgt_embedding.embedding_dim, tgt_embedding.num_embeddings)
        nn.init.zeros_(self.output.bias)
        if tied_output:
            self.output.weight = tgt_embedding.weight
        # Embeddings are drawn small enough for the output layer; scaled up, their units have variance one.
        self.scale = math.sqrt(tgt_embedding.embedding_dim)
        # What takes steps, and where it looks up the pieces: no parts of the model, which has them already.
        self._stepping: tuple[Decoder, nn.Embedding] = (decoder, tgt_embedding)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.output.bias.device

    def lay_out_for_translating(self) -> None:
        """Let the matrices lie in memory as products with few rows are fastest on a CPU; their values stay.

        Steps do without products that can be taken before (`fold`). The output layer then has its own copy of
        what it shared with an embedding: no model to train.
        """
        if can_fold(self.decoder, self.tgt_embedding):
            self._stepping = fold(self.decoder, self.tgt_embedding, self.scale)
        for module in {*self.modules(), *self._stepping[0].modules()}:
            if isinstance(module, nn.Linear):
                module.weight = nn.Parameter(module.weight.detach().T.contiguous().T)

    def start(self, src: Int[Tensor, "B S"], src_mask: Bool[Tensor, "B S"]) -> DecoderState:
        """Encode the sources, to go on step by step; the state has a row for each."""
        return self._stepping[0].start(*self._encode(src, src_mask))

    def _encode(
        self, src: Int[Tensor, "B S"], src_mask: Bool[Tensor, "B S"]
    ) -> tuple[Float[Tensor, "B S M"], Bool[Tensor, "B S"]]:
        """What the decoder may look at, and where."""
        embedded = self.src_embedding(src) * self.scale
        values = self.encoder(embedded, src_mask)
        if not self.end_of_sentence:  # the last token: the one that none follows
            src_mask = F.pad(src_mask[:, 1:], (0, 1))
        return values, src_mask

    def step(
        self, tokens: Int[Tensor, " R"], state: DecoderState
    ) -> tuple[Float[Tensor, "R V"], DecoderState]:
        """Read one target token in each row; return the log-probabilities of the next one."""
        logits, state = self.step_unnormalized(tokens, state)
        return logits.log_softmax(dim=-1), state

    def step_unnormalized(
        self, tokens: Int[Tensor, " R"], state: DecoderState
    ) -> tuple[Float[Tensor, "R V"], DecoderState]:
        """As `step`, but each row's log-probabilities are off by a constant: enough to find the best one."""
        decoder, embedding = self._stepping
        embedded = embedding(tokens) * self.scale
        features, state = decoder.step(embedded, state)  # type: ignore[arg-type]  # its own state
        return self.output(features).float(), state

    def features(
        self, src: Int[Tensor, "B S"], src_mask: Bool[Tensor, "B S"], tgt_in: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T E"]:
        """What the output layer scores pieces with, at every target position (teacher forced)."""
        embedded = self.tgt_embedding(tgt_in) * self.scale
        return self.decoder.features(embedded, self.decoder.start(*self._encode(src, src_mask)))  # type: ignore[arg-type]

    def attend(
        self,
        src: Int[Tensor, "B S"],
        src_mask: Bool[Tensor, "B S"],
        tgt_in: Int[Tensor, "B T"],
        layer: int,
        head: int | None,
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B T S"]]:
        """The features, and one layer's attention weights: of a head, or the mean of all (None)."""
        embedded = self.tgt_embedding(tgt_in) * self.scale
        return self.decoder.attend(embedded, self.decoder.start(*self._encode(src, src_mask)), layer, head)  # type: ignore[arg-type]

    def forward(
        self, src: Int[Tensor, "B S"], src_mask: Bool[Tensor, "B S"], tgt_in: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T V"]:
        """Logits of the piece after each target input (teacher forced)."""
        return self.output(self.features(src, src_mask, tgt_in))  # type: ignore[no-any-return]

    def align(
        self, src: Int[Tensor, "B S"], src_mask: Bool[Tensor, "B S"], tgt_in: Int[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B L N T S"], Float[Tensor, "B T V"]]:
        """Attention weights and logits of the teacher-forced pair: row t is of the piece after tgt_in[:, t].

        L is 1 for a recurrent decoder, which has one attention.
        """
        embedded = self.tgt_embedding(tgt_in) * self.scale
        features, weights = self.decoder(embedded, self.decoder.start(*self._encode(src, src_mask)))
        return weights, self.output(features)


class LongerEmbedding(nn.Module):
    """An embedding of more pieces that begins with another one, whose weights it shares.

    Args:
        beginning: of the pieces with the lowest ids.
        rest: of all others, in their order.
    """

    def __init__(self, beginning: nn.Embedding, rest: nn.Embedding) -> None:
        super().__init__()
        self.beginning = beginning
        self.rest = rest

    @property
    def weight(self) -> Float[Tensor, "V E"]:
        """All rows, as nn.Embedding has them; a copy."""
        return torch.cat([self.beginning.weight, self.rest.weight])

    def forward(self, ids: Int[Tensor, "*any"]) -> Float[Tensor, "*any E"]:
        """Look up each piece where it is."""
        count = self.beginning.num_embeddings
        beginning = self.beginning(ids.clamp(max=count - 1))
        rest = self.rest((ids - count).clamp(min=0))
        return torch.where((ids < count)[..., None], beginning, rest)


def build_model(config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int, *, joint: bool) -> Seq2Seq:
    """Build the model that the config describes, with fresh weights.

    Args:
        joint: the target's vocabulary is the source's or its beginning; with `tie_embeddings` they then
            share embeddings.
    """
    encoder = _build_encoder(config)
    src_embedding, tgt_embedding = _build_embeddings(
        config.embedding_size, src_vocab_size, tgt_vocab_size, shared=joint and config.tie_embeddings
    )
    decoder = _build_decoder(config, encoder.memory_size)
    return Seq2Seq(
        encoder,
        decoder,
        src_embedding,
        tgt_embedding,
        config.tie_embeddings,
        config.attention.end_of_sentence,
    )


def _build_embeddings(
    size: int, src_count: int, tgt_count: int, *, shared: bool
) -> tuple[nn.Embedding | LongerEmbedding, nn.Embedding]:
    """Embeddings of source and target; shared ones are the same in all rows that both have."""
    if not shared:
        return _embedding(src_count, size), _embedding(tgt_count, size)
    tgt = _embedding(tgt_count, size)
    if src_count == tgt_count:
        return tgt, tgt
    return LongerEmbedding(tgt, _embedding(src_count - tgt_count, size)), tgt


def _build_encoder(config: ModelConfig) -> Encoder:
    encoder = config.encoder
    match encoder.type:
        case "recurrent":
            return RecurrentEncoder(
                config.embedding_size,
                encoder.size,
                encoder.layers,
                encoder.cell,
                encoder.bidirectional,
                config.dropout,
                encoder.bridging,
            )
        case "transformer":
            return TransformerEncoder(
                encoder.size,
                encoder.layers,
                encoder.heads,
                encoder.feed_forward_size,
                encoder.positions,
                config.dropout,
            )


def _build_decoder(config: ModelConfig, memory_size: int) -> Decoder:
    decoder = config.decoder
    if decoder.type == "transformer":
        return TransformerDecoder(
            [_build_attention(config, memory_size, decoder.size) for _ in range(decoder.layers)],
            decoder.size,
            decoder.heads,
            decoder.feed_forward_size,
            decoder.positions,
            config.dropout,
        )
    arguments = (
        _build_attention(config, memory_size),
        memory_size,
        config.embedding_size,
        decoder.size,
        decoder.layers,
        decoder.cell,
        config.dropout,
        decoder.context_only,
    )
    match decoder.feeding:
        case "input":
            return InputFeedingDecoder(*arguments, config.attention.coverage, _can_fuse(config))
        case "conditional":
            return ConditionalDecoder(*arguments, config.attention.coverage, _can_fuse(config))
        case "parallel":
            return ParallelDecoder(*arguments)


def _can_fuse(config: ModelConfig) -> bool:
    """Whether the decoder's loop is one that is there as one function too."""
    attention, decoder = config.attention, config.decoder
    kind = (attention.score, attention.heads, attention.normalizer, decoder.cell, decoder.layers)
    return kind == ("additive", 1, "softmax", "gru", 1)


def _build_attention(config: ModelConfig, memory_size: int, output_size: int | None = None) -> Attention:
    attention = config.attention
    return build_attention(
        attention.score,
        config.decoder.size,
        memory_size,
        attention.size,
        attention.heads,
        attention.normalizer,
        output_size,
        attention.coverage,
    )


def _embedding(count: int, size: int) -> nn.Embedding:
    embedding = nn.Embedding(count, size)
    nn.init.normal_(embedding.weight, std=size**-0.5)
    return embedding
