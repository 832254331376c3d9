"""Constrained search, on tables of probabilities: every translation with the phrases can be listed."""

import pytest
import torch
from test_search import BOS, EOS, SPACE, bigram_table, exhaustive, probability, random_table

from translate.config.search import SearchConfig
from translate.constrained import Progress, constrained_search
from translate.search import beam_search


def search(table, phrases, length=3, joins=None, order=None, **settings):
    limits = torch.full((len(phrases),), length)
    return constrained_search(
        table.step,
        table.start(order),
        limits,
        SearchConfig(**settings),
        phrases,
        joins,
        bos_id=BOS,
        eos_id=EOS,
    )


def has(tokens, phrases):
    """Whether the phrases occur, without overlap, in some order."""
    if not phrases:
        return True
    return any(
        tuple(tokens[at : at + len(phrase)]) == phrase
        and has([*tokens[:at], -1, *tokens[at + len(phrase) :]], phrases[:n] + phrases[n + 1 :])
        for n, phrase in enumerate(phrases)
        for at in range(len(tokens))
    )


@pytest.mark.parametrize("width", [1, 2, 5, SPACE])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_without_phrases_it_is_beam_search(width, penalty):
    table = random_table(sentences=3)
    config = SearchConfig(beam_size=width, n_best=min(width, 3), length_penalty=penalty)
    wanted = beam_search(table.step, table.start(), torch.tensor([3] * 3), config, bos_id=BOS, eos_id=EOS)
    found = search(table, [()] * 3, beam_size=width, n_best=min(width, 3), length_penalty=penalty)
    for ours, theirs in zip(found, wanted, strict=True):
        assert [one.tokens for one in ours] == [one.tokens for one in theirs]
        assert [one.finished for one in ours] == [one.finished for one in theirs]
        assert [one.score for one in ours] == pytest.approx([one.score for one in theirs], abs=1e-5)


@pytest.mark.parametrize(
    "phrases", [((3,),), ((4, 2),), ((2,), (3,)), ((2,), (2,)), ((2, 2), (4,)), ((3, 4, 2),)]
)
def test_a_beam_as_wide_as_the_space_finds_the_best_with_the_phrases(phrases):
    table = random_table(sentences=1)
    wanted = [
        tokens for _, tokens in exhaustive(table, 0, SearchConfig(beam_size=SPACE)) if has(tokens, phrases)
    ]
    (found,) = search(table, [phrases], beam_size=SPACE, n_best=5)
    assert [one.tokens for one in found if one.finished] == wanted[:5]
    assert found[0].log_prob == pytest.approx(probability(table, 0, [*wanted[0], EOS]), abs=1e-5)


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("phrases", [((3,),), ((4, 2),), ((2,), (3,)), ((2, 2), (4,))])
def test_a_narrow_beam_has_the_phrases_too(width, phrases):
    table = random_table(sentences=4, length=4)
    for best, *_ in search(table, [phrases] * 4, length=4, beam_size=width):
        assert has(best.tokens, phrases)


def test_what_a_model_thinks_improbable_is_not_pushed_out_of_the_beam():
    rows = {token: {EOS: 0.2, 2: 0.4, 3: 0.399, 4: 0.001} for token in (BOS, 2, 3, 4)}
    ((best,),) = search(bigram_table(rows), [((4, 4),)], length=6, beam_size=2)
    assert has(best.tokens, ((4, 4),))


def test_sentences_do_not_touch_one_another():
    table = random_table(sentences=3)
    phrases = [((4,),), (), ((2, 3),)]
    together = search(table, phrases, beam_size=2)
    assert [search(table, [phrases[n]], order=[n], beam_size=2)[0] for n in range(3)] == together


def test_a_piece_that_would_go_on_with_the_word_does_not_follow_a_phrase():
    rows = {BOS: {2: 1.0}, 2: {3: 0.9, 4: 0.1}, 3: {EOS: 1.0}, 4: {EOS: 1.0}}
    joins = torch.tensor([False, False, False, True, False])
    assert search(bigram_table(rows), [((2,),)], beam_size=2)[0][0].tokens == [2, 3]
    assert search(bigram_table(rows), [((2,),)], joins=joins, beam_size=2)[0][0].tokens == [2, 4]


def test_where_a_phrase_is_impossible_what_lacks_least_is_left_unfinished():
    rows = {BOS: {2: 0.9, 3: 0.1}, 2: {2: 1.0}, 3: {3: 1.0}}
    ((best,),) = search(bigram_table(rows), [((3, 4),)], length=3, beam_size=2)
    assert not best.finished
    assert best.tokens == [3, 3, 3]


def test_a_phrase_that_begins_again_within_itself_is_found():
    progress = Progress(((2, 2, 3),))
    for piece in (2, 2, 2, 3):
        progress = progress.read(piece)
    assert progress == Progress((), complete=True)


def test_the_longest_of_two_phrases_that_end_together_is_the_one_that_is_there():
    progress = Progress(((3,), (2, 3)))
    assert progress.read(2).read(3).lacking == ((3,),)
    assert progress.lacks() == 3
    assert progress.read(2).lacks() == 2
