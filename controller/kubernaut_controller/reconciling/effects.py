"""The effects that a decision may have on the cluster and on Data Storage, as plain data.

`reconcile` returns them, and `operator.executor` carries them out in order.
"""

from dataclasses import dataclass
from typing import Any, Literal

from kubernaut_sdk.spans import FinishedSpan

__all__ = [
    "AbandonRecords",
    "AcquireLock",
    "AddFinalizer",
    "CancelPipelineRun",
    "CheckGrant",
    "CreatePipelineRun",
    "DeleteWorkflow",
    "Effect",
    "EmitEvent",
    "ExportSpans",
    "ReadLock",
    "ReadLogs",
    "ReadRecord",
    "RefreshChildren",
    "ReleaseLock",
    "RemoveFinalizer",
    "SendEvents",
    "UpdateStatus",
]


@dataclass(frozen=True)
class AddFinalizer:
    """Add the controller's finalizer to the workflow, and the id of its trace as an annotation."""


@dataclass(frozen=True)
class ExportSpans:
    """Export the spans of a workflow that has ended: its own, and one for each step that ran."""

    spans: tuple[FinishedSpan, ...]


@dataclass(frozen=True)
class RemoveFinalizer:
    """Remove the controller's finalizer from the workflow."""


@dataclass(frozen=True)
class CheckGrant:
    """Ask the API server if the workflow's namespace may lock a target that is not its own."""


@dataclass(frozen=True)
class AcquireLock:
    """Acquire the target's lock, or read its holder."""


@dataclass(frozen=True)
class ReadLock:
    """Read the holder of the target's lock without acquiring it: older workflows come first."""


@dataclass(frozen=True)
class ReleaseLock:
    """Release each lock that the workflow holds."""


@dataclass(frozen=True)
class RefreshChildren:
    """Read PipelineRun, TaskRuns and pods from the API server: a watch may have missed some."""


@dataclass(frozen=True)
class CreatePipelineRun:
    """Create the PipelineRun; where one of that name exists, read it instead."""

    document: dict[str, Any]


@dataclass(frozen=True)
class CancelPipelineRun:
    """Set the PipelineRun's `spec.status`."""

    name: str
    status: str = "CancelledRunFinally"


@dataclass(frozen=True)
class SendEvents:
    """Send events to Data Storage; `events.event_key` names each."""

    events: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class ReadRecord:
    """Read a step's record from Data Storage."""

    step: str
    record_id: str


@dataclass(frozen=True)
class ReadLogs:
    """Read the marked lines of a step's log; lines about other records are ignored."""

    step: str
    pod: str
    record_id: str


@dataclass(frozen=True)
class EmitEvent:
    """Create a Kubernetes Event about the workflow."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class UpdateStatus:
    """Replace the workflow's status."""

    status: dict[str, Any]


@dataclass(frozen=True)
class AbandonRecords:
    """Count a workflow that is closed although not all of its records are stored."""


@dataclass(frozen=True)
class DeleteWorkflow:
    """Delete the workflow, whose time to live has ended."""


Effect = (
    AddFinalizer
    | RemoveFinalizer
    | CheckGrant
    | AcquireLock
    | ReadLock
    | ReleaseLock
    | RefreshChildren
    | CreatePipelineRun
    | CancelPipelineRun
    | SendEvents
    | ReadRecord
    | ReadLogs
    | EmitEvent
    | ExportSpans
    | UpdateStatus
    | AbandonRecords
    | DeleteWorkflow
)
