"""Bahdanau's loop as one function: the same features and gradients as step by step."""

from dataclasses import replace

import pytest
import torch

from translate.config import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.decoders.input_feeding_loop import Weights, input_feeding_loop
from translate.model import build_model

BAHDANAU = ModelConfig(
    6, 0.3, encoder=EncoderConfig(size=4), attention=AttentionConfig(size=5), decoder=DecoderConfig(size=7)
)


@pytest.fixture
def model():
    return build_model(BAHDANAU, 11, 11, joint=True)


def losses_and_gradients(model, src_lengths):
    """With dropout: both ways draw the same."""
    src = torch.randint(4, 11, (3, 5), generator=torch.Generator().manual_seed(1))
    tgt = torch.randint(4, 11, (3, 6), generator=torch.Generator().manual_seed(2))
    mask = torch.arange(5) < torch.tensor(src_lengths)[:, None]
    torch.manual_seed(3)
    features = model.features(src, mask, tgt)
    gradients = torch.autograd.grad(features.square().sum(), [*model.parameters()], allow_unused=True)
    return [features.detach(), *(gradient for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("src_lengths", [[5, 5, 5], [5, 3, 1]])
def test_it_equals_stepping_gradients_and_dropout_included(src_lengths, training, model):
    model.train(training)
    assert model.decoder.fused
    fused = losses_and_gradients(model, src_lengths)
    model.decoder.fused = False
    plain = losses_and_gradients(model, src_lengths)
    assert len(fused) == len(plain) > 10
    for ours, theirs in zip(fused, plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_its_gradients_are_those_of_its_values():
    def draw(*shape):
        return torch.randn(shape, dtype=torch.float64, requires_grad=True)

    batch, steps, length, size, values, units = 3, 2, 4, 5, 6, 3
    masking = torch.zeros(batch, length, dtype=torch.float64)
    masking[1, 2:] = masking[2, 1:] = -torch.inf
    inputs = (
        draw(batch, steps, 3 * size),
        draw(batch, size),
        draw(batch, length, values),
        draw(batch, length, units),
        draw(units, size),
        draw(units),
        draw(3 * size, values),
        draw(3 * size, size),
        draw(3 * size),
    )
    assert torch.autograd.gradcheck(
        lambda *given: input_feeding_loop(*given[:4], masking, Weights(*given[4:])), inputs
    )


@pytest.mark.parametrize(
    "other",
    [
        replace(BAHDANAU, attention=replace(BAHDANAU.attention, score="general")),
        replace(BAHDANAU, attention=replace(BAHDANAU.attention, heads=4, size=8)),
        replace(BAHDANAU, attention=replace(BAHDANAU.attention, normalizer="sparsemax")),
        replace(BAHDANAU, attention=replace(BAHDANAU.attention, coverage=True)),
        replace(BAHDANAU, attention=replace(BAHDANAU.attention, end_of_sentence=False)),
        replace(BAHDANAU, decoder=replace(BAHDANAU.decoder, cell="lstm")),
        replace(BAHDANAU, decoder=replace(BAHDANAU.decoder, layers=2)),
    ],
)
def test_what_it_cannot_do_is_done_step_by_step(other):
    model = build_model(other, 11, 11, joint=True)
    assert not model.decoder.fused
    assert len(losses_and_gradients(model, [5, 3, 1])) > 10


def test_autocast_takes_the_plain_loop(model, monkeypatch):
    monkeypatch.setattr("translate.decoders.recurrent.input_feeding_loop", None)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(losses_and_gradients(model, [5, 3, 1])[0]).all()
    with pytest.raises(TypeError):
        losses_and_gradients(model, [5, 3, 1])
