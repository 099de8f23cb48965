"""One change of a share within a series."""

import math
import random
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

__all__ = ["EACH_SIDE", "ShareChange", "find_change"]

EACH_SIDE = 10
"""Incidents on each side of a change, at least."""
PERMUTATIONS = 999
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
    `each_side` on both sides; its p-value is (1 + permutations with as large a one) / (1 + permutations).

    Source: K. J. Worsley (1983), "The power of likelihood ratio and cumulative sum tests for a change in a binomial
    probability", Biometrika 70 (2), 455–464; the p-value: B. Phipson, G. K. Smyth (2010), "Permutation p-values should
    never be zero", Statistical Applications in Genetics and Molecular Biology 9 (1), 39.
    """
    n, total = len(good), sum(good)
    if n < 2 * each_side:
        return None
    logs = [0.0] + [k * math.log(k) for k in range(1, n + 1)]  # k log k, so that the scan has no logarithm
    ratios = _scan(good, logs, each_side)
    statistic = max(ratios)
    place = each_side + ratios.index(statistic)
    likely = [each_side + number for number, ratio in enumerate(ratios) if ratio >= statistic - SUPPORT]
    shuffler = random.Random(seed)  # noqa: S311 – permutations, no secret
    shuffled = list(good)
    as_large = 0
    for _ in range(permutations if 0 < total < n else 0):
        shuffler.shuffle(shuffled)
        as_large += max(_scan(shuffled, logs, each_side)) >= statistic - 1e-12
    p_value = 1.0 if total in {0, n} else (1 + as_large) / (1 + permutations)
    first = sum(good[:place])
    return ShareChange(place, likely[0], likely[-1], first / place, (total - first) / (n - place), p_value)


def _scan(good: Sequence[bool], logs: Sequence[float], each_side: int) -> list[float]:
    """Return twice the log-likelihood ratio at each place."""
    n = len(good)
    sums = list(accumulate(good))
    total = sums[-1]
    whole = logs[total] + logs[n - total] - logs[n]
    found = []
    for place in range(each_side, n - each_side + 1):
        left = sums[place - 1]
        right, rest = total - left, n - place
        # Σ k log k + (n − k) log(n − k) − n log n is a binomial's largest log-likelihood
        value = logs[left] + logs[place - left] - logs[place] + logs[right] + logs[rest - right] - logs[rest]
        found.append(2 * (value - whole))
    return found
