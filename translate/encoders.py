"""Encoders: from embedded source pieces to the values that the decoder attends to."""

from typing import Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from translate.dropout import Dropout
from translate.gru import gru_layer, reading_orders
from translate.transformer import FeedForward, Positions, SelfAttention, sinusoids

CellType = Literal["gru", "lstm"]
RECURRENT = {"gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentEncoder(nn.Module):
    """GRU or LSTM layers that read the source forwards and backwards (Bahdanau et al. 2015, A.2.1).

    Args:
        embedding_size: E, units of an embedded piece.
        size: hidden units in each direction.
        bridging: put each piece's embedding behind what was made of it (source-side bridging, Kuang et al.
            2018), so that a context says which pieces were attended to, not only what surrounds them.
    """

    def __init__(
        self,
        embedding_size: int,
        size: int,
        layers: int = 1,
        cell: CellType = "gru",
        bidirectional: bool = True,
        dropout: float = 0.0,
        bridging: bool = False,
    ) -> None:
        super().__init__()
        output_size = size * (2 if bidirectional else 1)
        self.memory_size = output_size + (embedding_size if bridging else 0)
        self.bridging = bridging
        sizes = [embedding_size] + [output_size] * (layers - 1)
        self.forwards = nn.ModuleList(RECURRENT[cell](n, size, batch_first=True) for n in sizes)
        self.backwards = nn.ModuleList(
            RECURRENT[cell](n, size, batch_first=True) for n in (sizes if bidirectional else [])
        )
        self.gru = cell == "gru"
        self.dropout = Dropout(dropout)

    def forward(self, embedded: Float[Tensor, "B S E"], mask: Bool[Tensor, "B S"]) -> Float[Tensor, "B S M"]:
        """Encode; what stands at padding positions means nothing and must be masked."""
        # Only tokens are reversed: the backward direction starts at the last one, never at padding.
        backwards = reversed_positions(mask)
        x = embedded = self.dropout(embedded)
        # Without gradients torch's own GRU is as fast, and under autocast it multiplies in bfloat16.
        on_cpu = embedded.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        written_out = self.gru and on_cpu and torch.is_grad_enabled()
        if written_out:
            onwards = torch.arange(mask.shape[1], device=mask.device).expand_as(backwards)
            orders = reading_orders([onwards, backwards] if self.backwards else [onwards])
        for number in range(len(self.forwards)):
            if written_out:
                directions = [layers[number] for layers in (self.forwards, self.backwards) if layers]
                x = gru_layer(x, orders, cast("list[nn.GRU]", directions))
            else:
                x = self._layer(number, x, backwards)
            x = self.dropout(x)
        return torch.cat([x, embedded.to(x.dtype)], dim=-1) if self.bridging else x

    def _layer(
        self, number: int, x: Float[Tensor, "B S E"], backwards: Int[Tensor, "B S"]
    ) -> Float[Tensor, "B S Y"]:
        output: Tensor = self.forwards[number](x)[0]
        if not self.backwards:
            return output
        backwards = backwards[..., None]
        reverse = self.backwards[number](x.gather(1, backwards.expand_as(x)))[0]
        return torch.cat([output, reverse.gather(1, backwards.expand_as(reverse))], dim=-1)


def reversed_positions(mask: Bool[Tensor, "B S"]) -> Int[Tensor, "B S"]:
    """For each position the one it changes places with when the tokens are reversed; padding stays."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - positions, positions)


class TransformerEncoderLayer(nn.Module):
    """Self-attention and feed-forward, each normalised before and added (pre-norm, Xiong et al. 2020)."""

    def __init__(
        self, size: int, heads: int, feed_forward_size: int, positions: Positions, dropout: float
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(size)
        self.attention = SelfAttention(size, heads, positions)
        self.feed_forward_norm = nn.LayerNorm(size)
        self.feed_forward = FeedForward(size, feed_forward_size, dropout)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B S E"], mask: Bool[Tensor, "B S"]) -> Float[Tensor, "B S E"]:
        """Let the tokens look at one another, then think about each."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]


class TransformerEncoder(nn.Module):
    """Layers of self-attention over the source (Vaswani et al. 2017); M = E."""

    def __init__(
        self,
        size: int,
        layers: int = 4,
        heads: int = 4,
        feed_forward_size: int = 512,
        positions: Positions = "sinusoidal",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.memory_size = size
        self.sinusoidal = positions == "sinusoidal"
        self.layers = nn.ModuleList(
            TransformerEncoderLayer(size, heads, feed_forward_size, positions, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(size)
        self.dropout = Dropout(dropout)

    def forward(self, embedded: Float[Tensor, "B S E"], mask: Bool[Tensor, "B S"]) -> Float[Tensor, "B S E"]:
        """Encode; what stands at padding positions means nothing and must be masked."""
        x = embedded
        if self.sinusoidal:
            x = x + sinusoids(torch.arange(x.shape[1], device=x.device), x.shape[2])
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)  # type: ignore[no-any-return]
