"""Drawing translations, on tables of probabilities (translate/sampling.py)."""

from collections import Counter

import pytest
import torch
from test_search import BOS, EOS, bigram_table, probability, random_table

from translate.config.search import SearchConfig
from translate.engine import Sampling
from translate.sampling import draw, sample
from translate.search import beam_search


def drawn(table, places, lengths=3, order=None, draws=1, config=None, **settings):
    config = config or SearchConfig(beam_size=draws, n_best=draws)
    limits = torch.full((len(places),), lengths)
    return sample(
        table.step,
        table.start(order),
        limits,
        config,
        Sampling(**settings),
        [(place,) for place in places],
        bos_id=BOS,
        eos_id=EOS,
    )


def test_of_one_possible_token_the_best_is_drawn_as_greedy_search_does():
    table = random_table(sentences=4)
    greedy = beam_search(
        table.step, table.start(), torch.tensor([3] * 4), SearchConfig(beam_size=1), bos_id=BOS, eos_id=EOS
    )
    found = drawn(table, range(4), top_k=1)
    assert [one.tokens for (one,) in found] == [one.tokens for (one,) in greedy]
    assert [one.finished for (one,) in found] == [one.finished for (one,) in greedy]
    for (one,), (other,) in zip(found, greedy, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)


def test_the_seed_says_what_is_drawn():
    table = random_table(sentences=2)
    first = drawn(table, [1, 2], draws=9, seed=3)
    assert drawn(table, [1, 2], draws=9, seed=3) == first
    assert drawn(table, [1, 2], draws=9, seed=4) != first


def test_neither_neighbours_nor_further_draws_change_a_draw():
    table = random_table(sentences=3)
    together = drawn(table, [7, 8, 9], draws=5)
    assert drawn(table, [9, 7], order=[2, 0], draws=2) == [together[2][:2], together[0][:2]]


def test_each_place_draws_its_own():
    table = random_table(sentences=1)
    found = drawn(table, [1, 2], order=[0, 0], draws=9)
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, [0.5, 0.3, 0.15, 0.05]),
        ({"temperature": 0.5}, [0.25 / 0.365, 0.09 / 0.365, 0.0225 / 0.365, 0.0025 / 0.365]),
        ({"top_k": 2}, [0.625, 0.375, 0, 0]),
        ({"top_p": 0.49}, [1, 0, 0, 0]),
        ({"top_p": 0.51}, [0.625, 0.375, 0, 0]),
        ({"top_p": 0.9}, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]),
        ({"top_k": 3, "top_p": 0.8}, [0.625, 0.375, 0, 0]),
    ],
)
def test_tokens_are_drawn_as_often_as_is_asked_for(settings, wanted):
    log_probs = torch.tensor([0.05, 0.5, 0.15, 0.3]).log()
    chances = torch.arange(4000) / 4000 + 1e-5
    tokens = draw(log_probs.repeat(4000, 1), Sampling(**settings), chances)
    counts = Counter(tokens.tolist())
    for token, share in zip([1, 3, 2, 0], wanted, strict=True):
        assert counts[token] / 4000 == pytest.approx(share, abs=1e-3)


def test_draws_follow_the_model():
    table = bigram_table({BOS: {2: 0.7, 3: 0.3}, 2: {EOS: 1.0}, 3: {EOS: 0.5, 4: 0.5}, 4: {EOS: 1.0}})
    (found,) = drawn(table, [0], draws=2000)
    counts = Counter(tuple(one.tokens) for one in found)
    assert set(counts) == {(2,), (3,), (3, 4)}
    assert counts[(2,)] / 2000 == pytest.approx(0.7, abs=0.04)  # four times the standard deviation
    assert counts[(3, 4)] / 2000 == pytest.approx(0.15, abs=0.04)


def test_scores_are_the_models_own():
    table = random_table(sentences=1)
    for one in drawn(table, [0], draws=6, temperature=2.0, top_k=3)[0]:
        wanted = probability(table, 0, [*one.tokens, EOS] if one.finished else one.tokens)
        assert one.log_prob == pytest.approx(wanted, abs=1e-5)
        assert one.score == pytest.approx(wanted / one.length, abs=1e-5)


def test_rules_of_search_hold():
    table = random_table(sentences=1)
    config = SearchConfig(beam_size=50, n_best=50, min_length=2, no_repeat_ngram=1)
    (found,) = drawn(table, [0], draws=50, config=config)
    assert all(2 <= len(one.tokens) <= 3 and len(set(one.tokens)) == len(one.tokens) for one in found)


def test_where_nothing_is_possible_a_draw_is_unfinished():
    table = bigram_table({BOS: {2: 1.0}, 2: {}})
    ((one,),) = drawn(table, [0])
    assert (one.tokens, one.finished, one.log_prob) == ([2], False, 0.0)


def test_no_sentences_give_none():
    assert drawn(random_table(sentences=1), [], order=[]) == []
