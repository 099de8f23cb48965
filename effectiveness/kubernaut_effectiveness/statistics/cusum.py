"""An alarm on failures that is raised soon after the share of failures has grown."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from kubernaut_effectiveness.statistics.proportions import upper_bound

__all__ = ["ENOUGH_BEFORE", "LIMIT", "Cusum", "cusum_weights", "run_cusum"]

ODDS = 3.0
"""The growth of the odds of a failure that the alarm is made for."""
LIMIT = 6.0
"""The sum at which the alarm is raised: at most 6 % false alarms in 200 incidents."""
ENOUGH_BEFORE = 50
"""Incidents from which the usual share of failures is taken, at least."""


class Cusum(NamedTuple):
    """The state of the alarm.

    Attributes:
        expected: The share of failures that counts as usual.
        value: The sum now.
        raised_at: The place of the first incident at which the sum reached the limit, or None.
    """

    expected: float
    value: float
    raised_at: int | None


def cusum_weights(expected: float, odds: float = ODDS) -> tuple[float, float]:
    """Return what a failure adds to the sum, and what a success does: the logarithms of the likelihood ratios.

    Source: M. R. Reynolds, Z. G. Stoumbos (1999), "A CUSUM chart for monitoring a proportion when inspecting
    continuously", Journal of Quality Technology 31 (1), 87–108; E. S. Page (1954), "Continuous inspection schemes",
    Biometrika 41, 100–115.
    """
    raised = odds * expected / (1 - expected + odds * expected)
    return math.log(raised / expected), math.log((1 - raised) / (1 - expected))


def run_cusum(earlier_failures: int, earlier: int, failures: Iterable[bool], limit: float = LIMIT) -> Cusum | None:
    """Return the alarm over incidents in the order of time, or None where too few came before.

    The usual share is the one-sided 80 % upper bound of the earlier incidents' (Wilson): a share that was low by luck
    would raise false alarms.
    """
    if earlier < ENOUGH_BEFORE:
        return None
    expected = min(upper_bound(earlier_failures / earlier, earlier, confidence=0.8), 1 - 1e-9)
    failed, succeeded = cusum_weights(expected)
    value, raised = 0.0, None
    for place, failure in enumerate(failures):
        value = max(0.0, value + (failed if failure else succeeded))
        if raised is None and value >= limit:
            raised = place
    return Cusum(expected, value, raised)
