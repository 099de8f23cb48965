"""Proportions: known values, and what must hold of any."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from kubernaut_effectiveness.statistics.proportions import newcombe_interval, upper_bound, wilson_interval

COUNTS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


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


@given(COUNTS, COUNTS)
@settings(max_examples=60)
def test_both_intervals_are_those_of_statsmodels(one: tuple[int, int], other: tuple[int, int]) -> None:
    rates = one[0] / one[1], other[0] / other[1]
    wilson = proportion_confint(*one, method="wilson")
    newcombe = confint_proportions_2indep(*one, *other, method="newcomb", compare="diff")

    assert wilson_interval(rates[0], one[1]) == pytest.approx(wilson, abs=1e-9)
    assert newcombe_interval(rates[0], one[1], rates[1], other[1]) == pytest.approx(newcombe, abs=1e-9)


def test_an_upper_bound_has_its_confidence_on_one_side() -> None:
    assert upper_bound(0.1, 50, confidence=0.8) == pytest.approx(
        proportion_confint(5, 50, alpha=0.4, method="wilson")[1]
    )
