import itertools

import numpy as np
import pytest

from translate.alignment.extract import END, Alignment
from translate.alignment.words import at_level, links
from translate.errors import UsageError


def pieces(src, tgt, src_spans, tgt_spans, weights):
    """An alignment as `align_pairs` makes it, from spans without the end of sentence."""
    return Alignment(
        src,
        tgt,
        (*(src[begin:end] for begin, end in src_spans), END),
        (*(tgt[begin:end] for begin, end in tgt_spans), END),
        (*src_spans, (len(src), len(src))),
        (*tgt_spans, (len(tgt), len(tgt))),
        np.array(weights, dtype=np.float32),
        "additive attention",
    )


# Two source words of pieces ein|Garten|zaun, two target words of pieces a|garden|fence.
GARDEN = pieces(
    "ein Gartenzaun",
    "a gardenfence",
    [(0, 3), (3, 10), (10, 14)],
    [(0, 1), (1, 8), (8, 13)],
    [[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0.0, 0.2, 0.5, 0.3], [0.0, 0.1, 0.1, 0.8]],
)


def test_source_pieces_add_up_and_target_pieces_average():
    words = at_level(GARDEN, "word")
    assert words.src_tokens == ("ein", "Gartenzaun", END)
    assert words.tgt_tokens == ("a", "gardenfence", END)
    assert words.src_spans == ((0, 3), (4, 14), (14, 14))
    expected = [[0.7, 0.2, 0.1], [0.05, 0.75, 0.2], [0.0, 0.2, 0.8]]
    np.testing.assert_allclose(words.weights, expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_rows_still_sum_to_one_and_no_mass_is_lost(seed):
    random = np.random.default_rng(seed)
    sides = []
    for _ in range(2):
        text = "".join(random.choice(list("ab  喜"), size=12)).strip() or "a"
        cuts = sorted({0, len(text), *random.integers(1, len(text) + 1, size=5).tolist()})
        sides.append((text, list(itertools.pairwise(cuts))))
    (src, src_spans), (tgt, tgt_spans) = sides
    weights = random.dirichlet(np.ones(len(src_spans) + 1), size=len(tgt_spans) + 1)
    before = pieces(src, tgt, src_spans, tgt_spans, weights)

    after = at_level(before, "word")

    np.testing.assert_allclose(after.weights.sum(axis=1), 1, atol=1e-5)
    assert after.weights.shape == (len(after.tgt_tokens), len(after.src_tokens))
    # What the end of sentence asks for, and what it gets, is not touched.
    np.testing.assert_allclose(after.weights[-1, -1], before.weights[-1, -1], atol=1e-6)
    assert after.src_tokens[-1] == after.tgt_tokens[-1] == END


def test_the_mass_of_a_source_word_is_that_of_its_pieces():
    words = at_level(
        GARDEN._replace(tgt="a garden fence", tgt_spans=((0, 1), (1, 8), (8, 14), (14, 14))), "word"
    )
    np.testing.assert_allclose(words.weights[:, 1], GARDEN.weights[:, 1:3].sum(axis=1), atol=1e-6)


def test_a_piece_that_is_only_a_space_belongs_to_the_next_word():
    alignment = pieces("a b", "x", [(0, 1), (1, 2), (2, 3)], [(0, 1)], [[0.2, 0.3, 0.4, 0.1], [0, 0, 0, 1]])
    np.testing.assert_allclose(at_level(alignment, "word").weights[0], [0.2, 0.7, 0.1], atol=1e-6)


def test_spaces_at_the_end_belong_to_the_last_word():
    alignment = pieces("a  ", "x", [(0, 1), (1, 3)], [(0, 1)], [[0.2, 0.7, 0.1], [0, 0, 1]])
    words = at_level(alignment, "word")
    assert words.src_tokens == ("a", END)
    np.testing.assert_allclose(words.weights[0], [0.9, 0.1], atol=1e-6)


def test_the_bytes_of_one_character_belong_to_its_word():
    alignment = pieces(
        "€ b", "x", [(0, 1), (0, 1), (0, 1), (1, 3)], [(0, 1)], [[0.1, 0.1, 0.1, 0.6, 0.1], [0, 0, 0, 0, 1]]
    )
    np.testing.assert_allclose(at_level(alignment, "word").weights[0], [0.3, 0.6, 0.1], atol=1e-6)


def test_a_target_word_inside_a_longer_piece_has_that_pieces_row():
    alignment = pieces("x", "New York", [(0, 1)], [(0, 8)], [[0.9, 0.1], [0.2, 0.8]])
    words = at_level(alignment, "word")
    assert words.tgt_tokens == ("New", "York", END)
    np.testing.assert_allclose(words.weights, [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])


CHINESE = pieces(
    "我喜欢 Home",
    "I like",
    [(0, 1), (1, 3), (3, 6), (6, 8)],
    [(0, 1), (1, 6)],
    [[0.6, 0.1, 0.1, 0.1, 0.1], [0.1, 0.5, 0.1, 0.2, 0.1], [0, 0, 0, 0, 1]],
)


def test_a_script_without_spaces_is_taken_by_piece():
    words = at_level(CHINESE, "word")
    assert words.src_tokens == ("我", "喜欢", "Home", END)
    assert words.src_spans[:-1] == ((0, 1), (1, 3), (4, 8))
    np.testing.assert_allclose(words.weights[0], [0.6, 0.1, 0.2, 0.1], atol=1e-6)
    assert "no spaces" in words.level


def test_tokens_are_what_white_space_separates_in_any_script():
    words = at_level(CHINESE, "token")
    assert words.src_tokens == ("我喜欢", "Home", END)
    assert words.level == "words"


def test_the_subword_level_changes_nothing():
    assert at_level(GARDEN, "subword") is GARDEN


def test_each_target_word_is_linked_to_the_word_it_attends_to_most():
    assert links(at_level(GARDEN, "word")) == [(0, 0), (1, 1)]


def test_a_word_that_attends_most_to_the_end_of_sentence_has_no_link():
    alignment = pieces("a", "x y", [(0, 1)], [(0, 1), (1, 3)], [[0.4, 0.6], [0.6, 0.4], [0.9, 0.1]])
    assert links(alignment) == [(0, 1)]


def test_a_threshold_links_all_words_with_enough_weight():
    assert links(GARDEN, threshold=0.2) == [(0, 0), (1, 1), (1, 2), (2, 1), (2, 2)]
    assert links(GARDEN, threshold=0.65) == [(0, 0)]


def test_a_pair_without_tokens_has_no_words_and_no_links():
    blank = Alignment("", "x", (), (), (), (), np.zeros((0, 0), dtype=np.float32), "additive attention")
    assert at_level(blank, "subword") is blank
    assert at_level(blank, "word")[:6] == blank[:6]
    assert at_level(blank, "word").level == "words"  # as of the pairs around it
    assert links(blank) == links(blank, threshold=0.1) == []


def test_argmax_with_a_threshold_drops_the_links_below_it():
    assert links(GARDEN, extract="argmax") == [(0, 0), (1, 1), (2, 2)]
    assert links(GARDEN, 0.6, "argmax") == [(0, 0), (1, 1)]


def test_one_to_one_links_have_the_greatest_sum_of_all():
    weights = np.random.default_rng(3).dirichlet(np.ones(5), size=6)  # 5 target words, 4 source words
    spans = [list(itertools.pairwise(range(count + 1))) for count in (4, 5)]
    alignment = pieces("abcd", "vwxyz", *spans, weights)
    found = links(alignment, extract="one-to-one")
    best = max(
        sum(weights[j, i] for i, j in enumerate(chosen)) for chosen in itertools.permutations(range(5), 4)
    )
    assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found) == 4
    assert sum(weights[j, i] for i, j in found) == pytest.approx(best, abs=1e-6)
    least = sorted(weights[j, i] for i, j in found)[1]
    assert links(alignment, float(least) - 1e-4, "one-to-one") == [
        link for link in found if weights[link[1], link[0]] >= least
    ]


def test_one_to_one_may_give_a_word_its_second_choice_but_none_without_weight():
    alignment = pieces(
        "a b", "x y", [(0, 1), (1, 3)], [(0, 1), (1, 3)], [[0.9, 0.1, 0], [0.8, 0, 0.2], [0, 0, 1]]
    )
    assert links(alignment, extract="one-to-one") == [(0, 1), (1, 0)]
    alone = alignment._replace(weights=np.array([[1, 0, 0], [0.8, 0, 0.2], [0, 0, 1]], dtype=np.float32))
    assert links(alone, extract="one-to-one") == [(0, 0)]


def test_links_by_threshold_need_one():
    with pytest.raises(UsageError, match="links by threshold need a threshold"):
        links(GARDEN, extract="threshold")


def test_a_link_by_margin_beats_the_end_of_sentence():
    weights = [[0.5, 0.1, 0.4], [0.05, 0.6, 0.35], [0.2, 0.3, 0.5], [0, 0, 1]]
    alignment = pieces("a b", "A B C", [(0, 1), (1, 3)], [(0, 1), (1, 3), (3, 5)], weights)
    assert links(alignment, 0.2, "threshold") == [(0, 0), (0, 2), (1, 1), (1, 2)]
    assert links(alignment, 0.2, "margin") == [(1, 1)]
    assert links(alignment, 0.05, "margin") == [(0, 0), (1, 1)]
    with pytest.raises(UsageError, match="links by margin need a threshold"):
        links(alignment, extract="margin")


def test_links_compete_for_their_source_word():
    weights = [[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0, 0, 1]]
    alignment = pieces("a b", "A B C", [(0, 1), (1, 3)], [(0, 1), (1, 3), (3, 5)], weights)
    assert links(alignment, 0.3) == [(0, 0), (0, 1), (1, 1), (1, 2)]
    assert links(alignment, 0.3, relative=0.6) == [(0, 0), (0, 1), (1, 2)]
    assert links(alignment, 0.3, relative=1.0) == [(0, 0), (1, 2)]
    assert links(alignment, relative=1.0) == [(0, 0), (1, 2)]  # of the strongest of each target word
    # What is beyond the end of sentence competes: 0.7, 0.4 and 0.1 of the first source word.
    assert links(alignment, 0.05, "margin", relative=0.45) == [(0, 0), (0, 1), (1, 1), (1, 2)]
    assert links(alignment, 0.05, "margin", relative=0.6) == [(0, 0), (1, 2)]


def test_the_probability_of_a_word_is_that_of_its_pieces_together():
    log_probs = np.log(np.array([0.5, 0.25, 0.5, 0.1], dtype=np.float32))
    words = at_level(GARDEN._replace(log_probs=log_probs), "word")
    np.testing.assert_allclose(words.log_probs, np.log([0.5, 0.125, 0.1]), atol=1e-6)


def test_a_word_that_came_with_the_piece_of_another_is_certain_then():
    alignment = pieces("x", "New York", [(0, 1)], [(0, 8)], [[0.9, 0.1], [0.2, 0.8]])
    words = at_level(alignment._replace(log_probs=np.array([-2, -1], dtype=np.float32)), "word")
    np.testing.assert_array_equal(words.log_probs, [-2, 0, -1])


def test_every_way_to_take_links_takes_none_from_a_pair_without_tokens():
    blank = Alignment("", "x", (), (), (), (), np.zeros((0, 0), dtype=np.float32), "additive attention")
    for extract in ("argmax", "threshold", "margin", "one-to-one"):
        assert links(blank, 0.1, extract) == []


def test_several_maps_are_taken_at_once():
    other = GARDEN._replace(weights=GARDEN.weights[::-1])
    both = GARDEN._replace(weights=np.stack([GARDEN.weights, other.weights])[:, None])
    expected = np.stack([at_level(alignment, "word").weights for alignment in (GARDEN, other)])[:, None]
    np.testing.assert_array_equal(at_level(both, "word").weights, expected)
