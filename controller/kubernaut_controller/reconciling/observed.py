"""What the controller sees of one WorkflowExecution when it decides: the API server's words and its own memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubernaut_controller.faults import Fault
from kubernaut_controller.reconciling.lock import LockState
from kubernaut_controller.reconciling.messages import CreationFailure
from kubernaut_controller.workflow import WorkflowExecution

__all__ = ["FINALIZER", "ObservedState"]

Json = Mapping[str, Any]

FINALIZER = "kubernaut.io/controller"


@dataclass(frozen=True, kw_only=True)
class ObservedState:
    """All that a decision depends on, but for the time and the policy.

    Attributes:
        document: The WorkflowExecution as the API server gave it.
        workflow: The same as a model, or None where it has not even its shape.
        faults: What is wrong with it.
        looked_up: Whether PipelineRun, TaskRuns and pods were read or watched since the controller started.
        absent: Whether the API server itself said so since this version of the workflow was known, where there is no
            PipelineRun: a watch that says nothing proves nothing.
        looked_at: The PipelineRun's resourceVersion when its TaskRuns were read last.
        pipeline_run: The PipelineRun of its name, or None where there is none.
        task_runs: Those that carry its label.
        deleted_task_runs: The names of those TaskRuns that were deleted.
        pods: Those that carry its label, last seen, by name; `children.own_pods` says which are a step's.
        lock: How the target's lock stands.
        granted: Whether the workflow's namespace may lock its target for all, where that is another's; None before it
            was asked.
        lock_stale: Whether it is time to read the lock again.
        ahead: How many workflows that want the same target were made before and have not started.
        answers: (step, state) of the events that Data Storage has taken, with its reason where it refused one.
        records: Step → what Data Storage knows, where it was asked.
        logs: Step → the events of its log's marked lines, where it was read.
        trouble: Why the PipelineRun could not be made, last.
        retry_at: When to try again.
    """

    document: Json
    workflow: WorkflowExecution | None
    faults: tuple[Fault, ...] = ()
    children_known: bool = True
    pipeline_run_absent: bool = False
    children_read_at: str | None = None
    pipeline_run: Json | None = None
    task_runs: tuple[Json, ...] = ()
    deleted_task_runs: frozenset[str] = frozenset()
    pods: Mapping[str, Json] = field(default_factory=dict)
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
    def metadata(self) -> Json:
        """The WorkflowExecution's metadata."""
        metadata: Json = self.document["metadata"]
        return metadata

    @property
    def status(self) -> Json:
        """Its status, as it was written last."""
        return self.document.get("status") or {}

    @property
    def has_finalizer(self) -> bool:
        """Whether the finalizer is on it."""
        return FINALIZER in (self.metadata.get("finalizers") or ())

    @property
    def created(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.metadata["creationTimestamp"])

    @property
    def being_deleted(self) -> datetime | None:
        """Since when it is being deleted, or None."""
        since = self.metadata.get("deletionTimestamp")
        return datetime.fromisoformat(since) if since else None

    def finished_or(self, now: datetime) -> datetime:
        """When it ended, or the time now where it has not."""
        text = self.status.get("finishedAt")
        return datetime.fromisoformat(text) if text else now
