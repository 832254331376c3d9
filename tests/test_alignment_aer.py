import gzip

import pytest

from translate.alignment.aer import Gold, check_gold, error_rate, read_gold
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
        match=r"g: line 2 links word 2 \(counted from 0\) of a target with 2 words; .*--gold-one-based",
    ):
        check_gold([gold([(0, 0)]), gold([(0, 0)], [(0, 2)])], [("a", "x"), ("a", "x y")], "g")


def test_gold_for_another_number_of_pairs_is_refused():
    with pytest.raises(InputError, match="g has links for 1 pairs, but there are 2 pairs to align"):
        check_gold([gold([])], [("a", "x"), ("a", "x")], "g")
