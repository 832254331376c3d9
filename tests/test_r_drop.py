"""R-Drop: two passes with their own dropout, and the divergence between what they say (Liang et al. 2021)."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tiny_training import MODELS, assert_same_run, checkpoint, copy_run, resume_interrupted, tiny_config

from translate.batches import collate
from translate.model import build_model
from translate.training import loss as loss_module
from translate.training.loss import (
    Guide,
    Objective,
    batch_loss,
    cross_entropy,
    doubled,
    padded_batch_loss,
)
from translate.training.prepare import prepare_run
from translate.training.trainer import resume, train


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(loss_module, "CHUNK", 4)


def draw(tokens, size=4, pieces=9, dtype=torch.float32):
    """Features of both passes, weight and bias that want gradients, and the targets of both passes."""
    inputs = [torch.randn(shape, dtype=dtype) for shape in ((2 * tokens, size), (pieces, size), (pieces,))]
    return [x.requires_grad_() for x in inputs], torch.randint(pieces, (tokens,)).repeat(2)


def plain(features, weight, bias, targets, label_smoothing, r_drop):
    """The paper's loss, halved, by torch's own functions."""
    first, second = F.linear(features, weight, bias).log_softmax(dim=-1).chunk(2)
    divergence = sum(
        F.kl_div(one, other, reduction="sum", log_target=True)
        for one, other in ((first, second), (second, first))
    )
    both = F.cross_entropy(F.linear(features, weight, bias), targets, label_smoothing=label_smoothing)
    return both + r_drop / 2 * divergence / len(targets)


@pytest.mark.parametrize("tokens", [1, 2, 3, 5])
@pytest.mark.parametrize(("label_smoothing", "r_drop"), [(0.0, 1.0), (0.1, 5.0)])
@pytest.mark.usefixtures("small_chunks")
def test_loss_and_gradients_equal_torchs_own(tokens, label_smoothing, r_drop):
    inputs, targets = draw(tokens)
    loss, nll = cross_entropy(*inputs, targets, label_smoothing, r_drop=r_drop)
    expected = plain(*inputs, targets, label_smoothing, r_drop)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(nll, plain(*inputs, targets, 0.0, 0.0))
    for ours, theirs in zip(
        torch.autograd.grad(loss, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.usefixtures("small_chunks")
def test_rows_that_are_no_tokens_count_nothing():
    inputs, targets = draw(5, dtype=torch.float64)
    real = torch.tensor([True, False, True, True, False]).repeat(2)
    padded = cross_entropy(*inputs, targets, 0.1, real, r_drop=3.0)
    alone = cross_entropy(inputs[0][real], *inputs[1:], targets[real], 0.1, r_drop=3.0)
    torch.testing.assert_close(padded, alone)
    for ours, theirs in zip(
        torch.autograd.grad(padded[0], inputs), torch.autograd.grad(alone[0], inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradcheck(lambda *x: cross_entropy(*x, targets, 0.1, real, r_drop=3.0)[0], inputs)


def test_two_passes_that_say_the_same_diverge_nowhere():
    (features, weight, bias), targets = draw(3)
    features = features.detach()[:3].repeat(2, 1).requires_grad_()
    with_it = cross_entropy(features, weight, bias, targets, 0.1, r_drop=9.0)
    without = cross_entropy(features, weight, bias, targets, 0.1)
    torch.testing.assert_close(with_it, without)
    for ours, theirs in zip(
        torch.autograd.grad(with_it[0], [features, weight]),
        torch.autograd.grad(without[0], [features, weight]),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_opposite_certainties_stay_finite():
    """Each pass holds for impossible what the other is sure of: no probability is left in floating point."""
    features = torch.tensor([[500.0, 0.0], [0.0, 500.0]], requires_grad=True)
    loss, _ = cross_entropy(features, torch.eye(2), torch.zeros(2), torch.zeros(2).long(), r_drop=1.0)
    loss.backward()
    assert loss.item() == 250 + 250  # -log p of 0 and 500, and half of both divergences, each a mean
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("features_type", [torch.float32, torch.bfloat16])
def test_in_bfloat16_loss_and_gradients_are_close(features_type):
    inputs, targets = draw(4)
    expected = plain(*inputs, targets, 0.1, 1.0)
    features = inputs[0].detach().to(features_type).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = cross_entropy(features, *inputs[1:], targets, 0.1, r_drop=1.0)
    gradients = torch.autograd.grad(loss, [features, *inputs[1:]])
    assert loss.dtype == torch.float32
    # As without R-Drop (tests/test_loss.py), but errors of the scores are multiplied by their differences.
    torch.testing.assert_close(loss, expected, atol=0.06, rtol=0.02)
    for ours, theirs in zip(gradients, torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(ours.float(), theirs, atol=0.06, rtol=0.05)


def a_batch():
    return collate([[5, 6, 7], [8]], [[9, 4], [5, 6, 7]])


@pytest.mark.parametrize("kind", MODELS)
def test_without_dropout_both_passes_are_one(kind):
    model = build_model(MODELS[kind], 12, 12, joint=True).eval()
    links = torch.rand(2, 4, 4) < 0.5
    batch = a_batch()._replace(links=links)
    guide = Guide(0, 0, 0.3)
    once = batch_loss(model, batch, Objective(0.1, guide))
    torch.testing.assert_close(batch_loss(model, batch, Objective(0.1, guide, r_drop=5.0)), once)


@pytest.mark.parametrize("kind", MODELS)
def test_in_training_the_passes_differ_and_each_real_token_counts(kind):
    model = build_model(MODELS[kind], 12, 12, joint=True).train()
    batch, objective = a_batch(), Objective(0.1, r_drop=5.0)
    torch.manual_seed(1)
    loss, nll = batch_loss(model, batch, objective)
    torch.manual_seed(1)
    twice = doubled(batch)
    features = model.features(twice.src, twice.src_mask, twice.tgt_in)[twice.tgt_mask]
    targets = twice.tgt_out[twice.tgt_mask]
    expected = plain(features, model.output.weight, model.output.bias, targets, 0.1, 5.0)
    torch.testing.assert_close(loss, expected)
    assert expected > plain(features, model.output.weight, model.output.bias, targets, 0.1, 0.0) + 1e-4
    torch.manual_seed(1)
    torch.testing.assert_close(padded_batch_loss(model, batch, objective), (loss, nll))


def r_drop_config(folder, **training):
    return tiny_config(folder, pairs=24, **{"max_steps": 5, "validate_every": 3, "r_drop": 5.0} | training)


def test_a_stopped_run_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    fresh = prepare_run(r_drop_config(tmp_path), tmp_path / "fresh")
    whole, stopped = (copy_run(fresh, tmp_path / name) for name in ("whole", "stopped"))
    resume(whole.path)
    resume_interrupted(stopped, monkeypatch, 2)
    assert_same_run(whole, stopped)
    without = train(r_drop_config(tmp_path, r_drop=0.0), tmp_path / "without")
    name = "model.tgt_embedding.weight"
    assert not torch.equal(*(checkpoint(run)["state_dict"][name] for run in (whole, without)))


def test_several_processes_train_as_one_does(tmp_path, monkeypatch):
    """Without dropout no two passes differ, so that only the halves of a batch are tested."""
    states = []
    for processes in (1, 2):
        config = r_drop_config(tmp_path, processes=processes, max_steps=3)
        config = replace(config, model=replace(config.model, dropout=0.0))
        states.append(checkpoint(train(config, tmp_path / f"run{processes}"))["state_dict"])
    for name, weight in states[0].items():
        torch.testing.assert_close(weight, states[1][name], atol=1e-4, rtol=1e-3)
