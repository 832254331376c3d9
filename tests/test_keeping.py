"""Placeholders are kept, shown on texts like Home Assistant's; the model is untrained, so it keeps none."""

import re
from collections import Counter

import pytest
from tiny import TRANSFORMER, tiny_run

from translate import Translator
from translate.config.search import SearchConfig
from translate.engine import Sampling
from translate.keeping import _choose, copy_missing, translate_keeping
from translate.placeholders import MARKUP, count
from translate.steering import Steering
from translate.translation import Translation

LINES = [
    "{entity} is on",
    "Guten Morgen!",
    "",
    "Set {value} {unit} for {entity}",
    "{a} und {a}",
    "Bitte <b>hier</b> klicken&nbsp;!",
]
SEARCH = SearchConfig(beam_size=3, max_length_ratio=1.0)


@pytest.fixture(scope="module", params=["recurrent", "transformer"])
def translator(request, tmp_path_factory):
    model = {"model": TRANSFORMER} if request.param == "transformer" else {}
    return Translator(tiny_run(tmp_path_factory.mktemp("keeping"), max_length=64, **model), "cpu")


def kept(translations):
    return [count(each.text, MARKUP) == count(each.src, MARKUP) for each in translations]


def test_every_translation_has_its_sources_placeholders(translator):
    plain = translator.translate(LINES, SEARCH)
    assert not all(kept(plain))
    found = translate_keeping(translator, LINES, SEARCH, MARKUP)
    assert all(kept(found))
    assert found[1].text == plain[1].text  # which has none
    assert [each.kept for each in found[1:3]] == ["", ""]
    assert {each.kept for each in (found[0], *found[3:])} <= {"constrained", "copied"}
    assert [len(each.alternatives) for each in found] == [1] * len(LINES)


def test_what_constraints_cannot_do_is_copied(translator):
    never_twice = SearchConfig(beam_size=2, max_length_ratio=1.0, no_repeat_ngram=1)
    found = translate_keeping(translator, LINES, never_twice, MARKUP)
    assert all(kept(found))
    assert found[4].kept == "copied"
    assert found[4].alternatives[0][0] == found[4].text


def test_draws_are_not_constrained_but_copied_into(translator):
    steering = Steering(sampling=Sampling(seed=1))
    greedy = SearchConfig(beam_size=1, max_length_ratio=1.0)
    found = translate_keeping(translator, LINES, greedy, MARKUP, steering=steering)
    assert all(kept(found))
    assert found[3].kept == "copied"


def test_an_empty_translation_gets_all_of_them(translator):
    empty = Translation("{a} und {b}", "", 0.0, [("", 0.0)])
    (found,) = copy_missing(translator, [empty], MARKUP)
    assert found.text == "{a} {b}"


def test_what_is_too_many_goes_and_the_rest_stays_where_it_is(translator):
    doubled = Translation("{a} Hund", "the {a} dog {a} {c}", -1.0, [("the {a} dog {a} {c}", -1.0)])
    (found,) = copy_missing(translator, [doubled], MARKUP)
    assert found.text.split() == ["the", "{a}", "dog"]
    assert found.score == -1.0


def test_a_pattern_that_cannot_be_kept_is_lost(translator):
    pattern = re.compile("^Hund")
    given = Translation("Hund und", "a", 0.0, [("a", 0.0)])
    (found,) = copy_missing(translator, [given], pattern)
    assert found.kept in ("copied", "lost")
    assert (found.kept == "copied") == (count(found.text, pattern) == Counter(["Hund"]))


def test_another_of_the_best_is_taken_if_it_keeps_them():
    found = Translation("{a}", "x", -1.0, [("x", -1.0), ("y {a}", -2.0), ("{a} {a}", -3.0)])
    chosen = _choose(found, Counter(["{a}"]), "at once", MARKUP, 2)
    assert chosen == Translation("{a}", "y {a}", -2.0, [("y {a}", -2.0), ("x", -1.0)], "another")
    first = Translation("{a}", "{a}", -1.0, [("{a}", -1.0), ("y", -2.0)])
    assert _choose(first, Counter(["{a}"]), "at once", MARKUP, 1).kept == "at once"
