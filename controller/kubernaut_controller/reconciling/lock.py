"""At most one workflow acts on a target at a time: the lock is a Lease, so that two controllers respect it.

One Lease a target, in the controller's own namespace, whoever holds it: targets know no namespace of a workflow. It
names its holder while it is held, and from its release until the end of the cooldown it names nobody. Every change is
made to the version that was read, so of two that take it one fails. Pure; `operator.hands` carries it out.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.records import ObjectRef
from kubernaut_sdk.times import rfc3339

__all__ = ["LABEL", "Lock", "freed", "holder_of", "lock_name", "locked_target", "read_lock", "taken", "target_text"]

LABEL = {"kubernaut.io/lock": "target"}
_TARGET = "kubernaut.io/target"
_LAST = "kubernaut.io/last-holder"


@dataclass(frozen=True)
class Lock:
    """How a target's lock stands, from one workflow's point of view.

    Attributes:
        state: `unknown` before it was read.
        by: namespace/name of who holds it, or held it last.
        until: The end of the cooldown.
    """

    state: Literal["unknown", "free", "ours", "busy", "cooling", "released"] = "unknown"
    by: str | None = None
    until: datetime | None = None


def locked_target(workflow: WorkflowExecution) -> ObjectRef | None:
    """The target to lock, or None: without a target there is nothing to lock, and a dry run acts on nothing."""
    return None if workflow.spec.dry_run else workflow.spec.target


def lock_name(target: ObjectRef) -> str:
    """The Lease of a target."""
    parts = (target.cluster or "", target.kind, target.namespace or "", target.name)
    return f"target-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"


def target_text(target: ObjectRef) -> str:
    """A target for a sentence: `Deployment shop/checkout`."""
    return f"{target.kind} {target.namespace}/{target.name}" if target.namespace else f"{target.kind} {target.name}"


def holder_of(workflow: WorkflowExecution) -> str:
    """Who a workflow is, as a Lease names it: namespace/name/uid."""
    metadata = workflow.metadata
    return f"{metadata.namespace}/{metadata.name}/{metadata.uid}"


def read_lock(lease: dict[str, Any] | None, me: str, now: datetime, *, holder_gone: bool = False) -> Lock:
    """What a Lease means to one workflow.

    Args:
        lease: As the API server gave it, or None where there is none.
        me: The workflow, as `holder_of` names it.
        now: The time.
        holder_gone: Whether its holder is another workflow that does not exist any more, nor any pod of it.
    """
    if lease is None:
        return Lock("free")
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity") or ""
    if holder == me:
        return Lock("ours")
    if holder and not holder_gone:
        return Lock("busy", by=holder.rpartition("/")[0])
    if not holder and spec.get("renewTime"):
        until = datetime.fromisoformat(spec["renewTime"]) + timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
        if now < until:
            return Lock("cooling", by=lease["metadata"].get("annotations", {}).get(_LAST), until=until)
    return Lock("free")


def taken(lease: dict[str, Any] | None, target: ObjectRef, me: str, now: datetime) -> dict[str, Any]:
    """The Lease as its new holder writes it: a new one, or the version that was read with another holder."""
    before = lease or {}
    metadata = {
        "name": lock_name(target),
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


def freed(lease: dict[str, Any], now: datetime, cooldown: timedelta) -> dict[str, Any]:
    """The Lease as its holder leaves it: nobody's, and to be left alone until the cooldown is over."""
    spec = {name: value for name, value in lease["spec"].items() if name in {"acquireTime", "leaseTransitions"}}
    seconds = max(1, round(cooldown.total_seconds()))
    return {**lease, "spec": {**spec, "holderIdentity": "", "renewTime": rfc3339(now), "leaseDurationSeconds": seconds}}
