"""Actions for one signal, compared where they can be. A ranking is advice, never a command."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from pydantic import BaseModel, ConfigDict

from kubernaut_effectiveness.counting.outcomes import JudgedIncident, Outcome
from kubernaut_effectiveness.statistics.strata import Stratum, pooled_difference
from kubernaut_effectiveness.statistics.superiority import probability_better
from kubernaut_effectiveness.statistics.votes import Tally, Votes, count_votes
from kubernaut_effectiveness.verdicts.models import Share
from kubernaut_effectiveness.verdicts.shares import ENOUGH_TARGETS, share_of

__all__ = [
    "ActionOfSignal",
    "PairComparison",
    "SignalCounts",
    "SignalVerdict",
    "compare_actions",
    "compare_counts",
]

Stratification = tuple[str | None, str]
"""A severity and a kind of target."""


@dataclass(kw_only=True)
class SignalCounts:
    """The counts that the actions of one signal are compared by.

    Attributes:
        incidents: The number of all its incidents.
        acted: Those in which something was changed.
        first_line: Good and counted incidents by action, severity and target.
        withheld: Resolved and all incidents of the baseline, by target.
        second_line: How often each action came later.
    """

    incidents: int
    acted: int = 0
    first_line: dict[str, dict[tuple[str | None, str], list[int]]] = field(default_factory=dict)
    withheld: dict[str, list[int]] = field(default_factory=dict)
    second_line: dict[str, int] = field(default_factory=dict)

    def add_first_line(self, action: str, severity: str | None, target: str, good: int, incidents: int) -> None:
        """Count incidents of one action, severity and target, of which some were good."""
        _add(self.first_line.setdefault(action, {}).setdefault((severity, target), [0, 0]), good, incidents)

    def add_withheld(self, target: str, resolved: int, incidents: int) -> None:
        """Count baseline incidents of one target, of which some were resolved."""
        _add(self.withheld.setdefault(target, [0, 0]), resolved, incidents)


def _add(counts: list[int], good: int, incidents: int) -> None:
    counts[0] += good
    counts[1] += incidents


@dataclass(frozen=True)
class _Tally:
    """An action's incidents, counted once for all the pairs that it is in.

    Attributes:
        targets: The number of its targets.
        strata: The votes of each stratum, in order.
    """

    targets: int
    strata: Mapping[Stratification, Votes]


class _Comparison(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ActionOfSignal(_Comparison):
    """An action that was tried first for a signal."""

    action: str
    share: Share


class PairComparison(_Comparison):
    """Two actions. `better` is None where nothing is shown; `why_not` says why nothing can be compared."""

    one: str
    other: str
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    probability: float | None = None
    better: str | None = None
    why_not: str | None = None


class SignalVerdict(_Comparison):
    """The actions for one signal: what was tried first, compared; and what came later, apart."""

    signal: str
    incidents: int
    untouched: int
    otherwise: Share
    first_line: list[ActionOfSignal]
    pairs: list[PairComparison]
    second_line: dict[str, int]


def compare_actions(signal: str, judged: Iterable[JudgedIncident], incidents: int) -> SignalVerdict:
    """Return the verdict on a signal.

    Args:
        signal: The alert's name.
        judged: Its incidents in which something was done or decided.
        incidents: The number of all its incidents.
    """
    counts = SignalCounts(incidents=incidents)
    for one in judged:
        if one.action is not None:
            counts.acted += 1
            if one.outcome is not None and one.outcome.counts:
                counts.add_first_line(one.action, one.severity, one.target, one.outcome is Outcome.HELD, 1)
        for act in one.second_line:
            counts.second_line[act.action_type] = counts.second_line.get(act.action_type, 0) + 1
        if one.decision is not None and one.decision.withheld:
            counts.add_withheld(one.decision.target, one.decision.resolved, 1)
    return compare_counts(signal, counts)


def compare_counts(signal: str, counts: SignalCounts) -> SignalVerdict:
    """Return the verdict on a signal whose incidents are counted."""
    tallies = {action: _tally_of(found) for action, found in counts.first_line.items()}
    shares = {action: share_of(_all_votes(found)) for action, found in counts.first_line.items()}
    order = sorted(shares, key=lambda action: (-(shares[action].lower or 0.0), -shares[action].incidents, action))
    pairs = list(combinations(order, 2))
    return SignalVerdict(
        signal=signal,
        incidents=counts.incidents,
        untouched=counts.incidents - counts.acted,
        otherwise=share_of(count_votes(Tally(*both) for both in counts.withheld.values())),
        first_line=[ActionOfSignal(action=action, share=shares[action]) for action in order],
        pairs=[_pair((one, tallies[one]), (other, tallies[other]), len(pairs)) for one, other in pairs],
        second_line=dict(sorted(counts.second_line.items(), key=lambda item: (-item[1], item[0]))),
    )


def _tally_of(found: Mapping[tuple[str | None, str], list[int]]) -> _Tally:
    strata: dict[Stratification, list[Tally]] = defaultdict(list)
    for (severity, target), both in found.items():
        strata[severity, _kind(target)].append(Tally(*both))
    votes = {key: count_votes(strata[key]) for key in sorted(strata, key=lambda key: (key[0] or "", key[1]))}
    return _Tally(
        len({target for _, target in found}),
        {key: counted for key, counted in votes.items() if counted is not None},
    )


def _all_votes(found: Mapping[tuple[str | None, str], list[int]]) -> Votes | None:
    targets: dict[str, list[int]] = {}
    for (_, target), both in found.items():
        _add(targets.setdefault(target, [0, 0]), *both)
    return count_votes(Tally(*both) for both in targets.values())


def _pair(first: tuple[str, _Tally], second: tuple[str, _Tally], pairs: int) -> PairComparison:
    (one, mine), (other, theirs) = first, second
    strata = [
        Stratum(votes.rate, votes.effective_n, against.rate, against.effective_n)
        for key, votes in mine.strata.items()
        if (against := theirs.strata.get(key)) and min(votes.targets, against.targets) >= ENOUGH_TARGETS
    ]
    bare = PairComparison(one=one, other=other)
    if not strata:
        if min(mine.targets, theirs.targets) < ENOUGH_TARGETS:
            return bare.model_copy(update={"why_not": f"fewer than {ENOUGH_TARGETS} targets on one side"})
        return bare.model_copy(update={"why_not": "they met different severities or kinds of targets"})
    difference, lower, upper = pooled_difference(strata)
    probability = probability_better(*_standardised(strata), *_standardised(map(_reversed, strata)))
    sure = 1 - 0.025 / pairs
    better = one if probability >= sure else other if probability <= 1 - sure else None
    known = {"difference": difference, "lower": lower, "upper": upper, "probability": probability, "better": better}
    return bare.model_copy(update=known)


def _standardised(strata: Iterable[Stratum]) -> tuple[float, float]:
    """Return the share of one side over strata, weighted as their difference is, and its effective number.

    By Mantel and Haenszel's weights w = n₁n₀/(n₁ + n₀), the same for both sides: weighted by its own incidents, an
    action that met the easy cases would look better than one that met the hard ones. The number is Kish's,
    (Σw)² / Σ(w²/n), as in `count_votes`.
    """
    weighed = [(one.n * one.other_n / (one.n + one.other_n), one) for one in strata]
    total = math.fsum(weight for weight, _ in weighed)
    rate = math.fsum(weight * one.rate for weight, one in weighed) / total
    return min(1.0, rate), total**2 / math.fsum(weight**2 / one.n for weight, one in weighed)


def _reversed(one: Stratum) -> Stratum:
    return Stratum(one.other, one.other_n, one.rate, one.n)


def _kind(target: str) -> str:
    """Return the kind of a target: `shop/Deployment/api` is a Deployment; an ARN is of its service."""
    parts = target.rpartition(":")[2].split("/") if not target.startswith("arn:") else [":".join(target.split(":")[:3])]
    return parts[-2] if len(parts) >= 2 else parts[0]
