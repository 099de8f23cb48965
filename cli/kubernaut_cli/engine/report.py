"""How a run went, a row a step, as plain data: for the terminal, for JSON, and for the exit code."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubernaut_controller.status import Phase
from kubernaut_sdk.records import State, rfc3339

__all__ = ["EXIT_CODES", "RunReport", "StepReport"]

EXIT_CODES: dict[Phase, int] = {
    Phase.PENDING: 1,
    Phase.RUNNING: 1,
    Phase.SUCCEEDED: 0,
    Phase.FAILED: 1,
    Phase.CANCELLED: 130,
    Phase.TIMED_OUT: 124,
    Phase.REFUSED: 2,
    Phase.EXPIRED: 124,
}
"""Phase → exit code of `kubernaut run`; a run on this machine is never pending, refused or expired."""


@dataclass
class StepReport:
    """One step.

    Attributes:
        name: Its name.
        action_type: Its action.
        final: Whether it is of `finally`.
        state: As in records; `intended` until it starts.
        attempt: The number of the last attempt.
        log: Where its log is kept.
    """

    name: str
    action_type: str
    final: bool = False
    state: State = State.INTENDED
    message: str = ""
    exit_code: int | None = None
    attempt: int = 0
    changed: bool | None = None
    change: dict[str, Any] | None = None
    output: Any = None
    error: dict[str, Any] | None = None
    record_id: str | None = None
    record_status: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    log: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took, or None while that is not known."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    def document(self) -> dict[str, Any]:
        """The row as JSON, named as in a WorkflowExecution's status."""
        return {
            "name": self.name,
            "actionType": self.action_type,
            "finally": self.final,
            "state": self.state.value,
            "message": self.message or None,
            "exitCode": self.exit_code,
            "attempt": self.attempt,
            "changed": self.changed,
            "change": self.change,
            "output": self.output,
            "error": self.error,
            "recordId": self.record_id,
            "recordStatus": self.record_status,
            "startedAt": self.started_at and rfc3339(self.started_at),
            "finishedAt": self.finished_at and rfc3339(self.finished_at),
            "log": self.log,
        }


@dataclass
class RunReport:
    """One run."""

    name: str
    steps: list[StepReport]
    dry_run: bool
    phase: Phase = Phase.RUNNING
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 for success, 1 for failure, 2 refused, 124 when its time was over, 130 when it was cancelled."""
        return EXIT_CODES[self.phase]

    def step(self, name: str) -> StepReport:
        """The row of a step."""
        return next(row for row in self.steps if row.name == name)

    def document(self) -> dict[str, Any]:
        """The run as JSON."""
        return {
            "pipelineRun": self.name,
            "phase": self.phase.value,
            "dryRun": self.dry_run,
            "notes": self.notes,
            "steps": [row.document() for row in self.steps],
        }
