"""What an epoch has of each part, and how much of it is drawn anew."""

import numpy as np
import pytest

from translate.training.mixture import Mixture, Part, each_epoch, mixture


def parts(*shares, repeats=True):
    return [Part("training", "", None), *(Part("old", "", None, share, repeats) for share in shares)]


@pytest.mark.parametrize(("share", "drawn"), [(0.5, 100), (0.2, 25), (0.9, 900), (0.001, 0)])
def test_a_share_is_that_of_the_whole_epoch(share, drawn):
    assert each_epoch(parts(share), [100, 7]) == [100, drawn]


def test_what_may_not_repeat_is_bounded_by_what_there_is():
    assert each_epoch(parts(0.5, repeats=False), [100, 7]) == [100, 7]
    assert each_epoch(parts(0.5, repeats=False), [100, 700]) == [100, 100]


def test_a_further_share_is_that_of_all_parts_together():
    assert each_epoch(parts(0.5, 0.5), [100, 9, 9]) == [100, 100, 200]


def draw(mixture, seed=0):
    return mixture(np.random.default_rng(seed))


def test_an_epoch_has_all_of_the_first_part_and_some_of_the_next():
    rows = draw(Mixture([(5, 5), (20, 8)]))
    assert sorted(rows[rows < 5]) == [0, 1, 2, 3, 4]
    old = rows[rows >= 5]
    assert len(old) == len(set(old)) == 8
    assert max(old) < 25


def test_a_part_is_drawn_anew_and_by_the_seed():
    of = Mixture([(5, 5), (20, 8)])
    assert set(draw(of, 1)) != set(draw(of, 2))
    assert (draw(of, 1) == draw(of, 1)).all()


def test_no_pair_is_there_twice_before_all_were_once():
    counts = np.bincount(draw(Mixture([(2, 2), (3, 8)])))
    assert counts[:2].tolist() == [1, 1]
    assert sorted(counts[2:]) == [2, 3, 3]


def test_a_drawn_pair_is_read_in_both_directions():
    rows = draw(Mixture([(2, 2), (4, 1)], both=True))
    assert len(rows) == 6
    assert set(rows[rows >= 6]) == {row + 6 for row in rows if row < 6}


def test_a_run_of_one_part_has_no_mixture():
    assert mixture({"train_pairs_used": 4}, both=False) is None
