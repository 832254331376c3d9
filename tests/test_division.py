"""A batch's gradients are the same in parts; they are added whole or not at all."""

import logging

import pytest
import torch
from small_models import small_model

from translate.batches import collate
from translate.errors import InputError
from translate.training.division import BatchGradients, is_out_of_memory
from translate.training.loss import Guide, Objective, batch_loss

ROWS = 5
KERNEL = "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"


def batch_of(rows=ROWS):
    """Rows of unlike lengths, with links."""
    batch = collate([[7] * (n + 1) for n in range(rows)], [[8] * (n % 3 + 1) for n in range(rows)])
    return batch._replace(links=torch.rand(*batch.tgt_in.shape, batch.src.shape[1]) < 0.3)


class Short:
    """The loss, where memory is too short for more than so many rows.

    Args:
        backward: whether that shows when gradients are computed, some of them being there already.
    """

    def __init__(self, model, most=ROWS, error=None, backward=False):
        self.model, self.most, self.error, self.backward = model, most, error, backward
        self.rows = []

    def __call__(self, batch):
        self.rows.append(len(batch.src))
        loss, nll = batch_loss(self.model, batch, Objective(0.1, Guide(0, 0, 0.5)))
        if len(batch.src) > self.most:
            if not self.backward:
                raise self.error
            self.model.src_embedding.weight.register_hook(self.fail)
        return loss, nll

    def fail(self, gradient):
        if self.rows[-1] > self.most:
            raise self.error
        return gradient


@pytest.fixture
def model():
    return small_model(tie=False).double()


def gradients(model):
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("backward", [False, True], ids=["loss", "gradients"])
@pytest.mark.parametrize("most", [3, 2, 1])
@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError(KERNEL), torch.OutOfMemoryError("CUDA out of memory")]
)
def test_parts_have_the_gradients_of_the_whole(error, most, backward, model, caplog):
    """Added to those that were there; and a shape is tried whole once only."""
    batch = batch_of()
    expected = BatchGradients(model).add(batch, 0.5, Short(model), seed=0)
    once = gradients(model)
    short, adding = Short(model, most, error, backward), BatchGradients(model)
    found = adding.add(batch, 0.5, short, seed=0)
    for whole, in_parts in zip(once, model.parameters(), strict=True):
        torch.testing.assert_close(in_parts.grad, 2 * whole, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    assert max(short.rows) == ROWS
    assert f"short for {ROWS} pairs of 6 and 4 pieces: batches of this shape are taken in 2 " in caplog.text

    short.rows.clear()
    caplog.clear()
    adding.add(batch, 0.5, short, seed=0)
    assert max(short.rows) <= most
    assert sum(short.rows) == ROWS
    assert not caplog.text
    other = Short(model)
    adding.add(batch_of(2), 0.5, other, seed=0)
    assert other.rows == [2]  # of another shape: whole


def test_what_fails_adds_nothing(model):
    batch, adding = batch_of(), BatchGradients(model)
    adding.add(batch, 1.0, Short(model), seed=0)
    before = gradients(model)
    with pytest.raises(RuntimeError, match="a bug"):
        adding.add(batch, 1.0, Short(model, 1, RuntimeError("a bug"), backward=True), seed=0)
    assert all(torch.equal(a, b) for a, b in zip(before, gradients(model), strict=True))


def test_parts_draw_the_same_whether_the_whole_was_tried_before_or_not(model):
    model = small_model(dropout=0.5).train()
    short, adding = Short(model, 3, MemoryError()), BatchGradients(model)
    drawn = []
    for _ in range(2):
        model.zero_grad()
        torch.manual_seed(4)
        adding.add(batch_of()._replace(links=None), 1.0, short, seed=4)
        drawn.append(gradients(model))
    assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))


def test_memory_for_one_pair_is_needed(model, caplog):
    caplog.set_level(logging.WARNING)
    with pytest.raises(
        InputError, match=r"memory is too short for one pair of 6 and 4 pieces: lower --data\.max_length"
    ):
        BatchGradients(model).add(batch_of(), 1.0, Short(model, 0, MemoryError()), seed=0)
    assert [record.args[-1] for record in caplog.records] == [2, 4, 5]


def test_other_errors_are_no_want_of_memory():
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(OSError("can't allocate memory"))
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
