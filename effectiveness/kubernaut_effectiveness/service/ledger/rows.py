"""Rows of the ledger, and what they stand for.

A fleet may have a million of them, so objects are made without their constructors: these check nothing and cost most.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kubernaut_effectiveness.counting.acts import Act, ActKind
from kubernaut_effectiveness.counting.outcomes import FirstDecision, JudgedIncident, Outcome
from kubernaut_effectiveness.counting.problems import Firing
from kubernaut_effectiveness.patterns.incidents import following_act
from kubernaut_effectiveness.statistics.survival import SurvivalObservation
from kubernaut_sdk.states import State

__all__ = [
    "ACT_COLUMNS",
    "ACT_FIELDS",
    "FIRING_COLUMNS",
    "JUDGED_COLUMNS",
    "act_of_row",
    "firing_of_row",
    "judged_of_row",
    "kept_value",
    "row_of_act",
    "row_of_judged",
]

ACT_FIELDS = (
    *("id", "action_type", "state", "target", "decided", "began", "ended", "fingerprint", "fired", "dry_run"),
    *("undoes", "changes", "reason", "image", "workflow", "step", "requester", "kind"),
)
ACT_COLUMNS = ", ".join(f"acts.{name}" for name in ACT_FIELDS)
FIRING_COLUMNS = "firings.fingerprint, fired, resolved, firings.name, severity, labels"
JUDGED_COLUMNS = (
    "problems.key, began, judged.name, severity, action, target, acted, ended, resolved, outcome, why, image, "
    "first_line, second_line, returned, cause, decision, decided, decided_on, withheld, resolved_soon"
)
LONGEST_VALUE = 4_096
"""Bytes of one side of a change; of a longer one its hash is kept, which tells whether it is the same."""
_STATES = {state.value: state for state in State}
_KINDS = {kind.value: kind for kind in ActKind}
_set = object.__setattr__
"""Sets the whole `__dict__` of a frozen object at once."""
_OUTCOMES: dict[str | None, Outcome | None] = {outcome.value: outcome for outcome in Outcome} | {None: None}


def kept_value(text: str | None) -> str | None:
    """Return the JSON text of a side of a change, as it is kept."""
    if text is None or text == "null":
        return None
    if len(text) <= LONGEST_VALUE:
        return text
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "characters": len(text)})


def row_of_act(act: Act) -> tuple[Any, ...]:
    """Return the row of an act."""
    sides = (
        None if value is None else kept_value(json.dumps(value, sort_keys=True, ensure_ascii=False, default=repr))
        for value in (act.before, act.after)
    )
    return (*(getattr(act, name) for name in ACT_FIELDS[:-1]), act.kind.value, *sides)


def act_of_row(row: Sequence[Any]) -> Act:
    """Return the act of a row; with two more columns, its change too."""
    before, after = row[18:20] if len(row) > len(ACT_FIELDS) else (None, None)
    act = object.__new__(Act)
    _set(
        act,
        "__dict__",
        {
            "id": row[0],
            "action_type": row[1],
            "state": _STATES[row[2]],
            "target": row[3],
            "decided": row[4],
            "began": row[5],
            "ended": row[6],
            "fingerprint": row[7],
            "fired": row[8],
            "dry_run": bool(row[9]),
            "undoes": row[10],
            "changes": bool(row[11]),
            "before": None if before is None else json.loads(before),
            "after": None if after is None else json.loads(after),
            "reason": row[12],
            "image": row[13],
            "workflow": row[14],
            "step": row[15],
            "requester": row[16],
            "kind": _KINDS[row[17]],
        },
    )
    return act


def firing_of_row(row: Sequence[Any], labels: dict[str, Mapping[str, str] | None]) -> Firing:
    """Return the firing of a row; labels are decoded once for each text."""
    fingerprint, fired, resolved, name, severity, text = row
    if text is not None and text not in labels:
        labels[text] = json.loads(text)
    firing = object.__new__(Firing)
    _set(
        firing,
        "__dict__",
        {
            "fingerprint": fingerprint,
            "fired": fired,
            "resolved": resolved,
            "name": name,
            "severity": severity,
            "labels": None if text is None else labels[text],
        },
    )
    return firing


def row_of_judged(problem: int, one: JudgedIncident) -> tuple[Any, ...]:
    """Return the row of an incident."""
    following, decision = following_act(one), one.decision
    return (
        problem,
        one.began,
        one.name,
        one.severity,
        one.action,
        one.target,
        one.acted,
        one.ended,
        one.resolved,
        one.outcome._value_ if one.outcome else None,  # as `value`, which costs ten times as much
        one.why,
        one.image,
        " ".join(act.id for act in one.first_line),
        " ".join(act.id for act in one.second_line),
        following.action_type if following else None,
        one.returned.duration if one.returned else None,
        one.returned.cause if one.returned else None,
        *(
            (decision.action_type, decision.at, decision.target, decision.withheld, decision.resolved)
            if decision
            else (None, None, None, None, None)
        ),
    )


def judged_of_row(row: Sequence[Any], acts: Mapping[str, Act] | None = None) -> JudgedIncident:
    """Return the incident of a row; the records of its lines are those of `acts`, if given."""
    decision = None
    if row[16] is not None:
        decision = object.__new__(FirstDecision)
        facts = {
            "action_type": row[16],
            "at": row[17],
            "target": row[18],
            "withheld": bool(row[19]),
            "resolved": bool(row[20]),
        }
        _set(decision, "__dict__", facts)
    first_line: tuple[Act, ...] = ()
    second_line: tuple[Act, ...] = ()
    if acts is not None:
        first_line, second_line = (
            tuple(acts[one] for one in text.split() if one in acts) for text in (row[12], row[13])
        )
    judged = object.__new__(JudgedIncident)
    _set(
        judged,
        "__dict__",
        {
            "problem": row[0],
            "name": row[2],
            "severity": row[3],
            "began": row[1],
            "action": row[4],
            "target": row[5],
            "acted": row[6],
            "ended": row[7],
            "resolved": row[8],
            "outcome": _OUTCOMES[row[9]],
            "why": row[10],
            "image": row[11],
            "first_line": first_line,
            "second_line": second_line,
            "returned": None if row[14] is None else SurvivalObservation(row[14], row[15]),
            "decision": decision,
        },
    )
    return judged
