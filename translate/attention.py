"""Attention: where to look, and what is seen there.

A query (what the decoder knows) is compared with a key for each source position; the scores become
weights that sum to one, and the weighted average of the values is the context:

    scores_j = score(query, key_j)      weights = softmax(scores)      context = sum_j weights_j value_j

`attention` below is this in four lines. The modules share one interface and differ in how they
project and score:

    additive     vᵀ tanh(W_q q + W_k k)        Bahdanau et al. 2015, appendix A.1.2
    symmetric    vᵀ tanh(W q + W k)            the same with one W, so that f(x, y) = f(y, x)
    dot          qᵀ k                          Luong et al. 2015, section 3.1
    general      qᵀ W k                        Luong et al. 2015, section 3.1
    scaled_dot   (W_q q)ᵀ (W_k k) / √d         Vaswani et al. 2017, equation 1

An attention holds no state: `prepare` projects a source once and returns a Memory, which is then
passed in for one step or for all steps.
"""

import math
from typing import NamedTuple

import torch
from entmax import entmax15, sparsemax
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from translate.config.model import Normalizer, Score
from translate.fused_attention import (
    full_precision,
    fused_attention,
    join_heads,
    precise,
    split_heads,
)


def attention(
    query: Float[Tensor, "*batch T D"],
    key: Float[Tensor, "*batch S D"],
    value: Float[Tensor, "*batch S C"],
    mask: Bool[Tensor, "*#batch #T S"] | None = None,
) -> tuple[Float[Tensor, "*batch T C"], Float[Tensor, "*batch T S"]]:
    """Scaled dot-product attention, softmax(Q Kᵀ / √d) V (Vaswani et al. 2017, equation 1).

    Returns the output and the weights. A query that may look nowhere (its mask all False) gets zeros.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = normalize(scores, mask)
    return weights @ value, weights


def normalize(
    scores: Float[Tensor, "*batch T S"],
    mask: Bool[Tensor, "*#batch #T S"] | None = None,
    normalizer: Normalizer = "softmax",
) -> Float[Tensor, "*batch T S"]:
    """Turn scores into weights that are not negative and sum to one over the unmasked positions.

    softmax gives every position some weight; sparsemax (Martins & Astudillo 2016) and 1.5-entmax
    (Peters et al. 2019) give most of them exactly zero. A row that is masked everywhere is all zeros.
    """
    if mask is not None:
        # Not -inf, of which alone a row has no softmax: such a row is zeroed below.
        hidden = ~mask
        scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
    match normalizer:
        case "softmax":
            weights = scores.softmax(dim=-1)
        case "sparsemax":
            weights = sparsemax(scores, dim=-1)
        case "entmax15":
            weights = entmax15(scores, dim=-1)
    return weights if mask is None else weights.masked_fill(hidden, 0.0)


class Places(NamedTuple):
    """Which source each query row asks, where several may ask the same one (the hypotheses of a beam)."""

    source: Int[Tensor, " R"]
    slot: Int[Tensor, " R"]  # number among the rows that ask the same source
    width: int  # K: most rows that ask the same source


class Memory(NamedTuple):
    """An encoded source batch, prepared for one attention; each source is there once, however many ask it."""

    values: Float[Tensor, "B N S D"]  # what is averaged
    keys: Float[Tensor, "B N S A"]  # what queries are compared with: projected once, used at every step
    mask: Bool[Tensor, "B S"]  # True on tokens, False on padding
    places: Places | None = None  # None: row n asks source n

    def select(self, rows: Int[Tensor, " R"]) -> "Memory":
        """Keep these query rows in this order; a row may occur more than once. Sources nobody asks go."""
        return self.take(*self.arrange(rows))

    def arrange(self, rows: Int[Tensor, " R"]) -> tuple[Int[Tensor, " B2"] | None, Places | None]:
        """Say which sources these query rows ask (None: all), and where the rows stand then."""
        asked = rows if self.places is None else self.places.source[rows]
        if bool((asked[1:] > asked[:-1]).all()):  # each its own, in order
            return (asked if len(asked) < len(self.values) else None), None
        kept, source, counts = torch.unique(asked, return_inverse=True, return_counts=True)
        # Rows in the order of their sources, each counted from the first of its source.
        order = source.argsort(stable=True)
        first = counts.cumsum(0) - counts
        slot = torch.empty_like(source)
        slot[order] = torch.arange(len(source), device=source.device) - first[source[order]]
        return (kept if len(kept) < len(self.values) else None), Places(source, slot, int(counts.max()))

    def take(self, kept: Int[Tensor, " B2"] | None, places: Places | None) -> "Memory":
        """Keep these sources, asked from these places."""
        if kept is None:
            return self._replace(places=places)
        values, keys, mask = (tensor.index_select(0, kept) for tensor in self[:3])
        return Memory(values, keys, mask, places)

    def by_source(self, query: Float[Tensor, "R T H"]) -> Float[Tensor, "B Q H"]:
        """Put the queries of each source side by side (Q = K T, with zeros where a source has fewer)."""
        if self.places is None:
            return query
        source, slot, width = self.places
        table = query.new_zeros(len(self.values), width, *query.shape[1:])
        table[source, slot] = query
        return table.flatten(1, 2)

    def by_row(self, answers: Float[Tensor, "B Q *size"]) -> Float[Tensor, "R T *size"]:
        """Undo `by_source`, for what came of the queries."""
        if self.places is None:
            return answers
        source, slot, width = self.places
        return answers.reshape(len(answers), width, -1, *answers.shape[2:])[source, slot]

    def repeated(self) -> "Memory":
        """The same with each row's source at the row's own place."""
        if self.places is None:
            return self
        source = self.places.source
        return Memory(self.values[source], self.keys[source], self.mask[source])


class Attention(nn.Module):
    """What all attentions share; a subclass says how to project and how to score.

    Args:
        query_size: H, units of a query (a decoder state).
        memory_size: M, units of an encoded source position.
        size: units that both are projected to, all heads together (where the score projects).
        heads: N, attentions side by side, each with its own part of the units.
        normalizer: from scores to weights.
        output_size: C, units of the context. None averages the memory itself, as Bahdanau and Luong do
            (C = M, one head only); a size projects values for each head and joins them (Vaswani et al. 2017).
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        size: int,
        heads: int = 1,
        normalizer: Normalizer = "softmax",
        output_size: int | None = None,
    ) -> None:
        super().__init__()
        if heads > 1 and output_size is None:
            raise ValueError(
                f"{heads} heads need an output_size: only one head can average the memory itself"
            )
        self.heads = heads
        self.normalizer: Normalizer = normalizer
        self.context_size = memory_size if output_size is None else output_size
        self.project_query: nn.Module = nn.Identity()
        self.project_key: nn.Module = nn.Identity()
        self.project_value: nn.Module = nn.Identity()
        self.join: nn.Module = nn.Identity()
        if output_size is not None:
            self.project_value = nn.Linear(memory_size, output_size, bias=False)
            self.join = nn.Linear(output_size, output_size, bias=False)
        self.project(query_size, memory_size, size)

    def project(self, query_size: int, memory_size: int, size: int) -> None:
        """Build what the score needs of query and key projections, and its own weights; none by default."""

    def prepare(self, values: Float[Tensor, "B S M"], mask: Bool[Tensor, "B S"]) -> Memory:
        """Project a source once, for every query to come."""
        keys = split_heads(self.project_key(values), self.heads)
        averaged = split_heads(self.project_value(values), self.heads)
        # Head by head in memory, as products want them at every step.
        return Memory(precise(averaged).contiguous(), precise(keys).contiguous(), mask)

    def score(
        self,
        queries: Float[Tensor, "B N T A"],
        keys: Float[Tensor, "B N S A"],
    ) -> Float[Tensor, "B N T S"]:
        """Compare projected queries and keys, head by head."""
        raise NotImplementedError

    def forward(
        self,
        query: Float[Tensor, "R T H"],
        memory: Memory,
        coverage: Float[Tensor, "R N S"] | None = None,
    ) -> tuple[Float[Tensor, "R T C"], Float[Tensor, "R N T S"]]:
        """Return each query's context and the weights it was averaged with.

        Args:
            query: what asks.
            memory: from `prepare`.
            coverage: sum of the weights of all earlier steps; only for an attention built with coverage.
        """
        if coverage is not None:  # each row's keys are its own
            memory = memory.repeated()
        queries = precise(split_heads(memory.by_source(self.project_query(query)), self.heads))
        with full_precision(query.device):
            keys = memory.keys if coverage is None else self.cover(memory.keys, coverage)
            scores = self.score(queries, keys)
            weights = normalize(scores, memory.mask[:, None, None, :], self.normalizer)
            context = join_heads(weights.to(memory.values.dtype) @ memory.values)
        weights = memory.by_row(weights.transpose(1, 2)).transpose(1, 2)
        return self.join(memory.by_row(context)), weights

    def context(self, query: Float[Tensor, "R T H"], memory: Memory) -> Float[Tensor, "R T C"]:
        """Return the contexts only, by the fastest kernel there is."""
        return self(query, memory)[0]  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped

    def attend(
        self, query: Float[Tensor, "R T H"], memory: Memory, head: int | None
    ) -> tuple[Float[Tensor, "R T C"], Float[Tensor, "R T S"]]:
        """Return the contexts, and the weights of one head (None: the mean of all)."""
        context, weights = self(query, memory)
        return context, weights[:, _heads(head)].mean(dim=1)

    def cover(
        self, keys: Float[Tensor, "B N S A"], coverage: Float[Tensor, "B N S"]
    ) -> Float[Tensor, "B N S A"]:
        """Add to each key how much of it was attended so far."""
        raise NotImplementedError(f"{type(self).__name__} has no coverage")


class AdditiveAttention(Attention):
    """vᵀ tanh(W_q q + W_k k), Bahdanau et al. (2015), appendix A.1.2.

    With coverage, vᵀ tanh(W_q q + W_k k + W_c c), where c is the sum of the position's weights so far
    (Tu et al. 2016, with the sum of the weights as linguistic coverage, fertility one).
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        size: int,
        heads: int = 1,
        normalizer: Normalizer = "softmax",
        output_size: int | None = None,
        coverage: bool = False,
    ) -> None:
        super().__init__(query_size, memory_size, size, heads, normalizer, output_size)
        self.project_coverage = nn.Parameter(torch.zeros(heads, size // heads)) if coverage else None

    def project(self, query_size: int, memory_size: int, size: int) -> None:
        """Build the projections."""
        self.project_query = nn.Linear(query_size, size, bias=False)
        self.project_key = nn.Linear(memory_size, size, bias=False)
        self.energy = _energy(self.heads, size)

    def score(
        self, queries: Float[Tensor, "B N T A"], keys: Float[Tensor, "B N S A"]
    ) -> Float[Tensor, "B N T S"]:
        """Return vᵀ tanh(q + k) for every pair; q and k are projected already."""
        return _additive_score(queries, keys, self.energy)

    def cover(
        self, keys: Float[Tensor, "B N S A"], coverage: Float[Tensor, "B N S"]
    ) -> Float[Tensor, "B N S A"]:
        """Add W_c c to the projected keys, which inside the tanh is the paper's third term."""
        if self.project_coverage is None:
            raise ValueError("this attention was built without coverage")
        return keys + coverage[..., None] * self.project_coverage[:, None, :]


class SymmetricAttention(Attention):
    """vᵀ tanh(W q + W k): additive with one W, so query and key can be exchanged; needs H = M."""

    def project(self, query_size: int, memory_size: int, size: int) -> None:
        """Build the projections."""
        _check_equal("symmetric", query_size, memory_size)
        self.project_query = nn.Linear(query_size, size, bias=False)
        self.project_key = self.project_query
        self.energy = _energy(self.heads, size)

    def score(
        self, queries: Float[Tensor, "B N T A"], keys: Float[Tensor, "B N S A"]
    ) -> Float[Tensor, "B N T S"]:
        """Return vᵀ tanh(q + k) for every pair; q and k are projected already."""
        return _additive_score(queries, keys, self.energy)


class DotAttention(Attention):
    """qᵀ k, nothing projected (Luong et al. 2015, section 3.1, "dot"); needs H = M."""

    def project(self, query_size: int, memory_size: int, size: int) -> None:
        """Build the projections."""
        _check_equal("dot", query_size, memory_size)

    def score(
        self, queries: Float[Tensor, "B N T A"], keys: Float[Tensor, "B N S A"]
    ) -> Float[Tensor, "B N T S"]:
        """Return qᵀ k for every pair."""
        return queries @ keys.transpose(-2, -1)


class GeneralAttention(Attention):
    """qᵀ W k (Luong et al. 2015, section 3.1, "general")."""

    def project(self, query_size: int, memory_size: int, size: int) -> None:
        """Build the projections."""
        self.project_key = nn.Linear(memory_size, query_size, bias=False)

    def score(
        self, queries: Float[Tensor, "B N T A"], keys: Float[Tensor, "B N S A"]
    ) -> Float[Tensor, "B N T S"]:
        """Return qᵀ (W k) for every pair; k is projected already."""
        return queries @ keys.transpose(-2, -1)


class ScaledDotAttention(Attention):
    """(W_q q)ᵀ (W_k k) / √d, d the units of a head (Vaswani et al. 2017, equation 1)."""

    def project(self, query_size: int, memory_size: int, size: int) -> None:
        """Build the projections."""
        self.project_query = nn.Linear(query_size, size, bias=False)
        self.project_key = nn.Linear(memory_size, size, bias=False)

    def score(
        self, queries: Float[Tensor, "B N T A"], keys: Float[Tensor, "B N S A"]
    ) -> Float[Tensor, "B N T S"]:
        """Return qᵀ k / √d for every pair; q and k are projected already."""
        return queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])

    def context(self, query: Float[Tensor, "R T H"], memory: Memory) -> Float[Tensor, "R T C"]:
        """The same contexts as `forward`, by torch's fused kernel where softmax is the normalizer."""
        if self.normalizer != "softmax":
            return super().context(query, memory)
        return self._fused_context(self._queries(query, memory), memory)

    def attend(
        self, query: Float[Tensor, "R T H"], memory: Memory, head: int | None
    ) -> tuple[Float[Tensor, "R T C"], Float[Tensor, "R T S"]]:
        """The same as any attention's, but only one head's weights are taken beside the fused kernel."""
        if self.normalizer != "softmax":
            return super().attend(query, memory, head)
        queries = self._queries(query, memory)
        with full_precision(query.device):
            scores = self.score(precise(queries[:, _heads(head)]), memory.keys[:, _heads(head)])
            weights = normalize(scores, memory.mask[:, None, None, :]).mean(dim=1)
        return self._fused_context(queries, memory), memory.by_row(weights)

    def _queries(self, query: Float[Tensor, "R T H"], memory: Memory) -> Float[Tensor, "B N Q A"]:
        return split_heads(memory.by_source(self.project_query(query)), self.heads)

    def _fused_context(self, queries: Float[Tensor, "B N Q A"], memory: Memory) -> Float[Tensor, "R T C"]:
        context = fused_attention(queries, memory.keys, memory.values, memory.mask[:, None, None, :])
        return self.join(memory.by_row(join_heads(context)))  # type: ignore[no-any-return]


def build_attention(
    score: Score,
    query_size: int,
    memory_size: int,
    size: int,
    heads: int = 1,
    normalizer: Normalizer = "softmax",
    output_size: int | None = None,
    coverage: bool = False,
) -> Attention:
    """Build the attention with this score; several heads project values (see `Attention`)."""
    if heads > 1 and output_size is None:
        output_size = memory_size
    arguments = (query_size, memory_size, size, heads, normalizer, output_size)
    match score:
        case "additive":
            return AdditiveAttention(*arguments, coverage=coverage)
        case "symmetric":
            return SymmetricAttention(*arguments)
        case "dot":
            return DotAttention(*arguments)
        case "general":
            return GeneralAttention(*arguments)
        case "scaled_dot":
            return ScaledDotAttention(*arguments)


def _heads(head: int | None) -> slice:
    """This one, or all."""
    return slice(None) if head is None else slice(head, head + 1)


def _additive_score(
    queries: Float[Tensor, "B N T A"], keys: Float[Tensor, "B N S A"], energy: Float[Tensor, "N A"]
) -> Float[Tensor, "B N T S"]:
    # tanh(x) is 2 sigmoid(2x) - 1: on a CPU torch's sigmoid takes a quarter of the time of its tanh.
    doubled = torch.add((2 * queries)[:, :, :, None], keys[:, :, None], alpha=2)  # (B, N, T, S, A)
    scores = (doubled.sigmoid() @ (2 * energy)[:, None, :, None]).squeeze(-1)
    return scores - energy.sum(dim=1)[:, None, None]


def _energy(heads: int, size: int) -> nn.Parameter:
    """The v of each head, its part of `size` units, drawn as nn.Linear draws its weights."""
    bound = 1 / math.sqrt(size // heads)
    return nn.Parameter(torch.empty(heads, size // heads).uniform_(-bound, bound))


def _check_equal(score: str, query_size: int, memory_size: int) -> None:
    if query_size != memory_size:
        raise ValueError(
            f"{score} attention needs query_size = memory_size, got {query_size} and {memory_size}"
        )
