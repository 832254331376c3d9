from collections import Counter

import numpy as np
import pytest
from sacrebleu import corpus_bleu, corpus_chrf, sentence_chrf
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from translate.comparison import (
    Compared,
    Resampling,
    Texts,
    compare,
    count_words,
    f_measure,
    mark_words,
    verdict,
    vocabulary,
)
from translate.errors import InputError

FEW = Resampling(50, 1)
WORDS = [
    "the",
    "a",
    "dog",
    "cat",
    "runs",
    "sleeps",
    "on",
    "under",
    "green",
    "old",
    "table",
    "house",
    ",",
    ".",
]


def draw(seed, wrong, lines=60):
    """References of eight words, and translations in which some words are others."""
    random = np.random.default_rng(seed)
    refs = np.random.default_rng(0).choice(WORDS, (lines, 8))
    other = np.where(random.random(refs.shape) < wrong, random.choice(WORDS, refs.shape), refs)
    return [" ".join(line) for line in refs.tolist()], [" ".join(line) for line in other.tolist()]


REFS, A = draw(1, 0.5)
B = draw(2, 0.3)[1]


# ---- the whole test set


def test_scores_are_those_of_sacrebleu_with_their_signatures():
    bleu, chrf = compare(Texts(None, REFS, A, B), resampling=FEW).metrics
    assert (bleu.compared.a, bleu.compared.b) == pytest.approx(
        tuple(corpus_bleu(side, [REFS], force=True).score for side in (A, B))
    )
    assert (chrf.compared.a, chrf.compared.b) == pytest.approx(
        tuple(corpus_chrf(side, [REFS]).score for side in (A, B))
    )
    assert (bleu.name, chrf.name) == ("BLEU", "chrF2")
    assert "|tok:13a|" in bleu.signature
    assert "|nc:6|" in chrf.signature
    for metric in (bleu, chrf):
        assert metric.compared.difference == pytest.approx(metric.compared.b - metric.compared.a)


def test_chinese_is_counted_in_characters():
    bleu, _ = compare(Texts(None, ["狗在跑"] * 2, ["狗跑"] * 2, ["狗在跑"] * 2, tgt_lang="zh")).metrics
    assert "|tok:zh|" in bleu.signature
    assert bleu.compared.b == corpus_bleu(["狗在跑"] * 2, [["狗在跑"] * 2], tokenize="zh").score


def test_a_real_difference_is_one_for_sacrebleus_paired_test_too():
    ours = compare(Texts(None, REFS, A, B)).metrics
    _, theirs = PairedTest(
        [("a", A), ("b", B)], {"BLEU": BLEU(force=True), "chrF2": CHRF()}, [REFS], "bs", 1000
    )()
    for metric in ours:
        assert metric.compared.p_value < 0.05
        assert theirs[metric.name][1].p_value < 0.05
        assert metric.compared.interval[0] > 0
        assert verdict(metric.compared) == "B is better"


def test_swapping_the_systems_swaps_all_that_is_said():
    one = compare(Texts(REFS, REFS, A, B), frequencies=Counter(dog=3), resampling=FEW)
    other = compare(Texts(REFS, REFS, B, A), frequencies=Counter(dog=3), resampling=FEW)
    for name in ("metrics", "by_length", "by_rarest", "by_frequency"):
        for there, back in zip(getattr(one, name), getattr(other, name), strict=True):
            low, high = there.compared.interval
            assert back.compared.interval == pytest.approx((-high, -low))
            assert (back.compared.a, back.compared.difference) == pytest.approx(
                (there.compared.b, -there.compared.difference)
            )
    assert other.better == one.better[::-1]
    assert [(it.line, it.a_score) for it in other.a_best] == [(it.line, it.b_score) for it in one.b_best]


def test_the_same_seed_draws_the_same_test_sets():
    texts = Texts(None, REFS, A, B)
    assert compare(texts, resampling=FEW) == compare(texts, resampling=FEW)
    assert compare(texts, resampling=Resampling(50, 2)) != compare(texts, resampling=FEW)


def test_a_system_differs_from_itself_in_nothing():
    found = compare(Texts(REFS, REFS, A, A), resampling=FEW)
    assert all(metric.compared[2:] == (0, (0, 0), 1) for metric in found.metrics)
    assert (found.identical, found.better, found.a_best, found.b_best) == (60, (0, 0), [], [])
    assert verdict(found.metrics[0].compared) == "may be chance"


@pytest.mark.parametrize(("lines", "told"), [(19, False), (20, True)])
def test_nothing_is_said_of_chance_with_fewer_than_twenty_sentences(lines, told):
    compared = compare(Texts(None, REFS[:lines], A[:lines], B[:lines]), resampling=FEW).metrics[0].compared
    assert (compared.interval is not None, compared.p_value is not None) == (told, told)
    assert (verdict(compared) == "too few sentences to tell from chance") is not told


def test_the_verdict_names_the_better_system():
    assert verdict(Compared(2, 1, -1, (-2, 0), 0.049)) == "A is better"
    assert verdict(Compared(2, 1, -1, (-2, 0), 0.05)) == "may be chance"


def test_lengths_exact_matches_and_translations_alike_are_counted():
    refs = ["a b c d", "e f", "g h"]
    found = compare(Texts(None, refs, ["a b", "e f", "x"], ["a b c d", "e f", "x y z ."]))
    assert found.sentences == 3
    assert found.length_ratio == (5 / 8, 10 / 8)
    assert found.exact == (1, 2)
    assert found.identical == 1
    assert found.better == (0, 1)  # "x" has nothing of "g h", nor has "x y z ."


def test_unequal_numbers_of_sentences_and_none_at_all_are_refused():
    with pytest.raises(InputError, match=r"^1 hypotheses but 2 references"):
        compare(Texts(None, ["a", "b"], ["a"], ["a", "b"]))
    with pytest.raises(InputError, match="there is nothing to score"):
        compare(Texts(None, [], [], []))


# ---- buckets


def test_sentences_are_bucketed_by_the_words_of_their_source():
    sources = ["eins zwei drei vier", "eins zwei drei vier.", "eins , zwei , drei", "x " * 60]
    refs, a, b = ["a b c d", "e f g h", "i j k l", "m n o p"], ["a b c d", "e f g h", "x", "y"], ["z"] * 4
    found = compare(Texts(sources, refs, a, b))
    assert [(bucket.name, bucket.size) for bucket in found.by_length] == [("0-4", 1), ("5-9", 2), ("60+", 1)]
    for bucket, places in zip(found.by_length, ([0], [1, 2], [3]), strict=True):
        expected = corpus_bleu([a[i] for i in places], [[refs[i] for i in places]])
        assert bucket.compared.a == pytest.approx(expected.score)
        assert bucket.compared.difference == pytest.approx(bucket.compared.b - bucket.compared.a)


def test_without_sources_and_training_text_there_are_no_buckets():
    found = compare(Texts(None, ["a"], ["a"], ["b"]))
    assert found.by_length == found.by_rarest == found.by_frequency == []


def test_sentences_are_bucketed_by_the_rarest_word_of_their_reference():
    frequencies = Counter({"the": 2000, "dog": 7, "cat": 4})
    refs = ["the dog", "the cat", "the emu", "the the", "dog the dog", ""]
    found = compare(Texts(None, refs, refs, refs), frequencies=frequencies)
    sizes = [(bucket.name, bucket.size) for bucket in found.by_rarest]
    assert sizes == [("0", 2), ("4", 1), ("5-9", 2), ("1000+", 1)]


def test_words_of_each_frequency_have_their_f_measure():
    frequencies = Counter({"the": 2000, "dog": 7})
    refs = ["the dog", "the emu emu"]
    found = compare(Texts(None, refs, ["the the dog", "a emu"], ["dog", "dog"]), frequencies=frequencies)
    assert [(bucket.name, bucket.size) for bucket in found.by_frequency] == [
        ("0", 2),
        ("5-9", 1),
        ("1000+", 2),
    ]
    unseen, dog, the = (bucket.compared for bucket in found.by_frequency)
    # A has a and emu, one of them right, of two in the reference; B has none.
    assert (unseen.a, unseen.b) == (pytest.approx(100 * 2 * 1 / (2 + 2)), 0)
    # A's one dog is right; of B's two one is: precision 1/2, recall 1.
    assert (dog.a, dog.b) == (100, pytest.approx(100 * 2 * 0.5 * 1 / 1.5))
    # A has "the" twice in one sentence that has it once: of two, one is right, and one is missed.
    assert (the.a, the.b) == (50, 0)


def test_the_f_measure_is_the_harmonic_mean_of_precision_and_recall():
    assert f_measure(np.array([3, 4, 6])) == pytest.approx(100 * 2 * 0.75 * 0.5 / 1.25)
    assert f_measure(np.array([0, 0, 0])) == f_measure(np.array([0, 3, 2])) == 0


def test_only_wanted_words_are_counted_and_punctuation_is_a_word():
    texts = Texts(None, ["The dog."], ["a dog"], ["cat"])
    wanted = vocabulary(texts)
    assert wanted == {"The", "dog", ".", "a", "cat"}
    assert count_words(["the dog, the dog.", "The emu"], wanted, "en") == {"dog": 2, ".": 1, "The": 1}


def test_words_of_chinese_are_characters():
    assert count_words(["狗跑狗"], {"狗"}, "zh") == {"狗": 2}


# ---- sentences


def test_the_widest_gaps_in_sentence_chrf_come_first_and_only_where_one_is_better():
    found = compare(Texts(None, REFS, A, B), examples=4, resampling=FEW)
    gaps = [
        sentence_chrf(b, [r]).score - sentence_chrf(a, [r]).score for a, b, r in zip(A, B, REFS, strict=True)
    ]
    best = sorted(range(60), key=lambda place: -gaps[place])[:4]
    worst = sorted(range(60), key=lambda place: gaps[place])[:4]
    assert [example.line for example in found.b_best] == [place + 1 for place in best]
    assert [example.line for example in found.a_best] == [place + 1 for place in worst]
    first = found.b_best[0]
    assert (first.src, first.ref, first.a, first.b) == (None, REFS[best[0]], A[best[0]], B[best[0]])
    assert first.b_score - first.a_score == pytest.approx(gaps[best[0]])
    assert found.better == (sum(gap < 0 for gap in gaps), sum(gap > 0 for gap in gaps))


def test_an_example_has_its_source_and_none_are_shown_when_none_are_asked_for():
    texts = Texts(["ein Hund", "eine Katze"], ["a dog", "a cat"], ["a dog", "x"], ["y", "a cat"])
    found = compare(texts)
    assert [example.src for example in (*found.a_best, *found.b_best)] == ["ein Hund", "eine Katze"]
    assert (found.a_best[0].line, found.b_best[0].line) == (1, 2)
    assert compare(texts, examples=0).a_best == []


def marks(text, other, ref, lang=None):
    found = mark_words(text, other, ref, lang)
    assert "".join(part for part, _ in found) == text
    return [(part, mark) for part, mark in found if mark != "space"]


def test_words_that_the_other_has_not_are_right_if_the_reference_has_them():
    assert marks("a small dog runs.", "a big cat runs.", "one small cat runs.") == [
        ("a", "same"),
        ("small", "right"),
        ("dog", "wrong"),
        ("runs", "same"),
        (".", "same"),
    ]


def test_a_word_in_another_place_is_marked():
    assert marks("runs the dog", "the dog runs", "the dog runs") == [
        ("runs", "wrong"),
        ("the", "same"),
        ("dog", "same"),
    ]


def test_spaces_stay_and_marks_on_letters_belong_to_their_words():
    assert mark_words("  हिन्दी\tx", "x", "", "hi") == [
        ("  ", "space"),
        ("हिन्दी", "wrong"),
        ("\t", "space"),
        ("x", "same"),
    ]
    assert mark_words("", "x", "x") == []


def test_text_without_spaces_is_marked_by_characters():
    assert marks("狗跑", "猫跑", "狗", "zh") == [("狗", "right"), ("跑", "same")]
