"""Search is tested on tables of probabilities: every path can be looked up, and all of them can be listed."""

import itertools
import math
from typing import NamedTuple

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

from translate.config.search import SearchConfig
from translate.engine import Hypothesis
from translate.search import beam_search, top

BOS, EOS = 0, 1
WORDS = (2, 3, 4)


class Path(NamedTuple):
    """Where each row is in its table: the tokens so far, read as the digits of a number."""

    sentence: Int[Tensor, " R"]
    place: Int[Tensor, " R"]

    def select(self, rows: Int[Tensor, " N"]) -> "Path":
        return Path(self.sentence[rows], self.place[rows])


class Table:
    """log P(next token | sentence, everything before); counts the rows of each step."""

    def __init__(self, log_probs: Float[Tensor, "B X V"]) -> None:
        self.log_probs = log_probs
        self.rows: list[int] = []

    def start(self, order: list[int] | None = None) -> Path:
        sentence = torch.tensor(range(len(self.log_probs)) if order is None else order, dtype=torch.long)
        return Path(sentence, torch.zeros_like(sentence))

    def step(self, tokens: Int[Tensor, " R"], state: Path) -> tuple[Float[Tensor, "R V"], Path]:
        self.rows.append(len(tokens))
        place = state.place * self.log_probs.shape[2] + tokens
        return self.log_probs[state.sentence, place], Path(state.sentence, place)


def random_table(sentences: int = 2, words: int = 3, length: int = 3) -> Table:
    torch.manual_seed(0)
    vocabulary = words + 2
    return Table((2 * torch.randn(sentences, vocabulary ** (length + 1), vocabulary)).log_softmax(dim=2))


def bigram_table(rows: dict[int, dict[int, float]], words: int = 3, length: int = 6) -> Table:
    """A table in which only the last token matters; what is not given has probability zero."""
    probs = torch.zeros(words + 2, words + 2)
    for last, following in rows.items():
        for token, prob in following.items():
            probs[last, token] = prob
    return Table(probs.log().repeat((words + 2) ** length, 1)[None])


def search(
    table: Table, lengths: int | list[int] = 3, order: list[int] | None = None, **settings: float
) -> list[list[Hypothesis]]:
    state = table.start(order)
    if isinstance(lengths, int):
        lengths = [lengths] * len(state.sentence)
    config = SearchConfig(**settings)
    return beam_search(
        table.step, state, torch.tensor(lengths, dtype=torch.long), config, bos_id=BOS, eos_id=EOS
    )


def probability(table: Table, sentence: int, tokens: list[int]) -> float:
    """The sum of the log-probabilities of these tokens, looked up one by one."""
    place, total = BOS, 0.0
    for token in tokens:
        total += float(table.log_probs[sentence, place, token])
        place = place * table.log_probs.shape[2] + token
    return total


def repeats(tokens: tuple[int, ...], size: int) -> bool:
    ngrams = [tokens[at : at + size] for at in range(len(tokens) - size + 1)]
    return size > 0 and len(set(ngrams)) < len(ngrams)


def exhaustive(
    table: Table, sentence: int, config: SearchConfig, length: int = 3
) -> list[tuple[float, list[int]]]:
    """Every translation and its score, best first."""
    found = []
    for size in range(config.min_length, length + 1):
        for tokens in itertools.product(WORDS, repeat=size):
            if not repeats(tokens, config.no_repeat_ngram):
                score = probability(table, sentence, [*tokens, EOS]) / (size + 1) ** config.length_penalty
                found.append((score, list(tokens)))
    return sorted(found, reverse=True)


# Of three words there are 1 + 3 + 9 + 27 translations of at most three, and 81 that would be too long.
TRANSLATIONS, SPACE = 40, 121


@pytest.mark.parametrize("settings", [{}, {"min_length": 2}, {"no_repeat_ngram": 1}, {"no_repeat_ngram": 2}])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 3.0, -1.0])
def test_a_beam_as_wide_as_the_space_is_exhaustive_search(length_penalty, settings):
    config = SearchConfig(beam_size=SPACE, n_best=12, length_penalty=length_penalty, **settings)
    table = random_table(sentences=3)
    results = beam_search(table.step, table.start(), torch.tensor([3, 3, 3]), config, bos_id=BOS, eos_id=EOS)
    for sentence, hypotheses in enumerate(results):
        expected = exhaustive(table, sentence, config)[:12]
        assert [hypothesis.tokens for hypothesis in hypotheses] == [tokens for _, tokens in expected]
        assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx(
            [score for score, _ in expected]
        )
        assert all(hypothesis.finished for hypothesis in hypotheses)


def test_all_translations_are_found_once_when_all_are_asked_for():
    (hypotheses,) = search(random_table(sentences=1), beam_size=SPACE, n_best=SPACE)
    finished = [tuple(hypothesis.tokens) for hypothesis in hypotheses if hypothesis.finished]
    assert len(finished) == len(set(finished)) == TRANSLATIONS


def test_a_beam_of_one_is_greedy_search():
    table = random_table(sentences=50)
    for sentence, (hypothesis,) in enumerate(search(table, beam_size=1)):
        tokens, place = [], BOS
        while len(tokens) <= 3:
            log_probs = table.log_probs[sentence, place].clone()
            log_probs[BOS] = -math.inf
            token = int(log_probs.argmax())
            if token == EOS or len(tokens) == 3:
                break
            tokens.append(token)
            place = place * 5 + token
        assert hypothesis.tokens == tokens
        assert hypothesis.finished == (token == EOS)


def test_a_wider_beam_finds_what_greedy_search_misses():
    # Greedy begins with the likelier 2 and can only go on badly; 3 is followed by a sure end.
    table = bigram_table({BOS: {2: 0.6, 3: 0.4}, 2: {EOS: 0.4, 4: 0.6}, 3: {EOS: 1.0}, 4: {EOS: 1.0}})
    ((greedy,),) = search(table, beam_size=1, length_penalty=0.0)
    ((beam,),) = search(table, beam_size=2, length_penalty=0.0)
    assert (greedy.tokens, beam.tokens) == ([2, 4], [3])
    assert (greedy.log_prob, beam.log_prob) == pytest.approx((math.log(0.36), math.log(0.4)))


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_asking_for_more_translations_changes_none_of_them(width, length_penalty):
    table = random_table(sentences=50)
    settings = {"beam_size": width, "length_penalty": length_penalty}
    every = search(table, n_best=width, **settings)
    for wanted in {1, (width + 1) // 2}:
        assert search(table, n_best=wanted, **settings) == [hypotheses[:wanted] for hypotheses in every]


def test_a_sentence_stops_when_nothing_better_can_come():
    # After 2 the end is likely: what goes on has a lower probability already, which without a length
    # penalty can only fall.
    table = bigram_table({BOS: {EOS: 0.6, 2: 0.4}, 2: {2: 1.0}})
    ((hypothesis,),) = search(table, lengths=5, beam_size=2, length_penalty=0.0)
    assert hypothesis.tokens == []
    assert table.rows == [1]


def test_a_sentence_goes_on_while_a_longer_translation_can_still_win():
    # Two tokens later, the same probability is divided by three.
    table = bigram_table({BOS: {EOS: 0.6, 2: 0.4}, 2: {3: 1.0}, 3: {EOS: 1.0}})
    ((hypothesis,),) = search(table, lengths=5, beam_size=2, length_penalty=1.0)
    assert hypothesis.tokens == [2, 3]
    assert hypothesis.score == pytest.approx(math.log(0.4) / 3)


def test_finished_sentences_leave_the_batch():
    short = bigram_table({BOS: {EOS: 1.0}}, length=5)
    long = bigram_table({BOS: {2: 1.0}, 2: {2: 1.0}}, length=5)
    table = Table(torch.cat([short.log_probs, long.log_probs, short.log_probs]))
    search(table, lengths=4, beam_size=3)
    assert table.rows == [3, 1, 1, 1, 1]


def test_a_beam_has_only_as_many_rows_as_live_hypotheses():
    table = random_table(sentences=1)
    search(table, beam_size=SPACE, n_best=SPACE)
    assert table.rows == [1, 3, 9, 27]


def test_the_score_is_the_log_probability_over_a_power_of_the_length_with_the_end():
    table = random_table(sentences=2)
    for sentence, hypotheses in enumerate(search(table, beam_size=4, n_best=4, length_penalty=0.5)):
        for hypothesis in hypotheses:
            tokens = hypothesis.tokens + [EOS] * hypothesis.finished
            assert hypothesis.length == len(tokens)
            assert hypothesis.log_prob == pytest.approx(probability(table, sentence, tokens))
            assert hypothesis.score == pytest.approx(hypothesis.log_prob / len(tokens) ** 0.5)


def test_translations_come_best_first():
    for hypotheses in search(random_table(sentences=5), beam_size=6, n_best=6):
        order = [(not hypothesis.finished, -hypothesis.score) for hypothesis in hypotheses]
        assert order == sorted(order)


def test_among_equals_the_better_slot_and_the_lower_token_come_first():
    table = Table(torch.full((1, 5**4, 5), 0.2).log())
    (hypotheses,) = search(table, lengths=2, beam_size=6, n_best=6, length_penalty=0.0)
    assert [hypothesis.tokens for hypothesis in hypotheses] == [[], [2], [3], [2, 2], [2, 3], [2, 4]]
    (greedy,) = search(table, lengths=3, beam_size=1, min_length=3)
    assert greedy[0].tokens == [2, 2, 2]


def test_nothing_ends_before_the_least_length():
    table = bigram_table({BOS: {EOS: 0.9, 2: 0.1}, 2: {EOS: 0.9, 2: 0.1}})
    for width in (1, 3):
        ((hypothesis,),) = search(table, lengths=5, beam_size=width, min_length=3)
        assert (hypothesis.tokens, hypothesis.finished) == ([2, 2, 2], True)


def test_each_sentence_has_its_own_greatest_length():
    table = Table(bigram_table({BOS: {2: 1.0}, 2: {2: 1.0}}).log_probs.repeat(3, 1, 1))
    results = search(table, lengths=[4, 0, 2], beam_size=2)
    assert [hypotheses[0].tokens for hypotheses in results] == [[2, 2, 2, 2], [], [2, 2]]
    assert not any(hypotheses[0].finished for hypotheses in results)
    assert [hypotheses[0].score for hypotheses in results] == [0.0, 0.0, 0.0]


def test_a_translation_of_the_greatest_length_may_still_end():
    table = bigram_table({BOS: {2: 1.0}, 2: {2: 0.4, EOS: 0.6}})
    ((hypothesis,),) = search(table, lengths=1, beam_size=1)
    assert (hypothesis.tokens, hypothesis.finished) == ([2], True)


def test_the_greatest_length_goes_before_the_least():
    ((hypothesis,),) = search(bigram_table({BOS: {2: 1.0}, 2: {2: 0.5, EOS: 0.5}}), lengths=2, min_length=4)
    assert (hypothesis.tokens, hypothesis.finished) == ([2, 2], False)


def test_unfinished_translations_only_fill_up():
    table = bigram_table({BOS: {2: 0.9, 3: 0.1}, 2: {2: 1.0}, 3: {EOS: 1.0}})
    ((first, second),) = search(table, lengths=3, beam_size=2, n_best=2, length_penalty=1.0)
    assert (first.tokens, first.finished) == ([3], True)
    assert (second.tokens, second.finished) == ([2, 2, 2], False)
    assert second.score == pytest.approx(math.log(0.9) / 3)
    assert second.score > first.score
    assert len(search(table, lengths=3, beam_size=2, n_best=1)[0]) == 1


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 4])
def test_no_ngram_occurs_twice(size, width):
    table = Table(torch.tensor([0.0, 0.01, 0.5, 0.3, 0.19]).log().repeat(1, 5**7, 1))
    (hypotheses,) = search(table, lengths=6, beam_size=width, n_best=width, no_repeat_ngram=size)
    for hypothesis in hypotheses:
        assert not repeats(tuple(hypothesis.tokens), size)
    unblocked = search(table, lengths=6, beam_size=width, n_best=width)[0]
    assert any(repeats(tuple(hypothesis.tokens), size) for hypothesis in unblocked)


def test_a_translation_that_cannot_go_on_is_kept_unfinished():
    # With unigrams blocked, two words are all there is, and the end has probability zero.
    table = bigram_table({BOS: {2: 0.6, 3: 0.4}, 2: {2: 0.5, 3: 0.5}, 3: {2: 0.5, 3: 0.5}})
    (hypotheses,) = search(table, lengths=6, beam_size=2, n_best=2, no_repeat_ngram=1)
    assert [(hypothesis.tokens, hypothesis.finished) for hypothesis in hypotheses] == [
        ([2, 3], False),
        ([3, 2], False),
    ]


def test_forbidden_tokens_are_never_produced():
    table = Table(torch.tensor([0.3, 0.05, 0.3, 0.3, 0.05]).log().repeat(1, 5**4, 1))
    config = SearchConfig(beam_size=4, n_best=4)
    (hypotheses,) = beam_search(
        table.step,
        table.start(),
        torch.tensor([3]),
        config,
        bos_id=BOS,
        eos_id=EOS,
        forbidden_ids=(2, 3),
    )
    assert {token for hypothesis in hypotheses for token in hypothesis.tokens} == {4}


def test_a_vocabulary_may_be_smaller_than_the_beam():
    (hypotheses,) = search(random_table(sentences=1, words=1), beam_size=9, n_best=9)
    found = [tuple(hypothesis.tokens) for hypothesis in hypotheses if hypothesis.finished]
    assert sorted(found) == [(), (2,), (2, 2), (2, 2, 2)]


def test_no_sentences_give_no_translations():
    table = random_table(sentences=2)
    assert search(table, order=[]) == []
    assert table.rows == []


@pytest.mark.parametrize("width", [1, 3])
def test_neighbours_and_their_order_change_nothing(width):
    table = random_table(sentences=6, words=4)
    lengths = [3, 1, 2, 0, 3, 2]
    together = search(table, lengths, beam_size=width, n_best=width)
    order = [4, 2, 0, 5, 1, 3]
    shuffled = search(table, [lengths[at] for at in order], order, beam_size=width, n_best=width)
    assert shuffled == [together[at] for at in order]
    assert [
        search(table, [lengths[at]], [at], beam_size=width, n_best=width)[0] for at in range(6)
    ] == together


def test_probabilities_of_zero_give_no_nan():
    table = bigram_table({BOS: {2: 1.0}, 2: {2: 0.5, EOS: 0.5}})
    for penalty in (0.0, 1.0, 500.0, -1.0):
        (hypotheses,) = search(table, lengths=3, beam_size=7, n_best=7, length_penalty=penalty)
        assert hypotheses
        assert all(math.isfinite(it.score) and math.isfinite(it.log_prob) for it in hypotheses)


@pytest.mark.parametrize("size", [3, 40, 700, 1000])
@pytest.mark.parametrize("count", [1, 4])
def test_the_best_are_those_that_sorting_gives_ties_included(size, count):
    torch.manual_seed(0)
    for scores in (
        -torch.rand(5, size),
        torch.randint(-9, 9, (5, size)).float(),
        torch.zeros(5, size).bernoulli_(0.01).log(),
        torch.full((5, size), -math.inf),
    ):
        values, places = top(scores, count)
        expected = scores.sort(dim=1, descending=True, stable=True)
        torch.testing.assert_close(values, expected.values[:, :count], rtol=0, atol=0)
        assert torch.equal(places, expected.indices[:, :count])
