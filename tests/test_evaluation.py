import logging
from importlib.metadata import version

import pytest

from translate.errors import InputError, UsageError
from translate.evaluation import (
    TOKENIZED_BLEU,
    Placeholders,
    bleu,
    count_matches,
    placeholders,
    score,
    tokenize_lowercase,
    word_splitter,
)

REFERENCES = [
    "A small dog runs across the wet grass.",
    "Two women are waiting for the bus at night.",
    "Nobody knows where the old man's house is!",
]
CLOSE = [
    "A small dog runs over the wet grass.",
    "Two women wait for the bus at night.",
    "Nobody knows where the old man's home is!",
]


def by_name(scores):
    return {item.name: item for item in scores}


def test_the_reference_itself_is_perfect():
    scores = by_name(score(REFERENCES, REFERENCES, tokenized_lowercase_lang="en"))

    assert {name: round(item.value, 6) for name, item in scores.items()} == {
        "BLEU": 100,
        "chrF2": 100,
        "TER": 0,
        TOKENIZED_BLEU: 100,
    }


def test_text_without_a_word_in_common_scores_nothing():
    scores = by_name(score(["xyz xyz"] * 3, REFERENCES))

    assert scores["BLEU"].value == 0
    assert scores["TER"].value == 100


def test_an_empty_hypothesis_is_scored_and_not_refused():
    scores = by_name(score(["", "", ""], REFERENCES))

    assert scores["BLEU"].value == scores["chrF2"].value == 0
    assert scores["TER"].value == 100  # every word of the reference has to be inserted


def test_signatures_are_those_that_sacrebleu_prints():
    signatures = {item.name: item.signature for item in score(CLOSE, REFERENCES)}

    v = version("sacrebleu")
    assert signatures == {
        "BLEU": f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{v}",
        "chrF2": f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{v}",
        "TER": f"nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:{v}",
    }


def test_bleu_of_validation_is_the_bleu_that_is_reported():
    assert bleu(CLOSE, REFERENCES) == score(CLOSE, REFERENCES)[0].value
    assert (
        bleu(["我喜欢红茶。"], ["我喜欢绿茶。"], "zh")
        == score(["我喜欢红茶。"], ["我喜欢绿茶。"], tgt_lang="zh")[0].value
    )


def test_bleu_sees_case_and_the_tokenised_one_does_not():
    shouted = [line.upper() for line in REFERENCES]

    scores = by_name(score(shouted, REFERENCES, tokenized_lowercase_lang="en"))

    assert scores["BLEU"].value < 20
    assert scores[TOKENIZED_BLEU].value == pytest.approx(100)


def test_the_tokenised_bleu_names_its_preparation_and_versions():
    signature = score(CLOSE, REFERENCES, tokenized_lowercase_lang="en")[-1].signature

    assert signature == (
        f"nrefs:1|case:lc|eff:no|tok:none|smooth:exp|version:{version('sacrebleu')}"
        f"|moses:lc.norm.tok.en|sacremoses:{version('sacremoses')}"
    )


def test_text_is_lowercased_first_then_normalised_then_tokenised_with_escapes():
    # "Bart." is a German abbreviation, but "bart." is none: tokenised first, its period would stay attached.
    assert tokenize_lowercase(["„Sein Bart.“", "Er hat einen Bart."], "de") == [
        "&quot; sein bart . &quot;",
        "er hat einen bart .",
    ]
    assert tokenize_lowercase(["The man’s [red] hat"], "en") == ["the man &apos;s &#91; red &#93; hat"]
    assert tokenize_lowercase(["L’homme n'est pas là"], "fr-CA") == ["l&apos; homme n&apos; est pas là"]


def test_a_language_without_moses_rules_is_named_in_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        assert tokenize_lowercase(["Abc."], "xx") == ["abc ."]

    assert "no list of abbreviations for xx: the English one is used" in caplog.text


def test_moses_tokenisation_of_a_language_without_spaces_is_refused():
    with pytest.raises(UsageError, match=r"needs a language with spaces between words, got zh-Hans"):
        score(["茶"], ["茶"], tokenized_lowercase_lang="zh-Hans")


@pytest.mark.parametrize(
    ("tgt_lang", "tokenizer"),
    [
        ("zh", "zh"),
        ("zh-Hans", "zh"),
        ("ZH_tw", "zh"),
        ("ja", "char"),
        ("ko", "char"),
        ("th", "char"),
        ("de", "13a"),
        (None, "13a"),
    ],
)
def test_the_tokenizer_follows_the_target_language_and_is_in_the_signature(tgt_lang, tokenizer):
    signature = score(["x"], ["x"], tgt_lang=tgt_lang)[0].signature

    assert f"|tok:{tokenizer}|" in signature


def test_chinese_with_one_wrong_character_is_not_worth_nothing():
    hypotheses, references = ["他每天早上喝绿茶。"], ["他每天早上喝红茶。"]

    with_language = by_name(score(hypotheses, references, tgt_lang="zh"))
    without = by_name(score(hypotheses, references))

    assert without["BLEU"].value < 10  # the whole sentence is one unknown word
    assert with_language["BLEU"].value > 50
    assert with_language["TER"].value == pytest.approx(100 / 9)  # one character of nine
    assert "asian:yes" in with_language["TER"].signature


def test_ter_is_left_out_where_it_would_count_sentences_as_words():
    assert [item.name for item in score(["お茶を飲む"], ["お茶を飲む"], tgt_lang="ja")] == ["BLEU", "chrF2"]


@pytest.mark.parametrize("function", [score, bleu])
def test_unequal_counts_are_refused_with_both(function):
    with pytest.raises(InputError, match=r"^3 hypotheses but 2 references: they must match one to one$"):
        function(CLOSE, REFERENCES[:2])


@pytest.mark.parametrize("function", [score, bleu])
def test_nothing_to_score_is_refused(function):
    with pytest.raises(InputError, match=r"^0 hypotheses and 0 references: there is nothing to score$"):
        function([], [])


def test_placeholders_of_sources_and_hypotheses_must_match_one_to_one():
    with pytest.raises(InputError, match=r"^1 sources but 2 hypotheses: they must match one to one$"):
        placeholders(["a"], ["a", "b"])


@pytest.mark.parametrize(
    "text",
    [
        "{name}",
        "{0}",
        "{}",
        "{user.name}",
        "{price:.2f}",
        "%s",
        "%d",
        "%5.1f",
        "%(total)d",
        "%1$s",
        "%@",
        "%-10s",
    ],
)
def test_a_placeholder_counts_as_one(text):
    assert placeholders([f"Before {text} after"], [f"Davor {text} danach"]) == Placeholders(1, 1)
    assert placeholders([f"Before {text} after"], ["Davor danach"]) == Placeholders(0, 1)
    assert placeholders([f"在{text}的"], [f"{text}。"]) == Placeholders(1, 1)


@pytest.mark.parametrize(
    "text",
    ["5% of", "5 % discount", "5 %discount", "100%.", "%%s", "{two words}", "%title", "<b>bold</b>", "{ }"],
)
def test_what_only_looks_like_a_placeholder_is_not_counted(text):
    assert placeholders([text], [text]) == Placeholders(0, 0)


def test_each_occurrence_of_a_placeholder_counts():
    assert placeholders(["{a} {a} {b}"], ["{a} {b}"]) == Placeholders(2, 3)
    assert placeholders(["{a}"], ["{a} {a} {b}"]) == Placeholders(1, 1)


def test_a_placeholder_of_another_sentence_does_not_count():
    assert placeholders(["{a}", "{b}"], ["{b}", "{a}"]) == Placeholders(0, 2)


def test_a_translated_placeholder_is_lost():
    assert placeholders(["Hello {name}"], ["Hallo {Name}"]) == Placeholders(0, 1)


@pytest.mark.parametrize("lang", [None, "en", "zh"])
def test_counts_of_sentences_add_up_to_the_scores_of_the_test_set(lang):
    expected = by_name(score(CLOSE, REFERENCES, tgt_lang=lang))
    for counts in count_matches(CLOSE, REFERENCES, lang):
        name, value, signature = expected[counts.name]
        assert counts.score(counts.rows.sum(axis=0)) == pytest.approx(value)
        assert (counts.name, counts.signature) == (name, signature)


def test_counts_of_bleu_begin_with_both_lengths_in_words():
    in_words, _ = count_matches(["A dog.", ""], ["A small dog.", "Hi"])
    assert in_words.rows[:, :2].tolist() == [[3, 4], [0, 1]]


def test_words_are_those_that_bleu_counts():
    assert word_splitter()("It's 3.5 dogs, <b>no?\n") == [
        "It's",
        "3.5",
        "dogs",
        ",",
        "<",
        "b",
        ">",
        "no",
        "?",
    ]
    assert word_splitter("zh")("狗在跑 fast") == ["狗", "在", "跑", "fast"]
    assert word_splitter("ja")("犬が") == ["犬", "が"]


def test_unequal_numbers_of_hypotheses_and_references_cannot_be_counted():
    with pytest.raises(InputError, match="1 hypotheses but 3 references"):
        count_matches(["a"], REFERENCES)
