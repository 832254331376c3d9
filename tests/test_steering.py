"""What is wanted of translations, from the text to what an engine finds."""

import pytest
from tiny import tiny_run, tiny_tokenizers

from translate import Translator
from translate.config.search import SearchConfig
from translate.engine import Demand, Sampling
from translate.errors import UsageError
from translate.glossary import Glossary, Term
from translate.parts import Part
from translate.steering import Steering, demands_of

TOKENIZERS = tiny_tokenizers()
LINES = ["Ein Hund läuft.", "", "Zwei Kinder", "Guten Morgen! Wie geht es dir?"]
GLOSSARY = Glossary([Term("Hund", "dog"), Term("Kinder", "children"), Term("Park", "park")])
WIDE = SearchConfig(beam_size=4, max_length_ratio=1.0)


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    return Translator(tiny_run(tmp_path_factory.mktemp("steering"), max_length=20), "cpu")


def parts(*texts, number=0):
    return [Part(number, TOKENIZERS.src.encode(text), spaced=False) for text in texts]


def test_nothing_is_wanted_by_default():
    assert not Steering()
    assert demands_of(Steering(), TOKENIZERS, parts("Hund"), 1, WIDE) == [Demand(place=(1, 0))]


def test_the_prefix_belongs_to_the_first_part_and_each_part_draws_its_own():
    steering = Steering(prefix="A dog", sampling=Sampling(seed=3))
    first, second, third = demands_of(
        steering, TOKENIZERS, [*parts("Hund", "Katze"), *parts("Maus", number=4)], 10, WIDE
    )
    assert first.prefix == third.prefix == tuple(TOKENIZERS.tgt.encode("A dog"))
    assert second.prefix == ()
    assert [demand.place for demand in (first, second, third)] == [(10, 0), (10, 1), (14, 0)]
    assert first.sampling == Sampling(seed=3)


def test_terms_belong_to_the_parts_that_have_them():
    first, second = demands_of(Steering(glossary=GLOSSARY), TOKENIZERS, parts("Hund", "Kinder"), 1, WIDE)
    assert first.phrases == (tuple(TOKENIZERS.tgt.encode("dog")),)
    assert second.phrases == (tuple(TOKENIZERS.tgt.encode("children")),)
    assert first.length == len(first.phrases[0])


def test_what_is_wanted_of_a_text_is_wanted_where_it_is():
    steering = Steering(phrases={0: ["{a}", "{a}", "{b}"]})
    first, second = demands_of(steering, TOKENIZERS, parts("Hund {a}", "{b} {b}"), 1, WIDE)
    assert [TOKENIZERS.tgt.decode(phrase) for phrase in first.phrases] == ["{a}"]
    assert [TOKENIZERS.tgt.decode(phrase) for phrase in second.phrases] == ["{b}"]


def test_what_has_a_space_before_it_keeps_it():
    steering = Steering(phrases={0: [" {a}", "{b}", " {c}"]})
    (demand,) = demands_of(steering, TOKENIZERS, parts("{a} Hund({b}) {c}"), 1, WIDE)
    begins = [TOKENIZERS.tgt.pieces(phrase)[0] for phrase in demand.phrases]
    assert begins[0] == begins[2] == "▁" != begins[1]


def test_a_prefix_that_may_not_be_is_refused():
    search = SearchConfig(no_repeat_ngram=1)
    with pytest.raises(
        UsageError, match=r"^the prefix repeats a sequence of 1 pieces, which search\.no_repeat"
    ):
        demands_of(Steering(prefix="dog dog"), TOKENIZERS, parts("Hund"), 1, search)


@pytest.mark.parametrize("prefix", ["A dog", "Good morning! H", "ß"])
@pytest.mark.parametrize("search", [None, WIDE])
def test_translations_begin_with_the_prefix(translator, prefix, search):
    found = translator.translate(LINES, search, steering=Steering(prefix=prefix))
    assert [each.text.startswith(prefix) for each in found] == [True, False, True, True]
    assert found[1].text == ""


def test_a_prefix_of_the_best_translation_changes_nothing(translator):
    best = translator.translate(LINES[:1], WIDE)
    again = translator.translate(LINES[:1], WIDE, steering=Steering(prefix=best[0].text))
    assert again[0].text.startswith(best[0].text)


@pytest.mark.parametrize("batch_tokens", [1, None])
def test_translations_have_the_terms(translator, batch_tokens):
    plain = translator.translate(LINES, WIDE)
    found = translator.translate(LINES, WIDE, batch_tokens=batch_tokens, steering=Steering(glossary=GLOSSARY))
    assert " dog" in f" {found[0].text}"
    assert " children" in f" {found[2].text}"
    assert [found[n].text for n in (1, 3)] == [plain[n].text for n in (1, 3)]


def test_a_prefix_and_terms_go_together(translator):
    steering = Steering(prefix="Two", glossary=GLOSSARY)
    text = translator.translate(["Ein Hund läuft im Park."], WIDE, steering=steering)[0].text
    assert text.startswith("Two")
    assert "dog" in text
    assert "park" in text


def test_which_lines_are_drawn_together_changes_nothing(translator):
    steering = Steering(sampling=Sampling(seed=5))
    search = SearchConfig(beam_size=2, n_best=2, max_length_ratio=1.0)
    together = translator.translate(LINES, search, steering=steering)
    alone = [
        translator.translate([line], search, first_line=number, steering=steering)[0]
        for number, line in enumerate(LINES, start=1)
    ]
    assert [[text for text, _ in each.alternatives] for each in together] == [
        [text for text, _ in each.alternatives] for each in alone
    ]
    assert translator.translate(LINES, search, batch_tokens=1, steering=steering)[0].text == together[0].text


def test_drawing_from_one_piece_is_greedy_search(translator):
    greedy = SearchConfig(beam_size=1, max_length_ratio=1.0)
    steering = Steering(sampling=Sampling(top_k=1))
    drawn = translator.translate(LINES, greedy, steering=steering)
    assert [each.text for each in drawn] == [each.text for each in translator.translate(LINES, greedy)]
