"""The target locks: Leases in the controller's own namespace; `reconciling.lock` decides what they mean."""

import logging
from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.pipelinerun import run_name_of
from kubernaut_controller.reconciling.lock import (
    LABEL,
    Grant,
    LockState,
    acquired_lease,
    holder_of,
    lock_name,
    read_lock,
    released_lease,
)
from kubernaut_controller.reconciling.outcomes import is_alive
from kubernaut_controller.reconciling.reconcile import is_closed
from kubernaut_controller.views import LeaseView, ObjectView, PodView, TaskRunView, WorkflowView, object_of
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.times import utcnow

__all__ = ["TargetLocks"]

logger = logging.getLogger("kubernaut.controller")

_LONGEST_TERMINATION = timedelta(minutes=2)
"""The longest time for which terminating pods keep the lock of a workflow that is gone with its PipelineRun."""
_SELECTOR = ",".join(f"{name}={value}" for name, value in LABEL.items())


class TargetLocks:
    """The locks of all targets.

    Args:
        api: The API server.
        namespace: The namespace of the Leases.
        cooldown: The time for which a target stays locked after a workflow.
    """

    def __init__(self, api: Api, namespace: str, cooldown: timedelta) -> None:
        self._api, self._namespace, self._cooldown = api, namespace, cooldown

    async def is_granted(self, grant: Grant) -> bool:
        """Return True if RBAC grants it; False where the API server cannot say."""
        try:
            answer = await self._api.create("subjectaccessreviews", None, grant.review())
        except ApiError as error:
            if error.code in {0, 401, 429} or error.code >= 500:
                raise
            logger.warning("whether %s may lock targets is not known, so it may not: %s", grant.group, error)
            return False
        return object_of(answer, "status").get("allowed") is True

    async def acquire(self, workflow: WorkflowExecution, *, known: LockState, scope: str = "") -> LockState:
        """Acquire a target's lock if it is free, and return the state of the lock.

        Args:
            workflow: The workflow that wants the lock.
            known: The state of the lock as it is known. Where it is unknown, the lock is most likely free, and is
                acquired with one request.
            scope: The value of `lock_scope`.
        """
        target, me = workflow.spec.target, holder_of(workflow)
        assert target is not None
        if known.state == "unknown" and not scope:
            try:
                await self._api.create("leases", self._namespace, acquired_lease(None, target, me, utcnow()))
            except ApiError as error:
                if error.code != 409:
                    raise
            else:
                return LockState("ours")
        lease, lock = await self._read(workflow, scope)
        if lock.state != "free":
            return lock
        document = acquired_lease(lease, target, me, utcnow(), scope)
        try:
            if lease is None:
                await self._api.create("leases", self._namespace, document)
            else:
                await self._api.replace("leases", self._namespace, document)
        except ApiError as error:
            if error.code != 409:
                raise
            return LockState("busy", by="another workflow")  # another workflow was faster; the lock is read again soon
        return LockState("ours")

    async def read(self, workflow: WorkflowExecution, *, scope: str = "") -> LockState:
        """Return the state of a target's lock without changing it."""
        return (await self._read(workflow, scope))[1]

    async def release(self, workflow: WorkflowExecution, *scopes: str) -> None:
        """Release a target's lock where this workflow holds it; else do nothing."""
        target = workflow.spec.target
        assert target is not None
        for scope in scopes or ("",):
            name = lock_name(target, workflow.metadata.namespace or "", scope)
            lease = await self._api.read("leases", self._namespace, name)
            if lease is not None and LeaseView(lease).holder == holder_of(workflow):
                await self._release(lease)

    async def release_all(self, holder: str) -> None:
        """Release each lock of a holder whose target is not known any more."""
        async for lease in self._api.items("leases", self._namespace, _SELECTOR):
            if LeaseView(lease).holder == holder:
                await self._release(lease)

    async def sweep(self) -> None:
        """Delete Leases whose cooldown has ended and that nobody has acquired since."""
        async for lease in self._api.items("leases", self._namespace, _SELECTOR):
            view = LeaseView(lease)
            if not view.holder and read_lock(lease, "", utcnow()).state == "free":
                version = view.resource_version
                await self._api.delete("leases", self._namespace, view.name, view.uid, version=version)

    async def _read(self, workflow: WorkflowExecution, scope: str) -> tuple[dict[str, Any] | None, LockState]:
        """Return a lock's Lease and its state.

        A lock with a scope is free only while the lock that all respect is free: whoever may make nobody else wait
        still waits itself.
        """
        target, me = workflow.spec.target, holder_of(workflow)
        assert target is not None
        name = lock_name(target, workflow.metadata.namespace or "", scope)
        lease = await self._api.read("leases", self._namespace, name)
        holder = LeaseView(lease).holder
        gone = bool(holder) and holder != me and await self._is_gone(holder)
        lock = read_lock(lease, me, utcnow(), holder_gone=gone)
        if scope and lock.state == "free":
            lock = (await self._read(workflow, ""))[1]
        return lease, lock

    async def _release(self, lease: dict[str, Any]) -> None:
        if self._cooldown:
            await self._api.replace("leases", self._namespace, released_lease(lease, utcnow(), self._cooldown))
        else:
            view = LeaseView(lease)
            await self._api.delete("leases", self._namespace, view.name, view.uid)

    async def _is_gone(self, holder: str) -> bool:
        """Return True if a holder is deleted or closed and no pod of it runs: nobody will release its lock."""
        if holder.count("/") != 2:
            return False
        namespace, name, uid = holder.split("/")
        found = await self._api.read("workflowexecutions", namespace, name)
        if found is not None and WorkflowView(found).uid == uid and not is_closed(WorkflowView(found)):
            return False
        run_name = run_name_of(name, uid)
        selector = f"tekton.dev/pipelineRun={run_name}"
        found_pods = [PodView(item) async for item in self._api.items("pods", namespace, selector)]
        pods = [pod for pod in found_pods if is_alive(pod)]
        if not pods:
            return True
        run = ObjectView(await self._api.read("pipelineruns", namespace, run_name))
        if run.controller_uid != uid:
            # a label proves nothing: of pods without an owner, wait only for those that are terminating
            return not any(_is_ending(pod, utcnow()) for pod in pods)
        task_runs = [TaskRunView(item) async for item in self._api.items("taskruns", namespace, selector)]
        ours = {task_run.uid for task_run in task_runs if task_run.controller_uid == run.uid}
        return not any(pod.controller_uid in ours for pod in pods)


def _is_ending(pod: PodView, now: datetime) -> bool:
    """Return True if a pod was told to terminate a short while ago."""
    if pod.being_deleted is None:
        return False
    return now < pod.being_deleted - pod.deletion_grace + _LONGEST_TERMINATION
