import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from translate.alignment.extract import END, Alignment
from translate.alignment.symmetrize import average, check_same_tokens, combine, reversed_links, symmetrize
from translate.alignment.words import links
from translate.errors import InputError

GROWING = ("grow-diag", "grow-diag-final", "grow-diag-final-and")


def test_intersection_and_union_are_those_of_sets():
    assert symmetrize([(0, 0), (1, 1)], [(1, 1), (2, 2)], "intersection") == [(1, 1)]
    assert symmetrize([(2, 2), (1, 1)], [(1, 1), (0, 0)], "union") == [(0, 0), (1, 1), (2, 2)]


def test_growing_adds_what_is_beside_or_diagonal_and_links_a_new_word():
    # (1, 0) is beside the intersection, (2, 1) diagonal to it once (1, 0) is there; (5, 5) is near nothing.
    assert symmetrize([(0, 0), (1, 0), (5, 5)], [(0, 0), (2, 1)], "grow-diag") == [(0, 0), (1, 0), (2, 1)]


def test_growing_adds_nothing_between_two_words_that_have_links():
    # (0, 1) is beside both links, but source 0 and target 1 have links already.
    both = [(0, 0), (1, 1)]
    for heuristic in GROWING:
        assert symmetrize([*both, (0, 1)], both, heuristic) == both


def test_neighbours_are_tried_in_the_order_of_moses():
    # Around (1, 1), target 0 and source 0 are free. The target before it comes first: (1, 0) links target 0,
    # then (0, 1) links source 0, and the diagonal (0, 0) comes too late.
    around = [(1, 0), (0, 1), (0, 0)]
    assert symmetrize([(1, 1)], [(1, 1), *around], "grow-diag") == [(0, 1), (1, 0), (1, 1)]


def test_final_adds_a_link_if_one_of_its_words_has_none_and_final_and_if_both_have():
    # (3, 0): target 0 is linked; (5, 5): neither word is.
    forward, backward = [(0, 0), (5, 5)], [(0, 0), (3, 0)]
    assert symmetrize(forward, backward, "grow-diag") == [(0, 0)]
    assert symmetrize(forward, backward, "grow-diag-final") == [(0, 0), (3, 0), (5, 5)]
    assert symmetrize(forward, backward, "grow-diag-final-and") == [(0, 0), (5, 5)]


def test_the_final_step_takes_forward_links_first():
    # Both link target 5; the first to come takes it.
    forward, backward = [(0, 0), (7, 5)], [(0, 0), (4, 5)]
    assert symmetrize(forward, backward, "grow-diag-final-and") == [(0, 0), (7, 5)]
    assert symmetrize(backward, forward, "grow-diag-final-and") == [(0, 0), (4, 5)]


def test_without_an_intersection_growing_begins_with_nothing():
    assert symmetrize([(0, 1)], [(1, 0)], "grow-diag") == []
    assert symmetrize([(0, 1)], [(1, 0)], "grow-diag-final-and") == [(0, 1), (1, 0)]
    for heuristic in ("intersection", "union", *GROWING):
        assert symmetrize([], [], heuristic) == []


def grow_as_symal(forward, backward, heuristic):
    """The loops of Moses' symal, on the matrix they run on: a scan over it, not over a queue."""
    size = 1 + max((max(link) for link in [*forward, *backward]), default=0)
    ours, theirs, found = (np.zeros((size, size), dtype=bool) for _ in range(3))
    for matrix, given_links in ((ours, forward), (theirs, backward)):
        for i, j in given_links:
            matrix[j, i] = True
    found |= ours & theirs
    steps = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    added = True
    while added:
        added = False
        for j in range(size):
            for i in range(size):
                if not found[j, i]:
                    continue
                for down, right in steps:
                    y, x = j + down, i + right
                    inside = 0 <= y < size and 0 <= x < size
                    if inside and (ours | theirs)[y, x] and not (found[y].any() and found[:, x].any()):
                        found[y, x] = added = True
    if heuristic != "grow-diag":
        for matrix in (ours, theirs):
            for j, i in np.argwhere(matrix & ~found):
                free = not found[j].any(), not found[:, i].any()
                if all(free) if heuristic == "grow-diag-final-and" else any(free):
                    found[j, i] = True
    return sorted((int(i), int(j)) for j, i in np.argwhere(found))


LINKS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=14)


@settings(deadline=None)
@given(LINKS, LINKS)
def test_heuristics_equal_the_loops_of_symal_and_each_contains_the_one_before(forward, backward):
    for heuristic in GROWING:
        assert symmetrize(forward, backward, heuristic) == grow_as_symal(forward, backward, heuristic)
    intersection, grown, final_and, final, union = (
        set(symmetrize(forward, backward, heuristic))
        for heuristic in ("intersection", "grow-diag", "grow-diag-final-and", "grow-diag-final", "union")
    )
    assert intersection <= grown <= final_and <= union
    assert grown <= final <= union
    # Whatever -final leaves out links words that both have a link.
    srcs, tgts = {i for i, _ in final}, {j for _, j in final}
    assert {i for i, _ in union} == srcs
    assert {j for _, j in union} == tgts


def test_links_of_the_other_direction_are_turned_round():
    assert reversed_links([(0, 2), (1, 0)]) == [(0, 1), (2, 0)]


def aligned(src, tgt, weights):
    """An alignment of words."""
    spans = []
    for text in (src, tgt):
        starts = [0, *(at + 1 for at, character in enumerate(text) if character == " ")]
        spans.append(tuple((start, start + len(text[start:].split()[0])) for start in starts))
    return Alignment(
        src,
        tgt,
        (*src.split(), END),
        (*tgt.split(), END),
        (*spans[0], (len(src),) * 2),
        (*spans[1], (len(tgt),) * 2),
        np.array(weights, dtype=np.float32),
        "additive attention",
        "words",
        np.zeros(len(tgt.split()) + 1, dtype=np.float32),
    )


FORWARD = aligned("a b", "x y z", [[0.8, 0.1, 0.1], [0.6, 0.4, 0], [0, 0.3, 0.7], [0.1, 0.1, 0.8]])
BACKWARD = aligned("x y z", "a b", [[0.6, 0.2, 0.1, 0.1], [0, 0.8, 0, 0.2], [0.2, 0.1, 0.1, 0.6]])


def test_the_mean_of_two_directions_is_that_of_both_for_words_and_of_the_one_that_knows_for_the_end():
    mean = average(FORWARD, BACKWARD)
    expected = [
        [(0.8 + 0.6) / 2, 0.1 / 2, 0.1],
        [(0.6 + 0.2) / 2, (0.4 + 0.8) / 2, 0],
        [0.1 / 2, 0.3 / 2, 0.7],
        [0.1, 0.2, (0.8 + 0.6) / 2],
    ]
    np.testing.assert_allclose(mean.weights, expected, atol=1e-6)
    assert mean.src_tokens == FORWARD.src_tokens
    assert mean.choice == "mean of two directions: additive attention"
    # The direction that is named first does not matter.
    other = average(BACKWARD, FORWARD)
    np.testing.assert_allclose(other.weights[:-1, :-1], mean.weights[:-1, :-1].T, atol=1e-6)


def test_the_geometric_mean_is_nothing_where_one_direction_gives_nothing():
    mean = average(FORWARD, BACKWARD, "geometric")
    expected = [
        [math.sqrt(0.8 * 0.6), 0, 0.1],
        [math.sqrt(0.6 * 0.2), math.sqrt(0.4 * 0.8), 0],
        [0, 0, 0.7],
        [0.1, 0.2, math.sqrt(0.8 * 0.6)],
    ]
    np.testing.assert_allclose(mean.weights, expected, atol=1e-6)
    assert mean.choice == "geometric mean of two directions: additive attention"
    found = combine(FORWARD, BACKWARD, "geometric", 0.5)
    assert found.links == [(0, 0), (1, 1)]
    np.testing.assert_array_equal(found.alignment.weights, mean.weights)


def test_the_mean_is_a_matrix_that_links_are_taken_from():
    mean = average(FORWARD, BACKWARD)
    assert links(mean, 0.4) == [(0, 0), (0, 1), (1, 1)]
    assert links(mean) == [(0, 0), (1, 1)]  # z gives most to the end
    assert links(mean, extract="one-to-one") == [(0, 0), (1, 1)]


def test_pieces_of_two_tokenizers_that_differ_are_refused():
    other = BACKWARD._replace(tgt_spans=((0, 2), (2, 3), (3, 3)))
    for function in (average, check_same_tokens):
        with pytest.raises(
            InputError, match=r"two directions cut 'a b' into different pieces: .*--level token"
        ):
            function(FORWARD, other)


@pytest.mark.parametrize("blank", ["forward", "backward"])
def test_a_pair_that_one_direction_could_not_read_has_no_tokens(blank):
    nothing = {"src_tokens": (), "tgt_tokens": (), "src_spans": (), "tgt_spans": ()}
    none = np.zeros((0, 0), dtype=np.float32)
    forward = FORWARD._replace(weights=none, **nothing) if blank == "forward" else FORWARD
    backward = BACKWARD._replace(weights=none, **nothing) if blank == "backward" else BACKWARD
    check_same_tokens(forward, backward)
    mean = average(forward, backward)
    assert mean.src_tokens == mean.tgt_spans == ()
    assert mean.weights.shape == (0, 0)
    assert mean.src == "a b"


def test_links_of_two_directions_are_combined_at_every_extraction():
    # Forward argmax: a-x, a-y; backward: a-x, b-y. Source a and target y have a link in the intersection.
    found = combine(FORWARD, BACKWARD, "grow-diag")
    assert found.links == [(0, 0), (0, 1), (1, 1)]
    assert found.alignment.choice == "additive attention; links of two directions (grow-diag)"
    assert found.backward is BACKWARD
    np.testing.assert_array_equal(found.alignment.weights, FORWARD.weights)
    assert combine(FORWARD, BACKWARD, "intersection").links == [(0, 0)]
    assert combine(FORWARD, BACKWARD, "intersection", 0.4).links == [(0, 0), (1, 1)]
    assert combine(FORWARD, BACKWARD, "union", 0.7, "argmax").links == [(0, 0), (1, 1)]
    assert combine(FORWARD, BACKWARD, "intersection", extract="one-to-one").links == [(0, 0), (1, 1)]
    mean = combine(FORWARD, BACKWARD, "average", 0.65)
    assert mean.links == [(0, 0)]
    np.testing.assert_array_equal(mean.alignment.weights, average(FORWARD, BACKWARD).weights)


def test_combining_with_a_pair_that_was_not_read_gives_no_tokens_either_way():
    nothing = {"src_tokens": (), "tgt_tokens": (), "src_spans": (), "tgt_spans": ()}
    blank = BACKWARD._replace(weights=np.zeros((0, 0), dtype=np.float32), **nothing)
    for found in (combine(FORWARD, blank, "union"), combine(blank, FORWARD, "union")):
        assert found.links == []
        assert found.alignment.src_tokens == found.backward.src_tokens == ()
        assert found.alignment.weights.size == found.backward.weights.size == 0
        assert found.alignment.log_probs.size == 0
