"""Two things that come together more often than by chance, each stratum by itself."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from kubernaut_effectiveness.statistics.proportions import CONFIDENCE, Interval

__all__ = ["Association", "Table", "find_association"]

_MANY = 1_000.0
"""The variance of the number with both, from which it is taken for normal: to add exactly would take minutes."""
_LEAST = 1e-60
"""The least p-value that is told: what is less probable is left out of the sums."""


class Table(NamedTuple):
    """One stratum: of `total` cases, `first` have the one, `second` the other, `both` both."""

    both: int
    first: int
    second: int
    total: int


class Association(NamedTuple):
    """A measure of how much more often two things come together than by chance.

    Attributes:
        cases: The number of cases with both.
        expected: As many as chance would give.
        lift: Cases over expected.
        interval: Of the lift.
        p_value: One-sided.
    """

    cases: int
    expected: float
    lift: float
    interval: Interval
    p_value: float


def find_association(tables: Sequence[Table]) -> Association | None:
    """Return the association over strata, or None where chance expects nothing.

    Given the margins of each stratum, the number with both is hypergeometric; the p-value is the exact probability
    that their sum is so large: D. R. Cox (1958), "The regression analysis of binary sequences", JRSS B 20 (2),
    215–232; M. L. Gart (1970), "Point and interval estimation of the common odds ratio", Biometrika 57 (3), 471–475.
    Where the sum varies by more than 31 cases, it is that of a normal one with the same mean and variance, and half a
    case of correction: N. Mantel, W. Haenszel (1959), "Statistical aspects of the analysis of data from retrospective
    studies of disease", JNCI 22 (4), 719–748.
    The interval of the lift takes cases as a Poisson number, by Byar's approximation: N. E. Breslow, N. E. Day (1987),
    "Statistical Methods in Cancer Research II", IARC, equation 2.7.
    """
    cases = sum(table.both for table in tables)
    expected = math.fsum(table.first * table.second / table.total for table in tables if table.total)
    if expected <= 0:
        return None
    p_value = _p_value([table for table in tables if table.total], cases, expected)
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    lower = cases * (1 - 1 / (9 * cases) - z / (3 * math.sqrt(cases))) ** 3 if cases else 0.0
    more = cases + 1
    upper = more * (1 - 1 / (9 * more) + z / (3 * math.sqrt(more))) ** 3
    return Association(
        cases, expected, cases / expected, Interval(max(0.0, lower) / expected, upper / expected), p_value
    )


def _p_value(tables: Sequence[Table], cases: int, expected: float) -> float:
    """Return the probability of so many cases, or more."""
    variance = math.fsum(
        table.first
        * table.second
        * (table.total - table.first)
        * (table.total - table.second)
        / (table.total**2 * (table.total - 1))
        for table in tables
        if table.total > 1
    )
    if variance > _MANY:
        return max(_LEAST, math.erfc((cases - 0.5 - expected) / math.sqrt(2 * variance)) / 2)
    least, chances = 0, [1.0]
    for table in tables:
        first, more = _hypergeometric(table)
        least, chances = _trimmed(least + first, _sum_of(chances, more))
    return min(1.0, max(_LEAST, math.fsum(chances[max(0, cases - least) :])))


def _hypergeometric(table: Table) -> tuple[int, list[float]]:
    """Return the least number with both that is probable at all, and the probabilities from it on."""

    def choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    rest, whole = table.total - table.first, choose(table.total, table.second)
    least, most = max(0, table.second - rest), min(table.first, table.second)
    chances = [
        math.exp(choose(table.first, k) + choose(rest, table.second - k) - whole) for k in range(least, most + 1)
    ]
    return _trimmed(least, chances)


def _trimmed(least: int, chances: list[float]) -> tuple[int, list[float]]:
    """Return probabilities without the least ones at both ends."""
    first = next(place for place, chance in enumerate(chances) if chance >= _LEAST)
    last = next(place for place in range(len(chances) - 1, -1, -1) if chances[place] >= _LEAST)
    return least + first, chances[first : last + 1]


def _sum_of(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return the probabilities of the sum of two independent numbers."""
    total = [0.0] * (len(one) + len(other) - 1)
    for place, chance in enumerate(one):
        for more, other_chance in enumerate(other, place):
            total[more] += chance * other_chance
    return total
