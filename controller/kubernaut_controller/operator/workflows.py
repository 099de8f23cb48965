"""The controller of WorkflowExecutions: fills the cache from watch events, and reconciles each until it is closed."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.cache import CachedWorkflow, Key, WorkflowCache, is_newer, strip_unused, update_child
from kubernaut_controller.operator.executor import EffectExecutor
from kubernaut_controller.operator.loop import ReconcileLoop
from kubernaut_controller.operator.metrics import WORKFLOWS
from kubernaut_controller.operator.recordsclient import RecordsClient
from kubernaut_controller.operator.settings import ControllerSettings
from kubernaut_controller.reconciling.admission import admit
from kubernaut_controller.reconciling.reconcile import due_of, is_closed, reconcile
from kubernaut_controller.reconciling.unprocessable import end_unprocessable
from kubernaut_controller.shape import unreadable
from kubernaut_controller.views import ObjectView, WorkflowView
from kubernaut_sdk.times import utcnow

__all__ = ["WorkflowController"]

logger = logging.getLogger("kubernaut.controller")

Json = dict[str, Any]

_REFRESH_RUNNING = 300.0
"""Seconds after which the children of a running workflow are read again, since a watch may have missed a deletion."""
_REFRESH_ENDED = 15.0
"""Seconds after which the children of an ended workflow are read again, while its pods terminate."""
_LOCK_STALE = 4.0
_CHILD_EVENTS_DELAY = 0.05
"""Seconds in which events of children are collected, so that a large graph is not reconciled for every step."""
_MOST_ROUNDS = 20
_MOST_FAILURES = 3
"""The number of exceptions in a row after which a workflow is ended."""


class WorkflowController:
    """A controller of all WorkflowExecutions of the cluster, or of the watched namespaces.

    Args:
        api: The API server.
        records: The client of Data Storage, or None.
        settings: The controller's settings.
        on_change: Called with the key of a workflow made for a RemediationRequest whenever that workflow changes.
    """

    def __init__(
        self,
        api: Api,
        records: RecordsClient | None,
        settings: ControllerSettings,
        on_change: Callable[[Key], None] = lambda _key: None,
    ) -> None:
        self._api, self._settings, self._on_change = api, settings, on_change
        self.cache = WorkflowCache()
        self.loop = ReconcileLoop("WorkflowExecution", self._reconcile_or_end, self._starts)
        self.executor = EffectExecutor(api, records, self.cache, settings, self.loop.enqueue)
        self._phases: dict[Key, str] = {}
        self._not_listed: set[Key] | None = set()

    async def list_existing(self) -> None:
        """List all workflows before the first decision, since the queues of targets have to be known."""
        for namespace in self._settings.watched or (None,):
            async for document in self._api.items("workflowexecutions", namespace):
                self.on_event(None, {"kind": "WorkflowExecution", **document})
        waiting, self._not_listed = self._not_listed or set(), None
        for key in sorted(waiting):
            self.loop.enqueue(key)

    @property
    def listed(self) -> bool:
        """True if all existing workflows have been listed."""
        return self._not_listed is None

    # Events

    def on_event(self, type_: str | None, document: Json) -> None:
        """Handle an event of a workflow: `ADDED`, `MODIFIED`, `DELETED`, or None where it comes from a list.

        Whatever it holds, nothing is raised: others are in the same list.
        """
        try:
            self._on_event(type_, document)
        except Exception as error:
            logger.exception("%s/%s: cannot be read, and is refused", *_key_of(document))
            self._on_unreadable(document, error)

    def on_child_event(self, kind: str, type_: str | None, document: Json) -> None:
        """Handle a watch event of a PipelineRun, TaskRun or pod; those of finished workflows are ignored."""
        try:
            self._on_child_event(kind, type_, document)
        except Exception:
            logger.exception("%s %s/%s: cannot be read, and is passed over", kind, *_key_of(document))

    def _on_event(self, type_: str | None, document: Json) -> None:
        view, key = WorkflowView(document), _key_of(document)
        if view.spec.get("remediationRequestRef"):
            self._on_change(key)
        entry, closed = self.cache.active.get(key), self.cache.finished.get(key)
        if type_ == "DELETED":
            self._on_deleted(key, view.uid)
            return
        self._count(key, view.phase or "Pending")
        done = is_closed(view) and not view.being_deleted
        if closed is not None and closed.uid == view.uid and done:
            return
        if entry is not None and entry.uid == view.uid:
            self._update(entry, document)
        elif done:
            self._finish(key, document)
        else:
            workflow, faults = admit(document, self._settings.policy)
            self.cache.add(key, strip_unused(document), workflow, faults, time.monotonic())
            self._enqueue(key)

    def _on_unreadable(self, document: Json, error: Exception) -> None:
        view = WorkflowView(document)
        if not isinstance(document.get("spec"), dict) or not (view.name and view.namespace and view.uid):
            return
        key = _key_of(document)
        self.cache.add(key, document, None, (unreadable(error),), time.monotonic())
        self._enqueue(key)

    def _on_child_event(self, kind: str, type_: str | None, document: Json) -> None:
        view = ObjectView(document)
        run_name = view.name if kind == "PipelineRun" else view.labels.get("tekton.dev/pipelineRun", "")
        entry = self.cache.by_pipeline_run(view.namespace, run_name)
        if entry is None:
            return
        update_child(entry, kind, strip_unused({**document, "kind": kind}), deleted=type_ == "DELETED")
        if self._not_listed is None:
            self.loop.enqueue_after(entry.key, _CHILD_EVENTS_DELAY)

    def _update(self, entry: CachedWorkflow, document: Json) -> None:
        view = WorkflowView(document)
        if view.resource_version == entry.version or not is_newer(document, entry.document):
            return  # this controller's own write
        if view.generation != entry.view.generation:
            entry.workflow, entry.faults = admit(document, self._settings.policy)
        entry.document = strip_unused(document)
        self._enqueue(entry.key)

    def _on_deleted(self, key: Key, uid: str) -> None:
        entry = self.cache.active.get(key)
        if entry is not None and entry.uid != uid:
            return
        waiting = list(self.cache.waiting_for(entry.lock_key)) if entry is not None and entry.lock_key else []
        self.cache.remove(key)
        self.loop.remove(key)
        self._count(key, None)
        for other in waiting:
            if other != key:
                self._enqueue(other)

    def _finish(self, key: Key, document: Json) -> None:
        view = WorkflowView(document)
        self.cache.finish(key, view.uid, view.phase or "")
        self.loop.enqueue_at(key, due_of(view, utcnow()))

    def _count(self, key: Key, phase: str | None) -> None:
        before = self._phases.pop(key, None)
        if phase is not None:
            self._phases[key] = phase
        if before != phase:
            if before is not None:
                WORKFLOWS.labels(before).dec()
            if phase is not None:
                WORKFLOWS.labels(phase).inc()

    def _enqueue(self, key: Key) -> None:
        if self._not_listed is not None:
            self._not_listed.add(key)
        else:
            self.loop.enqueue(key)

    # Decisions

    def _starts(self, key: Key) -> bool:
        entry = self.cache.active.get(key)
        return entry is not None and not entry.started

    async def _reconcile_or_end(self, key: Key) -> datetime | None:
        entry = self.cache.active.get(key)
        if entry is None:
            return await self._delete_finished(key)
        try:
            again = await self._reconcile(key, entry)
        except ApiError:
            raise
        except Exception as error:
            entry.failures += 1
            if entry.failures < _MOST_FAILURES:
                raise
            logger.exception("%s/%s: cannot be decided about, and is ended", *key)
            return await self._end_unprocessable(key, entry, error)
        entry.failures = 0
        return again

    async def _end_unprocessable(self, key: Key, entry: CachedWorkflow, error: Exception) -> datetime | None:
        """End a workflow about which no decision can be made, so that it keeps no lock and no finalizer."""
        raised = f"{type(error).__name__}: {error}"
        why = f"The controller cannot go on with it ({raised}); see its PipelineRun, and create it anew."
        for _ in range(_MOST_ROUNDS):
            effects, again = end_unprocessable(entry.observed_state(queued_before=0, lock_stale=False), why, utcnow())
            if not await self.executor.execute(entry, effects):
                break
            if self._finish_if_closed(key, entry):
                return None
        return again

    async def _reconcile(self, key: Key, entry: CachedWorkflow) -> datetime | None:
        starts = not entry.started
        patience = _REFRESH_ENDED if entry.ended else _REFRESH_RUNNING
        if entry.started and not is_closed(entry.view) and time.monotonic() - entry.children_read_at > patience:
            await self.executor.refresh_children(entry)
        for _ in range(_MOST_ROUNDS):
            stale = time.monotonic() - entry.lock_read_at > _LOCK_STALE
            observed = entry.observed_state(queued_before=self.cache.queued_before(entry), lock_stale=stale)
            decision = reconcile(observed, self._settings.policy, utcnow())
            try:
                again = await self.executor.execute(entry, decision.effects)
            except ApiError as error:
                if error.code not in {404, 409} or not await self._read_again(entry):
                    raise
                again = True
            if self.cache.active.get(key) is not entry:
                return None
            if not again:
                break
            if starts and entry.started:
                return utcnow()  # its status and events can wait for others' starts
        return None if self._finish_if_closed(key, entry) else decision.again

    def _finish_if_closed(self, key: Key, entry: CachedWorkflow) -> bool:
        """Reduce a closed workflow to one line in the cache, and return True if it is closed."""
        view = entry.view
        self._count(key, view.phase or "Pending")
        closed = is_closed(view) and not view.being_deleted
        if closed:
            self._finish(key, entry.document)
        return closed

    async def _read_again(self, entry: CachedWorkflow) -> bool:
        """Read the workflow again after a conflict, and return True if it has changed."""
        document = await self._api.read("workflowexecutions", *entry.key)
        view = WorkflowView(document)
        if document is None or view.uid != entry.uid:
            self._on_deleted(entry.key, entry.uid)
            return True
        if view.generation != entry.view.generation:
            entry.workflow, entry.faults = admit(document, self._settings.policy)
        changed = view.resource_version != entry.version
        entry.document = strip_unused({"kind": "WorkflowExecution", **document})
        return changed

    async def _delete_finished(self, key: Key) -> datetime | None:
        """Read a finished workflow whose time to live has ended, and delete it."""
        closed = self.cache.finished.get(key)
        document = await self._api.read("workflowexecutions", *key) if closed is not None else None
        if closed is None or document is None or WorkflowView(document).uid != closed.uid:
            return None
        workflow, faults = admit(document, self._settings.policy)
        entry = CachedWorkflow(key, document, workflow, faults, children_known=True, first_seen_at=0.0)
        decision = reconcile(entry.observed_state(queued_before=0, lock_stale=False), self._settings.policy, utcnow())
        await self.executor.execute(entry, decision.effects)
        return decision.again


def _key_of(document: Json) -> Key:
    view = ObjectView(document)
    return view.namespace, view.name
