"""GRU layers as one function: torch's own values, and the gradients of those values.

`test_encoders.py` has them in an encoder.
"""

import pytest
import torch
from torch import nn

from translate.gru import gru_layer, reading_orders

BATCH, LENGTH, UNITS, SIZE = 3, 4, 5, 2
ONWARDS = torch.arange(LENGTH).expand(BATCH, LENGTH)
BACKWARDS = torch.tensor([[3, 2, 1, 0], [1, 0, 2, 3], [2, 1, 0, 3]])  # of 4, 2 and 3 tokens
REVERSALS = [[ONWARDS], [ONWARDS, BACKWARDS], [BACKWARDS, ONWARDS, BACKWARDS]]


def draw(directions):
    return torch.randn(BATCH, LENGTH, UNITS).double(), [
        nn.GRU(UNITS, SIZE, batch_first=True).double() for _ in directions
    ]


def torchs(x, reversals, layers):
    """Each direction by itself, over what is put in order for it."""
    outputs = []
    for reversal, layer in zip(reversals, layers, strict=True):
        rows = torch.arange(BATCH)[:, None]
        outputs.append(layer(x[rows, reversal])[0][rows, reversal])
    return torch.cat(outputs, dim=-1)


@pytest.mark.parametrize("reversals", REVERSALS)
def test_each_direction_is_torchs_own(reversals):
    x, layers = draw(reversals)
    output = gru_layer(x, reading_orders(reversals), layers)
    torch.testing.assert_close(output, torchs(x, reversals, layers))


@pytest.mark.parametrize("reversals", REVERSALS)
def test_its_gradients_are_those_of_its_values(reversals):
    x, layers = draw(reversals)
    orders = reading_orders(reversals)
    weights = [weight for layer in layers for weight in layer.parameters()]

    def values(x, *_):  # gradcheck changes the weights where they are
        return gru_layer(x, orders, layers)

    assert torch.autograd.gradcheck(values, (x.requires_grad_(), *weights))


@pytest.mark.parametrize("wanted", ["input", "weights"])
def test_gradients_are_there_where_only_some_are_wanted(wanted):
    x, layers = draw([ONWARDS])
    for weight in layers[0].parameters():
        weight.requires_grad_(wanted == "weights")
    x.requires_grad_(wanted == "input")
    inputs = [x] if wanted == "input" else [*layers[0].parameters()]
    ours, theirs = (
        torch.autograd.grad(output.square().sum(), inputs)
        for output in (gru_layer(x, reading_orders([ONWARDS]), layers), layers[0](x)[0])
    )
    torch.testing.assert_close(ours, theirs)
