"""A recurrent decoder for translating, with what is linear in its step done before the first one.

A step multiplies the embedding of a piece and the context with matrices. The first product is the same
wherever the piece stands, so there is a table of it. The second is an average like the context itself,

    W sum_j a_j v_j = sum_j a_j (W v_j),

so the source's positions are multiplied, once, instead of every context: there are fewer of them than of the
contexts of a beam. What a step still multiplies is the state, and the features with the output layer.
"""

import copy
from typing import TypeGuard, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from translate.attention import Attention
from translate.decoders.recurrent import ConditionalDecoder, InputFeedingDecoder

AnyModule = TypeVar("AnyModule", bound=nn.Module)
Stepping = TypeVar("Stepping", bound=InputFeedingDecoder | ConditionalDecoder)

LARGEST_TABLE = 2**24  # numbers: 64 MiB


def can_fold(
    decoder: nn.Module, embedding: nn.Embedding
) -> TypeGuard[InputFeedingDecoder | ConditionalDecoder]:
    """Whether the decoder's contexts are plain averages, and its table is not too large.

    With coverage, each hypothesis has a memory of its own, so that longer values cost more than they save.
    """
    if not isinstance(decoder, InputFeedingDecoder | ConditionalDecoder) or decoder.coverage:
        return False
    width = decoder.from_token.out_features + embedding.embedding_dim
    fits = embedding.num_embeddings * width <= LARGEST_TABLE
    return fits and isinstance(decoder.attention.project_value, nn.Identity)


@torch.no_grad()
def fold(decoder: Stepping, embedding: nn.Embedding, scale: float) -> tuple[Stepping, nn.Embedding]:
    """Return a decoder that steps as this one does, and the table it reads instead of the embedding.

    It is for steps in eval mode alone, and shares what it has not folded.

    Args:
        scale: of the embeddings that the decoder reads, and of the table's rows.
    """
    gates, project = decoder.from_token, decoder.readout.project
    tokens = project.in_features - embedding.embedding_dim  # where they begin in what is joined
    contexts = tokens - decoder.attention.context_size
    of_state, of_context, of_token = torch.tensor_split(project.weight, (contexts, tokens), dim=1)
    folded = _copy(decoder)
    folded.attention = _averaging(decoder.attention, torch.cat([decoder.from_context.weight, of_context]))
    folded.from_token = folded.from_context = _Columns(slice(None, gates.out_features))  # type: ignore[assignment]
    folded.readout = _FoldedReadout(of_state, _Columns(slice(gates.out_features, None)))  # type: ignore[assignment]
    assert gates.bias is not None
    weight, bias = torch.cat([gates.weight, of_token]), torch.cat([gates.bias, project.bias])
    table = nn.Embedding(embedding.num_embeddings, len(weight))
    table.weight = nn.Parameter(torch.addmm(bias / scale, embedding.weight, weight.T), requires_grad=False)
    return folded, table


def _averaging(attention: Attention, weight: Float[Tensor, "C M"]) -> Attention:
    """The attention, averaging the weight's products with the memory."""
    averaging = _copy(attention)
    project = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    project.weight = nn.Parameter(weight.clone(), requires_grad=False)
    averaging.project_value = project
    averaging.context_size = len(weight)
    return averaging


class _Columns(nn.Module):
    """Some columns of what was multiplied before."""

    def __init__(self, columns: slice) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, x: Float[Tensor, "*any W"]) -> Float[Tensor, "*any X"]:
        """Take them."""
        return x[..., self.columns]


class _FoldedReadout(nn.Module):
    """`Readout`, where context and token are multiplied already; the token's part has the bias."""

    def __init__(self, of_state: Float[Tensor, "E H"], columns: _Columns) -> None:
        super().__init__()
        self.project = nn.Linear(of_state.shape[1], of_state.shape[0], bias=False)
        self.project.weight = nn.Parameter(of_state.clone(), requires_grad=False)
        self.columns = columns

    def forward(
        self,
        state: Float[Tensor, "B T H"],
        context: Float[Tensor, "B T W"],
        embedded: Float[Tensor, "B T W"],
    ) -> Float[Tensor, "B T E"]:
        """Return the features that the output layer scores every piece with."""
        return (self.project(state) + self.columns(context) + self.columns(embedded)).tanh()  # type: ignore[no-any-return]


def _copy(module: AnyModule) -> AnyModule:
    """A module with the same parts, of which some can be changed."""
    copied = copy.copy(module)
    copied._modules = dict(module._modules)
    return copied
