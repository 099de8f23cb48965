"""WorkflowExecutions: news of them and their children in, decisions out, until each is closed."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.hands import Hands
from kubernaut_controller.operator.loop import Loop
from kubernaut_controller.operator.memory import Entry, Key, Memory, learn_child, newer, slim
from kubernaut_controller.operator.metrics import WORKFLOWS
from kubernaut_controller.operator.settings import Settings
from kubernaut_controller.operator.storage import Records
from kubernaut_controller.reconciling.admission import admit
from kubernaut_controller.reconciling.reconcile import due_of, is_closed, reconcile
from kubernaut_controller.reconciling.stranded import strand
from kubernaut_controller.shape import unreadable
from kubernaut_sdk.times import utcnow

__all__ = ["Workflows"]

logger = logging.getLogger("kubernaut.controller")

Json = dict[str, Any]

_LOOK = 300.0
"""Seconds after which the API server is asked itself about what runs, should a watch have missed a deletion."""
_LOOK_AFTER = 15.0
"""The same, of what is over, whose pods are waited for."""
_LOCK_STALE = 4.0
_TOGETHER = 0.05
"""Seconds in which news of children is gathered, so that a graph of many steps is not told step by step."""
_MOST_ROUNDS = 20
_MOST_FAILURES = 3
"""How often a workflow may make the code raise before it is ended for it."""


class Workflows:
    """All WorkflowExecutions of the cluster, or of one namespace.

    Args:
        api: The API server.
        records: Data Storage, where there is one.
        settings: How the controller is installed.
        changed: Is told of each workflow that was made for a RemediationRequest whenever there is news of it.
    """

    def __init__(
        self, api: Api, records: Records | None, settings: Settings, changed: Callable[[Key], None] = lambda _key: None
    ) -> None:
        self._api, self._settings, self._changed = api, settings, changed
        self.memory = Memory()
        self.loop = Loop("WorkflowExecution", self._work, self._starts)
        self.hands = Hands(api, records, self.memory, settings, self.loop.wake)
        self._phases: dict[Key, str] = {}
        self._unprimed: set[Key] | None = set()

    async def prime(self) -> None:
        """Learns of all there are before any is decided about: who waits for a target has to be known first."""
        for namespace in self._settings.watched or (None,):
            async for document in self._api.items("workflowexecutions", namespace):
                self.saw(None, {"kind": "WorkflowExecution", **document})
        waiting, self._unprimed = self._unprimed or set(), None
        for key in sorted(waiting):
            self.loop.wake(key)

    @property
    def primed(self) -> bool:
        """Whether all there are have been learnt of."""
        return self._unprimed is None

    # News

    def saw(self, type_: str | None, document: Json) -> None:
        """News of a workflow: `ADDED`, `MODIFIED`, `DELETED`, or None where it was found in a list.

        Whatever it holds, nothing is raised: others are in the same list.
        """
        try:
            self._saw(type_, document)
        except Exception as error:
            logger.exception("%s/%s: cannot be read, and is refused", *_key_of(document))
            self._unreadable(document, error)

    def saw_child(self, kind: str, type_: str | None, document: Json) -> None:
        """News of a PipelineRun, TaskRun or pod; of those of closed workflows nothing is kept."""
        try:
            self._saw_child(kind, type_, document)
        except Exception:
            logger.exception("%s %s/%s: cannot be read, and is passed over", kind, *_key_of(document))

    def _saw(self, type_: str | None, document: Json) -> None:
        metadata = document["metadata"]
        key = metadata["namespace"], metadata["name"]
        if (document.get("spec") or {}).get("remediationRequestRef"):
            self._changed(key)
        entry, closed = self.memory.entries.get(key), self.memory.closed.get(key)
        if type_ == "DELETED":
            self._gone(key, metadata["uid"])
            return
        self._count(key, (document.get("status") or {}).get("phase") or "Pending")
        done = is_closed(document) and not metadata.get("deletionTimestamp")
        if closed is not None and closed.uid == metadata["uid"] and done:
            return
        if entry is not None and entry.uid == metadata["uid"]:
            self._renew(entry, document)
        elif done:
            self._close(key, document)
        else:
            workflow, faults = admit(document, self._settings.policy)
            self.memory.open(key, slim(document), workflow, faults, time.monotonic())
            self._wake(key)

    def _unreadable(self, document: Json, error: Exception) -> None:
        metadata = document.get("metadata") or {}
        if not isinstance(document.get("spec"), dict) or not {"name", "namespace", "uid"} <= set(metadata):
            return
        key = _key_of(document)
        self.memory.open(key, document, None, (unreadable(error),), time.monotonic())
        self._wake(key)

    def _saw_child(self, kind: str, type_: str | None, document: Json) -> None:
        metadata = document["metadata"]
        labels = metadata.get("labels") or {}
        run_name = metadata["name"] if kind == "PipelineRun" else labels.get("tekton.dev/pipelineRun", "")
        entry = self.memory.of_run(metadata["namespace"], run_name)
        if entry is None:
            return
        learn_child(entry, kind, slim({**document, "kind": kind}), deleted=type_ == "DELETED")
        if self._unprimed is None:
            self.loop.wake_soon(entry.key, _TOGETHER)

    def _renew(self, entry: Entry, document: Json) -> None:
        before = entry.document["metadata"]
        if document["metadata"]["resourceVersion"] == before["resourceVersion"] or not newer(document, entry.document):
            return  # of our own making
        if document["metadata"].get("generation") != before.get("generation"):
            entry.workflow, entry.faults = admit(document, self._settings.policy)
        entry.document = slim(document)
        self._wake(entry.key)

    def _gone(self, key: Key, uid: str) -> None:
        entry = self.memory.entries.get(key)
        if entry is not None and entry.uid != uid:
            return
        waiting = list(self.memory.waiting_for(entry.lock_key)) if entry is not None and entry.lock_key else []
        self.memory.forget(key)
        self.loop.forget(key)
        self._count(key, None)
        for other in waiting:
            if other != key:
                self._wake(other)

    def _close(self, key: Key, document: Json) -> None:
        self.memory.close(key, document["metadata"]["uid"], document["status"]["phase"])
        self.loop.wake_at(key, due_of(document, utcnow()))

    def _count(self, key: Key, phase: str | None) -> None:
        before = self._phases.pop(key, None)
        if phase is not None:
            self._phases[key] = phase
        if before != phase:
            if before is not None:
                WORKFLOWS.labels(before).dec()
            if phase is not None:
                WORKFLOWS.labels(phase).inc()

    def _wake(self, key: Key) -> None:
        if self._unprimed is not None:
            self._unprimed.add(key)
        else:
            self.loop.wake(key)

    # Decisions

    def _starts(self, key: Key) -> bool:
        entry = self.memory.entries.get(key)
        return entry is not None and not entry.started

    async def _work(self, key: Key) -> datetime | None:
        entry = self.memory.entries.get(key)
        if entry is None:
            return await self._revisit(key)
        try:
            again = await self._carry_out(key, entry)
        except ApiError:
            raise
        except Exception as error:
            entry.failures += 1
            if entry.failures < _MOST_FAILURES:
                raise
            logger.exception("%s/%s: cannot be decided about, and is ended", *key)
            return await self._strand(key, entry, error)
        entry.failures = 0
        return again

    async def _strand(self, key: Key, entry: Entry, error: Exception) -> datetime | None:
        """Ends a workflow about which nothing can be decided, so that it holds nothing."""
        raised = f"{type(error).__name__}: {error}"
        why = f"The controller cannot go on with it ({raised}); see its PipelineRun, and create it anew."
        for _ in range(_MOST_ROUNDS):
            acts, again = strand(entry.seen(ahead=0, lock_stale=False), why, utcnow())
            if not await self.hands.do(entry, acts):
                break
            if self._closes(key, entry):
                return None
        return again

    async def _carry_out(self, key: Key, entry: Entry) -> datetime | None:
        starts = not entry.started
        patience = _LOOK_AFTER if entry.over else _LOOK
        if entry.started and time.monotonic() - entry.looked_at > patience:
            await self.hands.look_up(entry)
        for _ in range(_MOST_ROUNDS):
            stale = time.monotonic() - entry.lock_read_at > _LOCK_STALE
            seen = entry.seen(ahead=self.memory.ahead(entry), lock_stale=stale)
            decision = reconcile(seen, self._settings.policy, utcnow())
            try:
                again = await self.hands.do(entry, decision.acts)
            except ApiError as error:
                if error.code not in {404, 409} or not await self._refresh(entry):
                    raise
                again = True
            if self.memory.entries.get(key) is not entry:
                return None
            if not again:
                break
            if starts and entry.started:
                return utcnow()  # what is to be told of it can wait for others' starts
        return None if self._closes(key, entry) else decision.again

    def _closes(self, key: Key, entry: Entry) -> bool:
        """Keeps but a line of a workflow that is closed; whether it is."""
        document = entry.document
        self._count(key, (document.get("status") or {}).get("phase") or "Pending")
        closed = is_closed(document) and not document["metadata"].get("deletionTimestamp")
        if closed:
            self._close(key, document)
        return closed

    async def _refresh(self, entry: Entry) -> bool:
        """Reads the workflow anew after a conflict; whether that told something new."""
        document = await self._api.read("workflowexecutions", *entry.key)
        if document is None or document["metadata"]["uid"] != entry.uid:
            self._gone(entry.key, entry.uid)
            return True
        before = entry.document["metadata"]
        if document["metadata"].get("generation") != before.get("generation"):
            entry.workflow, entry.faults = admit(document, self._settings.policy)
        told: bool = document["metadata"]["resourceVersion"] != before["resourceVersion"]
        entry.document = slim({"kind": "WorkflowExecution", **document})
        return told

    async def _revisit(self, key: Key) -> datetime | None:
        """A closed workflow whose time has come: it is read once more, and deleted."""
        closed = self.memory.closed.get(key)
        document = await self._api.read("workflowexecutions", *key) if closed is not None else None
        if closed is None or document is None or document["metadata"]["uid"] != closed.uid:
            return None
        workflow, faults = admit(document, self._settings.policy)
        entry = Entry(key, document, workflow, faults, looked_up=True, seen_at=0.0)
        decision = reconcile(entry.seen(ahead=0, lock_stale=False), self._settings.policy, utcnow())
        await self.hands.do(entry, decision.acts)
        return decision.again


def _key_of(document: Json) -> Key:
    metadata = document.get("metadata") or {}
    return str(metadata.get("namespace")), str(metadata.get("name"))
