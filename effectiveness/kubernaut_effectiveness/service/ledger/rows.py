"""Rows of the ledger, and what they stand for."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from kubernaut_effectiveness.counting.acts import Act
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
    "JUDGED_FIELDS",
    "LINE_COLUMNS",
    "act_of_row",
    "firing_of_row",
    "judged_of_row",
    "kept_value",
    "row_of_act",
    "row_of_judged",
]

ACT_FIELDS = (
    *("id", "action_type", "state", "decided", "began", "ended", "target", "fingerprint", "fired", "dry_run"),
    *("undoes", "changes", "reason", "image", "workflow", "step", "requester"),
)
"""The columns of a record in the order of `Act`; its kind and both sides of its change follow."""
ACT_COLUMNS = ", ".join(f"acts.{name}" for name in ACT_FIELDS)
FIRING_COLUMNS = "firings.fingerprint, fired, resolved, firings.name, severity, labels"
JUDGED_FIELDS = (
    *("problem", "began", "name", "severity", "action", "target", "acted", "ended", "resolved", "outcome", "why"),
    *("image", "first_line", "second_line", "following", "returned", "cause"),
    *("decision", "decided", "decided_on", "withheld", "resolved_soon"),
)
"""The columns of the table `judged`, in their order; see `row_of_judged`."""
JUDGED_COLUMNS = (
    "problems.key, judged.name, severity, began, action, target, acted, ended, resolved, outcome, why, image, "
    "returned, cause, decision, decided, decided_on, withheld, resolved_soon"
)
"""The columns of an incident; `LINE_COLUMNS` may follow, where its records are wanted."""
LINE_COLUMNS = "first_line, second_line"
LONGEST_VALUE = 4_096
"""Bytes of one side of a change; of a longer one its hash is kept, which tells whether it is the same."""
_STATES = {state.value: state for state in State}
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
    return (*(getattr(act, name) for name in ACT_FIELDS), act.kind.value, *sides)


def act_of_row(row: Sequence[Any]) -> Act:
    """Return the act of a row; with two more columns, its change too."""
    id_, action_type, state, decided, began, ended, target, fingerprint, fired, dry_run, undoes, changes, *rest = row
    times, answers = (decided, began, ended), (target, fingerprint, fired)
    act = Act(id_, action_type, _STATES[state], *times, *answers, bool(dry_run), undoes, bool(changes), *rest[:5])
    if len(rest) > 5:
        act.before, act.after = map(_value_of, rest[5:])
    return act


@lru_cache(maxsize=1024)
def _value_of(text: str | None) -> Any:
    """Return the value of one side of a change; kept, since the same few come again and again."""
    return None if text is None else json.loads(text)


def firing_of_row(row: Sequence[Any], labels: dict[str, Mapping[str, str] | None]) -> Firing:
    """Return the firing of a row; labels are decoded once for each text."""
    fingerprint, fired, resolved, name, severity, text = row
    if text is not None and text not in labels:
        labels[text] = json.loads(text)
    return Firing(fingerprint, fired, resolved, name, severity, None if text is None else labels[text])


def row_of_judged(problem: int, one: JudgedIncident) -> tuple[Any, ...]:
    """Return the row of an incident, in the order of `JUDGED_FIELDS`."""
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
    """Return the incident of a row; with two more columns, the records of its lines are those of `acts`."""
    key, name, severity, began, action, target, acted, ended, resolved, outcome, why, image, *rest = row
    returned, cause, decision, decided, decided_on, withheld, resolved_soon, *lines = rest
    first_line: tuple[Act, ...] = ()
    second_line: tuple[Act, ...] = ()
    if acts is not None:
        first_line, second_line = (tuple(acts[one] for one in text.split() if one in acts) for text in lines)
    return JudgedIncident(
        key,
        name,
        severity,
        began,
        action,
        target,
        acted,
        ended,
        resolved,
        _OUTCOMES[outcome],
        why,
        image,
        first_line,
        second_line,
        None if returned is None else SurvivalObservation(returned, cause),
        None if decision is None else FirstDecision(decision, decided, decided_on, bool(withheld), bool(resolved_soon)),
    )
