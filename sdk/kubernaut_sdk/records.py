"""Action records: the models of events, and of the records into which Data Storage merges them.

The container, and the controller or the command in its place, send `Event`s; Data Storage merges them, in any order,
into a `Record`. The merge is in `kubernaut_datastorage`, the sending in `kubernaut_sdk.recorder`. A container does not
import this module: it builds its events as plain JSON, and the store validates them.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from kubernaut_sdk.states import RANK, Change, Error, ObjectRef, Source, State
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = [
    "RANK",
    "Attempt",
    "Change",
    "Error",
    "Event",
    "ObjectRef",
    "Pod",
    "Record",
    "Remediation",
    "Signal",
    "Source",
    "State",
    "Time",
    "Workflow",
    "canonical",
    "rfc3339",
    "utcnow",
]


def _zoned(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("a time needs its zone, such as 2026-01-31T09:05:07Z")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time must lie within the years 1 and 9999 of UTC") from None


def _of_record(record_id: UUID | None) -> UUID | None:
    if record_id is not None and record_id.version != 7:
        raise ValueError("a record's id is a UUID of version 7")
    return record_id


Time = Annotated[
    datetime,
    AfterValidator(_zoned),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    Field(description="RFC 3339, kept in UTC with microseconds."),
]
Name = Annotated[str, Field(min_length=1, max_length=253)]
Text = Annotated[str, Field(max_length=1024)]


class _RecordPart(BaseModel):
    """The base class of all parts of a record: immutable, no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Attempt(_RecordPart):
    """One try within a step; transient failures are tried again in the same container."""

    number: Annotated[int, Field(ge=0)]
    started: Time | None = None
    ended: Time | None = None
    error: Error | None = None


class Workflow(_RecordPart):
    """The WorkflowExecution that a step belongs to."""

    namespace: Name | None = None
    name: Name
    uid: Text | None = None


class Remediation(_RecordPart):
    """The RemediationRequest behind a workflow."""

    namespace: Name | None = None
    name: Name


class Signal(_RecordPart):
    """The alert behind a step, identified by its fingerprint (as Alertmanager computes it)."""

    fingerprint: Name
    name: Text | None = None
    severity: Text | None = None
    firedAt: Time | None = None  # noqa: N815 – as custom resources spell it


class Pod(_RecordPart):
    """The pod (or process) that sends an event. The uid distinguishes two pods of one name."""

    name: Name
    uid: Text


class _Fields(_RecordPart):
    """The fields of a step's record. An event has those that its sender knows; the others are absent."""

    action_type: Name | None = None
    action_version: Text | None = None
    image: Annotated[str, Field(max_length=1024)] | None = None
    target: ObjectRef | Annotated[str, Field(max_length=2048)] | None = None
    inputs: dict[str, Any] | None = None
    change: Change | None = None
    changed: bool | None = None
    output: dict[str, Any] | None = None
    error: Error | None = None
    dry_run: bool | None = None
    attempts: list[Attempt] | None = None
    workflow: Workflow | None = None
    step: Name | None = None
    remediation: Remediation | None = None
    requester: Text | None = None
    approver: Text | None = None
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    signal: Signal | None = None
    undoes: Annotated[UUID | None, AfterValidator(_of_record), Field(description="The record that this undoes.")] = None
    source: Source | None = None
    pod: Pod | None = None
    pod_name: Annotated[Name | None, Field(description="The pod that runs the step, as the controller knows it.")] = (
        None
    )
    trace_id: Text | None = None
    intended_at: Time | None = None
    started_at: Time | None = None
    finished_at: Time | None = None

    def wire(self) -> dict[str, Any]:
        """Return the fields as JSON values, without absent ones. A null with a meaning (as in a change) stays."""
        known = {name: value for name, value in self.model_dump(mode="json").items() if value is not None}
        for name in known.keys() & _SPARSE:
            known[name] = _without_none(known[name])
        return known


_SPARSE = {"attempts", "remediation", "signal", "target", "workflow"}


def _without_none(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return value


class Event(_Fields):
    """A partial record of a step, from one sender. Sending it again changes nothing."""

    id: UUID
    attempt: Annotated[int, Field(ge=0)] = 0
    state: State
    at: Time


class Record(_Fields):
    """The record of one step's execution: its merged events."""

    id: UUID
    attempt: int = 0
    state: State
    at: Time
    attempts_left_out: Annotated[bool | None, Field(description="There were more attempts than are listed.")] = None
    seq: int | None = None
    recorded_at: Time | None = None


def canonical(value: Any) -> bytes:
    """Return a JSON value as bytes that are equal only for equal values: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
