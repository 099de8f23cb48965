"""Patterns within incidents: which action follows which, and which problems follow an action."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kubernaut_effectiveness.counting.acts import Act
from kubernaut_effectiveness.counting.outcomes import JudgedIncident
from kubernaut_effectiveness.counting.problems import AlertProblem, targets_of_labels
from kubernaut_effectiveness.settings import MINUTE
from kubernaut_effectiveness.statistics.association import Association, Table, find_association
from kubernaut_effectiveness.statistics.multiplicity import q_values

__all__ = [
    "FollowCase",
    "FollowUp",
    "SideEffect",
    "SideEffectCounts",
    "find_follow_ups",
    "find_side_effects",
    "following_act",
    "tested_follow_ups",
    "tested_side_effects",
]

ENOUGH_CASES = 5
ENOUGH_TARGETS = 3
QUALITY = 0.05
"""The false discovery rate of follow-ups and of side effects."""
AFTER = 30 * MINUTE


@dataclass(frozen=True)
class FollowUp:
    """An action type that acts next within an incident more often than by chance."""

    first: str
    following: str
    cases: int
    targets: int
    lift: float
    lower: float
    upper: float
    q_value: float


@dataclass(frozen=True)
class SideEffect:
    """Another problem on the target within 30 min of an action. Without a baseline only counts are known."""

    action_type: str
    alert: str
    cases: int
    acted: int
    otherwise_cases: int
    otherwise: int
    q_value: float | None

    @property
    def shown(self) -> bool:
        """True if it comes more often than in baseline incidents."""
        return self.q_value is not None and self.q_value <= QUALITY


class FollowCase(NamedTuple):
    """An incident in which another action acted after the first."""

    signal: str | None
    first: str
    following: str
    target: str


def following_act(one: JudgedIncident) -> Act | None:
    """Return what acted next within an incident; the steps of one workflow are one action."""
    if one.action is None or not one.second_line:
        return None
    workflow = one.first_line[0].workflow
    return next((act for act in one.second_line if workflow is None or act.workflow != workflow), None)


def find_follow_ups(judged: Iterable[JudgedIncident]) -> list[FollowUp]:
    """Return which action type acts after which within an incident; the steps of one workflow are one action."""
    return tested_follow_ups(
        FollowCase(one.name, one.action or "", following.action_type, one.target)
        for one in judged
        if (following := following_act(one)) is not None
    )


def tested_follow_ups(cases: Iterable[FollowCase]) -> list[FollowUp]:
    """Return the follow-ups that come more often than by chance.

    The test is exact and conditional, stratified by signal; at least 5 cases on 3 targets; q ≤ 0.05.
    """
    both: dict[str | None, Counter[tuple[str, str]]] = defaultdict(Counter)
    firsts: dict[str | None, Counter[str]] = defaultdict(Counter)
    seconds: dict[str | None, Counter[str]] = defaultdict(Counter)
    numbers: Counter[tuple[str, str]] = Counter()
    targets: dict[tuple[str, str], set[str]] = defaultdict(set)
    for signal, first, following, target in cases:
        both[signal][first, following] += 1
        firsts[signal][first] += 1
        seconds[signal][following] += 1
        numbers[first, following] += 1
        targets[first, following].add(target)
    wanted = {
        place: len(on) for place, on in targets.items() if numbers[place] >= ENOUGH_CASES and len(on) >= ENOUGH_TARGETS
    }
    tested: list[tuple[tuple[str, str], Association]] = []
    for place in wanted:
        tables = [
            Table(found[place], firsts[signal][place[0]], seconds[signal][place[1]], found.total())
            for signal, found in both.items()
        ]
        if (association := find_association(tables)) is not None:
            tested.append((place, association))
    qualities = q_values([association.p_value for _, association in tested])
    return sorted(
        (
            FollowUp(*place, found.cases, wanted[place], found.lift, *found.interval, quality)
            for (place, found), quality in zip(tested, qualities, strict=True)
            if quality <= QUALITY
        ),
        key=lambda one: (-one.cases, one.first, one.following),
    )


def find_side_effects(judged: Sequence[JudgedIncident], problems: Mapping[str, AlertProblem]) -> list[SideEffect]:
    """Return which other problems began on an action's target within 30 min of the decision.

    Compared are incidents in which the action was kept from running, over the same minutes after the decision.
    """
    counts = SideEffectCounts()
    counts.add(judged, problems)
    return tested_side_effects(counts)


class SideEffectCounts:
    """Counts of decisions, and of the problems that began after them on their targets; each with its baseline's.

    Attributes:
        seen: By action type and alert.
        arms: By action type.
    """

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self.arms: dict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add(
        self, judged: Sequence[JudgedIncident], problems: Mapping[str, AlertProblem], on: str | None = None
    ) -> None:
        """Count the decisions about one target, or about all."""
        began = _beginnings(judged, problems)
        for one in judged:
            if (decision := one.decision) is not None and on in {None, decision.target}:
                self.arms[decision.action_type][decision.withheld] += 1
                for name in _names_after(began.get(decision.target, []), decision.at, one.problem):
                    self.seen[decision.action_type, name][decision.withheld] += 1


def tested_side_effects(counts: SideEffectCounts) -> list[SideEffect]:
    """Return the side effects of counts, those that are shown first.

    The test is Fisher's, one-sided (R. A. Fisher (1935), "The logic of inductive inference", JRSS 98 (1), 39–82).
    """
    seen, arms = counts.seen, counts.arms
    rows = [(place, cases, arms[place[0]]) for place, cases in seen.items() if cases[0]]
    values: dict[tuple[str, str], float] = {}
    for place, cases, (acted, otherwise) in rows:
        if otherwise and cases[0] >= ENOUGH_CASES:
            found = find_association([Table(cases[0], acted, sum(cases), acted + otherwise)])
            values[place] = 1.0 if found is None else found.p_value
    qualities = dict(zip(values, q_values(list(values.values())), strict=True))
    effects = [
        SideEffect(*place, cases[0], acted, cases[1], otherwise, qualities.get(place))
        for place, cases, (acted, otherwise) in rows
    ]
    return sorted(effects, key=lambda one: (not one.shown, -one.cases, one.action_type, one.alert))


def _beginnings(
    judged: Iterable[JudgedIncident], problems: Mapping[str, AlertProblem]
) -> dict[str, list[tuple[float, str, str]]]:
    """Return when which problem began on each target: its time, alert and key.

    A problem is on the targets of its incidents' records, and on those that its labels name.
    """
    of: dict[str, set[str]] = defaultdict(set)
    for one in judged:
        for target in {one.target, one.decision.target if one.decision else ""} - {""}:
            of[target].add(one.problem)
    for key, problem in problems.items():
        for target in targets_of_labels(problem.labels):
            if target in of:
                of[target].add(key)
    return {
        target: sorted(
            (incident.began, problems[key].name or key, key) for key in keys for incident in problems[key].incidents
        )
        for target, keys in of.items()
    }


def _names_after(times: Sequence[tuple[float, str, str]], at: float, but: str) -> set[str]:
    first, last = (bisect_right(times, time, key=lambda item: item[0]) for time in (at, at + AFTER))
    return {name for _, name, key in times[first:last] if key != but}
