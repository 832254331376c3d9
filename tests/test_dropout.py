import pytest
import torch

from translate.dropout import Dropout

COUNT = 80_000  # elements: three standard deviations of the share dropped are at most half a percent


@pytest.mark.parametrize(
    ("probability", "rounded"), [(0.0, 0), (0.001, 0), (0.1, 26), (0.3, 77), (0.5, 128), (0.999, 255)]
)
def test_the_probability_is_rounded_to_a_256th_and_something_is_always_kept(probability, rounded):
    assert Dropout(probability).threshold == rounded
    assert repr(Dropout(probability)) == f"Dropout(probability={rounded / 256:.3f})"


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.9])
def test_so_many_elements_are_dropped_and_the_others_scaled_up(probability):
    exact = round(probability * 256) / 256
    output = Dropout(probability)(torch.ones(COUNT))
    dropped = output == 0
    assert abs(dropped.float().mean() - exact) < 0.006
    torch.testing.assert_close(output[~dropped], torch.full_like(output[~dropped], 1 / (1 - exact)))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_the_mean_is_kept(probability):
    # The standard deviation of the mean is sqrt(p / (1 - p) / COUNT), 0.011 at most.
    assert Dropout(probability)(torch.ones(COUNT)).mean().item() == pytest.approx(1, abs=0.04)


def test_every_byte_of_the_random_bits_is_uniform():
    # Eight neighbours share one draw; a draw that spared the sign bit would show in one of them.
    dropped = (Dropout(0.75)(torch.ones(COUNT)) == 0).float().view(-1, 8).mean(dim=0)
    torch.testing.assert_close(dropped, torch.full((8,), 0.75), atol=0.02, rtol=0)


def test_neighbours_are_dropped_independently():
    dropped = (Dropout(0.5)(torch.ones(COUNT)) == 0).float().view(-1, 8)
    correlations = torch.corrcoef(dropped.T) - torch.eye(8)
    assert correlations.abs().max() < 0.05


@pytest.mark.parametrize("dropout", [Dropout(0.5).eval(), Dropout(0.0)])
def test_nothing_happens_in_evaluation_or_without_a_probability(dropout):
    x = torch.randn(3, 4)
    assert dropout(x) is x


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (8,), (3, 5), (2, 3, 4, 5)])
def test_any_shape_keeps_its_shape(shape):
    x = torch.randn(shape)
    output = Dropout(0.3)(x)
    assert output.shape == x.shape
    kept = output != 0
    torch.testing.assert_close(output[kept], (x / (1 - 77 / 256))[kept])


def test_a_transposed_tensor_is_dropped_element_by_element():
    x = torch.arange(1.0, 13.0).view(3, 4).T
    output = Dropout(0.5)(x)
    assert ((output == 0) | (output == 2 * x)).all()


def test_bfloat16_stays_bfloat16():
    output = Dropout(0.5)(torch.ones(64, dtype=torch.bfloat16))
    assert output.dtype == torch.bfloat16
    assert set(output.tolist()) == {0.0, 2.0}


def test_gradients_pass_where_elements_did():
    x = torch.randn(100, requires_grad=True)
    output = Dropout(0.5)(x)
    output.sum().backward()
    torch.testing.assert_close(x.grad, (output != 0) * 2.0)


def test_a_seed_decides_what_is_dropped():
    dropout, x = Dropout(0.5), torch.ones(64)
    torch.manual_seed(1)
    first = dropout(x)
    assert not torch.equal(dropout(x), first)
    torch.manual_seed(1)
    assert torch.equal(dropout(x), first)


def test_what_comes_in_is_not_changed():
    x = torch.ones(64)
    Dropout(0.5)(x)
    assert (x == 1).all()
