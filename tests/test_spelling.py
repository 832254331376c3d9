"""Pieces that are spelled alike share steps: which, and that it is what plain parameters would do."""

import math

import pytest
import torch
from small_models import VOCABULARY, small_config, small_model
from tiny_training import assert_same_run, checkpoint, copy_run, resume_interrupted, tiny_config
from torch import nn

from translate.config.training import TrainingConfig
from translate.model import build_model
from translate.training.clock import Clock
from translate.training.module import TrainingModule
from translate.training.muon import Muon
from translate.training.prepare import prepare_run
from translate.training.spelling import Bags, SharedSpelling, features, shared_spellings
from translate.training.trainer import resume, train

PIECES = ["<unk>", "<0x41>", "▁", "▁Frau", "frau", "▁Frauen", "▁X", "EU", "▁und", "u", "▁hund"]


def sharing(*counts, size=3, seed=0):
    """Tables of so many rows each for the pieces, and what shares their steps."""
    torch.manual_seed(seed)
    tables = [nn.Parameter(torch.randn(count, size, dtype=torch.double)) for count in counts]
    return tables, SharedSpelling(tables, PIECES)


def matrix():
    """The share that each of the features that several pieces have has of each piece, from the definition."""
    spelled = [set(features(piece)) for piece in PIECES]
    every = sorted(set().union(*spelled), key=str)
    several = [f for f in every if sum(f in piece for piece in spelled) > 1]
    kept = [[f for f in several if f in piece] for piece in spelled]
    rows = [[1 / math.sqrt(len(having)) if f in having else 0.0 for f in several] for having in kept]
    return torch.tensor(rows, dtype=torch.double)


def test_a_piece_has_its_spelling_the_space_its_case_and_n_grams():
    assert list(features("▁Tor")) == [
        ("spelled", "tor"), ("space", True), ("case", True, False),
        "<to", "tor", "or>", "<tor", "tor>",
    ]  # fmt: skip
    assert list(features("TO")) == [("spelled", "to"), ("space", False), ("case", True, True), "<to", "to>"]
    assert list(features("i")) == [("spelled", "i"), ("space", False), ("case", False, False)]
    assert [f for f in features("abcd") if isinstance(f, str)] == [
        "<ab", "abc", "bcd", "cd>", "<abc", "abcd", "bcd>", "<abcd", "abcd>",
    ]  # fmt: skip


@pytest.mark.parametrize("piece", ["<unk>", "<2tgt>", "<0x0A>", "▁", "▁▁"])
def test_what_spells_nothing_has_no_features(piece):
    assert not list(features(piece))


def test_a_bag_is_the_weighted_sum_of_its_rows_and_an_empty_one_is_zero():
    table = torch.randn(4, 2)
    bags = Bags.of([[(1, 0.5), (3, 2.0)], [], [(0, 1.0)]])
    expected = torch.stack([table[1] / 2 + 2 * table[3], torch.zeros(2), table[0]])
    torch.testing.assert_close(bags.sum(table), expected)
    assert Bags.of([[], []]).sum(table).eq(0).all()


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_steps_are_those_of_plain_parameters_whose_sum_is_the_embedding(kind):
    """o and s of the module's equation, by autograd."""
    (first, second), spelling = sharing(4, 7)
    shares = matrix()
    assert len(spelling.steps) == shares.shape[1] > 5
    own = nn.Parameter(torch.cat([first, second]).detach())
    common = nn.Parameter(torch.zeros(shares.shape[1], 3, dtype=torch.double))
    settings = {"lr": 0.1, "weight_decay": 0.0, "betas": (0.9, 0.98)}
    plain = torch.optim.AdamW([own, common], **settings)
    ours = [first, second, spelling.steps]
    matrices = [nn.Parameter(torch.zeros(2, 2, dtype=torch.double))]
    if kind == "adamw":
        optimizer = torch.optim.AdamW(ours, **settings)
    else:
        optimizer = Muon([{"params": matrices}], [{"params": ours}], **settings)
    optimizer.register_step_post_hook(spelling.spread)
    aim = torch.randn(11, 3, dtype=torch.double)
    for _ in range(5):
        plain.zero_grad()
        (own + shares @ common - aim).pow(4).sum().backward()
        plain.step()
        optimizer.zero_grad()
        (torch.cat([first, second]) - aim).pow(4).sum().backward()
        spelling.collect()
        optimizer.step()
        torch.testing.assert_close(torch.cat([first, second]), own + shares @ common)
    assert common.abs().max() > 0.1


def test_an_embedding_without_a_gradient_lends_none():
    (table,), spelling = sharing(11)
    spelling.collect()
    assert spelling.steps.grad is None
    before = table.detach().clone()
    spelling.spread()
    assert torch.equal(table, before)


def test_pieces_with_nothing_in_common_take_their_own_steps():
    tables = [nn.Parameter(torch.ones(3, 2)) for _ in range(2)]
    spelling = SharedSpelling(tables[:1], ["<unk>", "<0x41>", "▁"])
    assert len(spelling.steps) == 0
    spelling.draw()
    for table, parameters in zip(tables, ([tables[0], spelling.steps], [tables[1]]), strict=True):
        table.grad = torch.tensor([[1.0, 2.0]] * 3)
        spelling.collect()
        torch.optim.AdamW(parameters, lr=0.1, fused=True).step()
        spelling.spread()
    assert torch.equal(*tables)
    assert tables[0].max() < 1


def test_fresh_embeddings_are_alike_where_their_spelling_is():
    torch.manual_seed(0)
    pieces = ["<unk>", "▁Frau", "frau", "▁Hund"]
    table = nn.Parameter(torch.randn(4, 10_000) / 100)
    before = table.detach().clone()
    SharedSpelling([table], pieces).draw()
    unknown, frau, tail, dog = table.detach()
    assert torch.equal(unknown, before[0])
    torch.testing.assert_close(table.detach().norm(dim=1), torch.ones(4), atol=0.05, rtol=0)
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(frau, tail, dim=0) > 0.3
    assert cosine(frau, tail, dim=0) > cosine(frau, dog, dim=0) + 0.1


def test_every_table_of_pieces_shares_with_those_of_its_vocabulary():
    def tables(model):
        found = shared_spellings(model, [*map(str, range(VOCABULARY))], ["x"] * tgt)
        return [[name_of[id(table)] for table in one.tables] for one in found]

    name_of = {}
    for tie, joint, tgt, expected in [
        (True, True, VOCABULARY, [["tgt_embedding.weight"]]),
        (True, True, 7, [["tgt_embedding.weight", "src_embedding.rest.weight"]]),
        (True, False, VOCABULARY, [["src_embedding.weight"], ["tgt_embedding.weight"]]),
        (False, False, 7, [["src_embedding.weight"], ["tgt_embedding.weight"], ["output.weight"]]),
    ]:
        model = build_model(small_config(tie=tie), VOCABULARY, tgt, joint=joint)
        names = dict(model.named_parameters(remove_duplicate=False))
        name_of = {id(weight): name for name, weight in sorted(names.items())}
        name_of[id(model.tgt_embedding.weight)] = "tgt_embedding.weight"
        assert tables(model) == expected


def test_a_step_of_no_numbers_changes_nothing():
    model = small_model()
    spellings = shared_spellings(model, PIECES, PIECES)
    module = TrainingModule(model, TrainingConfig(optimizer="adamw"), Clock(), spellings=spellings)
    optimizer = module.configure_optimizers()["optimizer"]
    for bad in (0.0, 1.0):
        before = model.tgt_embedding.weight.detach().clone()
        state = str(optimizer.state_dict()["state"])
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, math.nan if bad else 1.0)
        module.on_before_optimizer_step(optimizer)
        optimizer.found_inf = torch.tensor(bad)
        optimizer.step()
        assert torch.equal(before, model.tgt_embedding.weight) == bool(bad)
        assert (str(optimizer.state_dict()["state"]) == state) == bool(bad)
        (spelling,) = spellings
        assert spelling.steps.eq(0).all()


@pytest.mark.parametrize("model", ["gru", "transformer"])
def test_a_stopped_run_ends_as_if_it_had_not_been(model, tmp_path, monkeypatch):
    settings = {"pairs": 24, "max_steps": 5, "validate_every": 3}
    config = tiny_config(tmp_path, model, **settings, share_spelling=True)
    fresh = prepare_run(config, tmp_path / "fresh")
    whole, stopped = (copy_run(fresh, tmp_path / name) for name in ("whole", "stopped"))
    resume(whole.path)
    resume_interrupted(stopped, monkeypatch, 4)
    assert_same_run(whole, stopped)
    without = train(tiny_config(tmp_path, model, **settings), tmp_path / "without")
    name = "model.tgt_embedding.weight"
    assert not torch.equal(*(checkpoint(run)["state_dict"][name] for run in (whole, without)))
    assert checkpoint(whole)["state_dict"].keys() == checkpoint(without)["state_dict"].keys()
