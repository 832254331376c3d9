import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from translate.encoders import RECURRENT, RecurrentEncoder, TransformerEncoder, reversed_positions
from translate.transformer import sinusoids

SIZE = 8


def build(kind, layers=2, dropout=0.0):
    match kind:
        case "sinusoidal" | "rotary":
            return TransformerEncoder(SIZE, layers, 2, 12, kind, dropout).eval()
        case "forwards gru":
            return RecurrentEncoder(SIZE, 5, layers, "gru", bidirectional=False, dropout=dropout).eval()
        case "bridged gru":
            return RecurrentEncoder(SIZE, 5, layers, "gru", dropout=dropout, bridging=True).eval()
        case _:
            return RecurrentEncoder(SIZE, 5, layers, kind, dropout=dropout).eval()


KINDS = ["gru", "lstm", "forwards gru", "bridged gru", "sinusoidal", "rotary"]


def lengths_mask(lengths, size):
    return torch.arange(size) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    padding=st.integers(0, 4),
)
def test_what_stands_in_padding_and_how_much_of_it_changes_nothing(kind, seed, lengths, padding):
    torch.manual_seed(seed)
    encoder = build(kind).double()
    size = max(lengths) + padding
    embedded = torch.randn(len(lengths), size, SIZE).double()
    mask = lengths_mask(lengths, size)
    values = encoder(embedded, mask)
    rubbish = encoder(torch.where(mask[..., None], embedded, 9 * torch.randn_like(embedded)), mask)
    for b, length in enumerate(lengths):
        alone = encoder(embedded[b : b + 1, :length], mask[b : b + 1, :length])[0]
        torch.testing.assert_close(values[b, :length], alone)
        torch.testing.assert_close(rubbish[b, :length], alone)


@pytest.mark.parametrize("kind", KINDS)
def test_every_position_is_encoded_with_its_whole_sentence(kind):
    encoder = build(kind)
    embedded = torch.randn(1, 4, SIZE, requires_grad=True)
    values = encoder(embedded, lengths_mask([4], 4))
    assert values.shape == (1, 4, encoder.memory_size)
    for position in range(4):
        (gradient,) = torch.autograd.grad(values[0, position].norm(), embedded, retain_graph=True)
        seen = (gradient[0].abs().sum(dim=-1) > 0).tolist()
        forwards_only = kind == "forwards gru"
        assert seen == [other <= position or not forwards_only for other in range(4)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_embeddings_are_not_changed(kind):
    embedded, mask = torch.randn(2, 4, SIZE), lengths_mask([4, 2], 4)
    before = embedded.clone()
    build(kind)(embedded, mask)
    assert torch.equal(embedded, before)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_in_training_only(kind):
    encoder = build(kind, dropout=0.5)
    embedded, mask = torch.randn(2, 4, SIZE), lengths_mask([4, 2], 4)
    assert torch.equal(encoder(embedded, mask), encoder(embedded, mask))
    encoder.train()
    assert not torch.equal(encoder(embedded, mask), encoder(embedded, mask))


# Recurrent.


def torchs_recurrent(encoder, cell, layers, bidirectional):
    """torch's own bidirectional layers, with the encoder's weights."""
    torchs = RECURRENT[cell](SIZE, 5, layers, batch_first=True, bidirectional=bidirectional)
    for suffix, directions in (("", encoder.forwards), ("_reverse", encoder.backwards)):
        for number, layer in enumerate(directions):
            for name, weight in layer.named_parameters():
                getattr(torchs, name.replace("l0", f"l{number}{suffix}")).data = weight.data
    return torchs


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_recurrent_encoder_is_torchs_own(cell, layers, bidirectional):
    encoder = RecurrentEncoder(SIZE, 5, layers, cell, bidirectional)
    torchs = torchs_recurrent(encoder, cell, layers, bidirectional)
    embedded, mask = torch.randn(3, 6, SIZE), lengths_mask([6, 6, 6], 6)
    torch.testing.assert_close(encoder(embedded, mask), torchs(embedded)[0])
    assert encoder.memory_size == 5 * (2 if bidirectional else 1)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_recurrent_encoder_is_torchs_own_over_packed_sequences(cell):
    encoder = RecurrentEncoder(SIZE, 5, 2, cell)
    torchs = torchs_recurrent(encoder, cell, 2, bidirectional=True)
    embedded, lengths = torch.randn(3, 6, SIZE), [2, 6, 3]
    mask = lengths_mask(lengths, 6)
    packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(torchs(packed)[0], batch_first=True)
    torch.testing.assert_close(encoder(embedded, mask)[mask], expected[mask])


@pytest.mark.parametrize("bidirectional", [True, False])
def test_without_gradients_and_in_bfloat16_torchs_own_gru_reads(bidirectional, monkeypatch):
    encoder = RecurrentEncoder(SIZE, 5, 2, "gru", bidirectional)
    embedded, mask = torch.randn(2, 4, SIZE), lengths_mask([4, 2], 4)
    values = encoder(embedded, mask)
    monkeypatch.setattr("translate.encoders.gru_layer", None)
    with torch.no_grad():
        torch.testing.assert_close(encoder(embedded, mask)[mask], values[mask])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(encoder(embedded, mask)[mask], values[mask], atol=0.05, rtol=0.05)
    with pytest.raises(TypeError):
        encoder(embedded, mask)


@pytest.mark.parametrize("layers", [1, 2])
def test_bridging_puts_the_embedding_behind_what_was_made_of_it(layers):
    bridged = RecurrentEncoder(SIZE, 5, layers, bridging=True)
    plain = RecurrentEncoder(SIZE, 5, layers)
    plain.load_state_dict(bridged.state_dict())
    embedded, mask = torch.randn(2, 4, SIZE), lengths_mask([4, 3], 4)
    values = bridged(embedded, mask)
    assert values.shape[2] == bridged.memory_size == 2 * 5 + SIZE
    torch.testing.assert_close(values, torch.cat([plain(embedded, mask), embedded], dim=-1))


def test_tokens_change_places_and_padding_stays():
    assert reversed_positions(lengths_mask([4, 1, 3], 4)).tolist() == [
        [3, 2, 1, 0],
        [0, 1, 2, 3],
        [2, 1, 0, 3],
    ]


# Transformer.


def test_a_transformer_encoder_is_torchs_own():
    encoder = build("sinusoidal")
    layer = nn.TransformerEncoderLayer(SIZE, 2, 12, 0.0, batch_first=True, norm_first=True)
    torchs = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(SIZE), enable_nested_tensor=False).eval()
    for ours, theirs in zip(encoder.layers, torchs.layers, strict=True):
        theirs.self_attn.in_proj_weight.data = ours.attention.project.weight.data
        theirs.self_attn.out_proj.weight.data = ours.attention.join.weight.data
        theirs.linear1, theirs.linear2 = ours.feed_forward[0], ours.feed_forward[3]
        theirs.norm1, theirs.norm2 = ours.attention_norm, ours.feed_forward_norm
    embedded, mask = torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5)
    expected = torchs(embedded + sinusoids(torch.arange(5), SIZE), src_key_padding_mask=~mask)
    torch.testing.assert_close(encoder(embedded, mask)[mask], expected[mask])


def test_the_same_piece_is_encoded_differently_at_every_position():
    encoder = build("sinusoidal")
    values = encoder(torch.randn(1, 1, SIZE).expand(1, 9, SIZE), lengths_mask([9], 9))[0]
    assert (torch.cdist(values, values) + torch.eye(9)).min() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_pieces_counts(kind):
    encoder, order = build(kind), torch.tensor([0, 2, 1, 3])
    embedded, mask = torch.randn(1, 4, SIZE), lengths_mask([4], 4)
    assert not torch.allclose(encoder(embedded[:, order], mask), encoder(embedded, mask)[:, order], atol=1e-3)


def test_without_positions_a_transformer_does_not_see_the_order():
    encoder, order = build("sinusoidal"), torch.tensor([0, 2, 1, 3])
    encoder.sinusoidal = False
    embedded, mask = torch.randn(1, 4, SIZE), lengths_mask([4], 4)
    torch.testing.assert_close(encoder(embedded[:, order], mask), encoder(embedded, mask)[:, order])


def test_a_transformers_memory_is_as_wide_as_its_embeddings():
    assert build("rotary").memory_size == SIZE
