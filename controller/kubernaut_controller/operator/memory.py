"""What the controller remembers: of a workflow that is not closed all that a decision needs, of a closed one a line.

Ten thousand finished workflows must not weigh, so theirs is a `Closed`: uid, when it is due to go, and its phase.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubernaut_controller.faults import Fault
from kubernaut_controller.pipelinerun import run_name_of
from kubernaut_controller.reconciling.ends import GONE
from kubernaut_controller.reconciling.lock import Lock, grant_of, lock_name, lock_scope, locked_target
from kubernaut_controller.reconciling.seen import FINALIZER, Seen
from kubernaut_controller.reconciling.sentences import Trouble
from kubernaut_controller.workflow import WorkflowExecution

__all__ = ["Closed", "Entry", "Key", "Memory", "gone_pod", "learn_child", "newer", "slim"]

Json = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class Closed:
    """A workflow that is done with."""

    uid: str
    phase: str


@dataclass
class Entry:
    """A workflow that is not closed yet; see `Seen` for what its fields mean."""

    key: Key
    document: Json
    workflow: WorkflowExecution | None
    faults: tuple[Fault, ...]
    looked_up: bool
    seen_at: float
    run_name: str | None = None
    lock_key: str | None = None
    lock_scope: str = ""
    pipeline_run: Json | None = None
    gone_run: Json | None = None
    task_runs: dict[str, Json] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    pods: dict[str, Json] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    lock_read_at: float = 0.0
    granted: bool | None = None
    looked_at: float = 0.0
    looked_version: str | None = None
    absent_for: str | None = None
    told: dict[tuple[str, str], str | None] = field(default_factory=dict)
    telling: set[tuple[str, str]] = field(default_factory=set)
    records: dict[str, Json | None] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    logs: dict[str, tuple[Json, ...]] = field(default_factory=dict)
    trouble: Trouble | None = None
    troubles: int = 0
    retry_at: datetime | None = None
    written: Json | None = None
    failures: int = 0

    @property
    def uid(self) -> str:
        """The workflow's uid."""
        return str(self.document["metadata"]["uid"])

    @property
    def version(self) -> str:
        """The resourceVersion of what is known of the workflow."""
        return str(self.document["metadata"]["resourceVersion"])

    @property
    def over(self) -> bool:
        """Whether its phase is its last one."""
        return (self.document.get("status") or {}).get("phase") not in {None, "Pending", "Running"}

    @property
    def started(self) -> bool:
        """Whether it no longer waits for its target."""
        referred = (self.document.get("status") or {}).get("pipelineRunRef")
        return bool(self.faults) or self.over or self.pipeline_run is not None or bool(referred)

    @property
    def rank(self) -> tuple[str, str]:
        """Who comes first: the older one."""
        return self.document["metadata"]["creationTimestamp"], self.uid

    def seen(self, *, ahead: int, lock_stale: bool) -> Seen:
        """All of it, as a decision takes it."""
        return Seen(
            document=self.document,
            workflow=self.workflow,
            faults=self.faults,
            looked_up=self.looked_up,
            absent=self.absent_for == self.version,
            looked_at=self.looked_version,
            pipeline_run=self.pipeline_run,
            task_runs=tuple(self.task_runs.values()),
            gone=frozenset(self.gone),
            pods=self.pods,
            lock=self.lock,
            granted=self.granted,
            lock_stale=lock_stale,
            ahead=ahead,
            told=self.told,
            records=self.records,
            logs=self.logs,
            trouble=self.trouble,
            retry_at=self.retry_at,
        )


class Memory:
    """All workflows of the cluster (or the namespace), by key."""

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}
        self.closed: dict[Key, Closed] = {}
        self.runs: dict[Key, Key] = {}
        self._waiting: dict[str, dict[Key, Entry]] = {}

    def open(
        self, key: Key, document: Json, workflow: WorkflowExecution | None, faults: tuple[Fault, ...], now: float
    ) -> Entry:
        """A new entry for a workflow; of one that has no finalizer yet there is nothing to look up."""
        self.forget(key)
        held = FINALIZER in (document["metadata"].get("finalizers") or ())
        entry = Entry(key, document, workflow, faults, looked_up=not held, seen_at=now, looked_at=now)
        self.entries[key] = entry
        entry.run_name = run_name_of(key[1], entry.uid)
        self.runs[key[0], entry.run_name] = key
        if workflow is not None and grant_of(workflow) is None:
            self.queue(entry, granted=True)
        return entry

    def queue(self, entry: Entry, *, granted: bool) -> None:
        """Puts a workflow among those that want its target.

        Args:
            entry: Which.
            granted: Whether it may lock its target for all; only workflows of its own namespace wait for it without.
        """
        assert entry.workflow is not None
        target = locked_target(entry.workflow)
        if target is None:
            return
        entry.lock_scope = lock_scope(entry.workflow, granted=granted)
        entry.lock_key = lock_name(target, entry.key[0], entry.lock_scope)
        self._waiting.setdefault(entry.lock_key, {})[entry.key] = entry

    def close(self, key: Key, uid: str, phase: str) -> None:
        """Keeps but a line of it."""
        self.forget(key)
        self.closed[key] = Closed(uid, phase)

    def forget(self, key: Key) -> None:
        """Keeps nothing of it."""
        self.closed.pop(key, None)
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        if entry.run_name:
            self.runs.pop((key[0], entry.run_name), None)
        if entry.lock_key:
            waiting = self._waiting.get(entry.lock_key, {})
            waiting.pop(key, None)
            if not waiting:
                self._waiting.pop(entry.lock_key, None)

    def of_run(self, namespace: str, run_name: str) -> Entry | None:
        """The entry whose PipelineRun has this name."""
        key = self.runs.get((namespace, run_name))
        return self.entries.get(key) if key else None

    def ahead(self, entry: Entry) -> int:
        """How many that want its target were made before it, and have not started."""
        if entry.lock_key is None:
            return 0
        others = self._waiting.get(entry.lock_key, {}).values()
        return sum(other.rank < entry.rank for other in others if other is not entry and not other.started)

    def waiting_for(self, lock_key: str) -> Iterator[Key]:
        """Those that wait for a target."""
        return (key for key, entry in list(self._waiting.get(lock_key, {}).items()) if not entry.started)


def newer(document: Json, than: Json | None) -> bool:
    """Whether a version of an object is not older than another; a watch may bring older ones than a write gave.

    Resource versions of one resource compare as integers (Kubernetes 1.35 says so, and it was ever so).
    """
    if than is None or document["metadata"]["uid"] != than["metadata"]["uid"]:
        return True
    try:
        return int(document["metadata"]["resourceVersion"]) >= int(than["metadata"]["resourceVersion"])
    except (KeyError, ValueError):
        return True


def slim(document: Json) -> Json:
    """An object without what no decision looks at."""
    document["metadata"].pop("managedFields", None)
    annotations = document["metadata"].get("annotations")
    if annotations:
        annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    if document.get("kind") == "Pod":
        document["spec"] = {"nodeName": (document.get("spec") or {}).get("nodeName")}
    if document.get("kind") == "TaskRun":
        (document.get("status") or {}).pop("taskSpec", None)
        (document.get("status") or {}).pop("provenance", None)
    return document


def gone_pod(pod: Json) -> Json:
    """A pod as it was last, of which nothing runs any more."""
    status = pod.get("status") or {}
    if status.get("phase") in {"Succeeded", "Failed"}:
        return pod
    return {**pod, "status": {**status, "phase": GONE}}


def learn_child(entry: Entry, kind: str, document: Json, *, deleted: bool) -> None:
    """Takes in news of a PipelineRun, TaskRun or pod; what was known of one that is gone stays known."""
    name = document["metadata"]["name"]
    match kind:
        case "PipelineRun" if deleted:
            known = entry.pipeline_run
            if known is None or known["metadata"]["uid"] == document["metadata"]["uid"]:
                entry.pipeline_run, entry.absent_for = None, None
                entry.gone_run = document
        case "PipelineRun" if newer(document, entry.pipeline_run):
            entry.pipeline_run, entry.absent_for = document, None
        case "TaskRun" if deleted:
            # its last version: what a list read before says otherwise is older than that
            entry.task_runs[name] = document
            entry.gone.add(name)
        case "TaskRun" if newer(document, entry.task_runs.get(name)):
            entry.task_runs[name] = document
            entry.gone.discard(name)
        case "Pod" if deleted:
            entry.pods[name] = gone_pod(document)
        case "Pod" if newer(document, entry.pods.get(name)):
            entry.pods[name] = document
