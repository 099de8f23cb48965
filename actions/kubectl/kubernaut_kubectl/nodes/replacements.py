"""The workloads whose pods a drain evicts: how many replicas each had available, and whether it has them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubernaut_kubectl.cluster.kubectl import list_all
from kubernaut_kubectl.cluster.watching import watch_list
from kubernaut_kubectl.owners.controllers import controller_of, display_name
from kubernaut_kubectl.rollouts.diagnosis import with_evidence
from kubernaut_kubectl.rollouts.obstacles import group_texts, obstacle_of
from kubernaut_kubectl.rollouts.tracker import SETTLE, tracker_of
from kubernaut_sdk import Context, VerifyFailed

__all__ = ["Replaced", "check_replaced", "workloads_of"]

_KINDS = "deployment.apps,replicaset.apps,statefulset.apps"
_WATCHED = 3
"""The namespaces whose pods are watched: each takes a kubectl."""


@dataclass(frozen=True)
class Replaced:
    """A workload, as it was before its pods were evicted.

    Attributes:
        uid: Its uid.
        namespace: Its namespace.
        available: The replicas that it had available.
    """

    uid: str
    namespace: str
    available: int


def workloads_of(ctx: Context, pods: Sequence[dict[str, Any]]) -> dict[str, Replaced]:
    """Return the workloads of pods by uid: Deployments, StatefulSets, and ReplicaSets that belong to nothing else.

    Raises:
        PreconditionFailed: if they may not be listed.
        Transient: if the API server is out of reach.
    """
    found: dict[str, Replaced] = {}
    for namespace in sorted({pod["metadata"]["namespace"] for pod in pods if controller_of(pod)}):
        items = {item["metadata"]["uid"]: item for item in list_all(ctx, _KINDS, namespace)}
        for pod in pods:
            top = _top(pod, items) if pod["metadata"]["namespace"] == namespace else None
            if top is not None:
                uid = top["metadata"]["uid"]
                found.setdefault(uid, Replaced(uid, namespace, _available(top)))
    return found


def check_replaced(ctx: Context, workloads: Sequence[Replaced]) -> bool | str:
    """Return True once each workload has as many replicas available as before, until then a sentence.

    One that is gone, or was scaled down meanwhile, is not waited for.

    Raises:
        VerifyFailed: if pods that replace the evicted ones will never be ready, such as where they fit no other node.
    """
    tracker = tracker_of(ctx)
    texts, obstacles, progress = [], [], []
    namespaces = sorted({workload.namespace for workload in workloads})
    for namespace in namespaces[:_WATCHED]:
        watch_list(ctx, "pod", namespace)
    for namespace in namespaces:
        listed = list_all(ctx, f"{_KINDS},pod", namespace)
        items = {item["metadata"]["uid"]: item for item in listed}
        for workload in workloads:
            now = items.get(workload.uid)
            if now is None:
                continue
            wanted = min(workload.available, now["spec"].get("replicas", 1))
            progress.append(_available(now))
            if _available(now) >= wanted:
                continue
            texts.append(f"{display_name(now)} has {_available(now)} of {wanted} replicas available.")
            pods = [item for item in listed if item["kind"] == "Pod" and _top(item, items) is now]
            obstacles += [(namespace, found) for pod in pods if (found := obstacle_of(pod)) is not None]
    if not texts:
        return tracker.check_settled(ctx, SETTLE if workloads else 0.0)
    waited = tracker.blocked_for(ctx, [obstacle.key for _, obstacle in obstacles], progress)
    explained, stays = [], False
    for namespace, obstacle in obstacles:
        tracker.namespace = namespace
        seconds = waited[obstacle.key]
        known = with_evidence(ctx, obstacle, seconds)
        stays |= known.patience is not None and seconds >= known.patience
        explained.append(known)
    message = " ".join([*texts[:3], *group_texts(explained)])
    tracker.reset(message)
    if stays:
        raise VerifyFailed(f"pods that were evicted are not replaced: {message}", reason="NotReplaced")
    return message


def _available(workload: dict[str, Any]) -> int:
    return int((workload.get("status") or {}).get("availableReplicas", 0))


def _top(found: dict[str, Any], items: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the workload that a pod belongs to, among those that were listed."""
    top = None
    reference = controller_of(found)
    while reference is not None and (owner := items.get(reference["uid"])) is not None:
        top, reference = owner, controller_of(owner)
    return top
