import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF
from tiny import SENTENCES, tiny_run

from translate import Translator
from translate.config.search import SearchConfig
from translate.errors import UsageError
from translate.mbr import choose, pairwise_chrf

TEXTS = [*SENTENCES, "", " ", "a", "aaaaaaaaaa", "aa a", "A dog runs.", "A dog runs.", "今日は。", "🐕 läuft"]


def sacrebleu_chrf(texts):
    metric = CHRF()
    return [[metric.sentence_score(text, [other]).score for other in texts] for text in texts]


def test_pairwise_chrf_is_sacrebleus_of_every_pair():
    np.testing.assert_allclose(pairwise_chrf(TEXTS), sacrebleu_chrf(TEXTS), rtol=1e-12)


@given(st.lists(st.text(alphabet="ab c\u2028", max_size=12), min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
def test_pairwise_chrf_is_sacrebleus_of_any_texts(texts):
    np.testing.assert_allclose(pairwise_chrf(texts), sacrebleu_chrf(texts), rtol=1e-12)


@pytest.mark.parametrize("log_probs", [[-1.0, -2.5, -2.0, -4.0], [-900.0, -900.1, -900.2, -950.0]])
def test_the_choice_has_the_highest_expected_chrf(log_probs):
    texts = ["A dog runs.", "Two dogs run.", "A dog is running.", "Good morning!"]
    chrf = sacrebleu_chrf(texts)
    weights = [math.exp(each - log_probs[0]) for each in log_probs]
    expected = [sum(w * score for w, score in zip(weights, row, strict=True)) for row in chrf]
    assert choose(texts, log_probs) == expected.index(max(expected))


def test_what_is_like_the_others_wins_over_what_is_a_little_more_probable():
    texts = ["Good morning!", "A dog runs fast.", "A dog runs there."]
    assert choose(texts, [-1.0, -1.2, -1.3]) == 1


def test_what_is_almost_certain_wins_whatever_the_others_say():
    assert choose(["Good morning!", "A dog runs fast.", "A dog runs there."], [-0.1, -5.0, -5.0]) == 0


def test_among_equals_and_where_nothing_is_like_anything_the_first_wins():
    assert choose(["a", "a", "b"], [-1.0, -1.0, -1.0]) == 0
    assert choose(["", ""], [-2.0, -1.0]) == 0


# Translating


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("mbr"), max_length=14)


LINES = ["Ein Hund läuft.", "", "Guten Morgen! Zwei Kinder.", "Zwei Kinder"]  # the third one in parts


def test_a_translator_chooses_among_the_best_of_the_beam(run):
    search = {"beam_size": 6, "length_penalty": 0.0, "max_length_ratio": 0.5, "max_length_offset": 0}
    translator = Translator(run, "cpu")
    lists = translator.translate(LINES, SearchConfig(**search, n_best=5))
    chosen = translator.translate(LINES, SearchConfig(**search, mbr=5))
    places = []
    for one, best in zip(chosen, lists, strict=True):
        texts, scores = zip(*best.alternatives, strict=True)
        places.append(choose(texts, scores))  # without length penalty the scores are log-probabilities
        best_one = best.alternatives[places[-1]]
        assert (one.src, (one.text, one.score), one.alternatives) == (best.src, best_one, [best_one])
    assert any(places)


def test_a_length_penalty_does_not_change_the_probabilities(run):
    search = {"beam_size": 6, "max_length_ratio": 0.0, "max_length_offset": 3, "mbr": 6}
    translator = Translator(run, "cpu")
    divided, not_divided = (
        translator.translate(LINES, SearchConfig(**search, length_penalty=penalty)) for penalty in (2.0, 0.0)
    )
    assert [each.text for each in divided] == [each.text for each in not_divided]
    assert [each.score for each in divided] != [each.score for each in not_divided]


def test_one_candidate_is_the_best_translation(run):
    translator = Translator(run, "cpu")
    assert translator.translate(LINES, SearchConfig(beam_size=3, mbr=1)) == translator.translate(
        LINES, SearchConfig(beam_size=3)
    )


def test_more_candidates_than_the_beam_has_are_refused():
    with pytest.raises(UsageError, match=r"^search\.mbr is 3, more than search\.beam_size 2$"):
        SearchConfig(beam_size=2, mbr=3)


def test_several_translations_of_a_line_and_one_chosen_are_refused_together():
    message = r"^search\.mbr is 3, which chooses one translation, but search\.n_best is 2: leave one at"
    with pytest.raises(UsageError, match=message):
        SearchConfig(beam_size=4, mbr=3, n_best=2)


def test_a_single_one_is_chosen_though_nobody_asked_how_probable_it_is():
    """As greedy search without scores leaves it."""
    assert choose(["one"], [math.nan]) == 0
