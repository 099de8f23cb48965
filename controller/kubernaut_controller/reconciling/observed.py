"""The observed state of one WorkflowExecution: the input of a decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubernaut_controller.faults import Fault
from kubernaut_controller.reconciling.lock import LockState
from kubernaut_controller.reconciling.messages import CreationFailure
from kubernaut_controller.views import PipelineRunView, PodView, TaskRunView, WorkflowView, time_of
from kubernaut_controller.workflow import WorkflowExecution

__all__ = ["FINALIZER", "ObservedState"]

Json = Mapping[str, Any]

FINALIZER = "kubernaut.io/controller"


@dataclass(frozen=True, kw_only=True)
class ObservedState:
    """The input of a decision, except the time and the policy.

    Attributes:
        document: The WorkflowExecution from the API server.
        workflow: The workflow as a model, or None where its shape is wrong.
        faults: Its faults.
        children_known: True if PipelineRun, TaskRuns and pods were read or watched since the controller started.
        pipeline_run_absent: True if the API server said that there is no PipelineRun after this version of the workflow
            was known: a watch without an event proves nothing.
        children_read_at: The PipelineRun's resourceVersion when its TaskRuns were last read.
        pipeline_run: The PipelineRun of its name, or None where there is none.
        task_runs: The TaskRuns with its label.
        deleted_task_runs: The names of those TaskRuns that were deleted.
        pods: The last known pods with its label, by name; `children.own_pods` returns those of steps.
        lock: The state of the target's lock.
        granted: True if the workflow's namespace may lock a target outside it for all; None before it was checked.
        lock_stale: True if it is time to read the lock again.
        queued_before: The number of older workflows that wait for the same target.
        answers: The answer of Data Storage to each event, by step and `events.event_key`: None where it was stored,
            else the reason of the refusal.
        records: The record of each step that was read from Data Storage; None where it has none.
        logs: The events of marked log lines, for each step whose log was read.
        creation_failure: The reason of the last failure to create the PipelineRun.
        retry_at: The time of the next attempt.
    """

    document: WorkflowView
    workflow: WorkflowExecution | None
    faults: tuple[Fault, ...] = ()
    children_known: bool = True
    pipeline_run_absent: bool = False
    children_read_at: str | None = None
    pipeline_run: PipelineRunView | None = None
    task_runs: tuple[TaskRunView, ...] = ()
    deleted_task_runs: frozenset[str] = frozenset()
    pods: Mapping[str, PodView] = field(default_factory=dict)
    lock: LockState = field(default_factory=LockState)
    granted: bool | None = None
    lock_stale: bool = False
    queued_before: int = 0
    answers: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    records: Mapping[str, Json | None] = field(default_factory=dict)
    logs: Mapping[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)
    creation_failure: CreationFailure | None = None
    retry_at: datetime | None = None

    @property
    def status(self) -> Json:
        """The last written status of the workflow."""
        return self.document.status

    @property
    def has_finalizer(self) -> bool:
        """True if the controller's finalizer is on the workflow."""
        return FINALIZER in self.document.finalizers

    @property
    def created(self) -> datetime:
        """The workflow's creation time."""
        return datetime.fromisoformat(self.document.created)

    @property
    def being_deleted(self) -> datetime | None:
        """The time of the deletion request, or None."""
        return self.document.being_deleted

    def finished_or(self, now: datetime) -> datetime:
        """Return the time at which the workflow ended, or `now` where it has not."""
        return time_of(self.status.get("finishedAt")) or now
