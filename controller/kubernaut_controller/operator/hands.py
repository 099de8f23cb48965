"""Carries out what was decided about a workflow, one act at a time, and remembers what the API server answered.

Each act may be repeated, and may be the last one before the process dies.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.memory import Entry, Memory, gone_pod, learn_child, newer, slim
from kubernaut_controller.operator.metrics import RECORDS_GIVEN_UP, TO_PIPELINERUN_SECONDS
from kubernaut_controller.operator.settings import Settings
from kubernaut_controller.operator.storage import Records
from kubernaut_controller.operator.target import TargetLock
from kubernaut_controller.reconciling.acts import (
    Act,
    Announce,
    Ask,
    CancelRun,
    CheckGrant,
    CreateRun,
    Delete,
    FreeLock,
    GiveUpRecords,
    Hold,
    LetGo,
    LookUp,
    ReadLock,
    ReadLog,
    SetStatus,
    TakeLock,
    Tell,
)
from kubernaut_controller.reconciling.lock import Lock, grant_of
from kubernaut_controller.reconciling.loglines import marked_events
from kubernaut_controller.reconciling.recording import event_key
from kubernaut_controller.reconciling.seen import FINALIZER
from kubernaut_controller.reconciling.sentences import create_trouble
from kubernaut_controller.reconciling.stranded import minimal_status
from kubernaut_controller.status import Phase
from kubernaut_controller.workflow import API_VERSION
from kubernaut_sdk.times import utcnow

__all__ = ["Hands"]

logger = logging.getLogger("kubernaut.controller")

Json = dict[str, Any]

_LONGEST_RETRY = 30.0
_STEP_CONTAINER = "step-action"


class Hands:
    """Acts on the world for the loop.

    Args:
        api: The API server.
        records: Data Storage, where there is one.
        memory: What is known.
        settings: How the controller is installed.
        wake: Has a workflow decided about anew.
    """

    def __init__(
        self,
        api: Api,
        records: Records | None,
        memory: Memory,
        settings: Settings,
        wake: Callable[[tuple[str, str]], None],
    ) -> None:
        self.api, self.records, self.memory, self.settings, self.wake = api, records, memory, settings, wake
        self.target = TargetLock(api, settings.namespace, settings.policy.cooldown)
        self._asides: set[asyncio.Task[None]] = set()

    async def do(self, entry: Entry, acts: tuple[Act, ...]) -> bool:
        """Carries out acts, in order; whether what is known has changed so that another decision is due at once.

        Raises:
            ApiError: if one could not be done; those after it were not tried.
        """
        again = False
        if len(acts) == 2 and isinstance(acts[0], Hold) and isinstance(acts[1], TakeLock):
            # neither needs the other, and an incident waits for both
            await asyncio.gather(self._do(entry, acts[0]), self._do(entry, acts[1]))
            return True
        for act in acts:
            again |= await self._do(entry, act)
        return again

    async def close(self) -> None:
        """Ends what was started aside."""
        for task in self._asides:
            task.cancel()

    async def _do(self, entry: Entry, act: Act) -> bool:  # noqa: C901, PLR0911, PLR0912 – one case an act
        match act:
            case Hold():
                await self._patch_finalizers(entry, [*_finalizers(entry), FINALIZER])
                return True
            case LetGo():
                await self._patch_finalizers(entry, [name for name in _finalizers(entry) if name != FINALIZER])
            case CheckGrant():
                await self._check_grant(entry)
                return True
            case TakeLock():
                await self._take_lock(entry)
                return True
            case ReadLock():
                await self._read_lock(entry)
                return True
            case FreeLock():
                await self._free_lock(entry)
                return True
            case LookUp():
                await self.look_up(entry)
                return True
            case CreateRun(document):
                await self._create_run(entry, document)
                return True
            case CancelRun(name, status):
                await self._cancel_run(entry, name, status)
            case Tell(events):
                self._tell(entry, events)
            case Ask(step, record_id):
                self._ask(entry, step, record_id)
            case ReadLog(step, pod, record_id):
                await self._read_log(entry, step, pod, record_id)
                return True
            case Announce(type_, reason, message):
                self._aside(self._announce(entry, type_, reason, message))
            case SetStatus(status):
                return await self._set_status(entry, status)
            case GiveUpRecords():
                RECORDS_GIVEN_UP.inc()
            case Delete():
                await self.api.delete("workflowexecutions", *entry.key, entry.uid)
        return False

    # The workflow itself

    async def _patch_finalizers(self, entry: Entry, finalizers: list[str]) -> None:
        metadata = entry.document["metadata"]
        # of the version that was read: a list is replaced whole, and another controller's finalizer may be in it
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
        self._learn(entry, await self.api.patch("workflowexecutions", *entry.key, {**patch}))

    async def _set_status(self, entry: Entry, status: Json) -> bool:
        if status == entry.written:
            return False  # the API server keeps it otherwise than it was written; once is enough
        try:
            await self._write_status(entry, status)
        except ApiError as error:
            if error.code not in {400, 413, 422}:
                raise
            await self._write_less(entry, status, error)
        entry.written = status
        return True

    async def _write_status(self, entry: Entry, status: Json) -> None:
        metadata = entry.document["metadata"]
        document = {
            "apiVersion": API_VERSION,
            "kind": "WorkflowExecution",
            "metadata": {"name": metadata["name"], "resourceVersion": metadata["resourceVersion"]},
            "spec": entry.document["spec"],
            "status": status,
        }
        self._learn(entry, await self.api.replace("workflowexecutions", entry.key[0], document, status=True))

    async def _write_less(self, entry: Entry, status: Json, refusal: ApiError) -> None:
        """Writes the least instead of a status that the API server refuses, so that nothing is held for it."""
        logger.warning("%s/%s: the API server refuses its status, so it says less: %s", *entry.key, refusal)
        phase = Phase(status["phase"])
        told = f"The whole of its status was refused ({refusal.message[:300]}); its records and its TaskRuns say more."
        less = minimal_status(entry.document, phase, told, utcnow())
        less |= {name: status[name] for name in ("finishedAt", "pipelineRunRef") if name in status}
        if phase.over:
            stored = [item for item in status.get("conditions", ()) if item["type"] == "RecordsStored"]
            less["conditions"] = [item for item in less["conditions"] if item["type"] != "RecordsStored"] + stored
        else:
            less = {name: value for name, value in less.items() if name not in {"conditions", "finishedAt"}}
        try:
            await self._write_status(entry, less)
        except ApiError as error:
            if error.code not in {400, 413, 422}:
                raise
            logger.warning("%s/%s: nor does it take the least: %s", *entry.key, error)
            entry.document = {**entry.document, "status": status}  # so that what was decided is done all the same

    def _learn(self, entry: Entry, document: Json) -> None:
        if newer(document, entry.document):
            entry.document = slim(document)

    # The PipelineRun and its children

    async def _create_run(self, entry: Entry, document: Json) -> None:
        namespace = entry.key[0]
        try:
            entry.pipeline_run = slim(await self.api.create("pipelineruns", namespace, document))
            TO_PIPELINERUN_SECONDS.observe(time.monotonic() - entry.seen_at)
        except ApiError as error:
            if error.code == 409 and error.reason == "AlreadyExists":
                await self.look_up(entry)
                return
            if error.code in {401, 0} and not error.message:
                raise
            entry.trouble = create_trouble(error.code, error.reason, error.message)
            entry.troubles += 1
            pause = min(_LONGEST_RETRY, 0.5 * 2**entry.troubles)
            entry.retry_at = utcnow() + timedelta(seconds=pause)
            logger.warning("%s/%s: %s", *entry.key, entry.trouble.message)
            return
        entry.trouble = entry.retry_at = None
        entry.looked_up, entry.absent_for = True, None

    async def _cancel_run(self, entry: Entry, name: str, status: str) -> None:
        try:
            patched = await self.api.patch("pipelineruns", entry.key[0], name, {"spec": {"status": status}})
        except ApiError as error:
            if error.code == 404:
                entry.pipeline_run, entry.absent_for = None, None
                self.wake(entry.key)
                return
            raise
        entry.pipeline_run = slim(patched)

    async def look_up(self, entry: Entry) -> None:
        """Reads PipelineRun, TaskRuns and pods; what was known of a TaskRun or pod that is gone stays known."""
        version = entry.version  # of before it is asked
        if entry.run_name is None:
            entry.looked_up, entry.absent_for = True, version
            return
        namespace, selector = entry.key[0], f"tekton.dev/pipelineRun={entry.run_name}"
        try:
            run = await self.api.read("pipelineruns", namespace, entry.run_name)
            task_runs = [item async for item in self.api.items("taskruns", namespace, selector)]
        except ApiError as error:
            if error.code != 404:
                raise
            run, task_runs = None, []  # Tekton is not installed
        pods = [item async for item in self.api.items("pods", namespace, selector)]
        if run is not None and not newer(run, entry.gone_run):
            run = None  # it was deleted while it was read
        entry.pipeline_run = slim({"kind": "PipelineRun", **run}) if run else None
        for item in task_runs:
            learn_child(entry, "TaskRun", slim({"kind": "TaskRun", **item}), deleted=False)
        entry.gone |= set(entry.task_runs) - {item["metadata"]["name"] for item in task_runs}
        found = {item["metadata"]["name"] for item in pods}
        for item in pods:
            learn_child(entry, "Pod", slim({"kind": "Pod", **item}), deleted=False)
        for name in entry.pods.keys() - found:
            entry.pods[name] = gone_pod(entry.pods[name])
        entry.looked_up, entry.looked_at = True, time.monotonic()
        entry.absent_for = version if run is None else None
        entry.looked_version = run["metadata"]["resourceVersion"] if run else None

    async def _read_log(self, entry: Entry, step: str, pod: str, record_id: str) -> None:
        try:
            text = await self.api.log(entry.key[0], pod, _STEP_CONTAINER)
        except ApiError as error:
            logger.info("%s/%s: no log of %s: %s", *entry.key, pod, error)
            text = ""
        entry.logs[step] = marked_events(text, step, record_id)

    # The target

    async def _check_grant(self, entry: Entry) -> None:
        assert entry.workflow is not None
        grant = grant_of(entry.workflow)
        granted = grant is None or await self.target.granted(grant)
        self.memory.queue(entry, granted=granted)
        entry.granted = granted

    async def _take_lock(self, entry: Entry) -> None:
        assert entry.workflow is not None
        entry.lock_read_at = time.monotonic()
        entry.lock = await self.target.take(entry.workflow, known=entry.lock, scope=entry.lock_scope)

    async def _read_lock(self, entry: Entry) -> None:
        assert entry.workflow is not None
        entry.lock_read_at = time.monotonic()
        entry.lock = await self.target.read(entry.workflow, scope=entry.lock_scope)

    async def _free_lock(self, entry: Entry) -> None:
        if entry.workflow is None or entry.workflow.spec.target is None:
            await self.target.free_all(f"{entry.key[0]}/{entry.key[1]}/{entry.uid}")
        else:
            # of one that was granted or not when it was taken, and may be otherwise now
            scopes = ("", entry.key[0]) if grant_of(entry.workflow) else ("",)
            await self.target.free(entry.workflow, *scopes)
        entry.lock = Lock("released")
        if entry.lock_key:
            for key in self.memory.waiting_for(entry.lock_key):
                self.memory.entries[key].lock = Lock()
                self.wake(key)

    # Data Storage

    def _tell(self, entry: Entry, events: tuple[Json, ...]) -> None:
        if self.records is None:
            return
        for event in events:
            key = (event["step"], event_key(event))
            if key in entry.telling or key in entry.told:
                continue
            entry.telling.add(key)
            self.records.tell(event, self._taker(entry, key))

    def _taker(self, entry: Entry, key: tuple[str, str]) -> Callable[[str | None], None]:
        def taken(refused: str | None) -> None:
            entry.telling.discard(key)
            entry.told[key] = refused
            if refused:
                logger.error("%s/%s: Data Storage refused %s of step %s: %s", *entry.key, key[1], key[0], refused)
            if not entry.telling:
                self.wake(entry.key)

        return taken

    def _ask(self, entry: Entry, step: str, record_id: str) -> None:
        if self.records is None or step in entry.asking:
            return
        entry.asking.add(step)
        records = self.records

        async def ask() -> None:
            entry.records[step] = await records.read(record_id)
            self.wake(entry.key)

        self._aside(ask())

    # Events

    async def _announce(self, entry: Entry, type_: str, reason: str, message: str) -> None:
        metadata = entry.document["metadata"]
        digest = hashlib.sha256(f"{metadata['uid']}/{reason}/{message}".encode()).hexdigest()[:16]
        now = utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")
        reference = {
            "apiVersion": API_VERSION,
            "kind": "WorkflowExecution",
            "namespace": entry.key[0],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        }
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            # of what is said, so that saying it again is refused as a duplicate
            "metadata": {"name": f"{metadata['name'][:200]}.{digest}"},
            "involvedObject": reference,
            "type": type_,
            "reason": reason,
            "message": message[:1024],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": "kubernaut-controller"},
            "reportingComponent": "kubernaut-controller",
        }
        try:
            await self.api.create("events", entry.key[0], event)
        except ApiError as error:
            if error.code != 409:
                logger.warning("%s/%s: no Event %s: %s", *entry.key, reason, error)

    def _aside(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)


def _finalizers(entry: Entry) -> list[str]:
    return list(entry.document["metadata"].get("finalizers") or ())
