"""One change of a share within a series."""

import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import ge, lt
from typing import NamedTuple

__all__ = ["EACH_SIDE", "ShareChange", "find_change"]

EACH_SIDE = 10
"""Incidents on each side of a change, at least."""
PERMUTATIONS = 999
EXCEEDED = 50
"""Permutations with as large a statistic after which no more are made: nothing changed, as far as can be seen."""
PLACES = 500
"""Places that are looked at, at most; of a longer series evenly spaced ones."""
SUPPORT = 3.841
"""Places whose statistic is so little below the largest are almost as likely: χ²'s 95 % quantile with one degree."""


class ShareChange(NamedTuple):
    """The most likely change.

    Attributes:
        place: The number of incidents before it.
        earliest: The least place that is almost as likely.
        latest: The largest one.
        before: The share of good incidents before.
        after: The share after.
        p_value: The probability of so large a statistic where nothing changed.
    """

    place: int
    earliest: int
    latest: int
    before: float
    after: float
    p_value: float


def find_change(
    good: Sequence[bool], *, each_side: int = EACH_SIDE, permutations: int = PERMUTATIONS, seed: int = 0
) -> ShareChange | None:
    """Return the most likely change of a series in the order of time, or None where it is too short.

    The statistic is the largest likelihood ratio of two binomials against one, over all places with at least
    `each_side` on both sides; its p-value is (1 + permutations with as large a one) / (1 + permutations). Once 50
    permutations have as large a one, no more are made, and it is 50 / permutations. Of a series of more than
    500 places, as many evenly spaced ones are looked at; `earliest` and `latest` then reach to the next ones.

    Source: K. J. Worsley (1983), "The power of likelihood ratio and cumulative sum tests for a change in a binomial
    probability", Biometrika 70 (2), 455–464; the p-value: B. Phipson, G. K. Smyth (2010), "Permutation p-values should
    never be zero", Statistical Applications in Genetics and Molecular Biology 9 (1), 39; its early end: J. Besag,
    P. Clifford (1991), "Sequential Monte Carlo p-values", Biometrika 78 (2), 301–304.
    """
    n, total = len(good), sum(good)
    if n < 2 * each_side:
        return None
    step = max(1, (n - 2 * each_side) // PLACES)
    places = range(each_side, n - each_side + 1, step)
    logs = [0.0] + [k * math.log(k) for k in range(1, n + 1)]  # k log k, so that the scan has no logarithm
    sums = list(accumulate(good))
    ratios = _scan([sums[place - 1] for place in places], places, total, n, logs)
    statistic = max(ratios)
    place = places[ratios.index(statistic)]
    likely = [place for place, ratio in zip(places, ratios, strict=True) if ratio >= statistic - SUPPORT]
    p_value = 1.0
    if 0 < total < n:
        p_value = _p_value(statistic, places, total, n, logs, permutations, random.Random(seed))  # noqa: S311
    first = sums[place - 1]
    earliest, latest = max(1, likely[0] - step + 1), min(n - 1, likely[-1] + step - 1)
    return ShareChange(place, earliest, latest, first / place, (total - first) / (n - place), p_value)


def _p_value(
    statistic: float,
    places: range,
    total: int,
    n: int,
    logs: Sequence[float],
    permutations: int,
    chance: random.Random,
) -> float:
    """Return the share of permutations with as large a statistic: which of the n are the rarer ones is drawn.

    A draw is compared with bounds that are found once: its statistic is as large where so few of the rarer ones come
    before a place, or so many, that the ratio there is.
    """
    rarer = min(total, n - total)
    few, many = _bounds(statistic - 1e-12, places, total, n, logs)
    # at most k of the sorted draw lie before a place if the one after these lies at it or later; k or more, if the k-th
    # lies before it
    rank_of_few, place_of_few = zip(*few, strict=True) if few else ((), ())
    rank_of_many, place_of_many = zip(*((count - 1, place) for count, place in many), strict=True) if many else ((), ())
    as_large = 0
    for number in range(1, permutations + 1):
        drawn = sorted(chance.sample(range(n), rarer))
        as_large += any(map(ge, map(drawn.__getitem__, rank_of_few), place_of_few)) or any(
            map(lt, map(drawn.__getitem__, rank_of_many), place_of_many)
        )
        if as_large == EXCEEDED:
            return as_large / number
    return (1 + as_large) / (1 + permutations)


_Bounds = list[tuple[int, int]]


def _bounds(statistic: float, places: range, total: int, n: int, logs: Sequence[float]) -> tuple[_Bounds, _Bounds]:
    """Return how few, and how many, of the rarer ones before which places make a ratio so large.

    The ratio is convex in the count, and least at the expected one: beyond a bound it is larger still. A place at which
    no count is few enough, or many enough, has no such bound.
    """
    rarer = min(total, n - total)
    whole = logs[total] + logs[n - total] - logs[n]
    few: _Bounds = []
    many: _Bounds = []
    for place in places:

        def is_large(count: int, place: int = place) -> bool:
            left = count if rarer == total else place - count
            return _ratio(left, place, total, n, logs, whole) >= statistic

        least, most, expected = max(0, rarer - (n - place)), min(rarer, place), rarer * place // n
        below = expected - bisect_left(range(expected - least + 1), True, key=lambda off: is_large(expected - off))
        above = expected + 1 + bisect_left(range(most - expected), True, key=lambda off: is_large(expected + 1 + off))
        if below >= least:
            few.append((below, place))
        if above <= most:
            many.append((above, place))
    return few, many


def _scan(lefts: Sequence[int], places: range, total: int, n: int, logs: Sequence[float]) -> list[float]:
    """Return twice the log-likelihood ratio at each place, before which there are so many good ones."""
    whole = logs[total] + logs[n - total] - logs[n]
    return [_ratio(left, place, total, n, logs, whole) for place, left in zip(places, lefts, strict=True)]


def _ratio(left: int, place: int, total: int, n: int, logs: Sequence[float], whole: float) -> float:
    """Return twice the log-likelihood ratio of two binomials against one.

    Σ k log k + (n − k) log(n − k) − n log n is a binomial's largest log-likelihood.
    """
    right, rest = total - left, n - place
    value = logs[left] + logs[place - left] - logs[place] + logs[right] + logs[rest - right] - logs[rest]
    return 2 * (value - whole)
