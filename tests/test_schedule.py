import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from translate.config.training import TrainingConfig
from translate.training.schedule import learning_rate_factor

SCHEDULES = st.sampled_from(["cosine", "inverse_sqrt"])


def factors(schedule, max_steps, warmup_steps, count=None):
    config = TrainingConfig(schedule=schedule, max_steps=max_steps, warmup_steps=warmup_steps)
    return [learning_rate_factor(step, config) for step in range(max_steps if count is None else count)]


@settings(deadline=None)
@given(SCHEDULES, st.integers(1, 60), st.integers(0, 80))
def test_the_rate_rises_in_the_warm_up_and_falls_afterwards(schedule, max_steps, warmup_steps):
    values = factors(schedule, max_steps, warmup_steps, max_steps + 1)
    warmup = min(warmup_steps, max_steps)
    assert values[:warmup] == [pytest.approx((step + 1) / warmup) for step in range(warmup)]
    assert values[warmup:] == sorted(values[warmup:], reverse=True)
    assert all(0 <= value <= 1 for value in values)
    assert all(value > 0 for value in values[:max_steps])


@pytest.mark.parametrize("schedule", ["cosine", "inverse_sqrt"])
def test_the_first_step_is_not_lost_and_the_last_of_the_warm_up_is_the_highest(schedule):
    values = factors(schedule, 100, 10)
    assert values[0] == pytest.approx(0.1)
    assert values[9] == max(values) == 1


def test_the_cosine_passes_a_half_and_ends_at_zero():
    values = factors("cosine", 110, 10, 200)
    assert values[10] == 1
    assert values[60] == pytest.approx(0.5)
    assert values[35] == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert values[110:] == [0.0] * 90


def test_the_inverse_square_root_halves_when_steps_are_four_times_as_many():
    values = factors("inverse_sqrt", 500, 100)
    assert values[399] == pytest.approx(0.5)
    assert values[100:] == [pytest.approx(math.sqrt(100 / (step + 1))) for step in range(100, 500)]


@pytest.mark.parametrize("schedule", ["cosine", "inverse_sqrt"])
def test_without_a_warm_up_the_first_step_is_the_highest(schedule):
    assert factors(schedule, 10, 0)[0] == 1


@pytest.mark.parametrize("schedule", ["cosine", "inverse_sqrt"])
def test_a_warm_up_longer_than_the_run_fills_it(schedule):
    assert factors(schedule, 4, 300) == [0.25, 0.5, 0.75, 1.0]
