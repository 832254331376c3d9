"""Decoders, over every combination of the model's parts: how they step, what each row of weights knows."""

import dataclasses
from typing import get_args

import pytest
import torch
from small_models import (
    COVERING,
    DECODERS,
    ENCODERS,
    SCORES,
    SIZE,
    VOCABULARY,
    small_batch,
    small_config,
    small_model,
)
from torch import nn

from translate.attention import build_attention
from translate.config.model import Normalizer
from translate.decoders.recurrent import (
    ConditionalDecoder,
    Gates,
    InitialState,
    InputFeedingDecoder,
    ParallelDecoder,
    Readout,
)
from translate.model import build_model
from translate.transformer import sinusoids

INPUT_FEEDING = [name for name in DECODERS if name.startswith("input")]
OTHERS = [name for name in DECODERS if name not in INPUT_FEEDING]
OTHERS_COVERING = [name for name in OTHERS if name in COVERING]


def lengths_mask(lengths, size):
    return torch.arange(size) < torch.tensor(lengths)[:, None]


def step_through(model, src, src_mask, tgt_in):
    """The log-probabilities after each target input, read one by one."""
    state, log_probs = model.start(src, src_mask), []
    for tokens in tgt_in.unbind(dim=1):
        row, state = model.step(tokens, state)
        log_probs.append(row)
    return torch.stack(log_probs, dim=1)


# One step at a time equals the whole sentence, whatever the parts.


@pytest.mark.parametrize(
    ("tie", "normalizer"), [(True, "softmax"), (False, "sparsemax"), (True, "entmax15")], ids=str
)
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("encoder", ["gru", "rotary"])
@torch.no_grad()
def test_one_step_at_a_time_equals_the_whole_sentence(encoder, decoder, score, heads, tie, normalizer):
    model = small_model(encoder, decoder, tie, score=score, heads=heads, normalizer=normalizer)
    src, src_mask, tgt_in = small_batch(tgt_length=3)
    whole = model(src, src_mask, tgt_in).log_softmax(dim=-1)
    torch.testing.assert_close(step_through(model, src, src_mask, tgt_in), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("encoder", ENCODERS)
@torch.no_grad()
def test_every_encoder_steps_with_every_decoder(encoder, decoder):
    model = small_model(encoder, decoder)
    src, src_mask, tgt_in = small_batch()
    whole = model(src, src_mask, tgt_in).log_softmax(dim=-1)
    torch.testing.assert_close(step_through(model, src, src_mask, tgt_in), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("normalizer", get_args(Normalizer))
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("decoder", COVERING)
@torch.no_grad()
def test_one_step_at_a_time_equals_the_whole_sentence_with_coverage(decoder, heads, normalizer):
    model = small_model("gru", decoder, heads=heads, normalizer=normalizer, coverage=True)
    src, src_mask, tgt_in = small_batch()
    whole = model(src, src_mask, tgt_in).log_softmax(dim=-1)
    torch.testing.assert_close(step_through(model, src, src_mask, tgt_in), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("decoder", DECODERS)
@torch.no_grad()
def test_features_alone_are_those_that_come_with_weights(decoder, score):
    model = small_model("gru", decoder, score=score, heads=2)
    src, src_mask, tgt_in = small_batch()
    embedded = model.tgt_embedding(tgt_in)
    alone = model.decoder.features(embedded, model.start(src, src_mask))
    features, weights = model.decoder(embedded, model.start(src, src_mask))
    torch.testing.assert_close(alone, features)
    layers = DECODERS[decoder].layers if DECODERS[decoder].type == "transformer" else 1
    assert weights.shape == (2, layers, 2, 4, 5)


# What each row knows.


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("encoder", ["gru", "rotary"])
@torch.no_grad()
def test_future_target_tokens_change_nothing(encoder, decoder):
    model = small_model(encoder, decoder)
    src, src_mask, tgt_in = small_batch()
    logits = model(src, src_mask, tgt_in)
    for t in range(4):
        changed = tgt_in.clone()
        changed[:, t:] = changed[:, t:] % (VOCABULARY - 1) + 1  # another token, each
        other = model(src, src_mask, changed)
        torch.testing.assert_close(other[:, :t], logits[:, :t])
        assert ((other[:, t] - logits[:, t]).abs().amax(dim=-1) > 1e-5).all()


@torch.no_grad()
def rows_changed_by(model, position):
    """For each row of the weights: does it depend on the target input at a position?"""
    src, src_mask, tgt_in = small_batch()
    changed = tgt_in.clone()
    changed[:, position] = changed[:, position] % (VOCABULARY - 1) + 1
    difference = model.align(src, src_mask, changed)[0] - model.align(src, src_mask, tgt_in)[0]
    return (difference.abs().amax(dim=(0, 1, 2, 4)) > 1e-6).tolist()


@pytest.mark.parametrize("coverage", [False, True])
@pytest.mark.parametrize("decoder", INPUT_FEEDING)
def test_with_input_feeding_row_t_was_asked_before_token_t_was_read(decoder, coverage):
    # Token t of the input is output piece t - 1. Row 0 is asked by the first state, which has read nothing.
    model = small_model("gru", decoder, coverage=coverage)
    for t in range(4):
        assert rows_changed_by(model, t) == [row > t for row in range(4)]


@pytest.mark.parametrize(
    ("decoder", "coverage"), [(name, False) for name in OTHERS] + [(name, True) for name in OTHERS_COVERING]
)
def test_otherwise_row_t_was_asked_with_token_t(decoder, coverage):
    model = small_model("gru", decoder, heads=2, coverage=coverage)
    for t in range(4):
        assert rows_changed_by(model, t) == [row >= t for row in range(4)]


@pytest.mark.parametrize("decoder", DECODERS)
@torch.no_grad()
def test_the_weights_of_a_prefix_are_the_first_rows_of_the_whole(decoder):
    model = small_model("gru", decoder)
    src, src_mask, tgt_in = small_batch()
    weights = model.align(src, src_mask, tgt_in)[0]
    for t in range(1, 4):
        torch.testing.assert_close(model.align(src, src_mask, tgt_in[:, :t])[0], weights[..., :t, :])


# State.


@pytest.mark.parametrize(
    ("decoder", "coverage"), [(name, False) for name in DECODERS] + [(name, True) for name in COVERING]
)
@torch.no_grad()
def test_a_state_forks_and_is_put_in_another_order(decoder, coverage):
    model = small_model("gru", decoder, coverage=coverage, heads=2)
    src, src_mask, tgt_in = small_batch((5, 3, 4))
    state = model.start(src, src_mask)
    for tokens in tgt_in[:, :2].unbind(dim=1):
        _, state = model.step(tokens, state)
    rows, tokens = torch.tensor([2, 0, 2, 2, 1]), torch.tensor([5, 6, 7, 8, 9])

    log_probs, _ = model.step(tokens, state.select(rows))

    for row, token, log_prob in zip(rows.tolist(), tokens, log_probs, strict=True):
        prefix = torch.cat([tgt_in[row, :2], token[None]])[None]
        expected = step_through(model, src[row : row + 1], src_mask[row : row + 1], prefix)[0, -1]
        torch.testing.assert_close(log_prob, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("decoder", DECODERS)
@torch.no_grad()
def test_a_state_can_be_stepped_from_twice(decoder):
    model = small_model("gru", decoder, coverage=decoder in COVERING)
    src, src_mask, tgt_in = small_batch()
    _, state = model.step(tgt_in[:, 0], model.start(src, src_mask))
    first, _ = model.step(tgt_in[:, 1], state)
    model.step(tgt_in[:, 2], state)
    assert torch.equal(model.step(tgt_in[:, 1], state)[0], first)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("decoder", DECODERS)
@torch.no_grad()
def test_the_encoders_output_is_not_changed(decoder, score):
    model = small_model("gru", decoder, score=score, heads=1)
    _, src_mask, tgt_in = small_batch()
    values, embedded = torch.randn(2, 5, SIZE), model.tgt_embedding(tgt_in)
    before = values.clone()
    state = model.decoder.start(values, src_mask)
    model.decoder.step(embedded[:, 0], state)
    model.decoder.features(embedded, state)
    model.decoder(embedded, state)
    assert torch.equal(values, before)


# Cells.


@pytest.mark.parametrize("size", [1, 5])
def test_gru_gates_are_torchs_gru_cell(size):
    cell, gates = nn.GRUCell(3, size), Gates(size, "gru")
    gates.recurrent.weight.data, gates.recurrent.bias.data = cell.weight_hh.data, cell.bias_hh.data
    x, hidden = torch.randn(2, 3), torch.randn(2, size)
    new, no_cell = gates(nn.functional.linear(x, cell.weight_ih, cell.bias_ih), hidden, None)
    torch.testing.assert_close(new, cell(x, hidden))
    assert no_cell is None


@pytest.mark.parametrize("size", [1, 5])
def test_lstm_gates_are_torchs_lstm_cell_with_the_candidate_last(size):
    cell, gates = nn.LSTMCell(3, size), Gates(size, "lstm")
    # torch: input, forget, candidate, output
    order = torch.arange(4 * size).view(4, size)[[0, 1, 3, 2]].flatten()
    gates.recurrent.weight.data, gates.recurrent.bias.data = (
        cell.weight_hh[order].data,
        cell.bias_hh[order].data,
    )
    x, hidden, old = torch.randn(2, 3), torch.randn(2, size), torch.randn(2, size)
    new, new_cell = gates(nn.functional.linear(x, cell.weight_ih[order], cell.bias_ih[order]), hidden, old)
    torch.testing.assert_close((new, new_cell), cell(x, (hidden, old)))


# What the decoders compute, written out.


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_first_state_is_made_of_the_mean_over_tokens(cell):
    initial = InitialState(SIZE, layers=2, size=3, cell=cell)
    values, mask = torch.randn(2, 5, SIZE), lengths_mask([5, 2], 5)
    hidden, memory_cell = initial(values, mask)
    for b, length in enumerate((5, 2)):
        expected = initial.project(values[b, :length].mean(dim=0)).tanh().view(2, 3)
        torch.testing.assert_close(hidden[b], expected)
    if cell == "gru":
        assert memory_cell is None
    else:
        assert torch.equal(memory_cell, torch.zeros(2, 2, 3))


def test_the_readout_joins_state_context_and_token():
    readout = Readout(3, 4, 5, dropout=0.0)
    state, context, embedded = torch.randn(2, 6, 3), torch.randn(2, 6, 4), torch.randn(2, 6, 5)
    expected = torch.tanh(readout.project(torch.cat([state, context, embedded], dim=-1)))
    torch.testing.assert_close(readout(state, context, embedded), expected)


def test_context_only_is_the_share_of_positions_scored_without_state_and_token():
    readout = Readout(3, 4, 5, dropout=0.0, context_only=0.25)
    state, context, embedded = torch.randn(40, 50, 3), torch.randn(40, 50, 4), torch.randn(40, 50, 5)
    both = readout.eval()(state, context, embedded)
    alone = readout(torch.zeros_like(state), context, torch.zeros_like(embedded))
    trained = readout.train()(state, context, embedded)
    is_alone = (trained - alone).abs().amax(dim=-1) < 1e-6
    torch.testing.assert_close(trained, torch.where(is_alone[..., None], alone, both))
    assert is_alone.float().mean().item() == pytest.approx(0.25, abs=0.05)  # five standard deviations


@pytest.mark.parametrize("decoder", ["input-gru-1", "conditional-gru-1", "parallel-gru-2"])
def test_context_only_acts_in_training_only(decoder):
    decoding = dataclasses.replace(DECODERS[decoder], context_only=0.5)
    config = dataclasses.replace(small_config(), decoder=decoding)
    model = build_model(config, VOCABULARY, VOCABULARY, joint=True)
    batch = small_batch()
    assert not torch.equal(model(*batch), model(*batch))
    model.eval()
    assert torch.equal(model(*batch), model(*batch))


def torchs_cell(cell, gates, weight, bias):
    """Gates and their input products as torch's own cell."""
    # torch takes an LSTM's candidate before its output gate.
    order = torch.arange(len(weight)).view(-1, 3)[[0, 1, 3, 2] if cell == "lstm" else [0, 1, 2]].flatten()
    torchs = {"gru": nn.GRUCell, "lstm": nn.LSTMCell}[cell](weight.shape[1], 3)
    torchs.weight_ih.data, torchs.bias_ih.data = weight[order].data, bias[order].data
    torchs.weight_hh.data = gates.recurrent.weight[order].data
    torchs.bias_hh.data = gates.recurrent.bias[order].data
    if cell == "lstm":
        return torchs
    return lambda x, state: (torchs(x, state[0]), state[1])  # a GRU leaves what stands for the cell


def layers_above(decoder, cell):
    """The layers above the first one, as torch's own cells."""
    return [
        torchs_cell(cell, gates, layer.weight, layer.bias)
        for gates, layer in zip(decoder.gates[1:], decoder.from_below, strict=True)
    ]


def by_hand(decoder, cell, embedded, values, mask, first_layer):
    """A stepping decoder, position by position; the first layer is a function of ask, token and states."""
    above = layers_above(decoder, cell)
    memory = decoder.attention.prepare(values, mask)
    states = [(hidden, torch.zeros_like(hidden)) for hidden in decoder.initial(values, mask)[0].unbind(dim=1)]
    coverage, features, rows = torch.zeros(2, decoder.attention.heads, 5), [], []
    for token in embedded.unbind(dim=1):
        asked = []

        def ask(query, asked=asked, coverage=coverage):
            context, weights = decoder.attention(
                query[:, None], memory, coverage if decoder.coverage else None
            )
            asked.append((context[:, 0], weights[:, :, 0]))
            return context[:, 0]

        states[0] = first_layer(ask, token, states)
        for number, layer in enumerate(above, start=1):
            states[number] = layer(states[number - 1][0], states[number])
        ((context, weights),) = asked
        coverage = coverage + weights
        features.append(decoder.readout.project(torch.cat([states[-1][0], context, token], dim=1)).tanh())
        rows.append(weights)
    return torch.stack(features, dim=1), torch.stack(rows, dim=2)[:, None]


def input_feeding_by_hand(decoder, cell, embedded, values, mask):
    """Bahdanau's equations: the top layer's last state asks; the first one reads token and context."""
    weight = torch.cat([decoder.from_token.weight, decoder.from_context.weight], dim=1)
    first = torchs_cell(cell, decoder.gates[0], weight, decoder.from_token.bias)

    def first_layer(ask, token, states):
        return first(torch.cat([token, ask(states[-1][0])], dim=1), states[0])

    return by_hand(decoder, cell, embedded, values, mask, first_layer)


def conditional_by_hand(decoder, cell, embedded, values, mask):
    """Nematus' equations: one cell reads the token, its new state asks, a second cell reads the context."""
    reads_token = torchs_cell(cell, decoder.token_gates, decoder.from_token.weight, decoder.from_token.bias)
    no_bias = torch.zeros(len(decoder.from_context.weight))
    reads_context = torchs_cell(cell, decoder.gates[0], decoder.from_context.weight, no_bias)

    def first_layer(ask, token, states):
        between = reads_token(token, states[0])
        return reads_context(ask(between[0]), between)

    return by_hand(decoder, cell, embedded, values, mask, first_layer)


@pytest.mark.parametrize("coverage", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize(
    ("decoder_type", "by_hand"),
    [(InputFeedingDecoder, input_feeding_by_hand), (ConditionalDecoder, conditional_by_hand)],
)
def test_a_stepping_decoder_is_its_papers_equations(decoder_type, by_hand, heads, layers, cell, coverage):
    attention = build_attention("additive", 3, SIZE, 6, heads, coverage=coverage)
    if coverage:
        nn.init.normal_(attention.project_coverage)
    decoder = decoder_type(attention, SIZE, SIZE, 3, layers, cell, coverage=coverage)
    embedded, values, mask = torch.randn(2, 4, SIZE), torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5)
    expected = by_hand(decoder, cell, embedded, values, mask)
    torch.testing.assert_close(decoder(embedded, decoder.start(values, mask)), expected)


@pytest.mark.parametrize("heads", [1, 2])
def test_coverage_is_the_sum_of_the_weights_so_far(heads):
    model = small_model("gru", "input-lstm-2", heads=heads, coverage=True)
    src, src_mask, tgt_in = small_batch()
    weights = model.align(src, src_mask, tgt_in)[0][:, 0]  # (B, N, T, S)
    state = model.start(src, src_mask)
    for t in range(4):
        torch.testing.assert_close(state.coverage, weights[:, :, :t].sum(dim=2))
        _, state = model.step(tgt_in[:, t], state)


def test_coverage_changes_the_weights_from_the_second_row_on():
    model = small_model("gru", "input-gru-1", coverage=True)
    src, src_mask, tgt_in = small_batch()
    covered = model.align(src, src_mask, tgt_in)[0]
    nn.init.zeros_(model.decoder.attention.project_coverage)
    plain = model.align(src, src_mask, tgt_in)[0]
    torch.testing.assert_close(covered[..., 0, :], plain[..., 0, :])
    assert not torch.allclose(covered[..., 1:, :], plain[..., 1:, :])


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("layers", [2, 3])
def test_a_parallel_decoder_asks_with_the_first_layer_and_feeds_the_next(layers, cell):
    decoder = ParallelDecoder(build_attention("general", 3, SIZE, 6), SIZE, SIZE, 3, layers, cell)
    embedded, values, mask = torch.randn(2, 4, SIZE), torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5)
    x = embedded
    for number, hidden in enumerate(decoder.initial(values, mask)[0].transpose(0, 1)[:, None]):
        if number == 1:
            context, weights = decoder.attention(x, decoder.attention.prepare(values, mask))
            x = torch.cat([x, context], dim=-1)
        start = (hidden, torch.zeros_like(hidden)) if cell == "lstm" else hidden
        x, _ = decoder.layers[number](x, start)
    expected = decoder.readout(x, context, embedded), weights[:, None]
    torch.testing.assert_close(decoder(embedded, decoder.start(values, mask)), expected)


def test_a_transformer_decoder_is_torchs_own():
    decoder = small_model("sinusoidal", "sinusoidal-2", score="scaled_dot", heads=2).decoder
    layer = nn.TransformerDecoderLayer(SIZE, 2, 9, 0.0, batch_first=True, norm_first=True)
    torchs = nn.TransformerDecoder(layer, 2, norm=nn.LayerNorm(SIZE)).eval()
    for ours, theirs in zip(decoder.layers, torchs.layers, strict=True):
        cross = ours.attention
        projections = (cross.project_query, cross.project_key, cross.project_value)
        theirs.self_attn.in_proj_weight.data = ours.self_attention.project.weight.data
        theirs.self_attn.out_proj.weight.data = ours.self_attention.join.weight.data
        theirs.multihead_attn.in_proj_weight.data = torch.cat([p.weight for p in projections]).data
        theirs.multihead_attn.out_proj.weight.data = cross.join.weight.data
        theirs.linear1, theirs.linear2 = ours.feed_forward[0], ours.feed_forward[3]
        theirs.norm1, theirs.norm2 = ours.self_attention_norm, ours.attention_norm
        theirs.norm3 = ours.feed_forward_norm
    embedded, values, mask = torch.randn(2, 4, SIZE), torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5)
    expected = torchs(
        embedded + sinusoids(torch.arange(4), SIZE),
        values,
        tgt_mask=~torch.ones(4, 4, dtype=torch.bool).tril(),
        memory_key_padding_mask=~mask,
    )
    torch.testing.assert_close(decoder(embedded, decoder.start(values, mask))[0], expected)


def test_a_parallel_decoder_of_one_layer_is_refused():
    attention = build_attention("additive", 3, SIZE, 6)
    with pytest.raises(ValueError, match=r"^a parallel decoder needs at least 2 layers, got 1$"):
        ParallelDecoder(attention, SIZE, SIZE, 3, layers=1)


@pytest.mark.parametrize(
    "decoder", ["input-gru-2", "input-lstm-1", "conditional-gru-1", "parallel-gru-2", "sinusoidal-2"]
)
def test_dropout_acts_in_training_only(decoder):
    model = small_model("gru", decoder, dropout=0.5)
    _, src_mask, tgt_in = small_batch()
    embedded, values = model.tgt_embedding(tgt_in), torch.randn(2, 5, SIZE)

    def run():
        return model.decoder.features(embedded, model.decoder.start(values, src_mask))

    assert torch.equal(run(), run())
    model.decoder.train()
    assert not torch.equal(run(), run())
