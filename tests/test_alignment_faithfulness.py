import dataclasses

import numpy as np
import pytest
import torch
from small_models import DECODERS, small_batch, small_model
from tiny import MODEL, TRANSFORMER, tiny_tokenizers

from translate.alignment.extract import choose_attention, read_maps
from translate.alignment.faithfulness import (
    INTERVENTIONS,
    hiding,
    intervene,
    measure,
    permuting,
    uniform,
)
from translate.model import build_model

PAIRS = [("Ein Hund läuft über die Wiese.", "A dog runs."), ("Zwei Kinder", "Two children are playing.")]
ONE_WORD = [("Hund", "A dog runs."), ("Wiese", "the meadow")]


def model_of(config, scale=0.4):
    torch.manual_seed(0)
    size = len(tiny_tokenizers().src)
    model = build_model(config, size, size, joint=True).eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=scale)
    return model


def unchanged(weights, mask, rows):
    return weights


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("score", ["additive", "scaled_dot"])
def test_weights_that_are_not_changed_change_nothing(decoder, score):
    """Contexts are averaged anew from the same weights, in every decoder."""
    model = small_model("gru", decoder, score=score)
    src, mask, tgt_in = small_batch()
    before = model.align(src, mask, tgt_in)
    with intervene(model, unchanged):
        after = model.align(src, mask, tgt_in)
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize("decoder", DECODERS)
def test_changed_weights_are_what_the_decoder_averages_with(decoder):
    """Weights on the first position alone: then it does not matter what the others hold."""
    model = small_model("gru", decoder, score="scaled_dot")
    src, mask, tgt_in = small_batch((5, 5))
    model.encoder = FirstApart(model.encoder)
    model.decoder.initial = torch.nn.Identity() if not hasattr(model.decoder, "initial") else Still(model)

    def first_only(weights, mask, rows):
        return torch.zeros_like(weights).index_fill(-1, torch.tensor([0]), 1.0)

    with intervene(model, first_only):
        logits = model.align(src, mask, tgt_in)[1]
        same = model.align(src.flip(1), mask, tgt_in)[1]
    torch.testing.assert_close(logits, same)
    assert not torch.allclose(model.align(src, mask, tgt_in)[1], model.align(src.flip(1), mask, tgt_in)[1])


class FirstApart(torch.nn.Module):
    """An encoder whose first position knows nothing."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, embedded, mask):
        values = self.encoder(embedded, mask).clone()
        values[:, 0] = 0.5
        return values


class Still(torch.nn.Module):
    """A first state that does not know the source."""

    def __init__(self, model):
        super().__init__()
        self.initial = model.decoder.initial

    def forward(self, values, mask):
        return self.initial(torch.ones_like(values), mask)


@pytest.mark.parametrize("decoder", ["input-gru-1", "conditional-lstm-1", "parallel-gru-2", "rotary-2"])
def test_each_target_position_gets_its_own_change_however_the_decoder_asks(decoder):
    model = small_model("gru", decoder, score="scaled_dot")
    src, mask, tgt_in = small_batch((5, 5), 4)
    hidden = torch.zeros(2, 4, 5, dtype=torch.bool)
    hidden[:, [0, 1, 2, 3], [3, 1, 4, 0]] = True
    with intervene(model, hiding(hidden)):
        weights = model.align(src, mask, tgt_in)[0]
    assert (weights[hidden[:, None, None].expand_as(weights)] == 0).all()
    assert (weights[~hidden[:, None, None].expand_as(weights)] > 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_only_the_layer_and_head_that_are_asked_for_are_changed():
    model = small_model("gru", "rotary-2", score="scaled_dot", heads=2)
    src, mask, tgt_in = small_batch()
    before = model.align(src, mask, tgt_in)[0]
    with intervene(model, uniform, layer=1, head=0):
        after = model.align(src, mask, tgt_in)[0]
    torch.testing.assert_close(after[:, 0], before[:, 0])
    torch.testing.assert_close(after[:, 1, 1], before[:, 1, 1])
    for row, length in enumerate((5, 3)):
        torch.testing.assert_close(after[row, 1, 0, :, :length], torch.full((4, length), 1 / length))


def test_the_attention_is_its_own_again_afterwards():
    model = small_model("gru", "rotary-2", score="scaled_dot")
    src, mask, tgt_in = small_batch()
    before = model.align(src, mask, tgt_in)[1]
    with pytest.raises(KeyError), intervene(model, uniform):
        raise KeyError
    torch.testing.assert_close(model.align(src, mask, tgt_in)[1], before)


def test_permuting_keeps_each_rows_weights_and_leaves_padding_alone():
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    weights = torch.rand(2, 3, 50, 6) * mask[:, None, None]
    permuted = permuting(1)(weights, mask, slice(0, 50))
    torch.testing.assert_close(permuted.sort(-1).values, weights.sort(-1).values)
    assert (permuted[1, ..., 4:] == 0).all()
    assert (permuted != weights).any()
    torch.testing.assert_close(permuting(1)(weights, mask, slice(0, 50)), permuted)
    assert (permuting(2)(weights, mask, slice(0, 50)) != permuted).any()
    # The first weight comes to every place about as often: 150 rows, 6 places.
    places = (permuted[0] == weights[0, ..., :1]).flatten(0, 1).sum(0)
    assert places.min() > 10


def test_what_is_hidden_is_as_if_masked_before_the_softmax():
    scores, mask = torch.randn(1, 2, 3, 5), torch.ones(1, 5, dtype=torch.bool)
    hidden = torch.zeros(1, 3, 5, dtype=torch.bool)
    hidden[0, :, 1:3] = True
    expected = scores.masked_fill(hidden[:, None], -torch.inf).softmax(-1)
    torch.testing.assert_close(hiding(hidden)(scores.softmax(-1), mask, slice(0, 3)), expected)


def test_where_all_weight_is_hidden_the_others_share_it():
    weights = torch.tensor([[[[0.0, 1.0, 0.0, 0.0]]]])
    hidden = torch.tensor([[[False, True, False, False]]])
    mask = torch.tensor([[True, True, True, False]])
    found = hiding(hidden)(weights, mask, slice(0, 1))
    torch.testing.assert_close(found, torch.tensor([[[[0.5, 0.0, 0.5, 0.0]]]]))


def measured(config, pairs, model=None):
    model = model or model_of(config)
    maps = read_maps(model, tiny_tokenizers(), pairs)
    return measure(model, tiny_tokenizers(), maps, choose_attention(config)), maps


@pytest.mark.parametrize("config", [MODEL, TRANSFORMER], ids=["recurrent", "transformer"])
def test_a_model_that_looks_everywhere_alike_does_not_mind_it(config):
    model = model_of(config)
    for name, parameter in model.named_parameters():
        if name.endswith(("attention.project_query.weight", "attention.energy")):
            parameter.data.zero_()  # every score is zero
    found, _ = measured(config, PAIRS, model)
    for scope in filter(None, (found.everywhere, found.read)):
        for name in ("uniform", "permuted"):
            assert scope[name].log_prob == pytest.approx(0, abs=1e-5)
            assert scope[name].distance == pytest.approx(0, abs=1e-5)
        assert scope["top hidden"].distance > 1e-3


def test_of_a_single_position_any_weights_are_the_same():
    """A source of one piece, when its end of sentence cannot be attended to: all weight is on it."""
    config = dataclasses.replace(MODEL, attention=dataclasses.replace(MODEL.attention, end_of_sentence=False))
    found, maps = measured(config, [("H", "A dog runs.")])
    assert len(maps[0].src_tokens) == 2
    assert found.comparable == 0
    for name in INTERVENTIONS:
        assert found.everywhere[name] == pytest.approx((0, 0), abs=1e-5)


def test_no_word_is_hidden_where_there_is_only_one():
    found, _ = measured(TRANSFORMER, ONE_WORD)
    assert found.comparable == 0
    assert found.pieces > 0
    assert found.everywhere["uniform"].distance > 0
    for name in ("top hidden", "other hidden"):
        assert found.everywhere[name] == found.read[name] == (0, 0)


@pytest.mark.parametrize("config", [MODEL, TRANSFORMER], ids=["recurrent", "transformer"])
def test_the_numbers_are_those_of_the_pieces_one_by_one(config):
    """Uniform weights, against the model's own forward with an attention that has no other."""
    model = model_of(config)
    found, _ = measured(config, PAIRS, model)
    even = model_of(config)
    for name, parameter in even.named_parameters():
        if name.endswith(("attention.project_query.weight", "attention.energy")):
            parameter.data.zero_()
    total, falls, distances = 0.0, [], []
    for src, tgt in PAIRS:
        src_ids = torch.tensor([[*tiny_tokenizers().src.encode(src), 2]])
        tgt_ids = tiny_tokenizers().tgt.encode(tgt)
        arguments = src_ids, torch.ones_like(src_ids, dtype=torch.bool), torch.tensor([[1, *tgt_ids[:-1]]])
        with torch.inference_mode():
            before, after = (m(*arguments)[0].log_softmax(-1) for m in (model, even))
        for row, piece in enumerate(tgt_ids):
            total += float(before[row, piece])
            falls.append(float(after[row, piece] - before[row, piece]))
            distances.append(float((after[row].exp() - before[row].exp()).abs().sum()) / 2)
    assert found.pieces == len(falls)
    assert found.log_prob == pytest.approx(total / len(falls), abs=1e-4)
    assert found.everywhere["uniform"] == pytest.approx((np.mean(falls), np.mean(distances)), abs=1e-4)
    assert (found.read is None) == (config is MODEL)  # where nothing else is attended with


def test_pairs_without_words_and_neighbours_count_for_nothing():
    model, reading = model_of(TRANSFORMER), choose_attention(TRANSFORMER)
    alone, maps = measured(TRANSFORMER, PAIRS, model)
    with_blank = read_maps(model, tiny_tokenizers(), [("", "A dog"), *PAIRS])
    found = measure(model, tiny_tokenizers(), with_blank, reading)
    assert found.pieces == alone.pieces
    assert found.everywhere["uniform"] == pytest.approx(alone.everywhere["uniform"], abs=1e-5)
    assert len(maps) == 2
    nothing = measure(model, tiny_tokenizers(), with_blank[:1], reading)
    assert (nothing.pieces, nothing.log_prob) == (0, 0)


@pytest.mark.parametrize("shift", [0, 1])
def test_the_word_that_is_hidden_is_the_one_that_the_reading_shows(shift):
    """Maps made by hand: the first step points at the second word, all others at the first."""
    model = model_of(MODEL)
    (maps,) = read_maps(model, tiny_tokenizers(), PAIRS[1:])
    owners = np.array([int(begin >= len("Zwei")) for begin, _ in maps.src_spans])
    owners[-1] = 2  # the end of sentence is no word
    shown = np.zeros(len(maps.tgt_tokens), dtype=int)
    shown[0] = 1
    maps.weights[0, 0] = owners == shown[:, None]
    found = measure(model, tiny_tokenizers(), [maps], choose_attention(MODEL, shift=shift))

    src = torch.tensor([[*tiny_tokenizers().src.encode(maps.src), 2]])
    tgt = tiny_tokenizers().tgt.encode(maps.tgt)
    arguments = src, torch.ones_like(src, dtype=torch.bool), torch.tensor([[1, *tgt]])
    shown = np.roll(shown, -shift)
    for name, words in (("top hidden", shown), ("other hidden", 1 - shown)):
        hidden = torch.from_numpy(owners == words[:, None])[None]
        with torch.inference_mode(), intervene(model, hiding(hidden)):
            after = model.align(*arguments)[1][0].log_softmax(-1)
        with torch.inference_mode():
            before = model.align(*arguments)[1][0].log_softmax(-1)
        falls = [float(after[row, piece] - before[row, piece]) for row, piece in enumerate(tgt)]
        assert found.everywhere[name].log_prob == pytest.approx(np.mean(falls), abs=1e-5)
