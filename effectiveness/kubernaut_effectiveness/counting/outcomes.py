"""The outcome of an incident: what followed the first action that changed anything in it."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from kubernaut_effectiveness.counting.acts import Act, ActKind
from kubernaut_effectiveness.counting.deletions import is_named_by
from kubernaut_effectiveness.counting.problems import AlertProblem, ProblemIncident
from kubernaut_effectiveness.counting.watching import Watch
from kubernaut_effectiveness.settings import DAY, CountingRules
from kubernaut_effectiveness.statistics.survival import SurvivalObservation
from kubernaut_sdk.states import State

__all__ = [
    "Evidence",
    "FirstDecision",
    "JudgedIncident",
    "OrderedChanges",
    "Outcome",
    "TargetChanges",
    "by_fingerprint",
    "judge_problem",
]

DELETED = "the target was deleted"
"""The reason for which later silence is not counted."""
FOLLOWED = DAY
"""Seconds after a resolution for which recurrences are followed."""


class Outcome(StrEnum):
    """The outcomes of an incident after its first line; see `counts`."""

    HELD = "held"
    """Resolved within 30 min of the action's end, silent for the quiet time, and nothing else changed."""
    FAILED = "failed"
    """The action failed, or was lost after a change."""
    UNRESOLVED = "unresolved"
    """Still firing after 30 min, or the same action was needed again."""
    RECURRED = "recurred"
    """Resolved, and it fired again within the quiet time."""
    SUPERSEDED = "superseded"
    """Something else changed the target, or acted for the problem, first."""
    UNWATCHED = "unwatched"
    """Nobody can tell: the monitoring was not heard or held the alert back, or the target was deleted."""
    GONE = "gone"
    """Resolved before the action began."""
    PENDING = "pending"
    """Its window is not over."""

    @property
    def counts(self) -> bool:
        """True if an incident with this outcome counts in rates."""
        return self not in _NOT_COUNTED


_NOT_COUNTED = frozenset({Outcome.UNWATCHED, Outcome.GONE, Outcome.PENDING})


@dataclass(frozen=True)
class FirstDecision:
    """The first decision in an incident: to run an action, or that it was kept from running.

    Attributes:
        action_type: The action.
        at: When it was made; the signal was firing.
        target: The target.
        withheld: True if a dry run, a halt or a freeze kept the action from running.
        resolved: True if the signal was resolved within 30 min, whatever else was done.
    """

    action_type: str
    at: float
    target: str
    withheld: bool
    resolved: bool


@dataclass(frozen=True, kw_only=True)
class JudgedIncident:
    """An incident in which something was done or decided.

    Attributes:
        problem: The problem's key.
        name: The alert's name.
        severity: Its severity.
        began: Its first firing.
        action: The first line: an action type, or several joined by ` + `; None where nothing was changed.
        target: The first line's target.
        acted: When the first line began.
        ended: When it ended.
        resolved: When the signal that it answered was resolved, or where nothing was changed, the last one; infinity
            while it fires.
        outcome: None where nothing was changed.
        why: Why it was not watched.
        image: The first line's image.
        first_line: The records of the first line.
        second_line: The records of what changed something after it, for this problem.
        returned: How long it stayed silent after its resolution.
        decision: The first decision, if its 30 min are over and were watched; none where a limit or a person kept the
            action from running, or it was queued for all of them: these depend on the incident.
    """

    problem: str
    name: str | None
    severity: str | None
    began: float
    action: str | None = None
    target: str = ""
    acted: float = math.inf
    ended: float = math.inf
    resolved: float = math.inf
    outcome: Outcome | None = None
    why: str | None = None
    image: str | None = None
    first_line: tuple[Act, ...] = ()
    second_line: tuple[Act, ...] = ()
    returned: SurvivalObservation | None = None
    decision: FirstDecision | None = None


class OrderedChanges:
    """The acts that changed one target, found by time without a look at all of them."""

    def __init__(self, acts: Iterable[Act]) -> None:
        self.acts = sorted(acts, key=_began)
        self._began = [act.began for act in self.acts]
        # the latest end of all acts up to each: those before it had all ended by then
        self._over = list(accumulate((act.ended for act in self.acts), max))

    def between(self, since: float, until: float) -> list[Act]:
        """Return what began within a time, or had not ended at its beginning."""
        first, last = bisect_left(self._over, since), bisect_right(self._began, until)
        return [act for act in self.acts[first:last] if act.ended >= since]


def _began(act: Act) -> float:
    return act.began


class TargetChanges:
    """The acts that changed each target, in order.

    Args:
        acts: All acts.
    """

    def __init__(self, acts: Iterable[Act]) -> None:
        by_target: dict[str, list[Act]] = defaultdict(list)
        for act in acts:
            if act.target is not None and act.kind is ActKind.CHANGED:
                by_target[act.target].append(act)
        self._of = {target: OrderedChanges(found) for target, found in by_target.items()}

    def between(self, targets: Iterable[str], since: float, until: float) -> list[Act]:
        """Return what changed any of the targets and began within a time, or had not ended at its beginning."""
        found: list[Act] = []
        for target in targets:
            if (changes := self._changes_of(target)) is not None:
                found += changes.between(since, until)
        return found

    def _changes_of(self, target: str) -> OrderedChanges | None:
        return self._of.get(target)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The facts by which incidents are judged.

    Attributes:
        changes: What changed each target, for whatever reason.
        watch: When anybody was watching.
        settings: The settings.
        now: The end of the known history.
    """

    changes: TargetChanges
    watch: Watch
    settings: CountingRules
    now: float


def judge_problem(problem: AlertProblem, acts: Sequence[Act], evidence: Evidence) -> list[JudgedIncident]:
    """Return the incidents of a problem in which something was done or decided.

    Args:
        problem: The problem.
        acts: The records whose signal is one of its fingerprints.
        evidence: What they are judged by.
    """
    quiet = evidence.settings.quiet_time(problem.name)
    beginnings = [incident.began for incident in problem.incidents]
    assigned: dict[int, list[Act]] = defaultdict(list)
    for act in acts:
        if (place := _incident_of(problem.incidents, beginnings, act, quiet)) is not None:
            assigned[place].append(act)
    judged = []
    for place, found in sorted(assigned.items()):
        found.sort(key=lambda act: (act.decided, act.began, act.id))
        following = problem.incidents[place + 1].began if place + 1 < len(problem.incidents) else math.inf
        judged.append(_judge(problem, place, found, following, evidence))
    return judged


def _incident_of(
    incidents: Sequence[ProblemIncident], beginnings: Sequence[float], act: Act, quiet: float
) -> int | None:
    """Return the place of the incident that an act answers: the one that its record names, else the one at its time."""
    place = bisect_right(beginnings, act.decided if act.fired is None else act.fired) - 1
    if place < 0 or (act.fired is None and act.decided > incidents[place].ended + quiet):
        return None
    return place


def _judge(
    problem: AlertProblem,
    place: int,
    acts: list[Act],
    following: float,
    evidence: Evidence,
) -> JudgedIncident:
    incident = problem.incidents[place]
    decision = _decision(problem, incident, acts, evidence)
    changing = [act for act in acts if act.kind is ActKind.CHANGED and act.undoes is None]
    if not changing:
        return JudgedIncident(
            problem=problem.key,
            name=problem.name,
            severity=problem.severity,
            began=incident.began,
            resolved=incident.ended,
            decision=decision,
        )
    changing.sort(key=lambda act: (act.began, act.id))
    first = changing[0]
    unit = [first] if first.workflow is None else [act for act in changing if act.workflow == first.workflow]
    answered = incident.span_at(first.fired if first.fired is not None else first.began) or 0
    resolved = incident.spans[answered][1]
    ended = max(act.ended for act in unit)
    mine = {act.id for act in unit}
    second = tuple(act for act in acts if act.kind is ActKind.CHANGED and act.undoes is None and act.id not in mine)
    outcome, why = _outcome(problem, incident, answered, unit, acts, evidence)
    refired = incident.spans[answered + 1][0] if answered + 1 < len(incident.spans) else following
    return JudgedIncident(
        problem=problem.key,
        name=problem.name,
        severity=problem.severity,
        began=incident.began,
        decision=decision,
        action=" + ".join(dict.fromkeys(act.action_type for act in unit)),
        target=first.target or "",
        acted=first.began,
        ended=ended,
        resolved=resolved,
        outcome=outcome,
        why=why,
        image=first.image,
        first_line=tuple(unit),
        second_line=second,
        returned=_returned(problem, unit, resolved, refired, outcome, evidence),
    )


def _outcome(
    problem: AlertProblem,
    incident: ProblemIncident,
    answered: int,
    unit: Sequence[Act],
    acts: Sequence[Act],
    evidence: Evidence,
) -> tuple[Outcome, str | None]:
    began, ended = unit[0].began, max(act.ended for act in unit)
    resolved = incident.spans[answered][1]
    quiet = evidence.settings.quiet_time(problem.name)
    deadline = ended + evidence.settings.resolve
    if resolved <= began:
        return Outcome.GONE, None
    if deadline + quiet > evidence.now:
        return Outcome.PENDING, None
    over = resolved + quiet if resolved <= deadline else deadline
    decided = min(act.decided for act in unit)
    if (why := evidence.watch.fault(problem, decided, over)) is not None:
        return Outcome.UNWATCHED, why
    if any(act.failed for act in unit):
        return Outcome.FAILED, None
    events: list[tuple[float, int, Outcome]] = []
    if resolved > deadline:
        events.append((deadline, 1, Outcome.UNRESOLVED))
    if answered + 1 < len(incident.spans):
        events.append((incident.spans[answered + 1][0], 0, Outcome.RECURRED))
    mine = {act.id for act in unit}
    types = {act.action_type for act in unit}
    targets = {act.target for act in unit if act.target is not None}
    for_problem = {act.id: act for act in acts if act.kind is ActKind.CHANGED and act.id not in mine}
    others = {act.id: act for act in evidence.changes.between(targets, incident.began, over) if act.id not in mine}
    for act in (for_problem | others).values():
        again = act.action_type in types and act.undoes is None and act.id in for_problem
        events.append((act.began, 0, Outcome.UNRESOLVED if again else Outcome.SUPERSEDED))
    if (deleted := _deleted(problem, unit, over, evidence)) <= over:
        events.append((deleted, 0, Outcome.UNWATCHED))
    within = [event for event in events if event[0] <= over]
    outcome = min(within)[2] if within else Outcome.HELD
    return outcome, DELETED if outcome is Outcome.UNWATCHED else None


def _decision(
    problem: AlertProblem, incident: ProblemIncident, acts: Sequence[Act], evidence: Evidence
) -> FirstDecision | None:
    deciding = [act for act in acts if act.kind is not ActKind.SKIPPED and act.undoes is None]
    if not deciding:
        return None
    first = deciding[0]
    if first.kind is ActKind.HELD_UP or _is_queued(first, evidence.settings.resolve):
        return None
    place = incident.span_at(first.decided)
    over = first.decided + evidence.settings.resolve
    if place is None or incident.spans[place][1] <= first.decided or over > evidence.now:
        return None
    if evidence.watch.fault(problem, first.decided, over) is not None:
        return None
    resolved = incident.spans[place][1]
    if _deleted(problem, [first], over, evidence) <= min(resolved, over):
        return None
    return FirstDecision(
        action_type=first.action_type,
        at=first.decided,
        target=first.target or problem.key,
        withheld=first.kind is ActKind.WITHHELD,
        resolved=resolved <= over,
    )


def _is_queued(act: Act, within: float) -> bool:
    """Return True for an action that was wanted, and had not begun within so many seconds.

    In that time it could not help: it is no incident in which it ran, and none in which it was kept from running.
    """
    return act.state is State.INTENDED or (act.kind is not ActKind.WITHHELD and act.began - act.decided > within)


def _returned(
    problem: AlertProblem,
    unit: Sequence[Act],
    resolved: float,
    refired: float,
    outcome: Outcome,
    evidence: Evidence,
) -> SurvivalObservation | None:
    """Return how long the problem stayed silent: until it fired, something else changed the target, or nobody knows."""
    if outcome is Outcome.GONE or resolved > evidence.now:
        return None
    if evidence.watch.fault(problem, unit[0].decided, resolved) is not None:
        return None
    end = min(resolved + FOLLOWED, evidence.now, evidence.watch.watched_until(problem, resolved))
    mine = {act.id for act in unit}
    targets = {act.target for act in unit if act.target is not None}
    end = min(end, _deleted(problem, unit, end, evidence))
    if end <= resolved:
        return None
    others = [act.began for act in evidence.changes.between(targets, resolved, end) if act.id not in mine]
    superseded = max(resolved, min(others, default=math.inf))
    first, cause = min((refired, "recurred"), (superseded, "superseded"), key=lambda event: event[0])
    if first <= end:
        return SurvivalObservation(first - resolved, cause)
    return SurvivalObservation(end - resolved, None)


def _deleted(problem: AlertProblem, unit: Sequence[Act], until: float, evidence: Evidence) -> float:
    """Return when a target was first deleted up to a time; infinity if none was.

    What was deleted while an action ran, the action did. That counts only where the alert names the very object: it
    cannot fire again, whatever the action was good for.
    """
    found = math.inf
    if not evidence.watch.knows_deletions:
        return found
    ended = max(act.ended for act in unit)
    for act in unit:
        if act.target is not None:
            did = act.kind is not ActKind.WITHHELD and not is_named_by(act.target, problem.labels)
            found = min(found, evidence.watch.deleted([act.target], ended if did else act.decided, until))
    return found


def by_fingerprint(problems: Mapping[str, AlertProblem]) -> dict[str, str]:
    """Return the problem of each fingerprint."""
    return {fingerprint: key for key, problem in problems.items() for fingerprint in problem.fingerprints}
