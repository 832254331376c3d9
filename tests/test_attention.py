"""Attention against the papers: each formula is written out once more, over single numbers."""

import math
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from translate.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    ScaledDotAttention,
    attention,
    build_attention,
    normalize,
)
from translate.config.model import Normalizer, Score
from translate.fused_attention import SHORT, fused_attention, join_heads, split_heads

SCORES = get_args(Score)
NORMALIZERS = get_args(Normalizer)
SIZE = 4  # of queries and memory, equal so that every score fits


def build(score, heads=1, normalizer="softmax", output_size=None, coverage=False, size=6):
    return build_attention(score, SIZE, SIZE, size, heads, normalizer, output_size, coverage)


def lengths_mask(lengths, size):
    return torch.arange(size) < torch.tensor(lengths)[:, None]


def draw_coverage_weight(module):
    """Coverage starts without effect; draw its weights as if they had been trained."""
    torch.nn.init.normal_(module.project_coverage)
    return module


# The papers, over single numbers.


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


def times(matrix, x):
    return [dot(row, x) for row in matrix]


def part(x, head, heads):
    size = len(x) // heads
    return x[head * size : (head + 1) * size]


def paper_score(score, weights, s, h, head, heads):
    """How well decoder state s fits source state h, as the paper writes it (lists of floats)."""
    match score:
        case "additive" | "symmetric":
            query = part(times(weights["project_query.weight"], s), head, heads)
            key = part(times(weights["project_key.weight"], h), head, heads)
            v = weights["energy"][head]
            return sum(v[i] * math.tanh(query[i] + key[i]) for i in range(len(v)))
        case "dot":
            return dot(part(s, head, heads), part(h, head, heads))
        case "general":
            return dot(part(s, head, heads), part(times(weights["project_key.weight"], h), head, heads))
        case "scaled_dot":
            query = part(times(weights["project_query.weight"], s), head, heads)
            key = part(times(weights["project_key.weight"], h), head, heads)
            return dot(query, key) / math.sqrt(len(query))


def paper_softmax(scores):
    return [math.exp(score) / sum(math.exp(other) for other in scores) for score in scores]


def paper_entmax(scores, alpha):
    """[(alpha - 1) z - tau]_+ ^ (1 / (alpha - 1)), tau found by bisection so that they sum to one."""

    def at(tau):
        return [max((alpha - 1) * score - tau, 0) ** (1 / (alpha - 1)) for score in scores]

    low, high = (alpha - 1) * max(scores) - 1, (alpha - 1) * max(scores)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(at(middle)) > 1 else (low, middle)
    return at(low)


def paper_attention(score, weights, s, source, heads, projects_values):
    """The weights of each head and the context of one state s over the states of one source."""
    rows, context = [], []
    for head in range(heads):
        row = paper_softmax([paper_score(score, weights, s, h, head, heads) for h in source])
        values = source
        if projects_values:
            values = [part(times(weights["project_value.weight"], h), head, heads) for h in source]
        context += [dot(row, column) for column in zip(*values, strict=True)]
        rows.append(row)
    return rows, times(weights["join.weight"], context) if projects_values else context


@pytest.mark.parametrize(("heads", "output_size"), [(1, None), (1, 6), (2, None), (2, 6)])
@pytest.mark.parametrize("score", SCORES)
def test_each_score_is_the_formula_of_its_paper(score, heads, output_size):
    module = build(score, heads, output_size=output_size).double()
    weights = {name: weight.tolist() for name, weight in module.state_dict().items()}
    query, values = torch.randn(2, 3, SIZE).double(), torch.randn(2, 5, SIZE).double()
    lengths = [5, 2]

    contexts, rows = module(query, module.prepare(values, lengths_mask(lengths, 5)))

    assert rows.shape == (2, heads, 3, 5)
    for b, length in enumerate(lengths):
        source = values[b, :length].tolist()
        for t, s in enumerate(query[b].tolist()):
            expected = paper_attention(score, weights, s, source, heads, heads > 1 or output_size)
            torch.testing.assert_close(rows[b, :, t, :length].tolist(), expected[0])
            torch.testing.assert_close(contexts[b, t].tolist(), expected[1])
            assert (rows[b, :, t, length:] == 0).all()


@pytest.mark.parametrize("heads", [1, 2])
def test_coverage_is_the_formula_of_its_paper(heads):
    module = draw_coverage_weight(build("additive", heads, coverage=True)).double()
    weights = {name: weight.tolist() for name, weight in module.state_dict().items()}
    query, values = torch.randn(1, 1, SIZE).double(), torch.randn(1, 3, SIZE).double()
    coverage = torch.rand(1, heads, 3).double()

    _, rows = module(query, module.prepare(values, lengths_mask([3], 3)), coverage)

    (s,), source = query[0].tolist(), values[0].tolist()
    for head in range(heads):
        v, w = weights["energy"][head], weights["project_coverage"][head]
        scores = []
        for j, h in enumerate(source):
            q = part(times(weights["project_query.weight"], s), head, heads)
            k = part(times(weights["project_key.weight"], h), head, heads)
            c = float(coverage[0, head, j])
            scores.append(sum(v[i] * math.tanh(q[i] + k[i] + w[i] * c) for i in range(len(v))))
        torch.testing.assert_close(rows[0, head, 0].tolist(), paper_softmax(scores))


@pytest.mark.parametrize(("normalizer", "alpha"), [("sparsemax", 2.0), ("entmax15", 1.5)])
def test_sparse_normalizers_are_the_formula_of_their_papers(normalizer, alpha):
    for scores in 2 * torch.randn(20, 5).double():
        expected = paper_entmax(scores.tolist(), alpha)
        torch.testing.assert_close(normalize(scores[None], None, normalizer)[0].tolist(), expected)


# The function.


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@pytest.mark.parametrize("mask_shape", [None, (5,), (1, 5), (4, 5)])
def test_the_function_equals_torchs_own_with_its_gradients(batch, mask_shape):
    mask = None
    if mask_shape is not None:
        mask = torch.rand(mask_shape) < 0.6
        mask[..., 0] = True
        mask = mask.expand(*(1 for _ in batch), *([1] * (2 - mask.ndim)), *mask.shape)
    inputs = [torch.randn(*batch, *shape) for shape in ((4, 3), (5, 3), (5, 2))]
    ours = [x.clone().requires_grad_() for x in inputs]
    torchs = [x.clone().requires_grad_() for x in inputs]

    output, weights = attention(*ours, mask)
    expected = F.scaled_dot_product_attention(*torchs, attn_mask=mask)
    direction = torch.randn_like(output)
    (output * direction).sum().backward()
    (expected * direction).sum().backward()

    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(weights @ inputs[2], expected)
    for mine, theirs in zip(ours, torchs, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_row_that_may_look_nowhere_is_zeros_and_has_a_gradient_of_zeros(normalizer):
    scores = torch.randn(2, 3, 4, requires_grad=True)
    mask = torch.tensor([True, True, False, True])[None, None].repeat(2, 3, 1)
    mask[1, 2] = False

    weights = normalize(scores, mask, normalizer)
    (weights * torch.randn_like(weights)).sum().backward()

    assert (weights[1, 2] == 0).all()
    torch.testing.assert_close(weights.sum(dim=-1)[mask.any(dim=-1)], torch.ones(5))
    assert scores.grad.isfinite().all()
    assert (scores.grad[1, 2] == 0).all()
    assert scores.grad[0].abs().sum() > 0


def test_a_query_that_may_look_nowhere_gets_zeros_as_from_torch():
    query, key, value = (torch.randn(2, 3, 4, requires_grad=True) for _ in range(3))
    mask = torch.tensor([[[True, True, True]], [[False, False, False]]])

    output, weights = attention(query, key, value, mask)
    output.sum().backward()

    assert (output[1] == 0).all()
    assert (weights[1] == 0).all()
    torch.testing.assert_close(output, F.scaled_dot_product_attention(query, key, value, attn_mask=mask))
    for x in (query, key, value):
        assert x.grad.isfinite().all()
        assert (x.grad[1] == 0).all()


def test_the_function_has_right_gradients():
    query, key, value = (torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mask = torch.tensor([[True, False], [False, False]])
    assert torch.autograd.gradcheck(lambda *x: attention(*x, mask), (query, key, value))


# What holds for every attention.


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("score", SCORES)
def test_gradients_are_right(score, heads, normalizer):
    module = build(score, heads, normalizer).double()
    names = [name for name, _ in module.named_parameters()]
    mask = lengths_mask([3, 2], 3)

    def run(query, values, *parameters):
        # A copy of the module with these weights, so that gradients with respect to them are checked too.
        values = torch.func.functional_call(
            _Prepared(module),
            {f"attention.{name}": weight for name, weight in zip(names, parameters, strict=True)},
            (query, values, mask),
        )
        assert all(value.dtype == torch.float64 for value in values)
        return values

    query, values = torch.randn(2, 2, SIZE).double(), torch.randn(2, 3, SIZE).double()
    inputs = [query, values, *(weight.detach() for weight in module.parameters())]
    # Fast: along random directions, where a wrong gradient shows as well.
    assert torch.autograd.gradcheck(run, [x.clone().requires_grad_() for x in inputs], fast_mode=True)


class _Prepared(torch.nn.Module):
    """`prepare` and `forward` as one call."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, query, values, mask):
        return self.attention(query, self.attention.prepare(values, mask))


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("score", SCORES)
@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    padding=st.integers(0, 3),
    heads=st.sampled_from([1, 2]),
)
def test_padding_changes_nothing(score, normalizer, seed, lengths, padding, heads):
    torch.manual_seed(seed)
    module = build(score, heads, normalizer).double()
    size = max(lengths) + padding
    query = torch.randn(len(lengths), 3, SIZE).double()
    values = 3 * torch.randn(len(lengths), size, SIZE).double()

    contexts, rows = module(query, module.prepare(values, lengths_mask(lengths, size)))

    for b, length in enumerate(lengths):
        alone = module.prepare(values[b : b + 1, :length], torch.ones(1, length, dtype=torch.bool))
        context, row = module(query[b : b + 1], alone)
        torch.testing.assert_close(contexts[b : b + 1], context)
        torch.testing.assert_close(rows[b : b + 1, ..., :length], row)
        assert (rows[b, ..., length:] == 0).all()


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("score", SCORES)
def test_weights_are_shares(score, heads, normalizer):
    module = build(score, heads, normalizer)
    memory = module.prepare(torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5))
    _, weights = module(torch.randn(2, 3, SIZE), memory)
    assert weights.shape == (2, heads, 3, 5)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, heads, 3))


def test_softmax_looks_everywhere_and_sparse_normalizers_do_not():
    scores = torch.tensor([[2.0, 1.5, -1.0, -3.0]])
    zeros = {name: (normalize(scores, None, name) == 0).sum().item() for name in NORMALIZERS}
    assert zeros["softmax"] == 0
    assert zeros["sparsemax"] >= zeros["entmax15"] > 0


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("score", SCORES)
def test_contexts_alone_are_those_that_come_with_weights(score, heads, normalizer):
    module = build(score, heads, normalizer)
    query = torch.randn(2, 3, SIZE)
    memory = module.prepare(torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5))
    torch.testing.assert_close(module.context(query, memory), module(query, memory)[0])


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("score", SCORES)
def test_queries_do_not_know_one_another(score, heads):
    module = build(score, heads)
    query = torch.randn(2, 3, SIZE)
    memory = module.prepare(torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5))
    contexts, weights = module(query, memory)
    for t in range(3):
        context, weight = module(query[:, t : t + 1], memory)
        torch.testing.assert_close(context[:, 0], contexts[:, t])
        torch.testing.assert_close(weight[:, :, 0], weights[:, :, t])


@pytest.mark.parametrize(
    "selections",
    [
        [[2, 0, 2]],
        [[0, 2]],
        [[0, 0, 1, 1, 2], [4, 0, 1]],
        [[1, 1, 1], [2]],
        [[2, 1, 0, 2], [0, 3], [1, 0, 0]],
    ],
)
@pytest.mark.parametrize("score", SCORES)
def test_the_memory_of_some_rows_gives_their_contexts(score, selections):
    """Rows repeated, dropped and reordered, again and again; each source that is asked is there once."""
    module = build(score, 2)
    query, rows = torch.randn(3, 2, SIZE), torch.arange(3)
    memory = selected = module.prepare(torch.randn(3, 5, SIZE), lengths_mask([5, 3, 4], 5))
    for selection in selections:
        rows = rows[torch.tensor(selection)]
        selected = selected.select(torch.tensor(selection))
    contexts, weights = module(query[rows], selected)
    torch.testing.assert_close(contexts, module(query, memory)[0][rows])
    torch.testing.assert_close(weights, module(query, memory)[1][rows])
    torch.testing.assert_close(module.context(query[rows], selected), contexts)
    assert len(selected.values) == len(selected.keys) == len(selected.mask) == len(rows.unique())


@pytest.mark.parametrize("rows", [[0, 1, 2], [0, 2], [1], []])
def test_rows_that_each_ask_their_own_source_in_order_need_no_places(rows):
    memory = build("additive", 2).prepare(torch.randn(3, 5, SIZE), lengths_mask([5, 3, 4], 5))
    selected = memory.select(torch.tensor(rows, dtype=torch.long))
    assert selected.places is None
    assert torch.equal(selected.values, memory.values[rows])


def test_coverage_is_of_rows_though_they_ask_the_same_source():
    module = build("additive", 2, coverage=True)
    draw_coverage_weight(module)
    query, coverage, rows = torch.randn(3, 2, SIZE), torch.rand(3, 2, 5), torch.tensor([1, 1, 0])
    memory = module.prepare(torch.randn(3, 5, SIZE), lengths_mask([5, 3, 4], 5))
    contexts, weights = module(query, memory.select(rows), coverage)
    for row, source in enumerate(rows.tolist()):
        alone = module(query[[row]], memory.select(torch.tensor([source])), coverage[[row]])
        torch.testing.assert_close(contexts[[row]], alone[0])
        torch.testing.assert_close(weights[[row]], alone[1])


@pytest.mark.parametrize("score", SCORES)
def test_nothing_is_kept_between_calls(score):
    module = build(score, 2, coverage=score == "additive")
    if score == "additive":
        draw_coverage_weight(module)
    attributes = {name: dict(vars(part)) for name, part in module.named_modules()}
    weights = {name: weight.clone() for name, weight in module.state_dict().items()}
    query, values, mask = torch.randn(2, 3, SIZE), torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5)
    before = [query.clone(), values.clone(), mask.clone()]

    memory = module.prepare(values, mask)
    kept = [tensor.clone() for tensor in memory[:3]]
    first = module(query, memory)
    if score == "additive":
        module(query, memory, torch.rand(2, 2, 5))
    module(torch.randn(1, 1, SIZE), module.prepare(torch.randn(1, 7, SIZE), lengths_mask([7], 7)))
    module.context(query, memory)

    for name, part in module.named_modules():
        assert vars(part).keys() == attributes[name].keys()
        assert all(vars(part)[key] is value for key, value in attributes[name].items())
    for name, weight in module.state_dict().items():
        assert torch.equal(weight, weights[name])
    assert all(map(torch.equal, [query, values, mask], before))
    assert all(map(torch.equal, memory[:3], kept))
    assert memory.places is None
    assert all(map(torch.equal, module(query, memory), first))


def score_table(module, x, y):
    """The score of each x as a query with each y as a source position."""
    mask = torch.ones(y.shape[:2], dtype=torch.bool)
    return module.score(
        split_heads(module.project_query(x), module.heads), module.prepare(y, mask).keys
    ).detach()


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize(
    ("score", "exchangeable"),
    [("symmetric", True), ("dot", True), ("additive", False), ("general", False), ("scaled_dot", False)],
)
def test_query_and_key_can_be_exchanged_in_symmetric_and_dot_only(score, exchangeable, heads):
    module = build(score, heads)
    x, y = torch.randn(2, 3, SIZE), torch.randn(2, 5, SIZE)
    forth, back = score_table(module, x, y), score_table(module, y, x).transpose(-2, -1)
    assert torch.allclose(forth, back, atol=1e-6) == exchangeable


def test_symmetric_has_one_projection_and_dot_has_no_weights():
    assert sum(p.numel() for p in build("symmetric").parameters()) == SIZE * 6 + 6
    assert sum(p.numel() for p in build("additive").parameters()) == 2 * SIZE * 6 + 6
    assert list(build("dot").parameters()) == []


@pytest.mark.parametrize("score", SCORES)
def test_one_head_averages_the_memory_itself(score):
    module = build(score)
    values = torch.randn(2, 5, SIZE)
    contexts, weights = module(torch.randn(2, 3, SIZE), module.prepare(values, lengths_mask([5, 3], 5)))
    torch.testing.assert_close(contexts, weights[:, 0] @ values)
    assert module.context_size == SIZE


@pytest.mark.parametrize("score", SCORES)
def test_several_heads_are_several_attentions(score):
    module = build(score, heads=2)
    query, values, mask = torch.randn(2, 3, SIZE), torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5)
    _, weights = module(query, module.prepare(values, mask))
    assert not torch.allclose(weights[:, 0], weights[:, 1])


def test_scaled_dot_with_heads_is_torchs_multi_head_attention():
    module = build_attention("scaled_dot", SIZE, SIZE, SIZE, heads=2, output_size=SIZE)
    torchs = torch.nn.MultiheadAttention(SIZE, 2, bias=False, batch_first=True)
    projections = (module.project_query, module.project_key, module.project_value)
    torchs.in_proj_weight.data = torch.cat([projection.weight for projection in projections]).detach()
    torchs.out_proj.weight.data = module.join.weight.detach()
    query, values, mask = torch.randn(2, 3, SIZE), torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5)

    contexts, weights = module(query, module.prepare(values, mask))
    expected = torchs(query, values, values, key_padding_mask=~mask, average_attn_weights=False)

    torch.testing.assert_close(contexts, expected[0])
    torch.testing.assert_close(weights, expected[1])


def test_query_and_memory_may_differ_in_size():
    for score in ("additive", "general", "scaled_dot"):
        for heads in (1, 2):
            module = build_attention(score, query_size=4, memory_size=6, size=8, heads=heads)
            memory = module.prepare(torch.randn(2, 5, 6), lengths_mask([5, 3], 5))
            contexts, _ = module(torch.randn(2, 3, 4), memory)
            assert contexts.shape == (2, 3, module.context_size) == (2, 3, 6)


# Coverage.


def test_coverage_changes_where_attention_looks():
    module = draw_coverage_weight(build("additive", coverage=True))
    query, coverage = torch.randn(1, 1, SIZE), torch.tensor([[[3.0, 0.0, 0.0, 0.0]]])
    memory = module.prepare(torch.randn(1, 4, SIZE), lengths_mask([4], 4))
    _, without = module(query, memory)
    _, covered = module(query, memory, coverage)
    # Only the first position's score differs, so the others keep their proportions.
    assert not torch.allclose(covered[..., 0], without[..., 0])
    torch.testing.assert_close(covered[..., 1] / covered[..., 2], without[..., 1] / without[..., 2])


def test_nothing_covered_is_no_coverage():
    module = draw_coverage_weight(build("additive", 2, coverage=True))
    query, memory = torch.randn(2, 3, SIZE), module.prepare(torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5))
    torch.testing.assert_close(module(query, memory, torch.zeros(2, 2, 5)), module(query, memory))


def test_coverage_begins_without_effect():
    module = build("additive", coverage=True)
    query, memory = torch.randn(2, 3, SIZE), module.prepare(torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5))
    torch.testing.assert_close(module(query, memory, torch.rand(2, 1, 5)), module(query, memory))


# Precision.


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("score", SCORES)
def test_on_cpu_attention_stays_in_float32_inside_autocast(score, heads):
    module = build(score, heads)
    query, values, mask = torch.randn(2, 3, SIZE), torch.randn(2, 5, SIZE), lengths_mask([5, 3], 5)
    with torch.autocast("cpu", torch.bfloat16):
        memory = module.prepare(values.bfloat16(), mask)
        _, weights = module(query.bfloat16(), memory)
        context = module.context(query.bfloat16(), memory)
    assert memory.values.dtype == memory.keys.dtype == weights.dtype == torch.float32
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, heads, 3))
    # bfloat16 keeps 8 bits of the projected queries and keys.
    expected, expected_weights = module(query, module.prepare(values, mask))
    torch.testing.assert_close(weights, expected_weights, atol=0.03, rtol=0)
    torch.testing.assert_close(context.float(), expected, atol=0.05, rtol=0.05)


# Small parts.


def test_the_fused_kernel_is_the_function():
    query, key, value = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6, 5), torch.randn(2, 3, 6, 2)
    mask = lengths_mask([6, 2], 6)[:, None, None]
    torch.testing.assert_close(
        fused_attention(query, key, value, mask), attention(query, key, value, mask)[0]
    )


def test_the_fused_kernel_can_look_back_only():
    query, key, value = (torch.randn(2, 3, 4, 5) for _ in range(3))
    earlier = torch.ones(4, 4, dtype=torch.bool).tril()[None, None]
    expected = attention(query, key, value, earlier)[0]
    torch.testing.assert_close(fused_attention(query, key, value, causal=True), expected)


@pytest.mark.parametrize("length", [1, 7, SHORT, SHORT + 1])
def test_in_training_the_fused_kernel_has_the_gradients_of_the_function(length):
    torch.manual_seed(length)
    lengths = [length, (length + 1) // 2]
    mask = lengths_mask(lengths, length)[:, None, None]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()[None, None]
    for causal, visible in ((False, mask), (True, earlier)):
        found = []
        for function in (fused_attention, attention):
            torch.manual_seed(0)
            # Not head by head in memory, as projections are not.
            inputs = [torch.randn(2, length, 3, 5).transpose(1, 2).requires_grad_() for _ in range(3)]
            if function is attention:
                output = attention(*inputs, visible)[0]
            else:
                output = fused_attention(*inputs, None if causal else visible, causal=causal)
            output.square().sum().backward()
            found.append([output.detach(), *(x.grad for x in inputs)])
        for ours, plain in zip(*found, strict=True):
            torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-5)


def test_in_training_short_attention_has_the_right_gradients_in_double_precision():
    torch.manual_seed(0)
    inputs = [torch.randn(2, 3, n, 4, dtype=torch.double, requires_grad=True) for n in (4, 5, 5)]
    mask = lengths_mask([5, 2], 5)[:, None, None]
    assert torch.autograd.gradcheck(lambda *x: fused_attention(*x, mask), inputs)
    assert torch.autograd.gradcheck(lambda *x: fused_attention(*x), inputs)


def test_in_training_many_queries_may_ask_few_keys():
    query = torch.randn(2, 3, SHORT + 4, 5, requires_grad=True)
    key, value = torch.randn(2, 3, 6, 5), torch.randn(2, 3, 6, 2)
    torch.testing.assert_close(fused_attention(query, key, value), attention(query, key, value)[0])


def test_heads_are_neighbouring_units_and_are_joined_as_they_were_split():
    x = torch.arange(12.0).view(1, 2, 6)
    assert split_heads(x, 3).tolist() == [[[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]]
    assert torch.equal(join_heads(split_heads(x, 3)), x)


# What is refused.


def test_heads_without_an_output_size_are_refused():
    with pytest.raises(ValueError, match=r"^3 heads need an output_size: only one head can average"):
        AdditiveAttention(SIZE, SIZE, 6, heads=3)


@pytest.mark.parametrize("score", ["dot", "symmetric"])
def test_a_query_of_another_size_than_the_memory_is_refused(score):
    with pytest.raises(ValueError, match=f"^{score} attention needs query_size = memory_size, got 4 and 6$"):
        build_attention(score, query_size=4, memory_size=6, size=8)


def test_coverage_that_was_not_built_is_refused():
    module = build("additive")
    memory = module.prepare(torch.randn(1, 5, SIZE), lengths_mask([5], 5))
    with pytest.raises(ValueError, match=r"^this attention was built without coverage$"):
        module(torch.randn(1, 1, SIZE), memory, torch.zeros(1, 1, 5))


@pytest.mark.parametrize("module_type", [DotAttention, ScaledDotAttention])
def test_coverage_of_a_score_that_has_none_is_refused(module_type):
    module = module_type(SIZE, SIZE, 6)
    memory = module.prepare(torch.randn(1, 5, SIZE), lengths_mask([5], 5))
    with pytest.raises(NotImplementedError, match=f"^{module_type.__name__} has no coverage$"):
        module(torch.randn(1, 1, SIZE), memory, torch.zeros(1, 1, 5))


def test_an_attention_without_a_score_says_so():
    module = Attention(SIZE, SIZE, 6)
    memory = module.prepare(torch.randn(1, 5, SIZE), lengths_mask([5], 5))
    with pytest.raises(NotImplementedError):
        module(torch.randn(1, 1, SIZE), memory)


@pytest.mark.parametrize("score", ["additive", "general", "scaled_dot"])
@pytest.mark.parametrize("normalizer", ["softmax", "sparsemax"])
@pytest.mark.parametrize("head", [None, 0, 1])
def test_attending_with_one_heads_weights_is_attending(score, normalizer, head):
    attention = build_attention(score, 6, 8, 4, heads=2, normalizer=normalizer)
    mask = torch.arange(5) < torch.tensor([5, 3])[:, None]
    memory, query = attention.prepare(torch.randn(2, 5, 8), mask), torch.randn(2, 3, 6)
    context, weights = attention.attend(query, memory, head)
    plain_context, plain_weights = attention(query, memory)
    torch.testing.assert_close(context, plain_context)
    wanted = plain_weights.mean(dim=1) if head is None else plain_weights[:, head]
    torch.testing.assert_close(weights, wanted)
