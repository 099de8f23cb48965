"""The contents of pages, as JSON values."""

import math
from datetime import UTC, datetime
from typing import Any

from kubernaut_effectiveness.counting.acts import Act
from kubernaut_effectiveness.counting.outcomes import JudgedIncident
from kubernaut_effectiveness.targets import TargetHistory

__all__ = ["act_document", "incident_document", "target_document", "time_text"]


def time_text(time: float | None) -> str | None:
    """Return a time as RFC 3339 in UTC, or None for none and for infinity."""
    if time is None or not math.isfinite(time):
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def act_document(act: Act) -> dict[str, Any]:
    """Return a record as pages list it."""
    return {
        "id": act.id,
        "action_type": act.action_type,
        "state": act.state.value,
        "target": act.target,
        "began": time_text(act.began),
        "ended": time_text(act.ended),
        "seconds": max(0.0, act.ended - act.began),
        "image": act.image,
        "workflow": act.workflow,
        "step": act.step,
        "requester": act.requester,
        "undoes": act.undoes,
        "before": act.before,
        "after": act.after,
        "reason": act.reason,
    }


def incident_document(one: JudgedIncident) -> dict[str, Any]:
    """Return an incident."""
    return {
        "problem": one.problem,
        "alert": one.name,
        "severity": one.severity,
        "began": time_text(one.began),
        "action": one.action,
        "target": one.target or None,
        "acted": time_text(one.acted),
        "resolved": time_text(one.resolved),
        "outcome": None if one.outcome is None else one.outcome.value,
        "why": one.why,
        "withheld": one.decision is not None and one.decision.withheld,
        "records": [act.id for act in one.first_line],
        "second_line": [act.id for act in one.second_line],
    }


def target_document(history: TargetHistory) -> dict[str, Any]:
    """Return the history of a target."""
    return {
        "target": history.name,
        "deleted": [time_text(time) for time in history.deleted],
        "incidents": [incident_document(one) for one in history.incidents],
        "records": [act_document(act) for act in history.acts],
        "problems": [
            {
                "problem": problem.key,
                "alert": problem.name,
                "firings": [
                    {"fired": time_text(fired), "resolved": time_text(resolved), "recurrence": place > 0}
                    for incident in problem.incidents
                    for place, (fired, resolved) in enumerate(incident.spans)
                ],
            }
            for problem in history.problems
        ],
        "still_so": [
            {
                "action_type": one.change.action_type,
                "record": one.change.id,
                "answer": one.answer,
                "seen_by": None if one.seen_by is None else one.seen_by.id,
                "left": one.change.after,
                "found": one.found,
            }
            for one in history.still_so
        ],
    }
