"""A share over targets, each target with one vote: what is expected on a typical target.

Incidents of one target resemble one another. Counted by incidents, one target that flaps decides the rate, and an
interval that takes them for independent covers 12 to 25 % instead of 95.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kubernaut_effectiveness.statistics.proportions import CONFIDENCE, Interval, wilson_interval

__all__ = ["Tally", "Votes", "count_votes"]


class Tally(NamedTuple):
    """The incidents of one target: how many were good, of how many."""

    good: int
    incidents: int


class Votes(NamedTuple):
    """A share over targets.

    Attributes:
        rate: The mean of the targets' own shares.
        effective_n: The number of independent incidents that would tell as much.
        targets: The number of targets.
        incidents: The number of incidents.
        good: The number of good incidents.
        largest: The share of the incidents that the largest target has.
    """

    rate: float
    effective_n: float
    targets: int
    incidents: int
    good: int
    largest: float

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return Wilson's interval at the effective number."""
        return wilson_interval(self.rate, self.effective_n, confidence=confidence)


def count_votes(tallies: Mapping[str, Tally] | Iterable[Tally]) -> Votes | None:
    """Return the share over targets, or None if there is no incident.

    With the targets' shares q of mean p and sample variance s², G targets of m incidents each:
    v = ((G − 1)s² + 3p(1 − p)) / (G + 2), and n_eff = p(1 − p)G / v, within [G, G² / Σ(1/m)]; G if v is 0.

    The variance of a mean of cluster means is that of the clusters over their number (W. G. Cochran (1977), "Sampling
    Techniques", 3rd edition, Wiley, section 9A.2); the effective number of a proportion is the one at which a binomial
    would have that variance (L. Kish (1965), "Survey Sampling", Wiley, section 8.2). s² is drawn towards p(1 − p), the
    variance of one incident a target, with the weight of three targets: with few targets it is too uncertain to trust.
    The bounds are one incident a target, and independent incidents weighted alike by target.
    """
    counted = [
        tally for tally in (tallies.values() if isinstance(tallies, Mapping) else tallies) if tally.incidents > 0
    ]
    if not counted:
        return None
    targets, incidents = len(counted), sum(tally.incidents for tally in counted)
    shares = [tally.good / tally.incidents for tally in counted]
    rate = min(1.0, math.fsum(shares) / targets)
    spread = math.fsum((share - rate) ** 2 for share in shares)  # (G − 1)s²
    single = rate * (1 - rate)
    variance = (spread + 3 * single) / (targets + 2)
    most = targets**2 / math.fsum(1 / tally.incidents for tally in counted)
    effective = float(targets) if variance <= 0 else min(max(single * targets / variance, targets), most)
    return Votes(
        rate=rate,
        effective_n=effective,
        targets=targets,
        incidents=incidents,
        good=sum(tally.good for tally in counted),
        largest=max(tally.incidents for tally in counted) / incidents,
    )
