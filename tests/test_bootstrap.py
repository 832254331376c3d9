import numpy as np
import pytest

from translate.bootstrap import paired_bootstrap


def mean(sums):
    """Each sentence counts as one, and has a number."""
    return float(sums[1] / sums[0])


def counted(*numbers):
    return np.array([[1, number] for number in numbers])


def test_the_difference_is_the_one_of_the_whole_test_set():
    found = paired_bootstrap(counted(3, 5, 4), counted(1, 2, 3), mean)
    assert found.difference == 2
    assert found.low <= 2 <= found.high


def test_a_difference_that_every_sentence_has_is_as_wide_as_a_point_and_as_rare_as_can_be_said():
    found = paired_bootstrap(counted(3, 4, 5), counted(1, 2, 3), mean, samples=9)
    assert found == pytest.approx((2, 2, 2, 1 / 10))


def test_the_p_value_counts_the_draws_that_are_as_far_from_their_mean():
    one, other = counted(9, 0, 4, 7), counted(2, 3, 4, 5)
    found = paired_bootstrap(one, other, mean, samples=50, seed=3)

    random, drawn = np.random.default_rng(3), []
    for _ in range(50):
        places = random.integers(4, size=4)
        drawn.append(one[places, 1].mean() - other[places, 1].mean())
    centre = sum(drawn) / 50
    as_far = sum(abs(difference - centre) >= 1.5 for difference in drawn)
    assert found == pytest.approx((1.5, *np.quantile(drawn, [0.025, 0.975]), (as_far + 1) / 51))
    assert 0 < as_far < 50


def test_a_system_is_no_better_than_itself_and_nothing_differs_from_nothing():
    rows = counted(1, 2, 3)
    assert paired_bootstrap(rows, rows, mean) == (0, 0, 0, 1)
    assert paired_bootstrap(rows[:0], rows[:0], mean) == (0, 0, 0, 1)
