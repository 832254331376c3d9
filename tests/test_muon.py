"""Muon: what is turned, by how much, and that it is the same however it is computed."""

import json
import math

import pytest
import torch
from small_models import small_model
from torch import nn

from translate.config.training import TrainingConfig
from translate.training.clock import Clock
from translate.training.module import TrainingModule
from translate.training.muon import POLYNOMIALS, Muon, hidden_matrices, orthogonalize

REST = [{"params": [nn.Parameter(torch.zeros(1))]}]  # without a gradient it stays
ADAMW = {"betas": (0.9, 0.98), "eps": 1e-8, "fused": True}


def weights(*shapes, seed=0):
    torch.manual_seed(seed)
    return [nn.Parameter(torch.randn(*shape)) for shape in shapes]


def hidden(*matrices, **settings):
    return [{"params": [*matrices], **settings}]


def give_gradients(parameters, seed):
    torch.manual_seed(seed)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)


def raised(values):
    """What the polynomials make of singular values up to one."""
    for a, b, c in POLYNOMIALS:
        values = a * values + b * values**3 + c * values**5
    return values


def written_out(gradients, *, rate, decay, start):
    """Jordan et al. 2024, in double precision, by singular values."""
    weight, momentum = start.double(), torch.zeros_like(start).double()
    for gradient in gradients:
        gradient = gradient.double()
        momentum = 0.95 * momentum + 0.05 * gradient
        left, values, right = torch.linalg.svd(0.05 * gradient + 0.95 * momentum, full_matrices=False)
        x = left @ torch.diag(raised(values / values.pow(8).sum() ** (1 / 8))) @ right
        weight = weight - rate * decay * weight - rate * 0.2 * math.sqrt(max(x.shape)) * x
    return weight.float()


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape):
    torch.manual_seed(0)
    matrix = torch.randn(2, *shape)
    turned = orthogonalize(matrix)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    values = left.mT @ turned @ right.mT
    diagonal = values.diagonal(dim1=1, dim2=2)
    assert diagonal.min() > 0.65
    assert diagonal.max() < 1.27
    torch.testing.assert_close(values, torch.diag_embed(diagonal), atol=1e-4, rtol=0)


def test_the_polynomials_bring_what_is_a_thirtieth_of_the_largest_value_near_one():
    reached = raised(torch.linspace(0, 1, 10_001, dtype=torch.double))
    assert reached.min() == 0
    assert reached[333:].min() > 0.58
    assert reached.max() < 1.27


def test_the_polynomials_are_those_that_were_fitted(pytestconfig):
    kept = pytestconfig.rootpath / "benchmarks" / "results" / "muon_polynomials.json"
    assert json.loads(kept.read_text())["two fitted"]["polynomials"] == [list(each) for each in POLYNOMIALS]


@pytest.mark.parametrize("size", [1e-5, 1e15])
def test_small_and_large_gradients_are_turned_alike(size):
    torch.manual_seed(0)
    matrix = torch.randn(2, 6, 9)
    torch.testing.assert_close(orthogonalize(matrix * size), orthogonalize(matrix))


def test_a_matrix_of_zeros_stays():
    assert not orthogonalize(torch.zeros(2, 3, 4)).any()


def test_a_matrix_is_turned_as_if_it_were_alone():
    torch.manual_seed(0)
    several = torch.randn(3, 5, 4)
    for one, among in zip(several, orthogonalize(several), strict=True):
        torch.testing.assert_close(orthogonalize(one[None])[0], among)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_steps_are_those_of_the_paper(shape):
    (weight,) = weights(shape)
    start = weight.detach().clone()
    optimizer = Muon(hidden(weight), REST, lr=0.03, weight_decay=0.1, **ADAMW)
    gradients = []
    for step in range(3):
        give_gradients([weight], step)
        gradients.append(weight.grad)
        optimizer.step()
    torch.testing.assert_close(weight.detach(), written_out(gradients, rate=0.03, decay=0.1, start=start))


def test_all_else_is_left_to_adamw():
    matrix, table, bias = weights((4, 4), (9, 4), (4,))
    groups = [{"params": [table], "weight_decay": 0.1}, {"params": [bias]}]
    ours = Muon(hidden(matrix), groups, 0.1, weight_decay=0.01, **ADAMW)
    copies = weights((4, 4), (9, 4), (4,))[1:]
    groups = [{"params": copies[:1], "weight_decay": 0.1}, {"params": copies[1:]}]
    theirs = torch.optim.AdamW(groups, 0.1, weight_decay=0.01, **ADAMW)
    for step in range(3):
        give_gradients([table, bias], step)
        give_gradients(copies, step)
        ours.step()
        theirs.step()
    for mine, other in zip([table, bias], copies, strict=True):
        assert torch.equal(mine, other)


def test_the_schedule_reaches_both():
    matrix, table = weights((4, 4), (9, 4))
    optimizer = Muon(hidden(matrix), [{"params": [table]}], 0.1, **ADAMW)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    before = [matrix.detach().clone(), table.detach().clone()]
    give_gradients([matrix, table], 0)
    optimizer.step()
    assert all(torch.equal(old, new) for old, new in zip(before, [matrix, table], strict=True))


def test_threads_change_no_bit():
    shapes = [(8, 8), (8, 16), (24, 8), (8, 8)]
    reached = []
    for threads in (1, 3):
        parameters = weights(*shapes)
        optimizer = Muon(hidden(*parameters), REST, 0.1, threads=threads, **ADAMW)
        for step in range(3):
            give_gradients(parameters, step)
            optimizer.step()
        reached.append([p.detach() for p in parameters])
    assert all(torch.equal(one, other) for one, other in zip(*reached, strict=True))


def test_matrices_of_one_shape_at_once_are_as_one_by_one():
    """As on a GPU, where a task has all of one shape."""
    parameters, copies = weights((6, 4), (6, 4)), weights((6, 4), (6, 4))
    optimizer = Muon(hidden(*parameters), REST, 0.1, **ADAMW)
    other = Muon(hidden(*copies), REST, 0.1, **ADAMW)
    for step in range(2):
        give_gradients(parameters, step)
        give_gradients(copies, step)
        optimizer.step()
        other._turn(None, other.param_groups[0], copies)
    for one, same in zip(parameters, copies, strict=True):
        torch.testing.assert_close(one, same)


def test_a_step_of_no_numbers_changes_nothing():
    parameters = weights((4, 4), (9, 4))
    optimizer = Muon(hidden(parameters[0]), [{"params": parameters[1:]}], 0.1, **ADAMW)
    give_gradients(parameters, 0)
    optimizer.step()
    before = [p.detach().clone() for p in parameters], str(optimizer.state_dict())
    for parameter in parameters:
        parameter.grad.fill_(math.nan)
    optimizer.found_inf = torch.tensor(1.0)
    optimizer.step()
    assert all(torch.equal(old, new) for old, new in zip(before[0], parameters, strict=True))
    assert str(optimizer.state_dict()) == before[1]
    optimizer.found_inf = torch.tensor(0.0)
    give_gradients(parameters, 1)
    optimizer.step()
    assert not any(torch.equal(old, new) for old, new in zip(before[0], parameters, strict=True))


def test_a_matrix_without_a_gradient_stays():
    one, other = weights((4, 4), (4, 4))
    optimizer = Muon(hidden(one, other), REST, 0.1, weight_decay=0.1, **ADAMW)
    before = other.detach().clone()
    give_gradients([one], 0)
    optimizer.step()
    assert torch.equal(other, before)


def test_a_closure_gives_the_loss():
    (weight,) = weights((4, 4))
    optimizer = Muon(hidden(weight), REST, 0.1, **ADAMW)

    def closure():
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) > 0


def test_going_on_from_a_checkpoint_is_exact():
    reached = []
    for interrupted in (False, True):
        parameters = weights((8, 8), (24, 8), (9, 4), (4,))
        matrices, groups = hidden(*parameters[:2]), [{"params": parameters[2:]}]
        optimizer = Muon(matrices, groups, 0.1, weight_decay=0.1, **ADAMW)
        for step in range(4):
            if interrupted and step == 2:
                state = optimizer.state_dict()
                optimizer = Muon(matrices, groups, 0.5, **ADAMW)
                optimizer.load_state_dict(state)
            give_gradients(parameters, step)
            optimizer.step()
        reached.append([p.detach() for p in parameters])
    assert all(torch.equal(one, other) for one, other in zip(*reached, strict=True))


def names(model):
    found = {weight for group in hidden_matrices(model) for weight in group["params"]}
    return {name for name, parameter in model.named_parameters() if parameter in found}


def test_the_matrices_of_transformer_layers_are_turned():
    model = small_model("sinusoidal", "sinusoidal-2", score="additive")
    found = names(model)
    rest = {name: p for name, p in model.named_parameters() if name not in found}
    assert all(p.ndim < 2 or "embedding" in name or "energy" in name for name, p in rest.items())
    assert any("energy" in name for name in rest)


def test_a_projection_for_two_is_turned_once():
    groups = hidden_matrices(small_model("sinusoidal", "sinusoidal-1", score="symmetric"))
    matrices = [weight for group in groups for weight in group["params"]]
    assert len(set(matrices)) == len(matrices)


def test_queries_keys_and_values_are_turned_each_by_themselves():
    model = small_model("sinusoidal", "sinusoidal-2")
    stacked = {
        weight for group in hidden_matrices(model) if group.get("parts") == 3 for weight in group["params"]
    }
    assert {name for name, p in model.named_parameters() if p in stacked} == {
        name for name, _ in model.named_parameters() if name.endswith("attention.project.weight")
    }
    (whole,), parts = weights((12, 4)), [nn.Parameter(part) for part in weights((12, 4))[0].detach().chunk(3)]
    optimizer = Muon(hidden(whole, parts=3), REST, 0.1, weight_decay=0.1, **ADAMW)
    other = Muon(hidden(*parts), REST, 0.1, weight_decay=0.1, **ADAMW)
    for step in range(3):
        give_gradients([whole], step)
        for part, gradient in zip(parts, whole.grad.chunk(3), strict=True):
            part.grad = gradient
        optimizer.step()
        other.step()
    torch.testing.assert_close(whole.detach(), torch.cat([part.detach() for part in parts]))


@pytest.mark.parametrize(
    ("encoder", "decoder", "turned"),
    [
        ("gru", "input-gru-1", set()),
        ("sinusoidal", "input-gru-1", {"encoder"}),
        ("gru", "sinusoidal-1", {"decoder"}),
    ],
)
def test_recurrent_layers_are_not(encoder, decoder, turned):
    assert {name.split(".")[0] for name in names(small_model(encoder, decoder))} == turned


@pytest.mark.parametrize(
    ("encoder", "decoder", "asked", "kind"),
    [
        ("sinusoidal", "sinusoidal-1", "muon", Muon),
        ("sinusoidal", "sinusoidal-1", "adamw", torch.optim.AdamW),
        ("gru", "input-gru-1", "muon", torch.optim.AdamW),
    ],
)
def test_the_optimizer_is_the_one_asked_for_where_there_is_something_to_turn(encoder, decoder, asked, kind):
    model = small_model(encoder, decoder)
    module = TrainingModule(model, TrainingConfig(optimizer=asked, weight_decay=0.1), Clock())
    optimizer = module.configure_optimizers()["optimizer"]
    assert type(optimizer) is kind
    assert {id(p) for group in optimizer.param_groups for p in group["params"]} == {
        id(p) for p in model.parameters()
    }
    for group in optimizer.param_groups:
        assert group["weight_decay"] == (0.1 if group["params"][0].ndim == 2 else 0.0)
