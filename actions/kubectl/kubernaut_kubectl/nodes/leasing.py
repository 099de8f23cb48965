"""The Lease by which one drain runs at a time: two would take the replicas of one workload from two nodes at once.

As Kubernetes' own leader election does, a holder renews it, and another takes it over only once it has not been renewed
for as long as it is valid, by its own clock: the clocks of two machines are never compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kubernaut_kubectl.cluster.kubectl import create, list_all, patch
from kubernaut_kubectl.cluster.patches import Operation, add, expect, pointer
from kubernaut_kubectl.cluster.watching import watch_list
from kubernaut_sdk import ActionError, Context, PreconditionFailed, Transient
from kubernaut_sdk.times import utcnow

__all__ = ["DrainLease", "require_free_lease"]

_KIND, _NAME = "lease.coordination.k8s.io", "kubernaut-drain"
_FIELDS = f"metadata.name={_NAME}"
_DRAINING = "kubernaut.io/draining"
_VALID = 30
"""Seconds for which the Lease is valid without being renewed."""
_RENEWED_EVERY = 10.0
_LOOK_EVERY = 2.0


@dataclass
class DrainLease:
    """A Lease that this step holds, or may take.

    Attributes:
        namespace: Its namespace.
        node: The node that is drained.
        abandoned: The resourceVersion of a Lease whose holder was seen not to renew it, which may be taken over.
    """

    namespace: str
    node: str
    abandoned: str | None = None
    _renewed_at: float = 0.0

    @contextmanager
    def held(self, ctx: Context) -> Iterator[None]:
        """Hold the Lease for the block. It stays, until it is not valid any more, where the step is cancelled.

        Raises:
            Transient: if another drain was first.
        """
        self._take(ctx)
        try:
            yield
        finally:
            self._release(ctx)

    def renew(self, ctx: Context) -> None:
        """Renew the Lease where it is time to.

        Raises:
            Transient: if another drain holds it by now.
        """
        if self._renewed_at - ctx.remaining() >= _RENEWED_EVERY:
            self._take(ctx)

    def _take(self, ctx: Context) -> None:
        found, spec = _read(ctx, self.namespace), self._spec(ctx)
        if found is None:
            metadata = {"name": _NAME, "annotations": {_DRAINING: self.node}}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(self.namespace, safe='')}/leases"
            try:
                create(ctx, path, body, f"create Lease {_NAME} in {self.namespace}")
            except PreconditionFailed as error:
                if error.reason != "AlreadyExists":
                    raise
                raise Transient("another drain has just begun.", reason="DrainInProgress") from None
        else:
            version = found["metadata"]["resourceVersion"]
            if _other_holder(ctx, found) and version != self.abandoned:
                raise _busy(found)
            self._write(ctx, version, [add("/spec", spec), add("/metadata/annotations", {_DRAINING: self.node})])
        self.abandoned, self._renewed_at = None, ctx.remaining()

    def _release(self, ctx: Context) -> None:
        try:
            found = _read(ctx, self.namespace)
            if found is not None and not _other_holder(ctx, found):
                self._write(ctx, found["metadata"]["resourceVersion"], [add("/spec/holderIdentity", "")])
        except ActionError as error:  # it ends by itself
            ctx.log.warning("the Lease %s is not given back, and is valid for %s s more: %s", _NAME, _VALID, error)

    def _write(self, ctx: Context, version: str, operations: list[Operation]) -> None:
        test = expect(pointer("metadata", "resourceVersion"), version)
        patch(ctx, _KIND, _NAME, [test, *operations], self.namespace)

    @staticmethod
    def _spec(ctx: Context) -> dict[str, Any]:
        now = utcnow().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"holderIdentity": str(ctx.record_id), "leaseDurationSeconds": _VALID, "renewTime": now}


def require_free_lease(ctx: Context, namespace: str, node: str) -> DrainLease:
    """Return the Lease if no other drain runs. One that its holder has left is watched for as long as it is valid.

    Raises:
        Transient: if another drain runs.
    """
    lease, first = DrainLease(namespace, node), _read(ctx, namespace)
    if first is None or not _other_holder(ctx, first):
        return lease
    began = ctx.remaining()
    watch_list(ctx, _KIND, namespace, fields=_FIELDS)
    while began - ctx.remaining() < first["spec"].get("leaseDurationSeconds", _VALID):
        ctx.wait(_LOOK_EVERY)
        now = _read(ctx, namespace)
        if now is None or not _other_holder(ctx, now):
            return lease
        if now["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]:
            raise _busy(now)
    lease.abandoned = first["metadata"]["resourceVersion"]
    return lease


def _read(ctx: Context, namespace: str) -> dict[str, Any] | None:
    found = list_all(ctx, _KIND, namespace, fields=_FIELDS)
    return found[0] if found else None


def _other_holder(ctx: Context, lease: dict[str, Any]) -> str | None:
    holder: str | None = lease["spec"].get("holderIdentity")
    return None if holder in {None, "", str(ctx.record_id)} else holder


def _busy(lease: dict[str, Any]) -> Transient:
    node = (lease["metadata"].get("annotations") or {}).get(_DRAINING, "a node")
    return Transient(
        f"{node} is being drained by the record {lease['spec']['holderIdentity']}; one drain runs at a time, so let "
        f"the step try again (retries), or start it later.",
        reason="DrainInProgress",
    )
