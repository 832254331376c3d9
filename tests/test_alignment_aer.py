import gzip

import numpy as np
import pytest

from translate.alignment.aer import (
    Gold,
    check_gold,
    compare,
    count_links,
    error_rate,
    rate,
    read_gold,
    read_links,
)
from translate.errors import InputError


def gold(sure, possible=()):
    return Gold(frozenset(sure), frozenset(possible))


def test_error_rate_equals_a_count_by_hand():
    # 4 links: one sure, one possible, two wrong; 3 sure links. AER = 1 - (1 + 2) / (4 + 3).
    rate = error_rate([[(0, 0), (1, 1), (5, 5), (6, 6)]], [gold([(0, 0), (2, 2), (3, 3)], [(1, 1)])])
    assert rate.aer == pytest.approx(4 / 7)
    assert rate.precision == pytest.approx(2 / 4)
    assert rate.recall == pytest.approx(1 / 3)
    assert rate.f1 == pytest.approx(0.4)
    assert (rate.links, rate.sure, rate.possible) == (4, 3, 1)


def test_counts_are_summed_over_pairs():
    rate = error_rate([[(0, 0)], [(0, 1)]], [gold([(0, 0)]), gold([(0, 0)])])
    assert rate.aer == rate.precision == rate.recall == rate.f1 == 0.5


def test_possible_links_are_neither_asked_for_nor_wrong():
    assert error_rate([[(0, 0)]], [gold([(0, 0)], [(1, 1)])]).aer == 0
    assert error_rate([[(0, 0), (1, 1)]], [gold([(0, 0)], [(1, 1)])]).aer == 0


def test_no_links_and_no_gold_is_no_error():
    assert error_rate([[]], [gold([])]).aer == 0
    assert error_rate([[]], [gold([(0, 0)])]).aer == 1
    assert error_rate([[(0, 0)]], [gold([])]).f1 == 0


def test_gold_is_read_with_sure_and_possible_links(tmp_path):
    (tmp_path / "gold").write_text("0-1 2p3 4?5 2p2 2-2\n\n")
    assert read_gold(tmp_path / "gold") == [gold([(0, 1), (2, 2)], [(2, 3), (4, 5)]), gold([])]


def test_gold_may_count_from_one_and_be_packed(tmp_path):
    (tmp_path / "gold.gz").write_bytes(gzip.compress(b"1-2 3p4\n"))
    assert read_gold(tmp_path / "gold.gz", one_based=True) == [gold([(0, 1)], [(2, 3)])]


def test_what_is_no_link_is_refused_with_its_line(tmp_path):
    (tmp_path / "gold").write_text("0-0\n0-0 1:2\n")
    with pytest.raises(InputError, match=r"gold: line 2: '1:2' is no link; i-j \(sure\)"):
        read_gold(tmp_path / "gold")


def test_a_word_zero_is_refused_when_words_count_from_one(tmp_path):
    (tmp_path / "gold").write_text("1-1\n3-0\n")
    with pytest.raises(
        InputError, match="gold: line 2: '3-0' has a word 0, but words were said to count from 1"
    ):
        read_gold(tmp_path / "gold", one_based=True)


def test_a_link_to_a_word_that_is_not_there_is_refused():
    with pytest.raises(
        InputError,
        match=r"g: pair 2 links word 2 \(counted from 0\) of a target with 2 words; .*--gold-one-based",
    ):
        check_gold([gold([(0, 0)]), gold([(0, 0)], [(0, 2)])], [("a", "x"), ("a", "x y")], "g")


def test_gold_for_another_number_of_pairs_is_refused():
    with pytest.raises(InputError, match="g has links for 1 pairs, but there are 2 pairs to align"):
        check_gold([gold([])], [("a", "x"), ("a", "x")], "g")


def test_gold_of_the_shared_task_of_2003_is_recognised(tmp_path):
    # Sentence 2 has no link; a word linked to word 0 has none; S is meant where nothing is said.
    lines = ["0001 1 2 S", "0001 3 4 P 0.25", "1 2 2", "", "3 1 0 S", "3 0 2", "0003 2 1 S 1.0", "3 2 1 P"]
    (tmp_path / "gold").write_text("\n".join(lines) + "\n")
    expected = [gold([(0, 1), (1, 1)], [(2, 3)]), gold([]), gold([(1, 0)])]
    assert read_gold(tmp_path / "gold") == read_gold(tmp_path / "gold", one_based=True) == expected
    assert read_gold(tmp_path / "gold", pairs=5) == [*expected, gold([]), gold([])]
    assert read_gold(tmp_path / "gold", pairs=1) == expected


@pytest.mark.parametrize("line", ["1 2", "1 2 3 X", "0 1 1", "1 2 3 S 0.5 more", "1 2-3"])
def test_what_is_no_link_of_the_shared_task_is_refused_with_its_line(tmp_path, line):
    (tmp_path / "gold").write_text(f"1 1 1\n{line}\n")
    with pytest.raises(InputError, match=r"gold: line 2: '.*' is no link; `pair source target \[S\|P\]"):
        read_gold(tmp_path / "gold")


def test_links_of_a_system_are_read_and_have_no_possible_ones(tmp_path):
    (tmp_path / "links").write_text("2-1 1-1\n\n")
    assert read_links(tmp_path / "links") == [[(1, 1), (2, 1)], []]
    assert read_links(tmp_path / "links", one_based=True) == [[(0, 0), (1, 0)], []]
    (tmp_path / "links").write_text("\n0p0\n")
    with pytest.raises(InputError, match="links: line 2 has possible links"):
        read_links(tmp_path / "links")


def test_pairs_are_counted_one_by_one_and_rated_together():
    links, pairs = [[(0, 0), (1, 1), (2, 0)], []], [gold([(0, 0), (3, 3)], [(1, 1)]), gold([(0, 0)])]
    counts = count_links(links, pairs)
    assert counts.tolist() == [[3, 2, 1, 1, 2], [0, 1, 0, 0, 0]]
    assert rate(counts) == error_rate(links, pairs)
    assert rate(count_links([], [])).aer == 0


def draw_links(seed, pairs, share):
    """Gold of ten words each in order, and links of which a share is right and the others are wrong."""
    random = np.random.default_rng(seed)
    wanted = [gold([(i, i) for i in range(10)]) for _ in range(pairs)]
    right = random.random((pairs, 10)) < share
    return count_links([[(i, i if good else i + 1) for i, good in enumerate(row)] for row in right], wanted)


def test_two_systems_that_differ_are_told_apart_and_a_system_from_itself_is_not():
    one, other = draw_links(1, 100, 0.8), draw_links(2, 100, 0.7)
    found = compare(one, other)
    assert found.difference == pytest.approx(rate(one).aer - rate(other).aer)
    assert found.low < found.difference < found.high < 0
    assert found.p_value == pytest.approx(1 / 1001)
    same = compare(one, one)
    assert same == (0, 0, 0, 1)
    assert compare(one[:0], other[:0]) == (0, 0, 0, 1)


def test_the_sign_of_a_comparison_follows_its_order_and_the_seed_its_draws():
    one, other = draw_links(1, 30, 0.8), draw_links(2, 30, 0.78)
    found, turned = compare(one, other), compare(other, one)
    assert (turned.difference, turned.low, turned.high) == pytest.approx(
        (-found.difference, -found.high, -found.low)
    )
    assert turned.p_value == pytest.approx(found.p_value)
    assert compare(one, other) == found
    assert compare(one, other, seed=2).low != found.low


def test_the_interval_is_as_wide_as_the_error_of_the_mean_says():
    one, other = draw_links(1, 400, 0.7), draw_links(2, 400, 0.7)
    found = compare(one, other, samples=4000)
    # Ten links and ten sure ones in each pair, so AER is a mean over pairs, and its error is known.
    differences = 1 - (one[:, 3] + one[:, 4]) / 20 - (1 - (other[:, 3] + other[:, 4]) / 20)
    error = differences.std() / len(differences) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.06)
    assert 0.05 < found.p_value < 1
