"""The grammar speaks correct German, and knows which English words each German word translates."""

from random import Random

import pytest

from translate.corpora.corpus import Corpus, to_dataset
from translate.corpora.synthetic import count_facts, diagonal, lexicon, make_synthetic, report
from translate.corpora.synthetic.forms import PLURAL, ending
from translate.corpora.synthetic.grammar import MAX_WORDS, Grammar
from translate.corpora.synthetic.syntax import (
    COMMA,
    Clause,
    Nominal,
    NounPhrase,
    Phrase,
    Src,
    Tgt,
    owned,
    prepositional,
    unit,
    units,
    verb_group,
)
from translate.errors import UsageError

NOUNS = {noun.en: noun for nouns in lexicon.NOUNS.values() for noun in nouns}
VERBS = {verb.en[0]: verb for verb in lexicon.VERBS}
DETERMINERS = {row.en: row for row in lexicon.DETERMINERS if row.en != "-"}
ADJECTIVES = {row.en: row for rows in lexicon.ADJECTIVES.values() for row in rows}
THE, A, MY = DETERMINERS["the"], DETERMINERS["a"], DETERMINERS["my"]
SHE = Nominal(unit("she", "sie"), 2, pronoun=True)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return make_synthetic(size=2_000)


def english(phrase: Phrase) -> str:
    return " ".join(word.text for word in phrase.src)


def german(phrase: Phrase) -> str:
    return " ".join(word.text for word in phrase.tgt)


def sources(phrase: Phrase) -> dict[str, str]:
    """German word -> its English words."""
    return {word.text: " ".join(src.text for src in word.of) for word in phrase.tgt}


def rows(corpus: Corpus) -> list[tuple[list[str], list[str], list[tuple[int, int]]]]:
    """Source words, target words and links of all pairs."""
    found = []
    for name, split in corpus.splits.items():
        for src, tgt, line in zip(split["src"], split["tgt"], corpus.links[name], strict=True):
            links = [tuple(map(int, link.split("-"))) for link in line.split()]
            found.append((src.split(), tgt.split(), links))
    return found


def clause(verb: str, tense: str, obj: Nominal, support: bool = False, negated: bool = False) -> Clause:
    not_ = (Src("not"),) if negated else ()
    group = verb_group(VERBS[verb], tense, 2, support=support or negated)
    return Clause(SHE, group, negation=not_, objects=(obj,), time=units("today=heute"))


def the(noun: str, case: str = "acc") -> Nominal:
    return NounPhrase(NOUNS[noun], THE).decline(case, "person")


# The corpus.


def test_the_grammar_is_as_hard_as_promised(corpus):
    facts = count_facts(corpus)

    assert facts.sentences == 3_000
    assert facts.src_types >= 500
    assert facts.tgt_types >= 500
    assert facts.crossing >= 0.5
    assert facts.several >= 0.05
    assert facts.none >= 0.03
    assert facts.diagonal_aer > 0.4
    assert 8 < facts.src_words / facts.sentences < 10
    print(report(corpus))


def test_no_english_sentence_comes_twice(corpus):
    sentences = [src for split in corpus.splits.values() for src in split["src"]]

    assert len(set(sentences)) == len(sentences)
    assert {name: len(split) for name, split in corpus.splits.items()} == {
        "train": 2_000,
        "valid": 500,
        "test": 500,
    }


def test_an_english_sentence_has_one_german_one_and_one_alignment():
    known = {}
    for seed in range(2):
        grammar = Grammar(Random(seed))
        for _ in range(1_000):
            phrase = grammar.sentence()
            answer = (german(phrase), phrase.pharaoh())
            assert known.setdefault(english(phrase), answer) == answer
    assert len(known) < 2_000  # some did come twice


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another():
    first, again, other = (make_synthetic(30, seed, 10, 10) for seed in (3, 3, 4))

    for name in ("train", "valid", "test"):
        assert first.splits[name].to_dict() == again.splits[name].to_dict()
        assert first.splits[name].to_dict() != other.splits[name].to_dict()
    assert first.links == again.links
    assert first.seed == 3


def test_the_test_part_does_not_depend_on_the_size():
    small, large = make_synthetic(5, 3, 10, 10), make_synthetic(50, 3, 10, 10)

    assert small.splits["test"].to_dict() == large.splits["test"].to_dict()
    assert small.links["valid"] == large.links["valid"]


def test_only_do_does_and_to_have_no_german(corpus):
    unlinked = {src[i] for src, _, links in rows(corpus) for i in {*range(len(src))} - {i for i, _ in links}}

    assert unlinked == {"do", "does", "to"}


def test_only_commas_reflexives_and_one_preposition_have_no_english(corpus):
    unlinked = {tgt[j] for _, tgt, links in rows(corpus) for j in {*range(len(tgt))} - {j for _, j in links}}

    assert unlinked == {",", "an", *lexicon.REFLEXIVES}


def test_links_are_words_of_their_sentence_in_order(corpus):
    for src, tgt, links in rows(corpus):
        assert links == sorted(set(links))
        assert all(0 <= i < len(src) <= MAX_WORDS and 0 <= j < len(tgt) for i, j in links)


def test_final_punctuation_is_linked(corpus):
    for src, tgt, links in rows(corpus):
        assert src[-1] == tgt[-1]
        assert links[-1] == (len(src) - 1, len(tgt) - 1)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 1, 5, 5), "synthetic corpus: 0 train pairs asked for, at least 1 is needed"),
        ((5, 1, -2, 5), "synthetic corpus: -2 valid pairs asked for, at least 1 is needed"),
        ((5, 1, 5, 0), "synthetic corpus: 0 test pairs asked for, at least 1 is needed"),
    ],
)
def test_empty_parts_are_refused(sizes, message):
    with pytest.raises(UsageError, match=message):
        make_synthetic(*sizes)


def test_facts_are_counted_over_all_splits():
    corpus = make_synthetic(1, 1, 1, 1)._replace(
        splits={
            "train": to_dataset([("we sleep", "wir schlafen"), ("a b c", "C A , BC")]),
            "test": to_dataset([("we sleep", "schlafen wir")]),
        },
        links={"train": ["0-0 1-1", "0-1 1-3 2-0 2-3"], "test": ["0-1 1-0"]},
    )

    facts = count_facts(corpus)

    assert facts[:5] == (3, 7, 8, 5, 6)
    assert facts.crossing == 2 / 3
    assert facts.several == 1 / 8
    assert facts.none == 1 / 8
    # Of the diagonal's eight links, wir, schlafen and BC (from c) are gold, which has eight.
    assert facts.diagonal_aer == pytest.approx(1 - 2 * 3 / (8 + 8))
    assert report(corpus).splitlines() == [
        "3 sentences, 7 en and 8 de words",
        "5 en and 6 de word types",
        "66.7% of the sentences have crossing links",
        "12.5% of the de words have several en words",
        "12.5% of the de words have no en word",
        "62.5% is the alignment error rate (AER) of the plain diagonal",
    ]


def test_the_diagonal_joins_words_at_the_same_relative_position():
    assert diagonal(3, 3) == {(0, 0), (1, 1), (2, 2)}
    assert diagonal(2, 4) == {(0, 0), (0, 1), (1, 2), (1, 3)}
    assert diagonal(6, 2) == {(1, 0), (4, 1)}


# Words.


def test_an_english_word_has_one_translation():
    nouns = [form for noun in NOUNS.values() for form in {noun.en, noun.en_plural} - {"-"}]
    verbs = [verb.en + verb.particle for verb in lexicon.VERBS]
    first = {row.en: row for row in ADJECTIVES.values()}

    assert len(set(nouns)) == len(nouns) == sum(2 - (noun.en_plural == "-") for noun in NOUNS.values())
    assert len(set(verbs)) == len(verbs)
    assert all(first[row.en] == row for table in lexicon.ADJECTIVES.values() for row in table)


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("buy", ["kaufe", "kaufst", "kauft", "kaufen", "kaufen"]),
        ("dance", ["tanze", "tanzt", "tanzt", "tanzen", "tanzen"]),
        ("eat", ["esse", "isst", "isst", "essen", "essen"]),
        ("feed", ["füttere", "fütterst", "füttert", "füttern", "füttern"]),
        ("open", ["öffne", "öffnest", "öffnet", "öffnen", "öffnen"]),
        ("invite", ["lade", "lädst", "lädt", "laden", "laden"]),
    ],
)
def test_verbs_inflect_in_the_present(verb, forms):
    assert [VERBS[verb].present(person) for person in range(5)] == forms


def test_verbs_inflect_in_the_past():
    assert [VERBS["buy"].preterite(person) for person in (0, 2, 3, 4)] == [
        "kaufte",
        "kaufte",
        "kauften",
        "kauften",
    ]
    assert [VERBS["eat"].preterite(person) for person in (0, 2, 3, 4)] == ["aß", "aß", "aßen", "aßen"]


@pytest.mark.parametrize(
    ("noun", "determiner", "forms"),
    [
        ("dog", "the", ["der alte Hund", "den alten Hund", "dem alten Hund", "des alten Hundes"]),
        ("dog", "a", ["ein alter Hund", "einen alten Hund", "einem alten Hund", "eines alten Hundes"]),
        ("cat", "this", ["diese alte Katze", "diese alte Katze", "dieser alten Katze", "dieser alten Katze"]),
        (
            "horse",
            "my",
            ["mein altes Pferd", "mein altes Pferd", "meinem alten Pferd", "meines alten Pferdes"],
        ),
        (
            "boy",
            "every",
            ["jeder alte Junge", "jeden alten Jungen", "jedem alten Jungen", "jedes alten Jungen"],
        ),
    ],
)
def test_noun_phrases_agree(noun, determiner, forms):
    phrase = NounPhrase(NOUNS[noun], DETERMINERS[determiner], adjective=ADJECTIVES["old"])

    assert [german(phrase.decline(case, "").phrase) for case in ("nom", "acc", "dat", "gen")] == forms


def test_plurals_agree():
    def plural(noun, determiner, case):
        phrase = NounPhrase(NOUNS[noun], determiner, plural=True, adjective=ADJECTIVES["tired"])
        return german(phrase.decline(case, "").phrase)

    many, two = (row for row in lexicon.DETERMINERS if row.en_plural in ("many", "two"))
    assert plural("child", THE, "dat") == "den müden Kindern"
    assert plural("woman", many, "nom") == "viele müde Frauen"
    assert plural("dog", two, "dat") == "zwei müden Hunden"
    assert plural("aunt", lexicon.BARE, "acc") == "müde Tanten"
    assert ending("relative", "dat", PLURAL) == "denen"


# Phrases.


def test_a_compound_is_one_word_of_two():
    nominal = NounPhrase(NOUNS["door"], A, modifier="garden").decline("acc", "entrance")

    assert english(nominal.phrase) == "a garden door"
    assert sources(nominal.phrase) == {"eine": "a", "Gartentür": "garden door"}


def test_a_or_an_depends_on_the_next_word():
    assert english(NounPhrase(NOUNS["uncle"], A).decline("nom", "person").phrase) == "an uncle"
    assert (
        english(NounPhrase(NOUNS["key"], A, modifier="office").decline("nom", "").phrase) == "an office key"
    )
    clever = NounPhrase(NOUNS["uncle"], A, adjective=ADJECTIVES["clever"])
    assert english(clever.decline("nom", "person").phrase) == "a clever uncle"


def test_preposition_and_article_melt_into_one_word():
    to = VERBS["go"].slots[0]

    zum = prepositional(to, NounPhrase(NOUNS["park"], THE).decline("dat", "place"))
    zu = prepositional(to, NounPhrase(NOUNS["park"], MY).decline("dat", "place"))

    assert sources(zum.phrase) == {"zum": "to the", "Park": "park"}
    assert sources(zu.phrase) == {"zu": "to", "meinem": "my", "Park": "park"}


def test_owners_are_in_the_genitive():
    car = NounPhrase(NOUNS["car"], THE).decline("nom", "thing")
    named = NounPhrase(NOUNS["car"], lexicon.NAMED, adjective=ADJECTIVES["old"], name="Anna")

    phrase = owned(car, NounPhrase(NOUNS["student"], MY).decline("gen", "person")).phrase
    assert english(phrase) == "the car of my student"
    assert sources(phrase) == {"das": "the", "Auto": "car", "meines": "of my", "Studenten": "student"}
    phrase = named.decline("nom", "thing").phrase
    assert english(phrase) == "Anna 's old car"
    assert sources(phrase) == {"Annas": "Anna 's", "altes": "old", "Auto": "car"}


# Clauses.


@pytest.mark.parametrize(
    ("tense", "english_text", "german_text", "last"),
    [
        ("present", "she calls the man today", "sie ruft heute den Mann an", "anruft"),
        ("past", "she called the man today", "sie rief heute den Mann an", "anrief"),
        ("progressive", "she is calling the man today", "sie ruft heute den Mann an", "anruft"),
        ("perfect", "she has called the man today", "sie hat heute den Mann angerufen", "angerufen hat"),
        ("can", "she can call the man today", "sie kann heute den Mann anrufen", "anrufen kann"),
        ("want", "she wants to call the man today", "sie will heute den Mann anrufen", "anrufen will"),
    ],
)
def test_the_verb_is_second_in_a_main_clause_and_last_in_a_subordinate_one(
    tense, english_text, german_text, last
):
    made = clause("call", tense, the("man"))
    that = made.subordinate(COMMA + units("that=dass"))

    assert english(made.main()) == english_text
    assert german(made.main()) == german_text
    assert english(that) == f"that {english_text}"
    assert german(that) == f", dass sie heute den Mann {last}"


def test_the_verb_is_first_in_a_question_and_second_after_an_adverb():
    did = clause("buy", "past", the("car"), support=True)
    front = clause("buy", "present", the("car"))._replace(time=Phrase()).main(front=units("today=heute"))

    assert english(did.question()) == "did she buy the car today"
    assert german(did.question()) == "kaufte sie heute das Auto"
    assert sources(did.question())["kaufte"] == "did buy"
    assert german(did.question(units("where=wo"))) == "wo kaufte sie heute das Auto"
    assert english(front) == "today she buys the car"
    assert german(front) == "heute kauft sie das Auto"


def test_a_split_verb_has_its_prefix_from_the_particle_or_else_from_the_verb():
    assert sources(clause("call", "progressive", the("man")).main())["an"] == "calling"
    assert sources(clause("call", "progressive", the("man")).main())["ruft"] == "is calling"
    assert sources(clause("pick", "present", the("man")).main())["holt"] == "picks"
    assert sources(clause("pick", "present", the("man")).main())["ab"] == "up"
    assert sources(clause("pick", "can", the("man")).main())["abholen"] == "pick up"
    assert sources(clause("look", "past", the("man")).main())["suchte"] == "looked for"


def test_to_is_zu_or_inside_the_verb():
    buy = Clause(Nominal(Phrase(), 2), verb_group(VERBS["buy"], "to", 2), objects=(the("car"),)).subordinate(
        COMMA
    )
    call = Clause(
        Nominal(Phrase(), 2), verb_group(VERBS["call"], "to", 2), objects=(the("man"),)
    ).subordinate(COMMA)

    assert english(buy) == "to buy the car"
    assert sources(buy) == {",": "", "das": "the", "Auto": "car", "zu": "to", "kaufen": "buy"}
    assert german(call) == ", den Mann anzurufen"
    assert sources(call)["anzurufen"] == "to call"


def test_not_stands_behind_the_object_or_becomes_kein():
    made = clause("buy", "present", the("car"), negated=True)
    kein = A._replace(de="kein")
    none = NounPhrase(NOUNS["car"], kein).decline("acc", "thing", made.negation)

    assert english(made.main()) == "she does not buy the car today"
    assert german(made.main()) == "sie kauft heute das Auto nicht"
    assert english(made._replace(objects=(none,)).main()) == "she does not buy a car today"
    assert sources(made._replace(objects=(none,)).main()) == {
        "sie": "she",
        "kauft": "buy",
        "heute": "today",
        "kein": "not a",
        "Auto": "car",
    }


def test_pronouns_stand_before_the_adverb_and_reflexives_before_them():
    him = Nominal(unit("him", "ihn"), 2, pronoun=True)

    assert german(clause("see", "perfect", him).main()) == "sie hat ihn heute gesehen"
    rest = Clause(
        SHE, verb_group(VERBS["rest"], "present", 2), reflexive=(Tgt("sich"),), time=units("now=jetzt")
    )
    assert german(rest.main()) == "sie ruht sich jetzt aus"
    assert sources(rest.main())["sich"] == ""


def test_an_english_pronoun_pushes_the_particle_behind_it():
    him, ihm = Nominal(unit("him", "ihn"), 2, pronoun=True), Nominal(unit("him", "ihm"), 2, pronoun=True)

    picks, listens = clause("pick", "present", him).main(), clause("listen", "present", ihm).main()
    assert english(picks) == "she picks him up today"
    assert sources(picks) == {"sie": "she", "holt": "picks", "ihn": "him", "heute": "today", "ab": "up"}
    assert english(listens) == "she listens to him today"


def test_links_follow_the_words_wherever_they_go():
    phrase = clause("call", "perfect", the("man")).main()

    # she has called the man today: sie hat heute den Mann angerufen
    assert phrase.pharaoh() == "0-0 1-1 2-5 3-3 4-4 5-2"
