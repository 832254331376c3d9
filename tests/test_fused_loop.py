"""The decoders' loop as one function: the same features and gradients as step by step."""

from dataclasses import replace

import pytest
import torch

from translate.config.model import AttentionConfig, DecoderConfig, EncoderConfig, ModelConfig
from translate.decoders.fused_loop import Weights, fused_loop
from translate.model import build_model

BAHDANAU = ModelConfig(
    6, 0.3, encoder=EncoderConfig(size=4), attention=AttentionConfig(size=5), decoder=DecoderConfig(size=7)
)


def losses_and_gradients(model, src_lengths):
    """With dropout: both ways draw the same."""
    src = torch.randint(4, 11, (3, 5), generator=torch.Generator().manual_seed(1))
    tgt = torch.randint(4, 11, (3, 6), generator=torch.Generator().manual_seed(2))
    mask = torch.arange(5) < torch.tensor(src_lengths)[:, None]
    torch.manual_seed(3)
    features = model.features(src, mask, tgt)
    gradients = torch.autograd.grad(features.square().sum(), [*model.parameters()], allow_unused=True)
    return [features.detach(), *(gradient for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("feeding", ["input", "conditional"])
@pytest.mark.parametrize("coverage", [False, True])
@pytest.mark.parametrize("end_of_sentence", [False, True])  # False: of one token none is left to look at
@pytest.mark.parametrize("src_lengths", [[5, 5, 5], [5, 3, 1]])
@pytest.mark.parametrize("training", [True, False])
def test_it_equals_stepping_gradients_and_dropout_included(
    training, src_lengths, end_of_sentence, coverage, feeding
):
    attention = replace(BAHDANAU.attention, coverage=coverage, end_of_sentence=end_of_sentence)
    decoder = replace(BAHDANAU.decoder, feeding=feeding, context_only=0.4)
    model = build_model(replace(BAHDANAU, attention=attention, decoder=decoder), 11, 11, joint=True)
    if coverage:
        torch.nn.init.normal_(model.decoder.attention.project_coverage)  # zeros at first
    model.train(training)
    assert model.decoder.fused
    fused = losses_and_gradients(model, src_lengths)
    model.decoder.fused = False
    plain = losses_and_gradients(model, src_lengths)
    assert len(fused) == len(plain) == len([*model.parameters()])  # features and all but the output's bias
    for ours, theirs in zip(fused, plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("feeding", ["input", "conditional"])
@pytest.mark.parametrize("end_of_sentence", [False, True])
def test_its_weights_and_their_gradients_are_those_of_stepping(end_of_sentence, feeding):
    attention = replace(BAHDANAU.attention, end_of_sentence=end_of_sentence)
    decoder = replace(BAHDANAU.decoder, feeding=feeding)
    model = build_model(replace(BAHDANAU, attention=attention, decoder=decoder), 11, 11, joint=True).eval()
    src, tgt = torch.randint(4, 11, (3, 5)), torch.randint(4, 11, (3, 6))
    mask = torch.arange(5) < torch.tensor([5, 3, 1])[:, None]

    def run():
        features, weights = model.attend(src, mask, tgt, 0, 0)
        loss = features.square().sum() + weights.square().sum()
        gradients = torch.autograd.grad(loss, [*model.parameters()], allow_unused=True)
        return [features, weights, *(gradient for gradient in gradients if gradient is not None)]

    fused = run()
    model.decoder.fused = False
    for ours, theirs in zip(fused, run(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def draw(*shape):
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def draw_inputs(batch, steps, length, covering, conditional, size=5, values=6, units=3):
    """What the loop is given, but for the masking; the weights last."""
    return (
        draw(steps, batch, 3 * size),
        draw(batch, size),
        draw(batch, length, values),
        draw(batch, length, units),
        draw(batch, length) if covering else None,
        draw(units, size),
        draw(units),
        draw(3 * size, values),
        draw(3 * size, size),
        draw(3 * size),
        draw(units) if covering else None,
        draw(3 * size, size) if conditional else None,
        draw(3 * size) if conditional else None,
    )


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("covering", [False, True])
def test_its_gradients_are_those_of_its_values(conditional, covering):
    masking = torch.zeros(3, 4, dtype=torch.float64)
    masking[1, 2:] = masking[2, 1:] = -torch.inf
    inputs = draw_inputs(3, 2, 4, covering, conditional)
    assert torch.autograd.gradcheck(
        lambda *given: fused_loop(*given[:4], masking, given[4], Weights(*given[5:])), inputs
    )


def test_the_gradients_it_is_given_stay_as_they_are():
    inputs = draw_inputs(1, 1, 2, False, False)
    outputs = fused_loop(*inputs[:4], torch.zeros(1, 2).double(), None, Weights(*inputs[5:]))
    gradients = [torch.ones_like(output) for output in outputs]
    torch.autograd.grad(outputs, inputs[0], gradients)
    assert all((gradient == 1).all() for gradient in gradients)


@pytest.mark.parametrize(
    "other",
    [
        replace(BAHDANAU, attention=replace(BAHDANAU.attention, score="general")),
        replace(BAHDANAU, attention=replace(BAHDANAU.attention, heads=4, size=8)),
        replace(BAHDANAU, attention=replace(BAHDANAU.attention, normalizer="sparsemax")),
        replace(BAHDANAU, decoder=replace(BAHDANAU.decoder, cell="lstm")),
        replace(BAHDANAU, decoder=replace(BAHDANAU.decoder, layers=2, feeding="conditional")),
    ],
)
def test_what_it_cannot_do_is_done_step_by_step(other):
    model = build_model(other, 11, 11, joint=True)
    assert not model.decoder.fused
    assert len(losses_and_gradients(model, [5, 3, 1])) > 10


def test_autocast_takes_the_plain_loop(monkeypatch):
    model = build_model(BAHDANAU, 11, 11, joint=True)
    monkeypatch.setattr("translate.decoders.recurrent.fused_loop", None)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(losses_and_gradients(model, [5, 3, 1])[0]).all()
    with pytest.raises(TypeError):
        losses_and_gradients(model, [5, 3, 1])
