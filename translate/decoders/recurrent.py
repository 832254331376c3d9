"""Recurrent decoders: they attend once a target position, and differ in which state asks, and when.

Two of them step, since what was attended to is fed back before the next query; `ParallelDecoder` has no loop.
"""

import math
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from translate.attention import AdditiveAttention, Attention, Memory
from translate.decoders.fused_loop import Weights, fused_loop
from translate.dropout import Dropout
from translate.encoders import RECURRENT, CellType

GATES = {"gru": 3, "lstm": 4}  # input products of each hidden unit


class RecurrentState(NamedTuple):
    """What a recurrent decoder carries from one target position to the next."""

    hidden: Float[Tensor, "R L H"]  # of each layer; the top one asks next (with input feeding)
    cell: Float[Tensor, "R L H"] | None  # an LSTM's memory cells
    coverage: Float[Tensor, "R N S"] | None  # sum of the weights so far, where the score wants it
    memory: Memory

    def select(self, rows: Int[Tensor, " R2"]) -> "RecurrentState":
        """Keep these rows in this order; a repeated row forks a hypothesis."""
        return RecurrentState(
            self.hidden[rows],
            None if self.cell is None else self.cell[rows],
            None if self.coverage is None else self.coverage[rows],
            self.memory.select(rows),
        )


class Gates(nn.Module):
    """The part of a GRU or LSTM after its input products: gates and new state.

    Written out, because the input products of a whole sentence's tokens are taken at once, before the loop.
    """

    def __init__(self, size: int, cell: CellType) -> None:
        super().__init__()
        self.lstm = cell == "lstm"
        self.recurrent = nn.Linear(size, size * GATES[cell])

    def forward(
        self, inputs: Float[Tensor, "R X"], hidden: Float[Tensor, "R H"], cell: Float[Tensor, "R H"] | None
    ) -> tuple[Float[Tensor, "R H"], Float[Tensor, "R H"] | None]:
        """Return the new hidden state and, for an LSTM, the new cell."""
        recurrent = self.recurrent(hidden)
        if self.lstm:
            assert cell is not None
            gates, candidate = (inputs + recurrent).split([3 * hidden.shape[1], hidden.shape[1]], dim=1)
            input_gate, forget_gate, output_gate = gates.sigmoid().chunk(3, dim=1)
            cell = forget_gate * cell + input_gate * candidate.tanh()
            return output_gate * cell.tanh(), cell
        # As torch.nn.GRU: the reset gate acts after the recurrent product (Cho et al. 2014, v3).
        size = hidden.shape[1]
        input_gates, input_candidate = torch.split(inputs, [2 * size, size], dim=1)
        recurrent_gates, recurrent_candidate = torch.split(recurrent, [2 * size, size], dim=1)
        reset_gate, update_gate = (input_gates + recurrent_gates).sigmoid().chunk(2, dim=1)
        candidate = torch.addcmul(input_candidate, reset_gate, recurrent_candidate).tanh()
        return candidate + update_gate * (hidden - candidate), None


class InitialState(nn.Module):
    """tanh(W mean(memory)) for each layer (Sennrich et al. 2017); an LSTM's cells start at zero."""

    def __init__(self, memory_size: int, layers: int, size: int, cell: CellType) -> None:
        super().__init__()
        self.layers, self.lstm = layers, cell == "lstm"
        self.project = nn.Linear(memory_size, layers * size)

    def forward(
        self, values: Float[Tensor, "B S M"], mask: Bool[Tensor, "B S"]
    ) -> tuple[Float[Tensor, "B L H"], Float[Tensor, "B L H"] | None]:
        """Return hidden states and cells from the mean over real positions."""
        mean = (values * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        first = self.project(mean)
        first = first.to(
            torch.promote_types(first.dtype, torch.float32)
        )  # states are never in half precision
        hidden = first.tanh().unflatten(1, (self.layers, -1))
        return hidden, torch.zeros_like(hidden) if self.lstm else None


class Readout(nn.Module):
    """Joins state, context and previous piece into one feature vector (Bahdanau et al. 2015, A.2.2).

    Bahdanau's deep output takes a maxout of their sum; a tanh (Luong et al. 2015, equation 5) is cheaper.

    Args:
        context_only: share of the positions that training scores from their context alone, which therefore
            has to bring the word (the alignment layer of Zenkel et al. 2019 knows the context alone, always).
    """

    def __init__(
        self, size: int, context_size: int, embedding_size: int, dropout: float, context_only: float = 0.0
    ) -> None:
        super().__init__()
        self.project = nn.Linear(size + context_size + embedding_size, embedding_size)
        self.dropout = Dropout(dropout)
        self.context_only = context_only

    def forward(
        self,
        state: Float[Tensor, "B T H"],
        context: Float[Tensor, "B T C"],
        embedded: Float[Tensor, "B T E"],
    ) -> Float[Tensor, "B T E"]:
        """Return the features that the output layer scores every piece with."""
        if self.training and self.context_only > 0:
            # Not scaled up like dropout: at each position it is either both or the context alone.
            kept = torch.rand(state.shape[:2], device=state.device)[..., None] >= self.context_only
            state, embedded = state * kept, embedded * kept
        joined = torch.cat([state, context.to(state.dtype), embedded.to(state.dtype)], dim=-1)
        return self.dropout(self.project(joined).tanh())  # type: ignore[no-any-return]


class RecurrentDecoder(nn.Module):
    """What recurrent decoders share; a subclass says how `_run` reads one or many pieces."""

    def step(
        self, embedded: Float[Tensor, "R W"], state: RecurrentState
    ) -> tuple[Float[Tensor, "R E"], RecurrentState]:
        """Advance each row by one piece (W is E, or the width of a folded decoder's table)."""
        features, _, state = self._run(embedded[:, None], state)
        return features[:, 0], state

    def forward(
        self, embedded: Float[Tensor, "B T E"], state: RecurrentState
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B 1 N T S"]]:
        """Return the features of every position, and the weights of the one attention."""
        features, weights, _ = self._run(embedded, state)
        return features, weights[:, None]

    def features(self, embedded: Float[Tensor, "B T E"], state: RecurrentState) -> Float[Tensor, "B T E"]:
        """Return the features only (the weights come for nothing)."""
        return self._run(embedded, state)[0]

    def attend(
        self, embedded: Float[Tensor, "B T E"], state: RecurrentState, layer: int, head: int | None
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B T S"]]:
        """Return the features, and the weights of one head (None: the mean) of the one attention."""
        assert layer == 0  # there is no other
        features, weights, _ = self._run(embedded, state)
        return features, weights.mean(dim=1) if head is None else weights[:, head]

    def _run(
        self, embedded: Float[Tensor, "B T W"], state: RecurrentState
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B N T S"], RecurrentState]:
        """Return features, weights, and the state after the last piece."""
        raise NotImplementedError


class SteppingDecoder(RecurrentDecoder):
    """A decoder that is run piece by piece, since a query depends on the contexts before it.

    A subclass says how the first layer asks; the layers above read the layer below.

    Args:
        fused: take a whole sentence's features by `fused_loop`, which computes the same; for one GRU layer
            and additive attention of one head with softmax.
    """

    def __init__(
        self,
        attention: Attention,
        memory_size: int,
        embedding_size: int,
        size: int,
        layers: int = 1,
        cell: CellType = "gru",
        dropout: float = 0.0,
        context_only: float = 0.0,
        coverage: bool = False,
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.coverage = coverage
        self.fused = fused
        self.initial = InitialState(memory_size, layers, size, cell)
        self.gates = nn.ModuleList(Gates(size, cell) for _ in range(layers))
        width = size * GATES[cell]
        self.from_token = nn.Linear(embedding_size, width)
        self.from_context = nn.Linear(attention.context_size, width, bias=False)
        self.from_below = nn.ModuleList(nn.Linear(size, width) for _ in range(layers - 1))
        self.readout = Readout(size, attention.context_size, embedding_size, dropout, context_only)
        self.dropout = Dropout(dropout)
        self.add_layers(size, cell)

    def add_layers(self, size: int, cell: CellType) -> None:
        """Add what a subclass has besides: nothing."""

    def start(self, values: Float[Tensor, "B S M"], mask: Bool[Tensor, "B S"]) -> RecurrentState:
        """Prepare the memory and the first state."""
        memory = self.attention.prepare(values, mask)
        hidden, cell = self.initial(values, mask)
        shape = (values.shape[0], self.attention.heads, values.shape[1])
        coverage = torch.zeros(shape, device=values.device) if self.coverage else None
        return RecurrentState(hidden, cell, coverage, memory)

    def features(self, embedded: Float[Tensor, "B T E"], state: RecurrentState) -> Float[Tensor, "B T E"]:
        """Return the features only, without autograd's own loop where possible (it is float32's only)."""
        if not self._can_fuse(embedded):
            return super().features(embedded, state)
        return self._fused(embedded, state)[0]

    def attend(
        self, embedded: Float[Tensor, "B T E"], state: RecurrentState, layer: int, head: int | None
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B T S"]]:
        """As `RecurrentDecoder.attend`; the loop that `features` takes has the weights anyway."""
        if not self._can_fuse(embedded):
            return super().attend(embedded, state, layer, head)
        return self._fused(embedded, state)

    def _can_fuse(self, embedded: Float[Tensor, "B T E"]) -> bool:
        return self.fused and not torch.is_autocast_enabled(embedded.device.type)

    def _fused(
        self, embedded: Float[Tensor, "B T E"], state: RecurrentState
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B T S"]]:
        embedded = self.dropout(embedded)
        memory = state.memory.repeated()
        # Attention to a source of padding alone brings nothing, wherever it looks.
        somewhere = memory.mask.any(dim=1, keepdim=True)
        masking = torch.zeros_like(memory.keys[:, 0, :, 0]).masked_fill_(~memory.mask & somewhere, -math.inf)
        states, contexts, weights = fused_loop(
            self.from_token(embedded.transpose(0, 1)),
            state.hidden[:, 0],
            memory.values[:, 0] * somewhere[..., None],
            memory.keys[:, 0],
            masking,
            None if state.coverage is None else state.coverage[:, 0],
            self._loop_weights(),
        )
        return self.readout(states, contexts, embedded), weights * somewhere[..., None]

    def _loop_weights(self) -> Weights:
        attention, gates = cast("AdditiveAttention", self.attention), cast("Gates", self.gates[0])
        return Weights(
            cast("nn.Linear", attention.project_query).weight,
            attention.energy[0],
            self.from_context.weight,
            gates.recurrent.weight,
            gates.recurrent.bias,
            None if attention.project_coverage is None else attention.project_coverage[0],
        )

    def _run(
        self, embedded: Float[Tensor, "B T W"], state: RecurrentState
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B N T S"], RecurrentState]:
        embedded = self.dropout(embedded)
        from_tokens = self.from_token(embedded)  # (B, T, X), for the whole sentence at once
        states, contexts, weights = [], [], []
        for from_token in from_tokens.unbind(dim=1):
            context, weight, state = self._advance(from_token, state)
            states.append(state.hidden[:, -1])
            contexts.append(context)
            weights.append(weight)
        features = self.readout(torch.stack(states, dim=1), torch.stack(contexts, dim=1), embedded)
        return features, torch.stack(weights, dim=2), state

    def _advance(
        self, from_token: Float[Tensor, "R X"], state: RecurrentState
    ) -> tuple[Float[Tensor, "R C"], Float[Tensor, "R N S"], RecurrentState]:
        old_cells = (None,) * len(self.gates) if state.cell is None else state.cell.unbind(dim=1)
        context, weight, hidden, cell = self._first_layer(from_token, state, old_cells[0])
        hiddens, cells = [hidden], [] if cell is None else [cell]
        for number, from_below in enumerate(self.from_below, start=1):
            inputs = from_below(self.dropout(hidden))
            hidden, cell = self.gates[number](inputs, state.hidden[:, number], old_cells[number])
            hiddens.append(hidden)
            if cell is not None:
                cells.append(cell)
        state = RecurrentState(
            torch.stack(hiddens, dim=1),
            torch.stack(cells, dim=1) if cells else None,
            None if state.coverage is None else state.coverage + weight,
            state.memory,
        )
        return context, weight, state

    def _first_layer(
        self, from_token: Float[Tensor, "R X"], state: RecurrentState, cell: Float[Tensor, "R H"] | None
    ) -> tuple[
        Float[Tensor, "R C"], Float[Tensor, "R N S"], Float[Tensor, "R H"], Float[Tensor, "R H"] | None
    ]:
        """Return context, weights, and the first layer's new hidden state and cell."""
        raise NotImplementedError

    def _ask(
        self, query: Float[Tensor, "R H"], state: RecurrentState
    ) -> tuple[Float[Tensor, "R C"], Float[Tensor, "R N S"]]:
        contexts, weights = self.attention(query[:, None], state.memory, state.coverage)
        return contexts[:, 0], weights[:, :, 0]


class InputFeedingDecoder(SteppingDecoder):
    """Bahdanau's decoder: the last state asks, and its context enters with the token (2015, A.2.2).

        context_t = attention(s_{t-1})     s_t = GRU([y_{t-1}; context_t], s_{t-1})

    The top layer's state asks. So row t of the weights belongs to output piece t, though it was asked before
    piece t-1 was read.
    """

    def _first_layer(
        self, from_token: Float[Tensor, "R X"], state: RecurrentState, cell: Float[Tensor, "R H"] | None
    ) -> tuple[
        Float[Tensor, "R C"], Float[Tensor, "R N S"], Float[Tensor, "R H"], Float[Tensor, "R H"] | None
    ]:
        context, weight = self._ask(state.hidden[:, -1], state)
        inputs = from_token + self.from_context(context)
        return context, weight, *self.gates[0](inputs, state.hidden[:, 0], cell)


class ConditionalDecoder(SteppingDecoder):
    """Nematus' conditional GRU: read the token, ask, read the context (Sennrich et al. 2017, section 2).

        s'_t = GRU(y_{t-1}, s_{t-1})     context_t = attention(s'_t)     s_t = GRU'(context_t, s'_t)

    So the query knows the piece before, and through s_{t-1} the contexts before. An LSTM hands its cell on
    in both steps.
    """

    def add_layers(self, size: int, cell: CellType) -> None:
        """Add the gates that read the token; those of the first layer then read the context."""
        self.token_gates = Gates(size, cell)

    def _loop_weights(self) -> Weights:
        recurrent = self.token_gates.recurrent
        return super()._loop_weights()._replace(token_recurrent=recurrent.weight, token_bias=recurrent.bias)

    def _first_layer(
        self, from_token: Float[Tensor, "R X"], state: RecurrentState, cell: Float[Tensor, "R H"] | None
    ) -> tuple[
        Float[Tensor, "R C"], Float[Tensor, "R N S"], Float[Tensor, "R H"], Float[Tensor, "R H"] | None
    ]:
        hidden, cell = self.token_gates(from_token, state.hidden[:, 0], cell)
        context, weight = self._ask(hidden, state)
        return context, weight, *self.gates[0](self.from_context(context), hidden, cell)


class ParallelDecoder(RecurrentDecoder):
    """A recurrent decoder without a loop: the first layer's outputs ask, the next layer gets the contexts.

    No context is fed back to where it was asked from (Wu et al. 2016, section 3.1, have this shape), so
    each layer runs over a whole sentence in one call.
    """

    def __init__(
        self,
        attention: Attention,
        memory_size: int,
        embedding_size: int,
        size: int,
        layers: int = 2,
        cell: CellType = "gru",
        dropout: float = 0.0,
        context_only: float = 0.0,
    ) -> None:
        super().__init__()
        if layers < 2:
            raise ValueError(f"a parallel decoder needs at least 2 layers, got {layers}")
        self.attention = attention
        self.initial = InitialState(memory_size, layers, size, cell)
        sizes = [embedding_size, size + attention.context_size] + [size] * (layers - 2)
        self.layers = nn.ModuleList(RECURRENT[cell](n, size, batch_first=True) for n in sizes)
        self.readout = Readout(size, attention.context_size, embedding_size, dropout, context_only)
        self.dropout = Dropout(dropout)

    def start(self, values: Float[Tensor, "B S M"], mask: Bool[Tensor, "B S"]) -> RecurrentState:
        """Prepare the memory and the first state."""
        hidden, cell = self.initial(values, mask)
        return RecurrentState(hidden, cell, None, self.attention.prepare(values, mask))

    def _run(
        self, embedded: Float[Tensor, "B T W"], state: RecurrentState
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B N T S"], RecurrentState]:
        embedded = self.dropout(embedded)
        hiddens, cells = [], []
        x = embedded
        for number, layer in enumerate(self.layers):
            hidden = state.hidden[:, number].contiguous()[None]
            if state.cell is None:
                output, last = layer(x, hidden)
            else:
                output, (last, cell) = layer(x, (hidden, state.cell[:, number].contiguous()[None]))
                cells.append(cell[0])
            hiddens.append(last[0])
            x = self.dropout(output)
            if number == 0:
                context, weights = self.attention(x, state.memory)
                x = torch.cat([x, context.to(x.dtype)], dim=-1)
        features = self.readout(x, context, embedded)
        cell_states = torch.stack(cells, dim=1) if cells else None
        return features, weights, RecurrentState(torch.stack(hiddens, dim=1), cell_states, None, state.memory)
