"""The executor: carries out the effects of a decision in order, and puts the API server's answers into the cache.

Each effect may be repeated, and the process may die after any of them.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.cache import (
    CachedWorkflow,
    WorkflowCache,
    strip_unused,
)
from kubernaut_controller.operator.children import refresh_children
from kubernaut_controller.operator.eventobjects import emit_event
from kubernaut_controller.operator.locks import TargetLocks
from kubernaut_controller.operator.metrics import RECORDS_GIVEN_UP, TO_PIPELINERUN_SECONDS
from kubernaut_controller.operator.recordsclient import RecordsClient
from kubernaut_controller.operator.settings import ControllerSettings
from kubernaut_controller.operator.statuswriter import write_status
from kubernaut_controller.reconciling.effects import (
    AbandonRecords,
    AcquireLock,
    AddFinalizer,
    CancelPipelineRun,
    CheckGrant,
    CreatePipelineRun,
    DeleteWorkflow,
    Effect,
    EmitEvent,
    ExportSpans,
    ReadLock,
    ReadLogs,
    ReadRecord,
    RefreshChildren,
    ReleaseLock,
    RemoveFinalizer,
    SendEvents,
    UpdateStatus,
)
from kubernaut_controller.reconciling.events import event_key
from kubernaut_controller.reconciling.lock import LockState, grant_of
from kubernaut_controller.reconciling.loglines import marked_events
from kubernaut_controller.reconciling.messages import creation_failure_of
from kubernaut_controller.reconciling.observed import FINALIZER
from kubernaut_controller.trace import TRACE_ID, trace_of
from kubernaut_sdk.backoff import backoff
from kubernaut_sdk.spans import SpanExporter
from kubernaut_sdk.times import utcnow

__all__ = ["EffectExecutor"]

logger = logging.getLogger("kubernaut.controller")

Json = dict[str, Any]

_FIRST_RETRY, _LONGEST_RETRY = 1.0, 30.0
_STEP_CONTAINER = "step-action"


class EffectExecutor:
    """An executor of effects for one controller.

    Args:
        api: The API server.
        records: The client of Data Storage, or None.
        cache: The known workflows.
        settings: The controller's settings.
        enqueue: Queues a reconcile for a workflow.
    """

    def __init__(
        self,
        api: Api,
        records: RecordsClient | None,
        cache: WorkflowCache,
        settings: ControllerSettings,
        enqueue: Callable[[tuple[str, str]], None],
    ) -> None:
        self.api, self.records, self.cache, self.settings, self.enqueue = api, records, cache, settings, enqueue
        self.spans = SpanExporter("kubernaut-controller")
        self.target = TargetLocks(api, settings.namespace, settings.policy.cooldown)
        self._background_tasks: set[asyncio.Task[None]] = set()

    async def execute(self, entry: CachedWorkflow, effects: tuple[Effect, ...]) -> bool:
        """Carry out effects in order.

        Returns:
            True if the cache has changed so that the next decision is due at once.

        Raises:
            ApiError: if the API server refused one or did not answer; the effects after it were not tried.
        """
        again = False
        if len(effects) == 2 and isinstance(effects[0], AddFinalizer) and isinstance(effects[1], AcquireLock):
            # neither depends on the other, and an incident waits for both; where one is refused, the other still ends
            both = (self._execute(entry, effect) for effect in effects)
            for answer in await asyncio.gather(*both, return_exceptions=True):
                if isinstance(answer, BaseException):
                    raise answer
            return True
        for effect in effects:
            again |= await self._execute(entry, effect)
        return again

    async def close(self) -> None:
        """Cancel what still runs in the background, and send the last spans, for at most two seconds."""
        for task in self._background_tasks:
            task.cancel()
        await asyncio.to_thread(self.spans.close)

    async def _execute(self, entry: CachedWorkflow, effect: Effect) -> bool:  # noqa: C901, PLR0911, PLR0912 – one case an effect
        match effect:
            case AddFinalizer():
                await self._patch_finalizers(entry, [*_finalizers(entry), FINALIZER], _annotations(entry))
                return True
            case ExportSpans(spans):
                self.spans.export(spans)
            case RemoveFinalizer():
                await self._patch_finalizers(entry, [name for name in _finalizers(entry) if name != FINALIZER])
            case CheckGrant():
                await self._check_grant(entry)
                return True
            case AcquireLock():
                await self._acquire_lock(entry)
                return True
            case ReadLock():
                await self._read_lock(entry)
                return True
            case ReleaseLock():
                await self._release_lock(entry)
                return True
            case RefreshChildren():
                await self.refresh_children(entry)
                return True
            case CreatePipelineRun(document):
                await self._create_pipeline_run(entry, document)
                return True
            case CancelPipelineRun(name, status):
                await self._cancel_pipeline_run(entry, name, status)
            case SendEvents(events):
                self._send_events(entry, events)
            case ReadRecord(step, record_id):
                self._read_record(entry, step, record_id)
            case ReadLogs(step, pod, record_id):
                await self._read_log(entry, step, pod, record_id)
                return True
            case EmitEvent(type_, reason, message):
                self._run_in_background(emit_event(self.api, entry, type_, reason, message))
            case UpdateStatus(status):
                return await self._set_status(entry, status)
            case AbandonRecords():
                RECORDS_GIVEN_UP.inc()
            case DeleteWorkflow():
                await self.api.delete("workflowexecutions", *entry.key, entry.uid)
        return False

    # The workflow itself

    async def _patch_finalizers(
        self, entry: CachedWorkflow, finalizers: list[str], annotations: dict[str, str] | None = None
    ) -> None:
        # names the version that was read: the list is replaced, and may contain another controller's finalizer
        metadata: Json = {"finalizers": finalizers, "resourceVersion": entry.version}
        if annotations:
            metadata["annotations"] = annotations
        patch = {"metadata": metadata}
        entry.update_document(await self.api.patch("workflowexecutions", *entry.key, {**patch}))

    async def _set_status(self, entry: CachedWorkflow, status: Json) -> bool:
        if status == entry.written_status:
            return False  # the API server stores it differently; do not write it again
        await write_status(self.api, entry, status)
        entry.written_status = status
        return True

    # The PipelineRun and its children

    async def refresh_children(self, entry: CachedWorkflow) -> None:
        """Read PipelineRun, TaskRuns and pods from the API server; see `children.refresh_children`."""
        await refresh_children(self.api, entry)

    async def _create_pipeline_run(self, entry: CachedWorkflow, document: Json) -> None:
        namespace = entry.key[0]
        try:
            entry.pipeline_run = strip_unused(await self.api.create("pipelineruns", namespace, document))
            TO_PIPELINERUN_SECONDS.observe(time.monotonic() - entry.first_seen_at)
        except ApiError as error:
            if error.code == 409 and error.reason == "AlreadyExists":
                await self.refresh_children(entry)
                return
            if error.code in {401, 0} and not error.message:
                raise
            entry.creation_failure = creation_failure_of(error.code, error.reason, error.message)
            entry.creation_failures += 1
            pause = backoff(entry.creation_failures, _FIRST_RETRY, _LONGEST_RETRY)
            entry.retry_at = utcnow() + timedelta(seconds=pause)
            logger.warning("%s/%s: %s", *entry.key, entry.creation_failure.message)
            return
        entry.creation_failure = entry.retry_at = None
        entry.children_known, entry.absent_at_version = True, None

    async def _cancel_pipeline_run(self, entry: CachedWorkflow, name: str, status: str) -> None:
        try:
            patched = await self.api.patch("pipelineruns", entry.key[0], name, {"spec": {"status": status}})
        except ApiError as error:
            if error.code == 404:
                entry.pipeline_run, entry.absent_at_version = None, None
                self.enqueue(entry.key)
                return
            raise
        entry.pipeline_run = strip_unused(patched)

    async def _read_log(self, entry: CachedWorkflow, step: str, pod: str, record_id: str) -> None:
        try:
            text = await self.api.log(entry.key[0], pod, _STEP_CONTAINER)
        except ApiError as error:
            logger.info("%s/%s: no log of %s: %s", *entry.key, pod, error)
            text = ""
        entry.logs[step] = marked_events(text, step, record_id)

    # The target

    async def _check_grant(self, entry: CachedWorkflow) -> None:
        assert entry.workflow is not None
        grant = grant_of(entry.workflow)
        granted = grant is None or await self.target.is_granted(grant)
        self.cache.wait_for_target(entry, granted=granted)
        entry.granted = granted

    async def _acquire_lock(self, entry: CachedWorkflow) -> None:
        assert entry.workflow is not None
        entry.lock_read_at = time.monotonic()
        entry.lock = await self.target.acquire(entry.workflow, known=entry.lock, scope=entry.lock_scope)

    async def _read_lock(self, entry: CachedWorkflow) -> None:
        assert entry.workflow is not None
        entry.lock_read_at = time.monotonic()
        entry.lock = await self.target.read(entry.workflow, scope=entry.lock_scope)

    async def _release_lock(self, entry: CachedWorkflow) -> None:
        if entry.workflow is None or entry.workflow.spec.target is None:
            await self.target.release_all(f"{entry.key[0]}/{entry.key[1]}/{entry.uid}")
        else:
            # the grant may have changed since the lock was acquired, so both scopes are tried
            scopes = ("", entry.key[0]) if grant_of(entry.workflow) else ("",)
            await self.target.release(entry.workflow, *scopes)
        entry.lock = LockState("released")
        if entry.lock_key:
            for key in self.cache.waiting_for(entry.lock_key):
                self.cache.active[key].lock = LockState()
                self.enqueue(key)

    # Data Storage

    def _send_events(self, entry: CachedWorkflow, events: tuple[Json, ...]) -> None:
        if self.records is None:
            return
        for event in events:
            key = (event["step"], event_key(event))
            if key in entry.sending or key in entry.answers:
                continue
            entry.sending.add(key)
            self.records.send(event, self._answer_handler(entry, key))

    def _answer_handler(self, entry: CachedWorkflow, key: tuple[str, str]) -> Callable[[str | None], None]:
        def on_answer(refused: str | None) -> None:
            entry.sending.discard(key)
            entry.answers[key] = refused
            if refused:
                logger.error("%s/%s: Data Storage refused %s of step %s: %s", *entry.key, key[1], key[0], refused)
            if not entry.sending:
                self.enqueue(entry.key)

        return on_answer

    def _read_record(self, entry: CachedWorkflow, step: str, record_id: str) -> None:
        if self.records is None or step in entry.reading:
            return
        entry.reading.add(step)
        records = self.records

        async def ask() -> None:
            entry.records[step] = await records.read(record_id)
            self.enqueue(entry.key)

        self._run_in_background(ask())

    def _run_in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)


def _annotations(entry: CachedWorkflow) -> dict[str, str]:
    """Return the annotations that the controller adds to a workflow."""
    trace = trace_of(entry.workflow) if entry.workflow is not None else None
    return {TRACE_ID: trace.trace_id} if trace is not None else {}


def _finalizers(entry: CachedWorkflow) -> list[str]:
    return list(entry.view.finalizers)
