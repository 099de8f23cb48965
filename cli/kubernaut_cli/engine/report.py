"""The report of a run and of its steps, as plain data: for the terminal, for JSON, and for the exit code."""

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
"""The exit code of `kubernaut run` and `--follow` for each phase; only a cluster has Pending, Refused and Expired."""


@dataclass
class StepReport:
    """The report of one step.

    Attributes:
        name: The step's name.
        action_type: The type of its action.
        final: True if it is a step of `finally`.
        state: The state, as in records; `intended` until it starts.
        attempt: The number of the last attempt, from 0.
        log: The path of its log, or the TaskRun's name in a cluster.
        places: The inputs that say where a changed value stands, such as `path` and `field`.
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
    places: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """The duration in seconds, or None while it is not known."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    def document(self) -> dict[str, Any]:
        """Return the step as JSON, with the names of a WorkflowExecution's status."""
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
    """The report of one run.

    Attributes:
        name: The PipelineRun's name.
        steps: The reports of its steps, those of `finally` last.
        dry_run: True if it only plans.
        phase: The phase, with the names of a WorkflowExecution.
        notes: Sentences for the reader.
        trace_id: The trace of its spans and records, or None.
    """

    name: str
    steps: list[StepReport]
    dry_run: bool
    phase: Phase = Phase.RUNNING
    notes: list[str] = field(default_factory=list)
    trace_id: str | None = None

    @property
    def exit_code(self) -> int:
        """The exit code: 0 succeeded, 1 failed, 2 refused, 124 timed out, 130 cancelled."""
        return EXIT_CODES[self.phase]

    def step(self, name: str) -> StepReport:
        """Return the report of a step."""
        return next(step for step in self.steps if step.name == name)

    def document(self) -> dict[str, Any]:
        """Return the run as JSON."""
        return {
            "pipelineRun": self.name,
            "phase": self.phase.value,
            "dryRun": self.dry_run,
            "notes": self.notes,
            "traceId": self.trace_id,
            "steps": [step.document() for step in self.steps],
        }
