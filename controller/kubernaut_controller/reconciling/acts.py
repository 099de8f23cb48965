"""What the controller may do to the world: the whole vocabulary of its decisions, as plain data.

`reconcile` and `remediate` say them, `operator.hands` carries them out, in order.
"""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "Act",
    "Announce",
    "Ask",
    "CancelRun",
    "CheckGrant",
    "CreateRun",
    "Delete",
    "FreeLock",
    "GiveUpRecords",
    "Hold",
    "LetGo",
    "LookUp",
    "ReadLock",
    "ReadLog",
    "SetStatus",
    "TakeLock",
    "Tell",
]


@dataclass(frozen=True)
class Hold:
    """Puts the finalizer on the workflow."""


@dataclass(frozen=True)
class LetGo:
    """Takes the finalizer off."""


@dataclass(frozen=True)
class CheckGrant:
    """Asks the API server whether the workflow's namespace may lock a target that is not its own."""


@dataclass(frozen=True)
class TakeLock:
    """Takes the target's lock, or reads who has it."""


@dataclass(frozen=True)
class ReadLock:
    """Reads who has the target's lock, and leaves it to those that were there before."""


@dataclass(frozen=True)
class FreeLock:
    """Frees each lock that the workflow holds."""


@dataclass(frozen=True)
class LookUp:
    """Reads PipelineRun, TaskRuns and pods from the API server, since a watch may not have told all."""


@dataclass(frozen=True)
class CreateRun:
    """Creates the PipelineRun; one of that name that is there already is read instead."""

    document: dict[str, Any]


@dataclass(frozen=True)
class CancelRun:
    """Sets the PipelineRun's `spec.status`."""

    name: str
    status: str = "CancelledRunFinally"


@dataclass(frozen=True)
class Tell:
    """Sends events to Data Storage; each is named by its step and its state."""

    events: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Ask:
    """Reads a step's record from Data Storage."""

    step: str
    record_id: str


@dataclass(frozen=True)
class ReadLog:
    """Reads the marked lines of a step's log, of which only those about its own record count."""

    step: str
    pod: str
    record_id: str


@dataclass(frozen=True)
class Announce:
    """A Kubernetes Event about the workflow."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class SetStatus:
    """Writes the status, whole."""

    status: dict[str, Any]


@dataclass(frozen=True)
class GiveUpRecords:
    """Counts a workflow that goes without its records stored."""


@dataclass(frozen=True)
class Delete:
    """Deletes the workflow, whose time to live is over."""


Act = (
    Hold
    | LetGo
    | CheckGrant
    | TakeLock
    | ReadLock
    | FreeLock
    | LookUp
    | CreateRun
    | CancelRun
    | Tell
    | Ask
    | ReadLog
    | Announce
    | SetStatus
    | GiveUpRecords
    | Delete
)
