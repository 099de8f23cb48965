"""A cache of the cluster's workflows: all that a decision needs while one is active, one line when it has finished.

Ten thousand finished workflows must not cost memory, so each is a `FinishedWorkflow`: its uid and its phase.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubernaut_controller.faults import Fault
from kubernaut_controller.pipelinerun import run_name_of
from kubernaut_controller.reconciling.lock import LockState, grant_of, lock_name, lock_scope, locked_target
from kubernaut_controller.reconciling.messages import CreationFailure
from kubernaut_controller.reconciling.observed import FINALIZER, ObservedState
from kubernaut_controller.reconciling.outcomes import GONE
from kubernaut_controller.views import ObjectView, PipelineRunView, PodView, TaskRunView, WorkflowView
from kubernaut_controller.workflow import WorkflowExecution

__all__ = [
    "CachedWorkflow",
    "FinishedWorkflow",
    "Key",
    "WorkflowCache",
    "is_newer",
    "mark_pod_deleted",
    "strip_unused",
    "update_child",
]

Json = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class FinishedWorkflow:
    """A workflow that is closed: nothing is left to do except deleting it in time."""

    uid: str
    phase: str


@dataclass
class CachedWorkflow:
    """A workflow that has not finished; `ObservedState` explains the fields that it shares."""

    key: Key
    document: Json
    workflow: WorkflowExecution | None
    faults: tuple[Fault, ...]
    children_known: bool
    first_seen_at: float
    run_name: str | None = None
    lock_key: str | None = None
    lock_scope: str = ""
    pipeline_run: Json | None = None
    deleted_run: Json | None = None
    task_runs: dict[str, Json] = field(default_factory=dict)
    deleted_task_runs: set[str] = field(default_factory=set)
    pods: dict[str, Json] = field(default_factory=dict)
    lock: LockState = field(default_factory=LockState)
    lock_read_at: float = 0.0
    granted: bool | None = None
    children_read_at: float = 0.0
    children_read_version: str | None = None
    absent_at_version: str | None = None
    answers: dict[tuple[str, str], str | None] = field(default_factory=dict)
    sending: set[tuple[str, str]] = field(default_factory=set)
    records: dict[str, Json | None] = field(default_factory=dict)
    reading: set[str] = field(default_factory=set)
    logs: dict[str, tuple[Json, ...]] = field(default_factory=dict)
    creation_failure: CreationFailure | None = None
    creation_failures: int = 0
    retry_at: datetime | None = None
    written_status: Json | None = None
    failures: int = 0

    @property
    def uid(self) -> str:
        """The workflow's uid."""
        return self.view.uid

    @property
    def view(self) -> WorkflowView:
        """The cached document, typed."""
        return WorkflowView(self.document)

    @property
    def version(self) -> str:
        """The resourceVersion of the cached document."""
        return self.view.resource_version

    @property
    def ended(self) -> bool:
        """True if its phase is a final one."""
        return self.view.phase not in {None, "Pending", "Running"}

    @property
    def started(self) -> bool:
        """True if it no longer waits for its target."""
        return bool(self.faults) or self.ended or self.pipeline_run is not None or self.view.has_pipeline_run

    @property
    def rank(self) -> tuple[str, str]:
        """Its place among the workflows that wait for a target: the older one is first."""
        return self.view.created, self.uid

    def update_document(self, document: Json) -> None:
        """Put a newer version of the workflow into the cache; ignore an older one, such as a late answer's."""
        if is_newer(document, self.document):
            self.document = strip_unused(document)

    def observed_state(self, *, queued_before: int, lock_stale: bool) -> ObservedState:
        """Return the state that a decision takes."""
        return ObservedState(
            document=self.view,
            workflow=self.workflow,
            faults=self.faults,
            children_known=self.children_known,
            pipeline_run_absent=self.absent_at_version == self.version,
            children_read_at=self.children_read_version,
            pipeline_run=PipelineRunView(self.pipeline_run) if self.pipeline_run is not None else None,
            task_runs=tuple(map(TaskRunView, self.task_runs.values())),
            deleted_task_runs=frozenset(self.deleted_task_runs),
            pods={name: PodView(pod) for name, pod in self.pods.items()},
            lock=self.lock,
            granted=self.granted,
            lock_stale=lock_stale,
            queued_before=queued_before,
            answers=self.answers,
            records=self.records,
            logs=self.logs,
            creation_failure=self.creation_failure,
            retry_at=self.retry_at,
        )


class WorkflowCache:
    """A cache of all workflows of the cluster (or of the watched namespaces), by namespace and name."""

    def __init__(self) -> None:
        self.active: dict[Key, CachedWorkflow] = {}
        self.finished: dict[Key, FinishedWorkflow] = {}
        self.runs: dict[Key, Key] = {}
        self._waiting: dict[str, dict[Key, CachedWorkflow]] = {}

    def add(
        self, key: Key, document: Json, workflow: WorkflowExecution | None, faults: tuple[Fault, ...], now: float
    ) -> CachedWorkflow:
        """Add a workflow; one that has no finalizer yet has no children that would have to be read."""
        self.remove(key)
        held = FINALIZER in WorkflowView(document).finalizers
        entry = CachedWorkflow(
            key, document, workflow, faults, children_known=not held, first_seen_at=now, children_read_at=now
        )
        self.active[key] = entry
        entry.run_name = run_name_of(key[1], entry.uid)
        self.runs[key[0], entry.run_name] = key
        if workflow is not None and grant_of(workflow) is None:
            self.wait_for_target(entry, granted=True)
        return entry

    def wait_for_target(self, entry: CachedWorkflow, *, granted: bool) -> None:
        """Add a workflow to the queue of its target.

        Args:
            entry: The workflow.
            granted: True if it may lock its target for all; else only workflows of its own namespace wait for it.
        """
        assert entry.workflow is not None
        target = locked_target(entry.workflow)
        if target is None:
            return
        entry.lock_scope = lock_scope(entry.workflow, granted=granted)
        entry.lock_key = lock_name(target, entry.key[0], entry.lock_scope)
        self._waiting.setdefault(entry.lock_key, {})[entry.key] = entry

    def finish(self, key: Key, uid: str, phase: str) -> None:
        """Keep only uid and phase of a workflow."""
        self.remove(key)
        self.finished[key] = FinishedWorkflow(uid, phase)

    def remove(self, key: Key) -> None:
        """Remove a workflow from the cache and from the queue of its target."""
        self.finished.pop(key, None)
        entry = self.active.pop(key, None)
        if entry is None:
            return
        if entry.run_name:
            self.runs.pop((key[0], entry.run_name), None)
        if entry.lock_key:
            waiting = self._waiting.get(entry.lock_key, {})
            waiting.pop(key, None)
            if not waiting:
                self._waiting.pop(entry.lock_key, None)

    def by_pipeline_run(self, namespace: str, run_name: str) -> CachedWorkflow | None:
        """Return the workflow whose PipelineRun has this name, or None."""
        key = self.runs.get((namespace, run_name))
        return self.active.get(key) if key else None

    def queued_before(self, entry: CachedWorkflow) -> int:
        """Return the number of older workflows that wait for the same target."""
        if entry.lock_key is None:
            return 0
        others = self._waiting.get(entry.lock_key, {}).values()
        return sum(other.rank < entry.rank for other in others if other is not entry and not other.started)

    def waiting_for(self, lock_key: str) -> Iterator[Key]:
        """Return the workflows that wait for a target."""
        return (key for key, entry in list(self._waiting.get(lock_key, {}).items()) if not entry.started)


def is_newer(document: Json, than: Json | None) -> bool:
    """Return True if a version of an object is not older than another.

    A watch may deliver a version that is older than the one a write has returned. Resource versions of one resource
    compare as integers: Kubernetes 1.35 guarantees it, and earlier versions did it too.
    """
    new, old = ObjectView(document), ObjectView(than)
    if than is None or new.uid != old.uid:
        return True
    try:
        return int(new.resource_version) >= int(old.resource_version)
    except ValueError:
        return True


def strip_unused(document: Json) -> Json:
    """Return an object without the parts that no decision reads, to save memory."""
    document["metadata"].pop("managedFields", None)
    annotations = document["metadata"].get("annotations")
    if annotations:
        annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    if document.get("kind") == "Pod":
        document["spec"] = {"nodeName": PodView(document).node}
    if document.get("kind") == "TaskRun" and isinstance(status := document.get("status"), dict):
        status.pop("taskSpec", None)
        status.pop("provenance", None)
    return document


def mark_pod_deleted(pod: Json) -> Json:
    """Return a deleted pod as it was last, with a phase that says that none of its containers runs."""
    view = PodView(pod)
    return pod if view.phase in {"Succeeded", "Failed"} else {**pod, "status": {**view.status, "phase": GONE}}


def update_child(entry: CachedWorkflow, kind: str, document: Json, *, deleted: bool) -> None:
    """Record a watch event of a PipelineRun, TaskRun or pod; a deleted TaskRun or pod stays known."""
    name = document["metadata"]["name"]
    match kind:
        case "PipelineRun" if deleted:
            known = entry.pipeline_run
            if known is None or known["metadata"]["uid"] == document["metadata"]["uid"]:
                entry.pipeline_run, entry.absent_at_version = None, None
                entry.deleted_run = document
        case "PipelineRun" if is_newer(document, entry.pipeline_run):
            entry.pipeline_run, entry.absent_at_version = document, None
        case "TaskRun" if deleted:
            # its last version, which a list that was read before must not replace
            entry.task_runs[name] = document
            entry.deleted_task_runs.add(name)
        case "TaskRun" if is_newer(document, entry.task_runs.get(name)):
            entry.task_runs[name] = document
            entry.deleted_task_runs.discard(name)
        case "Pod" if deleted:
            entry.pods[name] = mark_pod_deleted(document)
        case "Pod" if is_newer(document, entry.pods.get(name)):
            entry.pods[name] = document
