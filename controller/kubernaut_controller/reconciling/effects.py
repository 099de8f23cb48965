"""What the controller may do to the world: the whole vocabulary of its decisions, as plain data.

`reconcile` and `remediate` say them, `operator.hands` carries them out, in order.
"""

from dataclasses import dataclass
from typing import Any, Literal

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
    """Puts the finalizer on the workflow."""


@dataclass(frozen=True)
class RemoveFinalizer:
    """Takes the finalizer off."""


@dataclass(frozen=True)
class CheckGrant:
    """Asks the API server whether the workflow's namespace may lock a target that is not its own."""


@dataclass(frozen=True)
class AcquireLock:
    """Takes the target's lock, or reads who has it."""


@dataclass(frozen=True)
class ReadLock:
    """Reads who has the target's lock, and leaves it to those that were there before."""


@dataclass(frozen=True)
class ReleaseLock:
    """Frees each lock that the workflow holds."""


@dataclass(frozen=True)
class RefreshChildren:
    """Reads PipelineRun, TaskRuns and pods from the API server, since a watch may not have told all."""


@dataclass(frozen=True)
class CreatePipelineRun:
    """Creates the PipelineRun; one of that name that is there already is read instead."""

    document: dict[str, Any]


@dataclass(frozen=True)
class CancelPipelineRun:
    """Sets the PipelineRun's `spec.status`."""

    name: str
    status: str = "CancelledRunFinally"


@dataclass(frozen=True)
class SendEvents:
    """Sends events to Data Storage; each is named by its step and its state."""

    events: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class ReadRecord:
    """Reads a step's record from Data Storage."""

    step: str
    record_id: str


@dataclass(frozen=True)
class ReadLogs:
    """Reads the marked lines of a step's log, of which only those about its own record count."""

    step: str
    pod: str
    record_id: str


@dataclass(frozen=True)
class EmitEvent:
    """A Kubernetes Event about the workflow."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class UpdateStatus:
    """Writes the status, whole."""

    status: dict[str, Any]


@dataclass(frozen=True)
class AbandonRecords:
    """Counts a workflow that goes without its records stored."""


@dataclass(frozen=True)
class DeleteWorkflow:
    """Deletes the workflow, whose time to live is over."""


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
    | UpdateStatus
    | AbandonRecords
    | DeleteWorkflow
)
