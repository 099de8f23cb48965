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
    "CreateRun",
    "Delete",
    "FreeLock",
    "GiveUpRecords",
    "Hold",
    "LetGo",
    "LookUp",
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
class TakeLock:
    """Takes the target's lock, or reads who has it."""


@dataclass(frozen=True)
class FreeLock:
    """Frees the target's lock, where the workflow holds it."""


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
    """Reads the marked lines of a step's log."""

    step: str
    pod: str


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
    | TakeLock
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
