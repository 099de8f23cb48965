"""Proportions: known values, and what must hold of any."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_effectiveness.rates import HALF_LIFE, weighted_rate, wilson_interval

COUNTS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
AGES = st.timedeltas(timedelta(0), timedelta(days=400))
OUTCOMES = st.lists(st.tuples(st.booleans(), AGES), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("good", "n", "lower", "upper"),
    [
        # statsmodels 0.14, proportion_confint(good, n, method="wilson")
        (0, 1, 0.0, 0.793451),
        (1, 2, 0.094531, 0.905469),
        (3, 3, 0.438503, 1.0),
        (5, 5, 0.565518, 1.0),
        (0, 10, 0.0, 0.277533),
        (8, 10, 0.490162, 0.943318),
        (10, 10, 0.722467, 1.0),
        (15, 148, 0.062386, 0.160487),
        (190, 200, 0.910422, 0.972617),
    ],
)
def test_wilson_gives_the_published_bounds(good: int, n: int, lower: float, upper: float) -> None:
    assert wilson_interval(good / n, n) == pytest.approx((lower, upper), abs=1e-6)


@given(COUNTS)
def test_wilson_solves_the_score_equation(counts: tuple[int, int]) -> None:
    good, n = counts
    rate = good / n
    for bound in wilson_interval(rate, n):
        assert (rate - bound) ** 2 == pytest.approx(1.959963984540054**2 * bound * (1 - bound) / n, abs=1e-9)


@given(COUNTS)
def test_an_interval_lies_within_0_and_1_and_contains_its_rate(counts: tuple[int, int]) -> None:
    good, n = counts
    lower, upper = wilson_interval(good / n, n)
    assert 0 <= lower <= good / n <= upper <= 1


@given(COUNTS, st.integers(2, 50))
def test_an_interval_shrinks_with_more_of_the_same(counts: tuple[int, int], times: int) -> None:
    good, n = counts
    few, many = wilson_interval(good / n, n), wilson_interval(good / n, n * times)
    assert many.upper - many.lower < few.upper - few.lower


@given(COUNTS)
def test_good_and_bad_mirror_each_other(counts: tuple[int, int]) -> None:
    good, n = counts
    lower, upper = wilson_interval(good / n, n)
    assert wilson_interval((n - good) / n, n) == pytest.approx((1 - upper, 1 - lower), abs=1e-12)


@pytest.mark.parametrize(
    ("rate", "n", "confidence", "sentence"),
    [
        (1.2, 5, 0.95, "a rate is from 0 to 1, not 1.2"),
        (math.nan, 5, 0.95, "a rate is from 0 to 1, not nan"),
        (0.5, 0, 0.95, "an interval needs a positive number of outcomes, not 0"),
        (0.5, math.nan, 0.95, "an interval needs a positive number of outcomes, not nan"),
        (0.5, 5, 1, "a confidence lies between 0 and 1, not at 1"),
    ],
)
def test_wilson_refuses_what_is_no_proportion(rate: float, n: float, confidence: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        wilson_interval(rate, n, confidence=confidence)


def test_an_outcome_weighs_half_after_21_days() -> None:
    # weights 1, 1/2, 1/4: rate 1.25 / 1.75, effective n 1.75² / 1.3125
    assert weighted_rate(
        [(True, timedelta(0)), (False, timedelta(days=21)), (True, timedelta(days=42))]
    ) == pytest.approx((1.25 / 1.75, 1.75**2 / 1.3125))


@given(st.lists(st.booleans(), min_size=1, max_size=200), AGES)
def test_outcomes_of_one_age_weigh_as_plain_ones(outcomes: list[bool], age: timedelta) -> None:
    assert weighted_rate((good, age) for good in outcomes) == (sum(outcomes) / len(outcomes), len(outcomes))


@given(OUTCOMES)
def test_the_effective_n_is_from_1_to_n(outcomes: list[tuple[bool, timedelta]]) -> None:
    rate, effective_n = weighted_rate(outcomes)
    assert 0 <= rate <= 1
    assert 1 - 1e-9 <= effective_n <= len(outcomes) + 1e-9


@given(OUTCOMES)
def test_the_order_of_outcomes_does_not_show(outcomes: list[tuple[bool, timedelta]]) -> None:
    assert weighted_rate(sorted(outcomes, key=lambda outcome: outcome[1])) == weighted_rate(outcomes)
    assert weighted_rate(reversed(outcomes)) == weighted_rate(outcomes)


def test_a_history_of_another_decade_still_has_its_rate() -> None:
    assert weighted_rate([(True, timedelta(days=9000)), (False, timedelta(days=90_000))]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("outcomes", "half_life", "sentence"),
    [
        ([], HALF_LIFE, "a weighted rate needs at least one outcome"),
        ([(True, timedelta(0))], timedelta(0), "a half-life is positive, not 0:00:00"),
    ],
)
def test_weighted_refuses_what_has_no_rate(
    outcomes: list[tuple[bool, timedelta]], half_life: timedelta, sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        weighted_rate(outcomes, half_life=half_life)
