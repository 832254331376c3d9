import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_training import MODELS

from translate.batches import collate
from translate.model import build_model
from translate.training import loss as loss_module
from translate.training.loss import Guide, Objective, batch_loss, cross_entropy, guided_loss


def draw(count=7, size=4, pieces=9, dtype=torch.float32):
    """Features, weight and bias that want gradients, and targets."""
    inputs = [torch.randn(shape, dtype=dtype) for shape in ((count, size), (pieces, size), (pieces,))]
    return [x.requires_grad_() for x in inputs], torch.randint(pieces, (count,))


def torchs(features, weight, bias, targets, label_smoothing=0.0):
    return F.cross_entropy(F.linear(features, weight, bias), targets, label_smoothing=label_smoothing)


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(loss_module, "CHUNK", 3)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 9])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.5])
@pytest.mark.usefixtures("small_chunks")
def test_loss_and_gradients_equal_torchs_own(count, label_smoothing):
    inputs, targets = draw(count)
    loss, nll = cross_entropy(*inputs, targets, label_smoothing)
    expected = torchs(*inputs, targets, label_smoothing)

    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(nll, torchs(*inputs, targets))
    for ours, theirs in zip(
        torch.autograd.grad(loss, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(2, 9), st.integers(1, 5), st.floats(0, 0.9))
def test_loss_equals_torchs_own_for_any_sizes(seed, count, pieces, size, label_smoothing):
    torch.manual_seed(seed)
    inputs, targets = draw(count, size, pieces, torch.float64)
    loss, _ = cross_entropy(*inputs, targets, label_smoothing)
    torch.testing.assert_close(loss, torchs(*inputs, targets, label_smoothing))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.usefixtures("small_chunks")
def test_gradients_are_right(label_smoothing):
    inputs, targets = draw(count=5, size=3, pieces=4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *x: cross_entropy(*x, targets, label_smoothing)[0], inputs)


@pytest.mark.parametrize("count", [3, 2000])
def test_how_many_tokens_make_a_chunk_does_not_matter(count, monkeypatch):
    inputs, targets = draw(count)
    results = []
    for chunk in (1, 512, 10_000):
        monkeypatch.setattr(loss_module, "CHUNK", chunk)
        loss, nll = cross_entropy(*inputs, targets, 0.1)
        results.append((loss, nll, *torch.autograd.grad(loss, inputs)))
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


def test_the_loss_reported_has_no_gradient():
    inputs, targets = draw()
    loss, nll = cross_entropy(*inputs, targets, 0.1)
    assert loss.requires_grad
    assert not nll.requires_grad


def test_a_scaled_loss_has_scaled_gradients():
    # As with accumulated batches, where a share of each loss is taken.
    inputs, targets = draw()
    plain = torch.autograd.grad(cross_entropy(*inputs, targets)[0], inputs)
    scaled = torch.autograd.grad(cross_entropy(*inputs, targets)[0] / 4, inputs)
    for one, other in zip(plain, scaled, strict=True):
        torch.testing.assert_close(one / 4, other)


def test_a_weight_that_is_also_an_embedding_gets_both_gradients():
    (_, weight, bias), targets = draw()
    ids = torch.randint(9, (7,))
    loss, _ = cross_entropy(weight[ids], weight, bias, targets)
    (ours,) = torch.autograd.grad(loss, weight)
    (theirs,) = torch.autograd.grad(torchs(weight[ids], weight, bias, targets), weight)
    torch.testing.assert_close(ours, theirs)


def test_a_sure_and_right_prediction_costs_nothing():
    features = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
    loss, nll = cross_entropy(features, torch.eye(2), torch.zeros(2), torch.tensor([0, 1]))
    assert (loss.item(), nll.item()) == (0, 0)


def test_huge_scores_stay_finite():
    features = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss, _ = cross_entropy(features, torch.eye(2), torch.zeros(2), torch.tensor([1]), 0.1)
    loss.backward()
    assert loss.isfinite()
    assert features.grad.isfinite().all()


def test_a_target_that_is_all_but_impossible_costs_exactly_what_it_should():
    features = torch.tensor([[1000.0, 0.0]], requires_grad=True)  # its probability is zero in floating point
    loss, nll = cross_entropy(features, torch.eye(2), torch.zeros(2), torch.tensor([1]), 0.25)
    loss.backward()
    assert (loss.item(), nll.item()) == (0.75 * 1000 + 0.25 * 500, 1000)
    assert features.grad.tolist() == [[1 - 0.125, 0.125 - 1]]


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.usefixtures("small_chunks")
def test_rows_that_are_no_tokens_count_nothing(label_smoothing):
    inputs, targets = draw(dtype=torch.float64)
    real = torch.tensor([True, True, False, True, False, False, True])
    padded = cross_entropy(*inputs, targets, label_smoothing, real)
    alone = cross_entropy(inputs[0][real], *inputs[1:], targets[real], label_smoothing)
    torch.testing.assert_close(padded, alone)
    for ours, theirs in zip(
        torch.autograd.grad(padded[0], inputs), torch.autograd.grad(alone[0], inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradcheck(lambda *x: cross_entropy(*x, targets, label_smoothing, real)[0], inputs)


@pytest.mark.parametrize("features_type", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.usefixtures("small_chunks")
def test_in_bfloat16_loss_and_gradients_are_close(label_smoothing, features_type):
    inputs, targets = draw()
    expected = torchs(*inputs, targets, label_smoothing)
    features = inputs[0].detach().to(features_type).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = cross_entropy(features, *inputs[1:], targets, label_smoothing)
    gradients = torch.autograd.grad(loss, [features, *inputs[1:]])

    # bfloat16 has 8 significant bits: scores of up to 6 are off by up to 0.02.
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, atol=0.03, rtol=0)
    for ours, theirs, like in zip(
        gradients, torch.autograd.grad(expected, inputs), [features, *inputs[1:]], strict=True
    ):
        assert ours.dtype == like.dtype
        torch.testing.assert_close(ours.float(), theirs, atol=0.02, rtol=0.05)


def test_the_guide_is_the_cross_entropy_between_links_and_weights():
    weights = torch.rand(2, 3, 4).softmax(dim=-1)
    links = torch.zeros(2, 3, 4, dtype=torch.bool)
    links[0, 1, 2] = links[1, 0, 0] = links[1, 0, 3] = True
    by_hand = -weights[0, 1, 2].log() - (weights[1, 0, 0].log() + weights[1, 0, 3].log()) / 2
    torch.testing.assert_close(guided_loss(weights, links), by_hand)
    assert guided_loss(weights, torch.zeros_like(links)) == 0


def test_a_weight_of_zero_leaves_the_guide_finite():
    scores = torch.tensor([[[0.0, 200.0]]], requires_grad=True)
    loss = guided_loss(scores.softmax(dim=-1), torch.tensor([[[True, False]]]))
    (gradient,) = torch.autograd.grad(loss, scores)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_a_batch_with_links_has_the_guides_share_of_the_loss(kind):
    model = build_model(MODELS[kind], 12, 12, joint=True).eval()
    batch = collate([[5, 6, 7], [8]], [[9, 4], [5, 6, 7]])
    links = torch.rand(2, 4, 4) > 0.5
    links &= batch.src_mask[:, None]
    plain, nll = batch_loss(model, batch, Objective(0.1))
    guided, same_nll = batch_loss(model, batch._replace(links=links), Objective(0.1, Guide(0, 0, 0.3)))
    weights = model.align(batch.src, batch.src_mask, batch.tgt_in)[0][:, 0, 0]
    torch.testing.assert_close(guided - plain, 0.3 * guided_loss(weights, links) / 7)
    torch.testing.assert_close(nll, same_nll)
    without_links, _ = batch_loss(model, batch, Objective(0.1, Guide(0, 0, 0.3)))
    torch.testing.assert_close(without_links, plain)
