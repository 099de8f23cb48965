"""Proportions with their uncertainty, and the weight that recent outcomes get.

Called by `verdict`, for every rate that is shown: a rate without its interval says too much.
"""

import math
from collections.abc import Iterable
from datetime import timedelta
from statistics import NormalDist
from typing import NamedTuple

__all__ = ["HALF_LIFE", "Interval", "Weighted", "weighted", "wilson"]

HALF_LIFE = timedelta(days=21)
"""The age at which an outcome weighs half as much as one of today."""


class Interval(NamedTuple):
    """Two bounds within [0, 1], both belonging to the interval."""

    lower: float
    upper: float


class Weighted(NamedTuple):
    """A weighted proportion, and how many equally weighted outcomes would say as much."""

    rate: float
    effective_n: float


def wilson(rate: float, n: float, *, confidence: float = 0.95) -> Interval:
    """The score interval of a proportion `rate` that was seen in `n` outcomes (an effective n need not be whole).

    With z the standard normal quantile at (1 + confidence) / 2, the bounds are
    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n); without continuity correction.

    Source: E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", Journal of
    the American Statistical Association 22 (158), 209–212. That it keeps its confidence at small n, where the
    textbook interval does not: L. D. Brown, T. T. Cai, A. DasGupta (2001), "Interval estimation for a binomial
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
    # The bounds contain the rate, and touch it at 0 and 1: exactly so, whatever the last bit of the arithmetic.
    lower = 0.0 if rate == 0 else min(max(0.0, centre - half), rate)
    upper = 1.0 if rate == 1 else max(min(1.0, centre + half), rate)
    return Interval(lower, upper)


def weighted(outcomes: Iterable[tuple[bool, timedelta]], *, half_life: timedelta = HALF_LIFE) -> Weighted:
    """The rate of good outcomes, each (good, age) weighing 2^(−age / half-life).

    The effective n is (Σw)² / Σw², from L. Kish (1965), "Survey Sampling", Wiley, section 11.7: n for outcomes of one
    age, fewer the more their ages differ. Neither number depends on the scale of the weights, so they are taken
    relative to the newest outcome: a history that ended long ago is as informative as it was, only old.

    Raises:
        ValueError: there is no outcome, or the half-life is not positive.
    """
    aged = list(outcomes)
    if not aged:
        raise ValueError("a weighted rate needs at least one outcome")
    if half_life <= timedelta(0):
        raise ValueError(f"a half-life is positive, not {half_life}")
    newest = min(age for _, age in aged)
    weights = [2.0 ** -((age - newest) / half_life) for _, age in aged]
    # fsum rounds once, at the end: the order of the outcomes cannot show.
    total = math.fsum(weights)
    good = math.fsum(weight for weight, (is_good, _) in zip(weights, aged, strict=True) if is_good)
    return Weighted(rate=good / total, effective_n=total**2 / math.fsum(weight * weight for weight in weights))
