"""The difference between two shares, each stratum compared within itself."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from kubernaut_effectiveness.statistics.proportions import CONFIDENCE, Interval, newcombe_interval

__all__ = ["Difference", "Stratum", "pooled_difference"]


class Stratum(NamedTuple):
    """Two shares in one stratum; the numbers may be effective ones."""

    rate: float
    n: float
    other: float
    other_n: float


class Difference(NamedTuple):
    """A difference of shares with its interval."""

    difference: float
    lower: float
    upper: float


def pooled_difference(strata: Sequence[Stratum], *, confidence: float = CONFIDENCE) -> Difference:
    """Return the difference `rate − other`: Newcombe's for one stratum, Mantel and Haenszel's for more.

    With a = n₁p₁, b = n₀p₀ and N = n₁ + n₀, the difference is Σ(a n₀ − b n₁)/N over Σ n₁n₀/N. Its variance is
    (d ΣP + ΣQ) / (Σ n₁n₀/N)², where P = (n₁²b − n₀²a + n₁n₀(n₀ − n₁)/2)/N² and Q = (a(n₀ − b) + b(n₁ − a))/(2N).
    It is right for a few large strata and for many small ones.

    Source: S. Greenland, J. M. Robins (1985), "Estimation of a common effect parameter from sparse follow-up data",
    Biometrics 41 (1), 55–68; the variance: T. Sato (1989), "On the variance estimator for the Mantel–Haenszel risk
    difference", Biometrics 45 (4), 1323–1324.

    Where every share of one side is 0 or 1 that variance may be 0; half an outcome is then added to each cell, so
    that no interval is a point.

    Raises:
        ValueError: there is no stratum.
    """
    if not strata:
        raise ValueError("a difference needs at least one stratum")
    if len(strata) == 1:
        [only] = strata
        interval = newcombe_interval(*only, confidence=confidence)
        return Difference(only.rate - only.other, *interval)
    difference, variance = _mantel_haenszel(strata)
    if variance <= 0:
        smoothed = [
            Stratum(
                (one.rate * one.n + 0.5) / (one.n + 1),
                one.n + 1,
                (one.other * one.other_n + 0.5) / (one.other_n + 1),
                one.other_n + 1,
            )
            for one in strata
        ]
        variance = _mantel_haenszel(smoothed)[1]
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance)
    bounds = Interval(max(-1.0, difference - half), min(1.0, difference + half))
    return Difference(difference, *bounds)


def _mantel_haenszel(strata: Sequence[Stratum]) -> tuple[float, float]:
    numerators, weights, ps, qs = [], [], [], []
    for rate, n, other, other_n in strata:
        a, b, total = rate * n, other * other_n, n + other_n
        numerators.append((a * other_n - b * n) / total)
        weights.append(n * other_n / total)
        ps.append((n * n * b - other_n * other_n * a + n * other_n * (other_n - n) / 2) / total**2)
        qs.append((a * (other_n - b) + b * (n - a)) / (2 * total))
    weight = math.fsum(weights)
    difference = math.fsum(numerators) / weight
    return difference, (difference * math.fsum(ps) + math.fsum(qs)) / weight**2
