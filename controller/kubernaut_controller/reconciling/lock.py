"""The lock of a target, a Lease: at most one workflow acts on a target at a time, even with two controllers.

There is one Lease for each target, in the controller's own namespace. While it is held it names its holder; from its
release until the end of the cooldown it names nobody. Every write names the version that was read, so that of two
workflows that acquire it one fails. These are pure functions; `operator.locks` carries them out.

A workflow may lock targets of its own namespace. For a target of another namespace, of another cluster or of none, it
needs a grant: RBAC's verb `lock` on `targets.kubernaut.io` there, for the group of the ServiceAccounts of the
workflow's namespace. Without a grant it still waits for those that hold the target's lock, but acquires a lock that
only workflows of its own namespace respect, so that it makes nobody else wait.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from kubernaut_controller.reconciling.kinds import is_cluster_wide, kind_word
from kubernaut_controller.views import LeaseView
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.records import ObjectRef
from kubernaut_sdk.times import rfc3339

__all__ = [
    "LABEL",
    "Grant",
    "LockState",
    "acquired_lease",
    "grant_of",
    "holder_of",
    "lock_name",
    "lock_scope",
    "locked_target",
    "read_lock",
    "released_lease",
    "target_text",
]

LABEL = {"kubernaut.io/lock": "target"}
_TARGET = "kubernaut.io/target"
_LAST = "kubernaut.io/last-holder"


@dataclass(frozen=True)
class LockState:
    """The state of a target's lock from one workflow's point of view.

    Attributes:
        state: `unknown` before it was read; `ours` where this workflow holds it; `cooling` during the cooldown.
        by: namespace/name of who holds it, or held it last.
        until: The end of the cooldown.
    """

    state: Literal["unknown", "free", "ours", "busy", "cooling", "released"] = "unknown"
    by: str | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Grant:
    """The permission that a workflow needs to lock a target outside its own namespace.

    Attributes:
        group: The group that needs it: the ServiceAccounts of the workflow's namespace.
        namespace: The namespace of the target; None for the whole cluster.
        kind: The target's kind in its canonical spelling, which RBAC's `resourceNames` may name.
    """

    group: str
    namespace: str | None
    kind: str

    def review(self) -> dict[str, Any]:
        """Return the SubjectAccessReview that asks for it."""
        attributes = {"group": "kubernaut.io", "resource": "targets", "verb": "lock", "name": self.kind}
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"groups": [self.group], "resourceAttributes": {"namespace": self.namespace or "", **attributes}},
        }


def locked_target(workflow: WorkflowExecution) -> ObjectRef | None:
    """Return the target to lock; None without a target and for a dry run, which changes nothing."""
    return None if workflow.spec.dry_run else workflow.spec.target


def grant_of(workflow: WorkflowExecution) -> Grant | None:
    """Return the grant that the workflow needs to lock its target for all; None where it needs none."""
    target, home = locked_target(workflow), workflow.metadata.namespace or ""
    if target is None:
        return None
    cluster, kind, namespace, _ = _identity(target, home)
    if not cluster and namespace and namespace == home:
        return None
    # no namespace of this cluster can grant a lock on an object of another cluster
    return Grant(f"system:serviceaccounts:{home}", None if cluster else namespace or None, kind)


def lock_scope(workflow: WorkflowExecution, *, granted: bool) -> str:
    """Return the namespace whose workflows respect the lock; an empty text where all do."""
    return "" if granted or grant_of(workflow) is None else workflow.metadata.namespace or ""


def lock_name(target: ObjectRef, home: str = "", scope: str = "") -> str:
    """Return the name of a target's Lease.

    Args:
        target: The target, in any spelling.
        home: The workflow's namespace, where the target's own is left out.
        scope: The value of `lock_scope`.
    """
    parts = (*_identity(target, home), *([scope] if scope else []))
    return f"target-{hashlib.sha256(chr(0).join(parts).encode('utf-8', 'replace')).hexdigest()[:32]}"


def _identity(target: ObjectRef, home: str) -> tuple[str, str, str, str]:
    """Return cluster, kind, namespace and name of a target in their canonical spelling."""
    cluster, kind = (target.cluster or "").strip().lower(), kind_word(target.kind)
    namespace = (target.namespace or "").strip().lower()
    wide = is_cluster_wide(kind)
    if wide:
        namespace = ""
    elif wide is False and not namespace:
        namespace = home
    return "" if cluster == "local" else cluster, kind, namespace, target.name.strip()


def target_text(target: ObjectRef) -> str:
    """Return a target for a sentence: `Deployment shop/checkout`."""
    return f"{target.kind} {target.namespace}/{target.name}" if target.namespace else f"{target.kind} {target.name}"


def holder_of(workflow: WorkflowExecution) -> str:
    """Return the workflow's identity in a Lease: namespace/name/uid."""
    metadata = workflow.metadata
    return f"{metadata.namespace}/{metadata.name}/{metadata.uid}"


def read_lock(lease: dict[str, Any] | None, me: str, now: datetime, *, holder_gone: bool = False) -> LockState:
    """Return the state of a lock from its Lease.

    Args:
        lease: The Lease from the API server, or None where there is none.
        me: The workflow, as `holder_of` names it.
        now: The time.
        holder_gone: True if its holder is another workflow that no longer exists, nor any pod of it.
    """
    if lease is None:
        return LockState("free")
    view = LeaseView(lease)
    holder = view.holder
    if holder == me:
        return LockState("ours")
    if holder and not holder_gone:
        return LockState("busy", by=holder.rpartition("/")[0])
    if not holder and view.ends_at and now < view.ends_at:
        return LockState("cooling", by=view.annotations.get(_LAST), until=view.ends_at)
    return LockState("free")


def acquired_lease(
    lease: dict[str, Any] | None, target: ObjectRef, me: str, now: datetime, scope: str = ""
) -> dict[str, Any]:
    """Return the Lease to write for a new holder: a new one, or the version that was read with another holder."""
    metadata = {
        "name": lock_name(target, me.partition("/")[0], scope),
        "labels": dict(LABEL),
        "annotations": {_TARGET: shorten(target_text(target), 500), _LAST: me.rpartition("/")[0]},
    }
    if lease is not None:
        metadata["resourceVersion"] = lease["metadata"]["resourceVersion"]
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": me,
            "acquireTime": rfc3339(now),
            "leaseTransitions": LeaseView(lease).transitions + (lease is not None),
        },
    }


def released_lease(lease: dict[str, Any], now: datetime, cooldown: timedelta) -> dict[str, Any]:
    """Return the Lease to write when its holder releases it: without a holder, with the end of the cooldown."""
    spec = {name: value for name, value in lease["spec"].items() if name in {"acquireTime", "leaseTransitions"}}
    seconds = max(1, round(cooldown.total_seconds()))
    return {**lease, "spec": {**spec, "holderIdentity": "", "renewTime": rfc3339(now), "leaseDurationSeconds": seconds}}
