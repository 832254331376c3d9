"""The transformer decoder: it attends to the memory in every layer."""

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from translate.attention import Attention, Memory
from translate.dropout import Dropout
from translate.transformer import FeedForward, KeyValueCache, Positions, SelfAttention, sinusoids


class TransformerState(NamedTuple):
    """What a transformer decoder carries from one target position to the next, layer by layer."""

    caches: tuple[KeyValueCache, ...]  # of self-attention: they grow by one position a step
    memories: tuple[Memory, ...]  # of cross-attention: projected once

    def select(self, rows: Int[Tensor, " R2"]) -> "TransformerState":
        """Keep these rows in this order; a repeated row forks a hypothesis."""
        asked = self.memories[0].arrange(rows)  # in all layers alike
        return TransformerState(
            tuple(cache.select(rows) for cache in self.caches),
            tuple(memory.take(*asked) for memory in self.memories),
        )


class TransformerDecoderLayer(nn.Module):
    """Self-attention, attention to the memory and feed-forward, each pre-norm (Xiong et al. 2020)."""

    def __init__(
        self,
        attention: Attention,
        size: int,
        heads: int,
        feed_forward_size: int,
        positions: Positions,
        dropout: float,
    ) -> None:
        super().__init__()
        self.self_attention_norm = nn.LayerNorm(size)
        self.self_attention = SelfAttention(size, heads, positions)
        self.attention_norm = nn.LayerNorm(size)
        self.attention = attention
        self.feed_forward_norm = nn.LayerNorm(size)
        self.feed_forward = FeedForward(size, feed_forward_size, dropout)
        self.dropout = Dropout(dropout)

    def features(self, x: Float[Tensor, "B T E"], memory: Memory) -> Float[Tensor, "B T E"]:
        """Run over a whole sentence, by the fused kernels."""
        x = x + self.dropout(self.self_attention.causal(self.self_attention_norm(x)))
        x = x + self.dropout(self.attention.context(self.attention_norm(x), memory))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]

    def attend(
        self, x: Float[Tensor, "B T E"], memory: Memory, head: int | None
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B T S"]]:
        """As `features`, with the weights of one head (None: the mean of all)."""
        x = x + self.dropout(self.self_attention.causal(self.self_attention_norm(x)))
        context, weights = self.attention.attend(self.attention_norm(x), memory, head)
        x = x + self.dropout(context)
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x))), weights

    def forward(
        self, x: Float[Tensor, "B T E"], memory: Memory
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B N T S"]]:
        """Run over a whole sentence and return the weights of the attention to the memory too."""
        x = x + self.dropout(self.self_attention.causal(self.self_attention_norm(x)))
        context, weights = self.attention(self.attention_norm(x), memory)
        x = x + self.dropout(context)
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x))), weights

    def step(
        self, x: Float[Tensor, "R 1 E"], cache: KeyValueCache, memory: Memory
    ) -> tuple[Float[Tensor, "R 1 E"], KeyValueCache]:
        """Run over the newest position."""
        attended, cache = self.self_attention.step(self.self_attention_norm(x), cache)
        x = x + self.dropout(attended)
        x = x + self.dropout(self.attention.context(self.attention_norm(x), memory))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x))), cache


class TransformerDecoder(nn.Module):
    """Layers of self-attention and attention to the memory (Vaswani et al. 2017).

    Args:
        attentions: one for each layer.
    """

    def __init__(
        self,
        attentions: list[Attention],
        size: int,
        heads: int = 4,
        feed_forward_size: int = 512,
        positions: Positions = "sinusoidal",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.sinusoidal = positions == "sinusoidal"
        self.layers = nn.ModuleList(
            TransformerDecoderLayer(attention, size, heads, feed_forward_size, positions, dropout)
            for attention in attentions
        )
        self.norm = nn.LayerNorm(size)
        self.dropout = Dropout(dropout)

    def start(self, values: Float[Tensor, "B S M"], mask: Bool[Tensor, "B S"]) -> TransformerState:
        """Project the memory for every layer; the caches are empty."""
        memories = tuple(layer.attention.prepare(values, mask) for layer in self._layers())
        caches = tuple(layer.self_attention.empty_cache(values) for layer in self._layers())
        return TransformerState(caches, memories)

    def step(
        self, embedded: Float[Tensor, "R E"], state: TransformerState
    ) -> tuple[Float[Tensor, "R E"], TransformerState]:
        """Advance each row by one piece."""
        x = self._place(embedded[:, None], state.caches[0].length)
        caches = []
        for layer, cache, memory in zip(self._layers(), state.caches, state.memories, strict=True):
            x, cache = layer.step(x, cache, memory)
            caches.append(cache)
        return self.norm(x)[:, 0], TransformerState(tuple(caches), state.memories)

    def forward(
        self, embedded: Float[Tensor, "B T E"], state: TransformerState
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B L N T S"]]:
        """Return the features of every position, and the weights of every layer."""
        x = self._place(embedded, 0)
        weights = []
        for layer, memory in zip(self._layers(), state.memories, strict=True):
            x, weight = layer(x, memory)
            weights.append(weight)
        return self.norm(x), torch.stack(weights, dim=1)

    def features(self, embedded: Float[Tensor, "B T E"], state: TransformerState) -> Float[Tensor, "B T E"]:
        """Return the features only, by the fused kernels."""
        x = self._place(embedded, 0)
        for layer, memory in zip(self._layers(), state.memories, strict=True):
            x = layer.features(x, memory)
        return self.norm(x)  # type: ignore[no-any-return]

    def attend(
        self, embedded: Float[Tensor, "B T E"], state: TransformerState, layer: int, head: int | None
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B T S"]]:
        """Return the features by the fused kernels, and one layer's weights of one head (None: the mean)."""
        x = self._place(embedded, 0)
        for number, (each, memory) in enumerate(zip(self._layers(), state.memories, strict=True)):
            if number == layer:
                x, weights = each.attend(x, memory, head)
            else:
                x = each.features(x, memory)
        return self.norm(x), weights

    def _layers(self) -> Iterator[TransformerDecoderLayer]:
        """The layers, as what they are: a ModuleList only knows Modules."""
        return cast("Iterator[TransformerDecoderLayer]", iter(self.layers))

    def _place(self, embedded: Float[Tensor, "B T E"], first: int) -> Float[Tensor, "B T E"]:
        """Add positions, counted from `first`."""
        if self.sinusoidal:
            positions = torch.arange(first, first + embedded.shape[1], device=embedded.device)
            embedded = embedded + sinusoids(positions, embedded.shape[2])
        return self.dropout(embedded)  # type: ignore[no-any-return]
