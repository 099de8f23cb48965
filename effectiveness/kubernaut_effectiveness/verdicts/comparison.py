"""Actions for one signal, compared where they can be. A ranking is advice, never a command."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from pydantic import BaseModel, ConfigDict

from kubernaut_effectiveness.counting.outcomes import JudgedIncident, Outcome
from kubernaut_effectiveness.statistics.strata import Stratum, pooled_difference
from kubernaut_effectiveness.statistics.superiority import probability_better
from kubernaut_effectiveness.statistics.votes import Votes
from kubernaut_effectiveness.verdicts.models import Share
from kubernaut_effectiveness.verdicts.shares import ENOUGH_TARGETS, share_of, votes_of

__all__ = ["ActionOfSignal", "PairComparison", "SignalVerdict", "compare_actions"]

Strata = dict[tuple[str | None, str], list[JudgedIncident]]


@dataclass(frozen=True)
class _Tally:
    """An action's incidents, counted once for all the pairs that it is in.

    Attributes:
        targets: The number of its targets.
        strata: The votes of each stratum: severity and kind of target.
    """

    targets: int
    strata: Mapping[tuple[str | None, str], Votes]


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
    found = list(judged)
    by_action: dict[str, Strata] = defaultdict(lambda: defaultdict(list))
    second: dict[str, int] = defaultdict(int)
    for one in found:
        if one.action is not None and one.outcome is not None and one.outcome.counts:
            by_action[one.action][one.severity, _kind(one.target)].append(one)
        for act in one.second_line:
            second[act.action_type] += 1
    tallies = {action: _tally_of(strata) for action, strata in by_action.items()}
    shares = {action: share_of(votes_of(_held(_all(strata)))) for action, strata in by_action.items()}
    order = sorted(shares, key=lambda action: (-(shares[action].lower or 0.0), -shares[action].incidents, action))
    pairs = list(combinations(order, 2))
    withheld = [one.decision for one in found if one.decision is not None and one.decision.withheld]
    return SignalVerdict(
        signal=signal,
        incidents=incidents,
        untouched=incidents - sum(one.action is not None for one in found),
        otherwise=share_of(votes_of((one.target, one.resolved) for one in withheld)),
        first_line=[ActionOfSignal(action=action, share=shares[action]) for action in order],
        pairs=[_pair((one, tallies[one]), (other, tallies[other]), len(pairs)) for one, other in pairs],
        second_line=dict(sorted(second.items(), key=lambda item: (-item[1], item[0]))),
    )


def _tally_of(strata: Strata) -> _Tally:
    votes = {key: votes_of(_held(incidents)) for key, incidents in strata.items()}
    return _Tally(
        len({incident.target for incident in _all(strata)}),
        {key: counted for key, counted in votes.items() if counted is not None},
    )


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
    size = sum(one.n for one in strata), sum(one.other_n for one in strata)
    rates = (
        sum(one.rate * one.n for one in strata) / size[0],
        sum(one.other * one.other_n for one in strata) / size[1],
    )
    probability = probability_better(rates[0], size[0], rates[1], size[1])
    sure = 1 - 0.025 / pairs
    better = one if probability >= sure else other if probability <= 1 - sure else None
    known = {"difference": difference, "lower": lower, "upper": upper, "probability": probability, "better": better}
    return bare.model_copy(update=known)


def _held(incidents: Sequence[JudgedIncident]) -> Iterable[tuple[str, bool]]:
    return ((one.target, one.outcome is Outcome.HELD) for one in incidents)


def _all(strata: Strata) -> list[JudgedIncident]:
    return [incident for incidents in strata.values() for incident in incidents]


def _kind(target: str) -> str:
    """Return the kind of a target: `shop/Deployment/api` is a Deployment; an ARN is of its service."""
    parts = target.rpartition(":")[2].split("/") if not target.startswith("arn:") else [":".join(target.split(":")[:3])]
    return parts[-2] if len(parts) >= 2 else parts[0]
