"""One record as the counting needs it."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from kubernaut_sdk.records import Record
from kubernaut_sdk.states import ObjectRef, State, same

__all__ = ["HELD_UP", "WITHHELD", "Act", "ActKind", "act_of_record", "canonical_text", "describe_target", "kind_of"]

WITHHELD = frozenset({"Halted", "Frozen"})
"""Reasons of a skipped record that kept an action from running whatever the incident: they make a baseline."""
HELD_UP = frozenset({"RateLimited", "GivenUp", "Rejected"})
"""Reasons that depend on the incident. They are shown, and never compared."""
_INTERRUPTED = frozenset({State.LOST, State.FAILED, State.CANCELLED, State.TIMED_OUT})
_DONE = frozenset({State.SUCCEEDED, State.APPLYING})
_BEFORE_THE_END = frozenset({State.INTENDED, State.STARTED})
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=repr)


class ActKind(StrEnum):
    """The kinds of records, by what each says of the world."""

    CHANGED = "changed"
    """It changed something, or may have."""
    UNCHANGED = "unchanged"
    """It ran and changed nothing: all was as wanted, or it failed before."""
    WITHHELD = "withheld"
    """A dry run, a halt or a freeze kept it from running."""
    HELD_UP = "held_up"
    """A limit, an exhausted budget or a person kept it from running."""
    PENDING = "pending"
    """It has not ended."""
    SKIPPED = "skipped"
    """The workflow did not come to it."""


@dataclass(slots=True)
class Act:
    """A record of an action. Times are Unix seconds.

    Nobody changes one, though it is not frozen: a fleet has a million of them, and a frozen one costs eight times as
    much to make. For the same reason its fields have the order of the ledger's columns; name them all the same.
    """

    id: str
    action_type: str
    state: State
    decided: float
    began: float
    ended: float
    target: str | None = None
    fingerprint: str | None = None
    fired: float | None = None
    dry_run: bool = False
    undoes: str | None = None
    changes: bool = False
    reason: str | None = None
    image: str | None = None
    workflow: str | None = None
    step: str | None = None
    requester: str | None = None
    before: Any = None
    after: Any = None
    kind: ActKind = field(init=False)
    """The record's kind."""

    def __post_init__(self) -> None:
        self.kind = kind_of(self.state, dry_run=self.dry_run, reason=self.reason, changes=self.changes)

    @property
    def failed(self) -> bool:
        """True if it ended badly; `lost` after a change is bad too."""
        return self.state in _INTERRUPTED


def kind_of(state: State, *, dry_run: bool, reason: str | None, changes: bool) -> ActKind:
    """Return the kind of a record."""
    if dry_run or state is State.PLANNED:
        return ActKind.WITHHELD
    if state is State.SKIPPED:
        if reason in WITHHELD:
            return ActKind.WITHHELD
        return ActKind.HELD_UP if reason in HELD_UP else ActKind.SKIPPED
    if state in _DONE or (state in _INTERRUPTED and changes):
        return ActKind.CHANGED
    return ActKind.PENDING if state in _BEFORE_THE_END else ActKind.UNCHANGED


def describe_target(target: ObjectRef | str | None) -> str | None:
    """Return a target as one text: `[cluster:]namespace/Kind/name`, or the text that it is."""
    if not isinstance(target, ObjectRef):
        return target
    place = f"{target.namespace}/" if target.namespace else ""
    cluster = f"{target.cluster}:" if target.cluster else ""
    return f"{cluster}{place}{target.kind}/{target.name}"


def act_of_record(record: Record) -> Act | None:
    """Return a record as the counting needs it, or None for one whose action is unknown."""
    if record.action_type is None:
        return None
    begun = record.started_at or record.intended_at or record.at
    change = record.change
    workflow = record.workflow
    return Act(
        id=str(record.id),
        action_type=record.action_type,
        state=record.state,
        target=describe_target(record.target),
        decided=_seconds(record.intended_at or begun),
        began=_seconds(begun),
        ended=_seconds(record.finished_at or record.at),
        fingerprint=record.signal.fingerprint if record.signal else None,
        fired=_seconds(record.signal.firedAt) if record.signal and record.signal.firedAt else None,
        dry_run=bool(record.dry_run),
        undoes=str(record.undoes) if record.undoes else None,
        changes=change is not None and not same(change.before, change.after),
        before=change.before if change else None,
        after=change.after if change else None,
        reason=record.error.reason if record.error else None,
        image=record.image,
        workflow=f"{workflow.namespace or ''}/{workflow.name}" if workflow else None,
        step=record.step,
        requester=record.requester,
    )


def canonical_text(value: Any) -> str:
    """Return a JSON value as a text that is equal only for equal values."""
    return _ENCODER.encode(value)


def _seconds(time: datetime) -> float:
    return time.timestamp()
