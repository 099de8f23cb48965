"""The outcome of an incident: what followed the first action that changed anything in it."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubernaut_effectiveness.counting.acts import Act, ActKind
from kubernaut_effectiveness.counting.changes import TargetChanges
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
    "Outcome",
    "by_fingerprint",
    "judge_problem",
]

_TARGET_DELETED = "the target was deleted"
"""The reason for which later silence is not counted."""
_FRACTION = 1.0
"""Seconds by which a record may name a firing too early."""
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


_NOT_COUNTED = (Outcome.UNWATCHED, Outcome.GONE, Outcome.PENDING)


# looked up once: in Python 3.11 a member of an enum costs twenty times as much as a name
_CHANGED, _WITHHELD, _HELD_UP, _SKIPPED = ActKind.CHANGED, ActKind.WITHHELD, ActKind.HELD_UP, ActKind.SKIPPED
_HELD, _UNRESOLVED, _SUPERSEDED, _GONE = Outcome.HELD, Outcome.UNRESOLVED, Outcome.SUPERSEDED, Outcome.GONE
_UNWATCHED, _INTENDED = Outcome.UNWATCHED, State.INTENDED


@dataclass(slots=True)
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


@dataclass(slots=True)
class JudgedIncident:
    """An incident in which something was done or decided. Nobody changes one; see `Act` for why it is not frozen.

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
        if len(found) > 1:
            found.sort(key=_in_order)
        following = beginnings[place + 1] if place + 1 < len(beginnings) else math.inf
        judged.append(_judge(problem, place, found, following, evidence))
    return judged


def _in_order(act: Act) -> tuple[float, float, str]:
    return act.decided, act.began, act.id


def _incident_of(
    incidents: Sequence[ProblemIncident], beginnings: Sequence[float], act: Act, quiet: float
) -> int | None:
    """Return the place of the incident that an act answers: the one that its record names, else the one at its time.

    It is None where none was told of that fired then: what is named is no earlier one.
    """
    place = bisect_right(beginnings, time := _named_time(act, act.decided)) - 1
    return place if place >= 0 and time <= incidents[place].ended + quiet else None


def _named_time(act: Act, other: float) -> float:
    """Return the time of the firing that an act answers, or another one where its record names none.

    It is a second later: Kubernetes' own times have no fractions, and the firing itself has.
    """
    return other if act.fired is None else act.fired + _FRACTION


def _judge(
    problem: AlertProblem,
    place: int,
    acts: list[Act],
    following: float,
    evidence: Evidence,
) -> JudgedIncident:
    incident = problem.incidents[place]
    decision = _decision(problem, incident, acts, evidence)
    changing = [act for act in acts if act.kind is _CHANGED and act.undoes is None]
    if not changing:
        return JudgedIncident(
            problem.key, problem.name, problem.severity, incident.began, resolved=incident.ended, decision=decision
        )
    line = _first_line(changing)
    first = line.acts[0]
    answered = incident.span_at(_named_time(first, first.began)) or 0
    resolved = incident.spans[answered][1]
    refired = incident.spans[answered + 1][0] if answered + 1 < len(incident.spans) else following
    outcome, why = _outcome(problem, incident, answered, line, acts, evidence)
    return JudgedIncident(
        problem=problem.key,
        name=problem.name,
        severity=problem.severity,
        began=incident.began,
        action=line.action,
        target=first.target or "",
        acted=first.began,
        ended=line.ended,
        resolved=resolved,
        outcome=outcome,
        why=why,
        image=first.image,
        first_line=line.acts,
        second_line=tuple(act for act in changing if act.id not in line.ids) if len(changing) > 1 else (),
        returned=_returned(problem, line, resolved, refired, outcome, evidence),
        decision=decision,
    )


@dataclass(slots=True)
class _FirstLine:
    """The acts that changed something first: one, or the steps of a workflow."""

    acts: tuple[Act, ...]
    ids: Collection[str]
    targets: Collection[str]
    action: str
    decided: float
    ended: float


def _first_line(changing: list[Act]) -> _FirstLine:
    """Return the first line of the acts that changed something for a problem, in the order of decision."""
    if len(changing) == 1:
        [only] = changing
        targets = () if only.target is None else (only.target,)
        return _FirstLine((only,), (only.id,), targets, only.action_type, only.decided, only.ended)
    first = min(changing, key=lambda act: (act.began, act.id))
    acts = [first]
    if first.workflow is not None:
        acts = sorted((act for act in changing if act.workflow == first.workflow), key=lambda act: (act.began, act.id))
    return _FirstLine(
        acts=tuple(acts),
        ids={act.id for act in acts},
        targets=dict.fromkeys(act.target for act in acts if act.target is not None),
        action=" + ".join(dict.fromkeys(act.action_type for act in acts)),
        decided=min(act.decided for act in acts),
        ended=max(act.ended for act in acts),
    )


def _outcome(
    problem: AlertProblem,
    incident: ProblemIncident,
    answered: int,
    line: _FirstLine,
    acts: Sequence[Act],
    evidence: Evidence,
) -> tuple[Outcome, str | None]:
    resolved = incident.spans[answered][1]
    quiet = evidence.settings.quiet_time(problem.name)
    deadline = line.ended + evidence.settings.resolve
    if resolved <= line.acts[0].began:
        return _GONE, None
    if deadline + quiet > evidence.now:
        return Outcome.PENDING, None
    over = resolved + quiet if resolved <= deadline else deadline
    if (why := evidence.watch.fault(problem, line.decided, over)) is not None:
        return _UNWATCHED, why
    if any(act.failed for act in line.acts):
        return Outcome.FAILED, None
    events = _other_changes(line, acts, evidence.changes.between(line.targets, incident.began, over))
    if resolved > deadline:
        events.append((deadline, 1, _UNRESOLVED))
    if answered + 1 < len(incident.spans):
        events.append((incident.spans[answered + 1][0], 0, Outcome.RECURRED))
    if (deleted := _deleted(problem, line.acts, over, evidence)) <= over:
        events.append((deleted, 0, _UNWATCHED))
    outcome = min((event for event in events if event[0] <= over), default=_NOTHING)[2]
    return outcome, _TARGET_DELETED if outcome is _UNWATCHED else None


_Event = tuple[float, int, Outcome]
"""An event that ends a window: its time, its rank among those of that time, and the outcome that it makes."""
_NOTHING: _Event = (math.inf, 0, _HELD)
"""The event of a window in which nothing happened."""


def _other_changes(line: _FirstLine, acts: Sequence[Act], on_targets: Iterable[Act]) -> list[_Event]:
    """Return what else changed something: for the problem, or on the first line's targets for whatever reason."""
    events: list[_Event] = []
    counted = set(line.ids)
    for act in acts:
        if act.kind is _CHANGED and act.id not in counted:
            counted.add(act.id)
            again = act.undoes is None and any(act.action_type == one.action_type for one in line.acts)
            events.append((act.began, 0, _UNRESOLVED if again else _SUPERSEDED))
    events += [(act.began, 0, _SUPERSEDED) for act in on_targets if act.id not in counted]
    return events


def _decision(
    problem: AlertProblem, incident: ProblemIncident, acts: Sequence[Act], evidence: Evidence
) -> FirstDecision | None:
    first = next((act for act in acts if act.kind is not _SKIPPED and act.undoes is None), None)
    if first is None or first.kind is _HELD_UP or _is_queued(first, evidence.settings.resolve):
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
        withheld=first.kind is _WITHHELD,
        resolved=resolved <= over,
    )


def _is_queued(act: Act, within: float) -> bool:
    """Return True for an action that was wanted, and had not begun within so many seconds.

    In that time it could not help: it is no incident in which it ran, and none in which it was kept from running.
    """
    return act.state is _INTENDED or (act.kind is not _WITHHELD and act.began - act.decided > within)


def _returned(
    problem: AlertProblem,
    line: _FirstLine,
    resolved: float,
    refired: float,
    outcome: Outcome,
    evidence: Evidence,
) -> SurvivalObservation | None:
    """Return how long the problem stayed silent: until it fired, something else changed the target, or nobody knows."""
    if outcome is _GONE or resolved > evidence.now:
        return None
    if evidence.watch.fault(problem, line.acts[0].decided, resolved) is not None:
        return None
    end = min(resolved + FOLLOWED, evidence.now, evidence.watch.watched_until(problem, resolved))
    end = min(end, _deleted(problem, line.acts, end, evidence))
    if end <= resolved:
        return None
    others = [act.began for act in evidence.changes.between(line.targets, resolved, end) if act.id not in line.ids]
    superseded = max(resolved, min(others)) if others else math.inf
    first, cause = (superseded, "superseded") if superseded < refired else (refired, "recurred")
    if first <= end:
        return SurvivalObservation(first - resolved, cause)
    return SurvivalObservation(end - resolved, None)


def _deleted(problem: AlertProblem, acts: Sequence[Act], until: float, evidence: Evidence) -> float:
    """Return when a target was first deleted up to a time; infinity if none was.

    What was deleted while an action ran, the action did. That counts only where the alert names the very object: it
    cannot fire again, whatever the action was good for.
    """
    found = math.inf
    if not evidence.watch.knows_deletions:
        return found
    ended = max(act.ended for act in acts)
    for act in acts:
        if act.target is not None:
            did = act.kind is not _WITHHELD and not is_named_by(act.target, problem.labels)
            found = min(found, evidence.watch.deleted([act.target], ended if did else act.decided, until))
    return found


def by_fingerprint(problems: Mapping[str, AlertProblem]) -> dict[str, str]:
    """Return the problem of each fingerprint."""
    return {fingerprint: key for key, problem in problems.items() for fingerprint in problem.fingerprints}
