"""Proportions and their differences, with intervals.

A rate is never shown without its interval. An `n` need not be whole: it may be an effective number of incidents.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

__all__ = ["CONFIDENCE", "Interval", "newcombe_interval", "upper_bound", "wilson_interval"]

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A closed interval."""

    lower: float
    upper: float


def wilson_interval(rate: float, n: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Return the score interval of a proportion `rate` observed in `n` outcomes.

    With z the standard normal quantile at (1 + confidence) / 2, the bounds are
    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n); without continuity correction.

    Source: E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", Journal of
    the American Statistical Association 22 (158), 209–212. It keeps its confidence at small n, unlike the
    textbook interval: L. D. Brown, T. T. Cai, A. DasGupta (2001), "Interval estimation for a binomial
    proportion", Statistical Science 16 (2), 101–133.

    Raises:
        ValueError: `rate` or `confidence` is not a proportion, or `n` is not a positive number.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate is from 0 to 1, not {rate}")
    if not 0 < n < math.inf:
        raise ValueError(f"an interval needs a positive number of outcomes, not {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not at {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    scale = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z * math.sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2) / scale
    # The bounds must contain the rate, and equal it at 0 and 1; rounding could break both.
    lower = 0.0 if rate == 0 else min(max(0.0, centre - half), rate)
    upper = 1.0 if rate == 1 else max(min(1.0, centre + half), rate)
    return Interval(lower, upper)


def upper_bound(rate: float, n: float, *, confidence: float) -> float:
    """Return Wilson's upper bound alone: the true proportion lies above it with a probability of 1 − confidence."""
    return wilson_interval(rate, n, confidence=2 * confidence - 1).upper


def newcombe_interval(
    rate: float, n: float, other: float, other_n: float, *, confidence: float = CONFIDENCE
) -> Interval:
    """Return the interval of the difference `rate − other` between two independent proportions.

    With Wilson's bounds (l, u) of each: lower = d − √((p₁ − l₁)² + (u₂ − p₂)²), upper = d + √((u₁ − p₁)² + (p₂ − l₂)²).

    Source: R. G. Newcombe (1998), "Interval estimation for the difference between independent proportions: comparison
    of eleven methods", Statistics in Medicine 17 (8), 873–890; method 10.

    Raises:
        ValueError: as `wilson_interval`.
    """
    one, two = wilson_interval(rate, n, confidence=confidence), wilson_interval(other, other_n, confidence=confidence)
    difference = rate - other
    return Interval(
        difference - math.hypot(rate - one.lower, two.upper - other),
        difference + math.hypot(one.upper - rate, other - two.lower),
    )
