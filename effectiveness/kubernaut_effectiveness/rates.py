"""Proportions with their uncertainty, and more weight for recent outcomes.

Used by `verdict` for every rate that is shown. A rate is never shown without its interval.
"""

import math
from collections.abc import Iterable
from datetime import timedelta
from statistics import NormalDist
from typing import NamedTuple

__all__ = ["HALF_LIFE", "Interval", "WeightedRate", "weighted_rate", "wilson_interval"]

HALF_LIFE = timedelta(days=21)
"""The age at which an outcome has half the weight of one of today."""


class Interval(NamedTuple):
    """A closed interval within [0, 1]."""

    lower: float
    upper: float


class WeightedRate(NamedTuple):
    """A weighted proportion, and the number of equally weighted outcomes that carry as much information."""

    rate: float
    effective_n: float


def wilson_interval(rate: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Return the score interval of a proportion `rate` observed in `n` outcomes (an effective n need not be whole).

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


def weighted_rate(outcomes: Iterable[tuple[bool, timedelta]], *, half_life: timedelta = HALF_LIFE) -> WeightedRate:
    """Return the rate of good outcomes, where each (good, age) has the weight 2^(−age / half-life).

    The effective n is (Σw)² / Σw², from L. Kish (1965), "Survey Sampling", Wiley, section 11.7: it is n
    when all outcomes have one age, and smaller the more their ages differ. Neither number depends on the scale of the
    weights, so ages are counted from the newest outcome: an old history keeps its effective n.

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
    # fsum rounds once, at the end, so the result does not depend on the order of the outcomes.
    total = math.fsum(weights)
    good = math.fsum(weight for weight, (is_good, _) in zip(weights, aged, strict=True) if is_good)
    return WeightedRate(rate=good / total, effective_n=total**2 / math.fsum(weight * weight for weight in weights))
