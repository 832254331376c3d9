"""Recurrent decoders whose linear parts are done before the first step: nothing else changes."""

import pytest
import torch
from small_models import DECODERS, SCORES, VOCABULARY, small_batch, small_model

from translate.decoders import folded
from translate.decoders.folded import can_fold

STEPPING = [name for name in DECODERS if name.startswith(("input", "conditional"))]


def steps(model, src, src_mask, tgt_in):
    """Log-probabilities piece by piece, of rows that were forked and put in another order on the way."""
    rows = torch.tensor([1, 0, 1])
    log_probs, state = model.step(tgt_in[:, 0], model.start(src, src_mask))
    found, state = [log_probs], state.select(rows)
    for tokens in tgt_in[rows, 1:].unbind(dim=1):
        log_probs, state = model.step(tokens, state)
        found.append(log_probs)
    return found


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("decoder", STEPPING)
@torch.inference_mode()
def test_every_step_says_the_same(decoder, score, tie):
    model = small_model("gru", decoder, score=score, heads=1, tie=tie)
    src, src_mask, tgt_in = small_batch()
    before, whole = steps(model, src, src_mask, tgt_in), model(src, src_mask, tgt_in)
    weights, logits = model.align(src, src_mask, tgt_in)
    assert can_fold(model.decoder, model.tgt_embedding)
    model.lay_out_for_translating()
    assert model._stepping[0] is not model.decoder
    for expected, found in zip(before, steps(model, src, src_mask, tgt_in), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model(src, src_mask, tgt_in), whole)
    torch.testing.assert_close(model.align(src, src_mask, tgt_in), (weights, logits))


@pytest.mark.parametrize("normalizer", ["sparsemax", "entmax15"])
@torch.inference_mode()
def test_whatever_makes_the_weights(normalizer):
    model = small_model("gru", "input-gru-1", normalizer=normalizer)
    src, src_mask, tgt_in = small_batch()
    before = steps(model, src, src_mask, tgt_in)
    model.lay_out_for_translating()
    torch.testing.assert_close(steps(model, src, src_mask, tgt_in), before, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_the_products_are_gone():
    model = small_model("gru", "input-gru-1")
    src, src_mask, tgt_in = small_batch()
    model.lay_out_for_translating()
    before = steps(model, src, src_mask, tgt_in)
    torch.nn.init.zeros_(model.decoder.from_token.weight)
    torch.nn.init.zeros_(model.decoder.from_context.weight)
    torch.testing.assert_close(steps(model, src, src_mask, tgt_in), before, atol=0, rtol=0)
    torch.nn.init.zeros_(model._stepping[1].weight)
    assert not torch.allclose(steps(model, src, src_mask, tgt_in)[0], before[0])
    values = model.start(src, src_mask).memory.values
    assert values.shape[-1] == model.decoder.from_token.out_features + model.tgt_embedding.embedding_dim


def test_what_cannot_be_folded(monkeypatch):
    heads = small_model("gru", "input-gru-1", heads=2)  # each projects values of its own
    coverage = small_model("gru", "input-gru-1", coverage=True)
    for model in (heads, coverage, small_model("gru", "parallel-gru-2"), small_model("gru", "rotary-2")):
        assert not can_fold(model.decoder, model.tgt_embedding)
    model = small_model("gru", "input-gru-1")
    size = VOCABULARY * (model.decoder.from_token.out_features + model.tgt_embedding.embedding_dim)
    monkeypatch.setattr(folded, "LARGEST_TABLE", size)
    assert can_fold(model.decoder, model.tgt_embedding)
    monkeypatch.setattr(folded, "LARGEST_TABLE", size - 1)
    assert not can_fold(model.decoder, model.tgt_embedding)
