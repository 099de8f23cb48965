"""The lock of a target, carried out: Leases in the controller's own namespace; see `reconciling.lock`."""

from datetime import timedelta

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.reconciling.ends import is_alive
from kubernaut_controller.reconciling.lock import LABEL, Lock, freed, holder_of, lock_name, read_lock, taken
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.times import utcnow

__all__ = ["TargetLock"]


class TargetLock:
    """Takes and frees locks.

    Args:
        api: The API server.
        namespace: Where the Leases are.
        cooldown: How long a target rests after a workflow.
    """

    def __init__(self, api: Api, namespace: str, cooldown: timedelta) -> None:
        self._api, self._namespace, self._cooldown = api, namespace, cooldown

    async def take(self, workflow: WorkflowExecution, *, known: Lock) -> Lock:
        """Takes a target's lock if it is to be had, and says how it stands then.

        Args:
            workflow: Who wants it.
            known: How it stood; where that is not known, it is most likely free, and is taken with one request.
        """
        target, me = workflow.spec.target, holder_of(workflow)
        assert target is not None
        if known.state == "unknown":
            try:
                await self._api.create("leases", self._namespace, taken(None, target, me, utcnow()))
            except ApiError as error:
                if error.code != 409:
                    raise
            else:
                return Lock("ours")
        lease = await self._api.read("leases", self._namespace, lock_name(target))
        holder = ((lease or {}).get("spec") or {}).get("holderIdentity") or ""
        gone = bool(holder) and holder != me and await self._is_gone(holder)
        now = utcnow()
        lock = read_lock(lease, me, now, holder_gone=gone)
        if lock.state != "free":
            return lock
        document = taken(lease, target, me, now)
        try:
            if lease is None:
                await self._api.create("leases", self._namespace, document)
            else:
                await self._api.replace("leases", self._namespace, document)
        except ApiError as error:
            if error.code != 409:
                raise
            return Lock("busy", by="another workflow")  # was faster; it is read again soon
        return Lock("ours")

    async def free(self, workflow: WorkflowExecution) -> None:
        """Frees a target's lock where this workflow holds it; where it does not, nothing is done."""
        target = workflow.spec.target
        assert target is not None
        lease = await self._api.read("leases", self._namespace, lock_name(target))
        if lease is None or (lease.get("spec") or {}).get("holderIdentity") != holder_of(workflow):
            return
        if self._cooldown:
            await self._api.replace("leases", self._namespace, freed(lease, utcnow(), self._cooldown))
        else:
            await self._api.delete("leases", self._namespace, lock_name(target), lease["metadata"]["uid"])

    async def sweep(self) -> None:
        """Deletes Leases whose cooldown is over and that nobody has taken since."""
        selector = ",".join(f"{name}={value}" for name, value in LABEL.items())
        async for lease in self._api.items("leases", self._namespace, selector):
            if not (lease.get("spec") or {}).get("holderIdentity") and read_lock(lease, "", utcnow()).state == "free":
                name, uid = lease["metadata"]["name"], lease["metadata"]["uid"]
                version = lease["metadata"]["resourceVersion"]
                await self._api.delete("leases", self._namespace, name, uid, version=version)

    async def _is_gone(self, holder: str) -> bool:
        """Whether a holder does not exist any more, nor any pod of it: its controller died between the two."""
        namespace, name, uid = holder.split("/")
        found = await self._api.read("workflowexecutions", namespace, name)
        if found is not None and found["metadata"]["uid"] == uid:
            return False
        async for pod in self._api.items("pods", namespace, "kubernaut.io/workflow"):
            annotations, labels = pod["metadata"].get("annotations") or {}, pod["metadata"]["labels"]
            named = annotations.get("kubernaut.io/workflow") or labels["kubernaut.io/workflow"]
            if named == name and is_alive(pod):
                return False
        return True
