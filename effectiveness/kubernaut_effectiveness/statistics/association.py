"""Two things that come together more often than by chance, each stratum by itself."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from kubernaut_effectiveness.statistics.proportions import CONFIDENCE, Interval

__all__ = ["Association", "Table", "find_association"]


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
    The interval of the lift takes cases as a Poisson number, by Byar's approximation: N. E. Breslow, N. E. Day (1987),
    "Statistical Methods in Cancer Research II", IARC, equation 2.7.
    """
    cases = sum(table.both for table in tables)
    expected = math.fsum(table.first * table.second / table.total for table in tables if table.total)
    if expected <= 0:
        return None
    chances = [1.0]
    for table in tables:
        if table.total:
            chances = _sum_of(chances, _hypergeometric(table))
    p_value = min(1.0, math.fsum(chances[cases:]))
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    lower = cases * (1 - 1 / (9 * cases) - z / (3 * math.sqrt(cases))) ** 3 if cases else 0.0
    more = cases + 1
    upper = more * (1 - 1 / (9 * more) + z / (3 * math.sqrt(more))) ** 3
    return Association(
        cases, expected, cases / expected, Interval(max(0.0, lower) / expected, upper / expected), p_value
    )


def _hypergeometric(table: Table) -> list[float]:
    """Return the probability of each number with both."""
    logs = [math.lgamma(k + 1) for k in range(table.total + 1)]

    def choose(n: int, k: int) -> float:
        return logs[n] - logs[k] - logs[n - k]

    rest, whole = table.total - table.first, choose(table.total, table.second)
    most, least = min(table.first, table.second), max(0, table.second - rest)
    return [
        math.exp(choose(table.first, k) + choose(rest, table.second - k) - whole) if k >= least else 0.0
        for k in range(most + 1)
    ]


def _sum_of(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return the probabilities of the sum of two independent numbers."""
    total = [0.0] * (len(one) + len(other) - 1)
    for place, chance in enumerate(one):
        if chance:
            for more, other_chance in enumerate(other):
                total[place + more] += chance * other_chance
    return total
