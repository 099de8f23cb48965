"""The comparison of what an action is followed by with what follows otherwise."""

from collections import defaultdict
from collections.abc import Iterable

from kubernaut_effectiveness.counting.outcomes import FirstDecision, JudgedIncident
from kubernaut_effectiveness.statistics.strata import Stratum, pooled_difference
from kubernaut_effectiveness.statistics.votes import Votes
from kubernaut_effectiveness.verdicts.models import BaselineComparison
from kubernaut_effectiveness.verdicts.shares import ENOUGH_TARGETS, share_of, votes_of

__all__ = ["compare_with_baseline"]

WIDEST = 0.4
"""The width of an interval from which nothing can be told."""
COMPARABLE = 0.5
"""The part of the action's incidents that comparable strata must hold."""


def compare_with_baseline(incidents: Iterable[JudgedIncident]) -> BaselineComparison:
    """Return the comparison of one action type, stratified by the signal's name and severity.

    Both sides begin at the first decision of an incident, with the signal firing; compared is "resolved within
    30 min", whatever else was done.
    """
    strata: dict[tuple[str | None, str | None], tuple[list[FirstDecision], list[FirstDecision]]] = defaultdict(
        lambda: ([], [])
    )
    for incident in incidents:
        if (decision := incident.decision) is not None:
            strata[incident.name, incident.severity][decision.withheld].append(decision)
    acted_all = [decision for acted, _ in strata.values() for decision in acted]
    withheld_all = [decision for _, withheld in strata.values() for decision in withheld]
    sides = {"acted": share_of(_votes(acted_all)), "otherwise": share_of(_votes(withheld_all))}
    if not withheld_all or not acted_all:
        return BaselineComparison(verdict="no baseline", **sides)
    compared: list[Stratum] = []
    held = 0
    for acted, withheld in strata.values():
        one, other = _votes(acted), _votes(withheld)
        if one and other and min(one.targets, other.targets) >= ENOUGH_TARGETS:
            compared.append(Stratum(one.rate, one.effective_n, other.rate, other.effective_n))
            held += len(acted)
    comparable = held / len(acted_all)
    if comparable < COMPARABLE:
        return BaselineComparison(verdict="not comparable", **sides, strata=len(compared), comparable=comparable)
    difference, lower, upper = pooled_difference(compared)
    if lower > 0:
        verdict = "helped"
    elif upper < 0:
        verdict = "worse"
    else:
        verdict = "too few to tell" if upper - lower > WIDEST else "no difference shown"
    return BaselineComparison(
        verdict=verdict,
        **sides,
        difference=difference,
        lower=lower,
        upper=upper,
        strata=len(compared),
        comparable=comparable,
    )


def _votes(decisions: list[FirstDecision]) -> Votes | None:
    return votes_of((decision.target, decision.resolved) for decision in decisions)
