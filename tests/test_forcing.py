"""A forced prefix, on tables of probabilities."""

import pytest
import torch
from test_search import BOS, EOS, SPACE, exhaustive, probability, random_table

from translate.config.search import SearchConfig
from translate.forcing import force_prefixes
from translate.search import beam_search


def search(table, prefixes, lengths=3, **settings):
    step, state = force_prefixes(table.step, table.start(), prefixes, torch.device("cpu"))
    limits = torch.full((len(prefixes),), lengths)
    return beam_search(step, state, limits, SearchConfig(**settings), bos_id=BOS, eos_id=EOS)


@pytest.mark.parametrize("prefix", [[], [3], [4, 2], [2, 2, 2]])
def test_the_result_is_the_best_of_all_that_begin_so(prefix):
    table = random_table(sentences=1)
    (found,) = search(table, [prefix], beam_size=SPACE, n_best=4)
    wanted = [
        (score, tokens)
        for score, tokens in exhaustive(table, 0, SearchConfig(beam_size=SPACE))
        if tokens[: len(prefix)] == prefix
    ]
    assert [one.tokens for one in found if one.finished] == [tokens for _, tokens in wanted[: len(found)]]
    assert found[0].log_prob == pytest.approx(probability(table, 0, [*found[0].tokens, EOS]), abs=1e-5)


def test_each_sentence_has_its_own_prefix():
    table = random_table(sentences=3)
    found = search(table, [[4, 4], [], [2]], beam_size=2)
    alone = beam_search(
        table.step, table.start([1]), torch.tensor([3]), SearchConfig(beam_size=2), bos_id=BOS, eos_id=EOS
    )
    assert found[0][0].tokens[:2] == [4, 4]
    assert found[1] == alone[0]
    assert found[2][0].tokens[:1] == [2]
