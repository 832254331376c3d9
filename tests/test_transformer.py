import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from translate.attention import attention
from translate.fused_attention import split_heads
from translate.transformer import CACHE_GROWTH, FeedForward, KeyValueCache, SelfAttention, rotate, sinusoids

SIZE = 8
EVERYTHING = torch.ones(2, 5, dtype=torch.bool)


# Positions.


@pytest.mark.parametrize("size", [2, 8, 10])
def test_sinusoids_are_the_formula_of_the_paper(size):
    table = sinusoids(torch.arange(30), size)
    for position in range(30):
        for i in range(size // 2):
            angle = position / 10_000 ** (2 * i / size)
            # The paper takes sines and cosines in turn; here all sines come first.
            assert table[position, i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert table[position, size // 2 + i].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_an_odd_size_lacks_the_last_cosine():
    assert torch.equal(sinusoids(torch.arange(5), 7), sinusoids(torch.arange(5), 8)[:, :7])


def test_every_position_gets_another_vector():
    table = sinusoids(torch.arange(1000), 16)
    distances = torch.cdist(table, table) + 9 * torch.eye(1000)
    assert distances.min() > 0.1


def test_sinusoids_may_begin_anywhere():
    torch.testing.assert_close(sinusoids(torch.arange(3, 7), SIZE), sinusoids(torch.arange(7), SIZE)[3:])


def test_products_of_rotated_vectors_depend_on_their_distance_only():
    query, key = (
        torch.randn(1, 1, 1, SIZE).expand(1, 1, 40, SIZE),
        torch.randn(1, 1, 1, SIZE).expand(1, 1, 40, SIZE),
    )
    positions = torch.arange(40)
    products = (rotate(query, positions) @ rotate(key, positions).transpose(-2, -1))[0, 0]
    for distance in range(-39, 40):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=1e-4)
    assert products[0].unique().numel() == 40


def test_rotating_turns_pairs_of_units_by_the_papers_angles():
    x = torch.randn(1, 1, 6, SIZE)
    rotated = rotate(x, torch.arange(6))
    for position in range(6):
        for i in range(SIZE // 2):
            angle = position / 10_000 ** (2 * i / SIZE)
            first, second = x[0, 0, position, 2 * i : 2 * i + 2].tolist()
            turned = complex(first, second) * complex(math.cos(angle), math.sin(angle))
            assert rotated[0, 0, position, 2 * i].item() == pytest.approx(turned.real, abs=1e-5)
            assert rotated[0, 0, position, 2 * i + 1].item() == pytest.approx(turned.imag, abs=1e-5)


def test_rotating_keeps_lengths_and_precision():
    x = torch.randn(2, 3, 5, SIZE)
    positions = torch.arange(7, 12)
    torch.testing.assert_close(rotate(x, positions).norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotate(x, torch.zeros(5, dtype=torch.long)), x)
    assert rotate(x.bfloat16(), positions).dtype == torch.bfloat16


# Self-attention.


def projected(module, x):
    query, key, value = module.project(x).chunk(3, dim=-1)
    return [split_heads(part, module.heads) for part in (query, key, value)]


@pytest.mark.parametrize("heads", [1, 2])
def test_self_attention_is_the_attention_function_over_projections_of_one_sequence(heads):
    module = SelfAttention(SIZE, heads, "sinusoidal")
    x, mask = torch.randn(2, 5, SIZE), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    output, _ = attention(*projected(module, x), mask[:, None, None])
    torch.testing.assert_close(module(x, mask), module.join(output.transpose(1, 2).flatten(2)))


def test_rotary_self_attention_rotates_queries_and_keys():
    module = SelfAttention(SIZE, 2, "rotary")
    x = torch.randn(2, 5, SIZE)
    query, key, value = projected(module, x)
    output, _ = attention(rotate(query, torch.arange(5)), rotate(key, torch.arange(5)), value)
    torch.testing.assert_close(module(x, EVERYTHING), module.join(output.transpose(1, 2).flatten(2)))


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_causal_attention_sees_the_past_only(positions):
    module = SelfAttention(SIZE, 2, positions)
    x, later = torch.randn(2, 5, SIZE), torch.randn(2, 5, SIZE)
    whole = module.causal(x)
    for t in range(5):
        changed = torch.where(torch.arange(5)[:, None] > t, later, x)
        torch.testing.assert_close(module.causal(changed)[:, : t + 1], whole[:, : t + 1])
        before = module(x[:, : t + 1], EVERYTHING[:, : t + 1])
        torch.testing.assert_close(before[:, t], whole[:, t])


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_one_step_at_a_time_equals_the_whole_sequence(positions):
    module = SelfAttention(SIZE, 2, positions)
    length = 2 * CACHE_GROWTH + 2  # more than there is room for at once
    x = torch.randn(2, length, SIZE)
    cache, steps = module.empty_cache(x), []
    for t in range(length):
        assert [tensor.shape for tensor in cache.written()] == [(2, 2, t, SIZE // 2)] * 2
        output, cache = module.step(x[:, t : t + 1], cache)
        steps.append(output)
    torch.testing.assert_close(torch.cat(steps, dim=1), module.causal(x))


def test_a_step_leaves_the_cache_it_was_given():
    module = SelfAttention(SIZE, 2, "rotary")
    x = torch.randn(2, 2, SIZE)
    _, cache = module.step(x[:, :1], module.empty_cache(x))
    before = [tensor.clone() for tensor in cache.written()]
    module.step(x[:, 1:], cache)
    assert cache.length == 1
    assert all(map(torch.equal, cache.written(), before))


def test_a_cache_keeps_the_rows_asked_for():
    cache = KeyValueCache(torch.randn(3, 2, 4, 5), torch.randn(3, 2, 4, 5), 3)
    selected = cache.select(torch.tensor([2, 0, 2, 1]))
    assert selected.length == 3
    assert torch.equal(selected.keys, cache.keys[[2, 0, 2, 1]])
    assert torch.equal(selected.values, cache.values[[2, 0, 2, 1]])


def test_without_positions_the_order_changes_nothing_but_the_order():
    module = SelfAttention(SIZE, 2, "sinusoidal")  # sinusoids are added before, not here
    x, order = torch.randn(2, 5, SIZE), torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(module(x[:, order], EVERYTHING), module(x, EVERYTHING)[:, order])


def test_with_rotary_positions_the_order_counts():
    module = SelfAttention(SIZE, 2, "rotary")
    x, order = torch.randn(2, 5, SIZE), torch.tensor([3, 0, 4, 1, 2])
    assert not torch.allclose(module(x[:, order], EVERYTHING), module(x, EVERYTHING)[:, order], atol=1e-3)


def test_rotary_positions_are_relative():
    module = SelfAttention(SIZE, 2, "rotary")
    x = torch.randn(2, 5, SIZE)
    padded = torch.cat([torch.randn(2, 3, SIZE), x], dim=1)
    mask = torch.arange(8).expand(2, 8) >= 3
    torch.testing.assert_close(module(padded, mask)[:, 3:], module(x, EVERYTHING))


def test_feed_forward_is_two_layers_with_a_relu_between():
    module = FeedForward(SIZE, 12, dropout=0.5).eval()
    x = torch.randn(2, 3, SIZE)
    first, _, _, second = module
    expected = F.linear(F.linear(x, first.weight, first.bias).clamp(min=0), second.weight, second.bias)
    torch.testing.assert_close(module(x), expected)
    assert first.weight.shape == (12, SIZE)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_feed_forward_in_training_is_the_four_layers_one_after_the_other(dropout):
    torch.manual_seed(1)
    ours, plain = FeedForward(6, 20, dropout), FeedForward(6, 20, dropout)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(3, 5, 6)
    found = []
    for run in (ours, lambda x: nn.Sequential.forward(plain, x)):
        torch.manual_seed(2)  # the same units are dropped
        inputs = x.clone().requires_grad_()
        output = run(inputs)
        (output**2).sum().backward()
        found.append((output, inputs.grad))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(
        {name: parameter.grad for name, parameter in ours.named_parameters()},
        {name: parameter.grad for name, parameter in plain.named_parameters()},
    )
    assert type(found[0][0].grad_fn).__name__ == "_FeedForwardBackward"


def test_feed_forward_drops_hidden_units_in_training_only():
    layers = FeedForward(6, 20, 0.5)
    x = torch.randn(3, 5, 6)
    assert not torch.equal(layers(x), layers(x))
    torch.testing.assert_close(layers.eval()(x), layers(x), atol=0, rtol=0)
