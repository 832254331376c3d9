"""Guided attention: links of words become links of pieces, or the model's own; training follows them."""

import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import write_ids
from tiny_training import (
    MODELS,
    assert_same_run,
    checkpoint,
    copy_run,
    numbers,
    probe,
    tiny_config,
    with_data,
    write_pairs,
)  # fmt: skip

from translate.alignment.extract import choose_attention
from translate.alignment.statistical import align_statistically
from translate.config import GuidedHead
from translate.config.tokenizer import TokenizerConfig
from translate.errors import InputError
from translate.model import build_model
from translate.run_directory import RunDirectory
from translate.stored_pairs import IdPairs, write_links
from translate.tokenizer import EOS_ID, Tokenizer, Tokenizers
from translate.training import guide, validation
from translate.training.guide import agreement, most_agreed, own_links, piece_links
from translate.training.prepare import prepare_run
from translate.training.trainer import resume, train

TEXTS = ["ab ab cde", "xy xyz"]


@pytest.fixture(scope="module")
def letters():
    """A tokenizer that spells: one piece a letter, and the space before each word."""
    tokenizer = Tokenizer.train(["a b c d e x y z"] * 3, TokenizerConfig(algorithm="bpe", vocab_size=269))
    return Tokenizers(tokenizer, tokenizer)


def test_a_link_of_words_links_all_their_pieces(letters):
    src, tgt = "ab c", "x yz"
    assert letters.src.pieces(letters.src.encode(src)) == ["▁", "a", "b", "▁", "c"]
    assert letters.tgt.pieces(letters.tgt.encode(tgt)) == ["▁", "x", "▁", "y", "z"]
    (found,) = piece_links([(src, tgt)], [[(0, 1), (1, 0), (1, 0)]], letters, 9)
    assert found == [(i, j) for i in (0, 1, 2) for j in (2, 3, 4)] + [(i, j) for i in (3, 4) for j in (0, 1)]


def test_pairs_that_are_too_long_are_left_out_as_their_ids_are(letters):
    pairs = [("ab", "x"), ("abc", "x"), ("a", "xyz"), ("a", "y")]
    assert list(piece_links(pairs, [[(0, 0)]] * 4, letters, 3)) == [
        [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)],
        [(0, 0), (0, 1), (1, 0), (1, 1)],
    ]


@pytest.mark.parametrize("kind", ["gru", "transformer"])
@pytest.mark.parametrize("both", [False, True])
def test_own_links_are_those_that_both_directions_agree_on(kind, both, tmp_path, monkeypatch):
    monkeypatch.setattr(guide, "ALIGNED_TOGETHER", 3)
    torch.manual_seed(2)
    model = build_model(MODELS[kind], 12, 12, joint=True).eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.7)
    src, tgt = [[5, 6, 7], [8], [], [9, 9, 4], [5]], [[9, 4], [5, 6, 7], [4], [5, 6, 8], [6]]
    write_ids(tmp_path / "ids", src, tgt)
    shift = int(kind == "transformer")
    found = list(own_links(model, IdPairs(tmp_path / "ids", both=both), GuidedHead(0, 0, shift)))

    def rows(read, emitted, mark):
        """Of each emitted piece, what it gives to the pieces, and to the end of sentence."""
        ids = torch.tensor([[*mark, *read, EOS_ID]])
        tgt_in = torch.tensor([[1, *emitted]])
        weights = model.align(ids, torch.ones_like(ids, dtype=torch.bool), tgt_in)[0][0, 0].mean(dim=0)
        return [weights[j + shift, len(mark) :].tolist() for j in range(len(emitted))]

    for links, one, other in zip(found, src, tgt, strict=True):
        forward, backward = rows(one, other, []), rows(other, one, [1])
        for i in range(len(one)):
            for j in range(len(other)):
                if both:
                    gives = forward[j][i] / sum(forward[j][:-1])
                    gets = backward[i][j] / sum(backward[i][:-1])
                    assert ((i, j) in links) == (math.sqrt(gives * gets) >= 0.3)
                else:
                    assert ((i, j) in links) == (forward[j][i] == max(forward[j]))
    assert any(found)


def guided_config(folder, kind="gru", directions="both", **training):
    settings = {"alignment": "guided", "alignment_weight": 0.5, "validate_every": 3, "max_steps": 7}
    config = tiny_config(folder, kind, pairs=24, checkpoint_every=1, **settings | training)
    return with_data(config, directions=directions)


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_a_run_killed_before_or_after_it_aligned_ends_as_if_it_had_not_been(kind, tmp_path, monkeypatch):
    fresh = prepare_run(guided_config(tmp_path, kind), tmp_path / "fresh")
    whole = copy_run(fresh, tmp_path / "whole")
    resume(whole.path)
    made = []

    def kill(trainer):
        made.append(run.links_path.exists())
        copy_run(run, tmp_path / f"{len(made)}")

    run = copy_run(fresh, tmp_path / "run")
    with monkeypatch.context() as patch:
        probe(patch, on_train_batch_end=kill)
        resume(run.path)
    assert_same_run(run, whole)
    assert made == [False] * 3 + [True] * 4  # from half of the steps on
    for number in range(2, 6):
        killed = RunDirectory.open(tmp_path / f"{number}")
        state = checkpoint(killed)["callbacks"]["SelfAlignment"]
        assert state == {"made": 4 if number >= 4 else None}
        if number == 3:  # killed between aligning and the checkpoint: the links are made anew
            write_links(killed.links_path, [])
        resume(killed.path)
        assert_same_run(killed, whole)


def test_weights_from_before_the_guide_are_not_the_best_ones(tmp_path, monkeypatch):
    """However good they were; nor does training stop before it is guided, however little validation rises."""
    scores = iter([90.0, 80.0, 3.0, 5.0, 4.0])
    monkeypatch.setattr(validation, "bleu", lambda *_: next(scores))
    config = guided_config(tmp_path, directions="forward", validate_every=1, max_steps=5, patience=1)
    run = train(config, tmp_path / "run")
    state = checkpoint(run)["callbacks"]
    assert state["SelfAlignment"] == {"made": 3}
    assert (state["Validation"]["best_bleu"], state["Validation"]["best_step"]) == (5.0, 4)
    assert [row.split(",")[-1] for row in run.metrics_path.read_text().splitlines()[1:]] == [
        "90.00", "90.00", "90.00", "5.00", "5.00",
    ]  # fmt: skip


def test_links_of_a_file_guide_from_the_start(tmp_path):
    config = guided_config(tmp_path, directions="forward", max_steps=2)
    (tmp_path / "links").write_text("0-0\n" * 24)
    unguided = train(replace(config, training=replace(config.training, alignment="none")), tmp_path / "none")
    settings = replace(config.training, alignment_links=str(tmp_path / "links"))
    run = train(replace(config, training=settings), tmp_path / "run")
    pairs = IdPairs(run.ids_path)
    pairs.use_links(run.links_path, 0)
    assert pairs.batch(np.array([0])).links.any()
    ours, theirs = (checkpoint(each)["state_dict"] for each in (run, unguided))
    name = "model.decoder.attention.project_query.weight"
    assert not torch.equal(ours[name], theirs[name])


def test_links_keep_to_their_pairs_when_some_are_left_out(tmp_path):
    """A blank pair, one that is too long, and those held out for validation."""
    pairs = [(f"{'a ' * n}z", f"{'b ' * n}y") for n in range(1, 9)]
    pairs[2:2] = [("", "b")]
    src, tgt = write_pairs(tmp_path, "text", pairs)
    lines = ["" if not one else f"{one.count('a')}-0" for one, _ in pairs]
    (tmp_path / "links").write_text("".join(f"{line}\n" for line in lines))
    config = with_data(
        tiny_config(tmp_path, alignment="guided", alignment_links=str(tmp_path / "links")),
        src=src, tgt=tgt, valid_src=None, valid_tgt=None, valid_size=1, max_length=11,
    )  # fmt: skip
    run = prepare_run(config, tmp_path / "run")
    stored, tokenizers = IdPairs(run.ids_path), run.tokenizers()
    stored.use_links(run.links_path, 0)
    assert 4 <= len(stored) < 8
    for number in range(len(stored)):
        batch = stored.batch(np.array([number]))
        pieces = tokenizers.src.pieces(batch.src[0].tolist())
        linked = {pieces[s] for _, _, s in batch.links.nonzero().tolist()}
        assert any("z" in piece for piece in linked)
        assert not any("a" in piece for piece in linked)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0-0\n" * 23, r"links has 23 lines, but the training text has more: there must be a line of links"),
        ("0-0\n" * 25, r"links has more lines than the training text, which has 24: there must be a line"),
        ("0-0\n0p0\n" * 12, r"links: line 2 has '0p0': needed are links i-j of words, counted from 0"),
        ("0-9\n" * 24, r"links: line 1 has 0-9, but its pair has \d and \d words, counted from 0"),
        ("9-0\n" * 24, r"links: line 1 has 9-0, but its pair has \d and \d words, counted from 0"),
    ],
)
def test_links_that_are_not_those_of_the_training_text_are_refused(content, message, tmp_path):
    (tmp_path / "links").write_text(content)
    config = guided_config(tmp_path, alignment_links=str(tmp_path / "links"))
    with pytest.raises(InputError, match=message):
        prepare_run(config, tmp_path / "run")


def test_several_processes_are_guided_as_one_is(tmp_path):
    config = guided_config(tmp_path, max_steps=4, alignment_start=0.5, validate_every=4)
    config = replace(config, model=replace(config.model, dropout=0.0))
    one = train(config, tmp_path / "one")
    settings = replace(config.training, processes=2, threads=2)
    two = train(replace(config, training=settings), tmp_path / "two")
    assert one.links_path.read_bytes() == two.links_path.read_bytes()
    ours, theirs = (checkpoint(run)["state_dict"] for run in (one, two))
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], atol=1e-4, rtol=1e-3)


def test_the_log_says_when_the_model_aligns(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "translate"):
        train(guided_config(tmp_path, max_steps=2, directions="forward"), tmp_path / "run")
    assert "step 1: aligning 24 training pairs with the model, in one direction, to be guided" in caplog.text
    assert "links a pair, in" in caplog.text


def test_the_guided_head_is_the_one_that_is_read():
    config = MODELS["transformer"]
    reading = choose_attention(config, guided=GuidedHead(0, 1, 1))
    assert reading[:3] == (0, 1, 1)
    assert reading.words == "scaled dot attention, head 2 of 2, shifted, guided"
    assert choose_attention(config, head=1, guided=GuidedHead(0, 1, 1))[:3] == (0, 0, 0)
    assert "guided" not in choose_attention(config, head=1, guided=GuidedHead(0, 1, 1)).words


@pytest.mark.optional  # its wheels stop at Python 3.11
def test_links_of_fast_align_guide_from_the_start(tmp_path):
    pytest.importorskip("systran_align")
    config = guided_config(tmp_path, alignment_links="fast_align")
    run = prepare_run(config, tmp_path / "run")
    pairs = IdPairs(run.ids_path)
    pairs.use_links(run.links_path, 0)
    words = [(src.split(), tgt.split()) for src, tgt in numbers(24)]
    wanted = list(piece_links(numbers(24), align_statistically(words), run.tokenizers(), 256))
    batch = pairs.batch(np.arange(24))
    found = [sorted((s, t) for t, s in links.nonzero().tolist()) for links in batch.links]
    assert found == wanted
    assert sum(map(len, wanted)) > 24


@pytest.mark.parametrize(("seed", "best"), [(9, 1), (5, 0)])  # models that agree more in one of the two
def test_own_links_are_read_where_both_directions_agree_most(seed, best, tmp_path):
    torch.manual_seed(seed)
    model = build_model(MODELS["transformer"], 12, 12, joint=True).eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.7)
    write_ids(tmp_path / "ids", [[5, 6, 7], [8], [9, 9, 4]], [[9, 4], [5, 6, 7], [5, 6, 8]])
    both, head = IdPairs(tmp_path / "ids", both=True), GuidedHead(0, 1, 1)
    agreed = {shift: agreement(model, both, GuidedHead(0, 0, shift)) for shift in (0, 1)}
    assert agreed[best] > agreed[1 - best]
    assert most_agreed(model, both, head, 1).shift == best
    assert most_agreed(model, IdPairs(tmp_path / "ids"), head, 1) == head
