"""Word dropout: pieces that are read become the unknown one (Gal & Ghahramani 2016)."""

import pytest
import torch
from tiny_training import MODELS, assert_same_run, checkpoint, copy_run, resume_interrupted, tiny_config

from translate.batches import collate
from translate.model import build_model
from translate.tokenizer import BACKWARDS_ID, BOS_ID, EOS_ID, PAD_ID, UNK_ID
from translate.training.loss import Objective, batch_loss, drop_words, padded_batch_loss
from translate.training.prepare import prepare_run
from translate.training.trainer import resume, train


def a_batch(rows=200):
    return collate([[BACKWARDS_ID, 5, 6, 7], [8]] * rows, [[9, 4], [5, 6, 7]] * rows)


def test_a_share_of_the_pieces_that_are_read_is_unknown_and_no_special_one():
    batch = a_batch()
    dropped = drop_words(batch, 0.3)
    for name in ("src_mask", "tgt_out", "tgt_mask", "links"):
        assert getattr(dropped, name) is getattr(batch, name)
    for before, after in ((batch.src, dropped.src), (batch.tgt_in, dropped.tgt_in)):
        changed = before != after
        assert (after[changed] == UNK_ID).all()
        special = (before == PAD_ID) | (before == BOS_ID) | (before == EOS_ID)
        assert special.any()
        assert not changed[special].any()
        assert changed[~special].float().mean() == pytest.approx(0.3, abs=0.07)  # of 800 and 1000 draws


def test_without_a_probability_the_batch_is_the_same_and_nothing_is_drawn():
    batch = a_batch()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert drop_words(batch, 0.0) is batch
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("r_drop", [0.0, 2.0])
@pytest.mark.parametrize("kind", MODELS)
def test_the_loss_is_that_of_the_batch_with_dropped_words(kind, r_drop):
    """With R-Drop, of two passes with other dropped words each; and so it is of padded slots."""
    model = build_model(MODELS[kind], 12, 12, joint=True).eval()
    batch = a_batch(1)
    objective = Objective(0.1, r_drop=r_drop, word_dropout=0.5)
    torch.manual_seed(3)
    loss = batch_loss(model, batch, objective)
    torch.manual_seed(3)
    torch.testing.assert_close(padded_batch_loss(model, batch, objective), loss)
    once = batch_loss(model, batch, Objective(0.1, r_drop=r_drop))
    assert abs(loss[0] - once[0]) > 1e-4
    if not r_drop:
        torch.manual_seed(3)
        torch.testing.assert_close(batch_loss(model, drop_words(batch, 0.5), Objective(0.1)), loss)


def test_a_stopped_run_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    settings = {"pairs": 24, "max_steps": 5, "validate_every": 3}
    config = tiny_config(tmp_path, **settings, word_dropout=0.3)
    fresh = prepare_run(config, tmp_path / "fresh")
    whole, stopped = (copy_run(fresh, tmp_path / name) for name in ("whole", "stopped"))
    resume(whole.path)
    resume_interrupted(stopped, monkeypatch, 2)
    assert_same_run(whole, stopped)
    without = train(tiny_config(tmp_path, **settings), tmp_path / "without")
    name = "model.tgt_embedding.weight"
    assert not torch.equal(*(checkpoint(run)["state_dict"][name] for run in (whole, without)))
