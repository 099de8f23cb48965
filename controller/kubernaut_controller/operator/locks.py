"""The target locks: Leases in the controller's own namespace; `reconciling.lock` decides what they mean."""

import logging
from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.pipelinerun import run_name_of
from kubernaut_controller.reconciling.children import controller_of
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
        return (answer.get("status") or {}).get("allowed") is True

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
            if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == holder_of(workflow):
                await self._release(lease)

    async def release_all(self, holder: str) -> None:
        """Release each lock of a holder whose target is not known any more."""
        async for lease in self._api.items("leases", self._namespace, _SELECTOR):
            if (lease.get("spec") or {}).get("holderIdentity") == holder:
                await self._release(lease)

    async def sweep(self) -> None:
        """Delete Leases whose cooldown has ended and that nobody has acquired since."""
        async for lease in self._api.items("leases", self._namespace, _SELECTOR):
            try:
                rested = read_lock(lease, "", utcnow()).state == "free"
            except Exception:  # must not stop the sweep of others
                logger.warning("the Lease %s cannot be read; delete it", lease["metadata"]["name"])
                continue
            if not (lease.get("spec") or {}).get("holderIdentity") and rested:
                name, uid = lease["metadata"]["name"], lease["metadata"]["uid"]
                version = lease["metadata"]["resourceVersion"]
                await self._api.delete("leases", self._namespace, name, uid, version=version)

    async def _read(self, workflow: WorkflowExecution, scope: str) -> tuple[dict[str, Any] | None, LockState]:
        """Return a lock's Lease and its state.

        A lock with a scope is free only while the lock that all respect is free: whoever may make nobody else wait
        still waits itself.
        """
        target, me = workflow.spec.target, holder_of(workflow)
        assert target is not None
        name = lock_name(target, workflow.metadata.namespace or "", scope)
        lease = await self._api.read("leases", self._namespace, name)
        holder = ((lease or {}).get("spec") or {}).get("holderIdentity") or ""
        gone = bool(holder) and holder != me and await self._is_gone(holder)
        lock = read_lock(lease, me, utcnow(), holder_gone=gone)
        if scope and lock.state == "free":
            lock = (await self._read(workflow, ""))[1]
        return lease, lock

    async def _release(self, lease: dict[str, Any]) -> None:
        if self._cooldown:
            await self._api.replace("leases", self._namespace, released_lease(lease, utcnow(), self._cooldown))
        else:
            metadata = lease["metadata"]
            await self._api.delete("leases", self._namespace, metadata["name"], metadata["uid"])

    async def _is_gone(self, holder: str) -> bool:
        """Return True if a holder is deleted or closed and no pod of it runs: nobody will release its lock."""
        if holder.count("/") != 2:
            return False
        namespace, name, uid = holder.split("/")
        found = await self._api.read("workflowexecutions", namespace, name)
        if found is not None and found["metadata"]["uid"] == uid and not is_closed(found):
            return False
        run_name = run_name_of(name, uid)
        selector = f"tekton.dev/pipelineRun={run_name}"
        pods = [pod async for pod in self._api.items("pods", namespace, selector) if is_alive(pod)]
        if not pods:
            return True
        run = await self._api.read("pipelineruns", namespace, run_name)
        if run is None or controller_of(run) != uid:
            # a label proves nothing: of pods without an owner, wait only for those that are terminating
            return not any(_is_ending(pod, utcnow()) for pod in pods)
        task_runs = {
            item["metadata"]["uid"]
            async for item in self._api.items("taskruns", namespace, selector)
            if controller_of(item) == run["metadata"]["uid"]
        }
        return not any(controller_of(pod) in task_runs for pod in pods)


def _is_ending(pod: dict[str, Any], now: datetime) -> bool:
    """Return True if a pod was told to terminate a short while ago."""
    until = pod["metadata"].get("deletionTimestamp")
    if not until:
        return False
    grace = timedelta(seconds=pod["metadata"].get("deletionGracePeriodSeconds") or 0)
    return now < datetime.fromisoformat(until) - grace + _LONGEST_TERMINATION
