"""At most one workflow acts on a target at a time: the lock is a Lease, so that two controllers respect it.

One Lease a target, in the controller's own namespace. It names its holder while it is held, and from its release until
the end of the cooldown it names nobody. Every change is made to the version that was read, so of two that take it one
fails. Pure; `operator.target` carries it out.

A workflow locks targets of its own namespace. Those of another namespace, of another cluster or of none are locked by
whom a grant allows it: RBAC's verb `lock` on `targets.kubernaut.io` there, for the group of the workflow's namespace.
Without one it takes a lock that only workflows of its own namespace know, so that it makes nobody else wait.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from kubernaut_controller.reconciling.kinds import is_cluster_wide, kind_word
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
    """How a target's lock stands, from one workflow's point of view.

    Attributes:
        state: `unknown` before it was read.
        by: namespace/name of who holds it, or held it last.
        until: The end of the cooldown.
    """

    state: Literal["unknown", "free", "ours", "busy", "cooling", "released"] = "unknown"
    by: str | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Grant:
    """What a workflow needs in order to lock a target that is not of its own namespace.

    Attributes:
        group: Whom it is granted to: the ServiceAccounts of the workflow's namespace.
        namespace: Where it is granted; None for the whole cluster.
        kind: The target's kind, in one spelling: RBAC's `resourceNames` may name it.
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
    """Return the target to lock, or None: without a target there is nothing to lock, and a dry run acts on nothing."""
    return None if workflow.spec.dry_run else workflow.spec.target


def grant_of(workflow: WorkflowExecution) -> Grant | None:
    """Return what the workflow needs in order to lock its target for all; None where it needs nothing."""
    target, home = locked_target(workflow), workflow.metadata.namespace or ""
    if target is None:
        return None
    cluster, kind, namespace, _ = _identity(target, home)
    if not cluster and namespace and namespace == home:
        return None
    # of what is in another cluster, no namespace of this one decides
    return Grant(f"system:serviceaccounts:{home}", None if cluster else namespace or None, kind)


def lock_scope(workflow: WorkflowExecution, *, granted: bool) -> str:
    """Return who knows of the workflow's lock: all (an empty text), or only workflows of its own namespace."""
    return "" if granted or grant_of(workflow) is None else workflow.metadata.namespace or ""


def lock_name(target: ObjectRef, home: str = "", scope: str = "") -> str:
    """Return the name of a target's Lease.

    Args:
        target: However it is spelt.
        home: The workflow's namespace, where the target's own is left out.
        scope: As `lock_scope` has it.
    """
    parts = (*_identity(target, home), *([scope] if scope else []))
    return f"target-{hashlib.sha256(chr(0).join(parts).encode('utf-8', 'replace')).hexdigest()[:32]}"


def _identity(target: ObjectRef, home: str) -> tuple[str, str, str, str]:
    """Return cluster, kind, namespace and name of a target in one spelling."""
    cluster, kind = (target.cluster or "").strip().lower(), kind_word(target.kind)
    namespace = (target.namespace or "").strip().lower()
    wide = is_cluster_wide(kind)
    if wide:
        namespace = ""
    elif wide is False and not namespace:
        namespace = home
    return "" if cluster == "local" else cluster, kind, namespace, target.name.strip()


def target_text(target: ObjectRef) -> str:
    """A target for a sentence: `Deployment shop/checkout`."""
    return f"{target.kind} {target.namespace}/{target.name}" if target.namespace else f"{target.kind} {target.name}"


def holder_of(workflow: WorkflowExecution) -> str:
    """Who a workflow is, as a Lease names it: namespace/name/uid."""
    metadata = workflow.metadata
    return f"{metadata.namespace}/{metadata.name}/{metadata.uid}"


def read_lock(lease: dict[str, Any] | None, me: str, now: datetime, *, holder_gone: bool = False) -> LockState:
    """What a Lease means to one workflow.

    Args:
        lease: As the API server gave it, or None where there is none.
        me: The workflow, as `holder_of` names it.
        now: The time.
        holder_gone: Whether its holder is another workflow that does not exist any more, nor any pod of it.
    """
    if lease is None:
        return LockState("free")
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity") or ""
    if holder == me:
        return LockState("ours")
    if holder and not holder_gone:
        return LockState("busy", by=holder.rpartition("/")[0])
    if not holder and spec.get("renewTime"):
        until = datetime.fromisoformat(spec["renewTime"]) + timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
        if now < until:
            return LockState("cooling", by=lease["metadata"].get("annotations", {}).get(_LAST), until=until)
    return LockState("free")


def acquired_lease(
    lease: dict[str, Any] | None, target: ObjectRef, me: str, now: datetime, scope: str = ""
) -> dict[str, Any]:
    """The Lease as its new holder writes it: a new one, or the version that was read with another holder."""
    before = lease or {}
    metadata = {
        "name": lock_name(target, me.partition("/")[0], scope),
        "labels": dict(LABEL),
        "annotations": {_TARGET: shorten(target_text(target), 500), _LAST: me.rpartition("/")[0]},
    }
    if lease is not None:
        metadata["resourceVersion"] = lease["metadata"]["resourceVersion"]
    transitions = (before.get("spec") or {}).get("leaseTransitions", 0)
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": me,
            "acquireTime": rfc3339(now),
            "leaseTransitions": transitions + (lease is not None),
        },
    }


def released_lease(lease: dict[str, Any], now: datetime, cooldown: timedelta) -> dict[str, Any]:
    """The Lease as its holder leaves it: nobody's, and to be left alone until the cooldown is over."""
    spec = {name: value for name, value in lease["spec"].items() if name in {"acquireTime", "leaseTransitions"}}
    seconds = max(1, round(cooldown.total_seconds()))
    return {**lease, "spec": {**spec, "holderIdentity": "", "renewTime": rfc3339(now), "leaseDurationSeconds": seconds}}
