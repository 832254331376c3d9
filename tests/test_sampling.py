"""Pieces drawn for each batch: the same text, the same batches when resumed, links of the same words."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_tokenizers import model_of_characters
from tiny import write_ids
from tiny_training import (  # fmt: skip
    assert_same_run,
    checkpoint,
    copy_run,
    numbers,
    resume_interrupted,
    tiny_config,
    with_data,
)

from translate.alignment.words import word_numbers
from translate.config.tokenizer import TokenizerConfig
from translate.errors import InputError
from translate.platforms import Facts
from translate.ranks import Place
from translate.stored_pairs import IdPairs, write_links, write_text
from translate.tokenizer import BACKWARDS_ID, EOS_ID, Tokenizer, Tokenizers
from translate.training.guide import piece_links
from translate.training.prepare import prepare_run
from translate.training.processes import plan_training
from translate.training.sampling import SampledPairs
from translate.training.trainer import resume, train

GPU = Facts("Linux", 8, cpu_bf16=False, cuda=True, cuda_bf16=True, mps=False)
PAIRS = [
    ("the housekeeper keeps house", "die Haushälterin hält Haus"),
    ("a", "ein"),
    ("housekeepers  keep the houses", "Haushälterinnen halten die Häuser"),
    ("keep the house", "halt das Haus"),
]


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def tokenizers(request):
    texts = [text for pair in PAIRS * 3 for text in pair]
    tokenizer = Tokenizer.train(texts, TokenizerConfig(algorithm=request.param, vocab_size=320))
    return Tokenizers(tokenizer, tokenizer)


@pytest.fixture
def make(tmp_path, tokenizers):
    """Store the pairs, and read them in drawn pieces."""

    def make(alpha=0.2, max_length=256, both=False):
        ids = [[tokenizers.src.encode(pair[side]) for pair in PAIRS] for side in (0, 1)]
        write_ids(tmp_path / "ids", *ids)
        write_text(tmp_path / "text", PAIRS)
        pairs = IdPairs(tmp_path / "ids", both=both)
        return SampledPairs(pairs, tmp_path / "text", tokenizers, alpha, max_length)

    return make


def rows_of(ids, mask):
    """The pieces without the special ones at both ends."""
    return [row[kept].tolist()[:-1] for row, kept in zip(ids, mask, strict=True)]


def pieces_of(batch):
    return rows_of(batch.src, batch.src_mask), rows_of(batch.tgt_out, batch.tgt_mask)


def test_the_seed_says_which_pieces_and_the_text_stays(make, tokenizers):
    pairs, rows = make(), np.array([2, 0, 3])
    drawn = [pieces_of(pairs.batch(rows, seed)) for seed in (*range(20), 2**32 - 1)]
    assert len({str(each) for each in drawn}) > 10
    for side in (0, 1):
        for each in drawn:
            assert [tokenizers.src.decode(row) for row in each[side]] == [PAIRS[n][side] for n in rows]
    assert pieces_of(pairs.batch(rows, 7)) == drawn[7]


def test_a_batch_is_what_would_be_made_of_its_pieces(make):
    batch = make().batch(np.array([1, 2]), 5)
    assert (batch.tgt_in[:, 1:] == batch.tgt_out[:, :-1])[batch.tgt_mask[:, 1:]].all()
    for ids, mask in ((batch.src, batch.src_mask), (batch.tgt_out, batch.tgt_mask)):
        assert all(row[kept][-1] == EOS_ID for row, kept in zip(ids, mask, strict=True))


def test_batches_are_planned_as_without_drawing(make):
    pairs = make(both=True)
    assert len(pairs) == 8
    assert pairs.src_lengths is pairs.pairs.src_lengths
    assert pairs.tgt_lengths is pairs.pairs.tgt_lengths
    assert pairs.padding([np.arange(8)]) == pairs.pairs.padding([np.arange(8)]) > 0


def test_read_backwards_a_pairs_source_is_marked_and_both_are_drawn(make, tokenizers):
    pairs = make(both=True)
    src, tgt = pieces_of(pairs.batch(np.array([6, 2]), 1))
    assert src[0][0] == BACKWARDS_ID
    assert tokenizers.src.decode(src[0][1:]) == tokenizers.src.decode(tgt[1]) == PAIRS[2][1]
    assert tokenizers.src.decode(tgt[0]) == tokenizers.src.decode(src[1]) == PAIRS[2][0]
    # A single pair's batch is narrow, and what would be too wide keeps its best pieces.
    assert len({str(pieces_of(pairs.batch(np.array([6]), seed))) for seed in range(60)}) > 1


@pytest.mark.parametrize("both", [False, True])
def test_a_sentence_that_would_get_too_long_keeps_its_best_pieces(both, make, tokenizers):
    best = [[tokenizers.src.encode(text) for text in pair] for pair in PAIRS]
    longest = max(len(row) for pair in best for row in pair)
    pairs = make(max_length=longest, both=both)
    kept = drawn = 0
    rows = np.arange(len(pairs))
    for seed in range(20):
        for number, (src, tgt) in enumerate(zip(*pieces_of(pairs.batch(rows, seed)), strict=True)):
            back = number >= 4
            pair = (tgt, src[1:]) if back else (src, tgt)
            for row, its_best in zip(pair, best[number % 4], strict=True):
                assert len(row) <= longest
                kept, drawn = kept + (row == its_best), drawn + (row != its_best)
    assert kept > 10
    assert drawn > 10


@pytest.mark.parametrize("alpha", [0.001, 0.9])  # one is very varied where the other is hardly
def test_a_batch_is_at_most_twice_as_wide_as_planned(alpha, make):
    pairs = make(alpha=alpha, both=True)
    for rows in (np.array([1]), np.array([1, 5]), np.array([0, 4]), np.array([0, 1, 6])):
        for seed in range(20):
            batch = pairs.batch(rows, seed)
            assert batch.src.shape[1] <= 2 * pairs.src_lengths[rows].max()
            assert batch.tgt_out.shape[1] <= 2 * pairs.tgt_lengths[rows].max()


def test_links_of_words_link_the_drawn_pieces_of_these_words(make, tokenizers, tmp_path):
    words = [[(0, 0), (1, 1), (2, 2), (3, 3)], [(0, 0)], [(0, 0), (1, 1), (3, 3)], []]
    pairs = make(both=True)
    assert pairs.batch(np.array([0]), 1).links is None
    write_links(tmp_path / "links", piece_links(PAIRS, words, tokenizers, 256))
    pairs.pairs.use_links(tmp_path / "links", 1)
    rows = np.array([0, 4, 2, 6, 1, 5, 3, 7])
    for seed in range(5):
        batch = pairs.batch(rows, seed)
        linked = {tuple(link) for link in batch.links.nonzero().tolist()}
        wanted = set()
        for row, (number, src, tgt) in enumerate(zip(rows.tolist(), *pieces_of(batch), strict=True)):
            mark = int(number >= 4)
            sides = (tgt, src[1:]) if mark else (src, tgt)
            owners = [owners_of(tokenizers.src, ids) for ids in sides]
            for i, j in words[number % 4]:
                for a in np.flatnonzero(owners[0] == i).tolist():
                    for b in np.flatnonzero(owners[1] == j).tolist():
                        wanted.add((row, a + 1, b + 1) if mark else (row, b + 1, a))
        assert linked == wanted


def owners_of(tokenizer, ids):
    """The word of each piece, from the pieces' own characters."""
    text, spans, end = tokenizer.decode(ids), [], -1  # from before the space that is put before a text
    for number in range(len(ids)):
        begin, end = end, len("".join(tokenizer.pieces(ids[: number + 1]))) - 1
        spans.append((max(begin, 0), max(end, 0)))
    assert spans[-1][1] == len(text)
    return word_numbers(text, spans, "token")


def test_links_of_pieces_go_with_their_characters(tmp_path):
    """As the model's own links, which are of its best pieces."""
    tokenizer = Tokenizer.train(["abc abcd"] * 9, TokenizerConfig(algorithm="bpe", vocab_size=268))
    text = ("abc abcd", "abcd")
    ids = [tokenizer.encode(each) for each in text]
    assert [tokenizer.pieces(each) for each in ids] == [["▁abc", "▁abc", "d"], ["▁abc", "d"]]
    write_ids(tmp_path / "ids", [ids[0]], [ids[1]])
    write_text(tmp_path / "text", [text])
    write_links(tmp_path / "links", [[(1, 0), (2, 1)]])
    pairs = IdPairs(tmp_path / "ids")
    pairs.use_links(tmp_path / "links", 0)
    sampled = SampledPairs(pairs, tmp_path / "text", Tokenizers(tokenizer, tokenizer), 0.5, 99)
    met = set()
    for seed in range(30):
        batch = sampled.batch(np.array([0]), seed)
        src, tgt = ("".join(tokenizer.pieces(rows[0])) for rows in pieces_of(batch))
        assert (src, tgt) == ("▁abc▁abcd", "▁abcd")
        src, tgt = (tokenizer.pieces(rows[0]) for rows in pieces_of(batch))
        ends = np.cumsum([len(piece) for piece in src])
        for j, piece in enumerate(tgt):
            of_src = batch.links[0, j].nonzero()[:, 0].tolist()
            first = {i for i in range(len(src)) if ends[i] > 4 and ends[i] - len(src[i]) < 8}
            last = {len(src) - 1}
            assert set(of_src) == (first if "d" not in piece else last if piece == "d" else first | last)
        met.add((tuple(src), tuple(tgt)))
    assert len(met) > 5


# A run.


def sampled_config(folder, model="gru", alpha=0.2, **training):
    config = tiny_config(folder, model, pairs=24, **{"max_steps": 7, "validate_every": 3} | training)
    return replace(config, tokenizer=replace(config.tokenizer, sampling_alpha=alpha))


@pytest.mark.parametrize("guided", [False, True])
def test_a_run_that_is_stopped_ends_as_if_it_had_not_been(guided, tmp_path, monkeypatch):
    """In both directions; guided by its own links from step 4 on."""
    config = sampled_config(tmp_path, alignment="guided" if guided else "none", checkpoint_every=1)
    fresh = prepare_run(with_data(config, directions="both"), tmp_path / "fresh")
    whole, stopped = (copy_run(fresh, tmp_path / name) for name in ("whole", "stopped"))
    resume(whole.path)
    resume_interrupted(stopped, monkeypatch, 2, 5)
    assert_same_run(whole, stopped)


def test_drawing_makes_another_model(tmp_path):
    drawn, best = (train(sampled_config(tmp_path, alpha=a), tmp_path / f"{a}") for a in (0.2, 0.0))
    name = "model.tgt_embedding.weight"
    assert not torch.equal(*(checkpoint(run)["state_dict"][name] for run in (drawn, best)))
    assert not best.text_path.exists()


def test_several_processes_train_as_one_does(tmp_path):
    states = []
    for processes in (1, 2):
        config = sampled_config(tmp_path, processes=processes, max_steps=4, validate_every=4)
        config = replace(config, model=replace(config.model, dropout=0.0))
        states.append(checkpoint(train(config, tmp_path / f"run{processes}"))["state_dict"])
    for name, weight in states[0].items():
        torch.testing.assert_close(weight, states[1][name], atol=1e-4, rtol=1e-3)


def test_the_text_that_is_kept_is_that_of_the_pairs_that_are_used(tmp_path):
    config = with_data(sampled_config(tmp_path), max_length=5, valid_src=None, valid_tgt=None, valid_size=2)
    run = prepare_run(config, tmp_path / "run")
    tokenizers, pairs = run.tokenizers(), IdPairs(run.ids_path)
    assert 0 < pairs.pairs < 22
    sampled = SampledPairs(pairs, run.text_path, tokenizers, 0.2, 5)
    best, drawn = (
        [tokenizers.src.decode(row) for row in pieces_of(batch)[0]]
        for batch in (pairs.batch(np.arange(len(pairs))), sampled.batch(np.arange(len(pairs)), 1))
    )
    assert best == drawn
    assert set(best) <= {src for src, _ in numbers(24)}


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_text_that_is_not_as_it_was_is_refused(damage, tmp_path):
    run = train(sampled_config(tmp_path, max_steps=1), tmp_path / "run")
    if damage == "gone":
        run.text_path.unlink()
    else:
        write_text(run.text_path, numbers(24, seed=9))
    with pytest.raises(InputError, match=r"text\.arrow is missing or damaged \(not as data\.json says\)"):
        resume(run.path, max_steps=2)


def test_a_text_of_other_pairs_is_refused(make, tmp_path, tokenizers):
    pairs = make().pairs
    write_text(tmp_path / "text", PAIRS[:3])
    with pytest.raises(
        InputError, match="text has texts of 3 pairs, but there are 4: they belong to another"
    ):
        SampledPairs(pairs, tmp_path / "text", tokenizers, 0.2, 9)
    (tmp_path / "text").unlink()
    with pytest.raises(InputError, match=r"text: the texts of the training pairs are missing or damaged \("):
        SampledPairs(pairs, tmp_path / "text", tokenizers, 0.2, 9)


def test_on_a_gpu_the_host_makes_the_batches(tmp_path, monkeypatch):
    config = sampled_config(tmp_path, device="auto", precision="auto")
    monkeypatch.setattr("translate.training.processes.gather_facts", lambda: GPU)
    assert plan_training(replace(config, tokenizer=TokenizerConfig()), Place()).resident
    plan = plan_training(config, Place())
    assert (plan.device, plan.resident, plan.graphs) == ("cuda", False, False)


def test_a_tokenizer_that_has_one_spelling_is_refused_before_anything_is_made_with_it(tmp_path, monkeypatch):
    path = tmp_path / "characters.model"
    path.write_bytes(model_of_characters())
    config = sampled_config(tmp_path)
    config = replace(config, tokenizer=replace(config.tokenizer, path=str(path)))
    monkeypatch.delattr("translate.training.prepare.write_ids")
    with pytest.raises(
        InputError, match=r"tokenizer\.sampling_alpha: a tokenizer of type CHAR has one way to"
    ):
        prepare_run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
