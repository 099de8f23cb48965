"""The reasons why a rollout does not go on: from its pods, their logs and their events."""

import re
from dataclasses import replace
from typing import Any, NamedTuple

from kubernaut_kubectl.cluster.kubectl import list_all, previous_log
from kubernaut_kubectl.cluster.selectors import selector_text
from kubernaut_kubectl.owners.controllers import owned_by
from kubernaut_kubectl.rollouts.obstacles import STUCK, Obstacle, is_ready, obstacle_of
from kubernaut_kubectl.rollouts.progress import replicas_of, rolls_out
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import ActionError, Context

__all__ = ["REVISION", "WorkloadPods", "explain_waiting", "newest_pods", "pods_of", "quota_of", "with_evidence"]

REVISION = "deployment.kubernetes.io/revision"
_LINES = 5
"""The lines of a crashed container's log that are shown."""
_LOG_LENGTH = 300
_SCALING_UP = {"TriggeredScaleUp", "Nominated", "Provisioned"}
"""The reasons of events with which cluster-autoscaler and Karpenter say that a node comes for a pod."""
_NOT_THERE = re.compile(r'\b(configmap|secret|persistentvolumeclaim) "[^"]+" not found', re.IGNORECASE)
"""A part of an event's message: what a volume is made of is not there, and does not come by itself."""
_REPORTED = {"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedCreate", "Failed"}


class WorkloadPods(NamedTuple):
    """The pods of a workload.

    Attributes:
        new: Those of the newest template.
        old: Those of earlier ones.
        leaving: Those that are being deleted, which are in neither.
    """

    new: list[dict[str, Any]]
    old: list[dict[str, Any]]
    leaving: list[dict[str, Any]]


def pods_of(ctx: Context, found: dict[str, Any]) -> WorkloadPods:
    """Return the pods of a Deployment, ReplicaSet, StatefulSet or DaemonSet.

    Raises:
        PreconditionFailed: if they may not be read.
        Transient: if the API server is out of reach.
    """
    selector = selector_text(found["spec"].get("selector") or {"matchLabels": _labels(found["spec"]["template"])})
    kinds = "replicaset.apps,pod" if found["kind"] == "Deployment" else "pod"
    items = list_all(ctx, kinds, found["metadata"]["namespace"], selector=selector)
    all_pods = [item for item in items if item["kind"] == "Pod"]
    leaving = [pod for pod in all_pods if "deletionTimestamp" in pod["metadata"]]
    pods = [pod for pod in all_pods if "deletionTimestamp" not in pod["metadata"]]
    if found["kind"] == "Deployment":
        sets = owned_by(found, [item for item in items if item["kind"] == "ReplicaSet"])
        newest = [item for item in sets if _revision(item) == _revision(found)]
        new = [pod for item in newest for pod in owned_by(item, pods)]
        old = [pod for item in sets if item not in newest for pod in owned_by(item, pods)]
        return WorkloadPods(new, old, [pod for item in sets for pod in owned_by(item, leaving)])
    pods, leaving = owned_by(found, pods), owned_by(found, leaving)
    if found["kind"] == "ReplicaSet":
        return WorkloadPods(pods, [], leaving)
    if found["kind"] == "StatefulSet":
        label, wanted = "controller-revision-hash", found.get("status", {}).get("updateRevision")
    else:
        label = "pod-template-generation"  # by this the DaemonSet controller itself knows a pod of the newest template
        wanted = (found["metadata"].get("annotations") or {}).get("deprecated.daemonset.template.generation")
    new = [pod for pod in pods if wanted is None or _labels(pod).get(label) == wanted]
    return WorkloadPods(new, [pod for pod in pods if pod not in new], leaving)


def newest_pods(ctx: Context, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a workload's pods of the newest template; raises as `pods_of`."""
    return pods_of(ctx, found).new


def explain_waiting(
    ctx: Context, found: dict[str, Any], new: list[dict[str, Any]], old: list[dict[str, Any]]
) -> list[Obstacle]:
    """Return what the pods of a rollout wait for, those that will not go away first."""
    obstacles = [obstacle for pod in new if (obstacle := obstacle_of(pod)) is not None]
    if found["kind"] == "StatefulSet" and rolls_out(found):
        obstacles += _blocking(found, old)
    if (quota := quota_of(found)) is not None:
        obstacles.append(quota)
    elif found["kind"] != "Deployment" and len(new) + len(old) < replicas_of(found):
        obstacles += _not_created(ctx, found)
    return sorted(obstacles, key=lambda obstacle: obstacle.urgency)


def quota_of(found: dict[str, Any]) -> Obstacle | None:
    """Return what keeps a Deployment's pods from being created, such as a quota, by its condition ReplicaFailure."""
    for condition in found.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return Obstacle("", found["metadata"].get("uid", ""), str(condition.get("message", "")), STUCK)
    return None


def with_evidence(ctx: Context, obstacle: Obstacle, waited: float) -> Obstacle:
    """Return an obstacle with the last lines of the crashed container's log, or with what the pod's events say.

    Events are read only where an obstacle has stood for a while: pods wait for a moment in every rollout.
    """
    namespace = tracker_of(ctx).namespace
    if obstacle.container is not None:
        lines = _last_lines(ctx, namespace, obstacle)
        return replace(obstacle, text=f"{obstacle.text} Its last lines: {lines}") if lines else obstacle
    if not obstacle.asks_events or waited < STUCK:
        return obstacle
    events = _events(ctx, namespace, obstacle.uid)
    if any(event.get("reason") in _SCALING_UP for event in events):
        return replace(obstacle, text=f"{obstacle.text} A node is being added for it.", patience=None)
    reported = [event for event in events if event.get("reason") in _REPORTED]
    if obstacle.patience is None and reported:
        newest = max(reported, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        text = str(newest.get("message", ""))
        patience = STUCK if _NOT_THERE.search(text) else None
        return replace(obstacle, text=f"{newest['reason']}: {text[:_LOG_LENGTH]}", patience=patience)
    return obstacle


def _blocking(found: dict[str, Any], old: list[dict[str, Any]]) -> list[Obstacle]:
    """Return the pods of an earlier template that block a StatefulSet: it replaces none until they are ready."""
    if found["spec"].get("podManagementPolicy", "OrderedReady") != "OrderedReady":
        return []
    advice = (
        "it is of an earlier template and not ready, so the StatefulSet controller waits for it; delete it "
        "(kubernetes/delete_pod with delete_if_not_ready: true)."
    )
    return [
        Obstacle(pod["metadata"]["name"], pod["metadata"].get("uid", ""), advice, STUCK)
        for pod in old
        if not is_ready(pod)
    ]


def _not_created(ctx: Context, found: dict[str, Any]) -> list[Obstacle]:
    """Return why a StatefulSet or DaemonSet cannot create a pod; its status does not say, its events do."""
    events = _events(ctx, found["metadata"]["namespace"], found["metadata"]["uid"])
    failed = [event for event in events if event.get("reason") == "FailedCreate"]
    if not failed:
        return []
    newest = max(failed, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return [Obstacle("", found["metadata"]["uid"], str(newest.get("message", ""))[:_LOG_LENGTH], STUCK)]


def _last_lines(ctx: Context, namespace: str, obstacle: Obstacle) -> str:
    assert obstacle.container is not None
    key = (obstacle.uid, obstacle.container, obstacle.restarts)
    known = tracker_of(ctx).logs
    if key not in known:
        text = previous_log(ctx, namespace, obstacle.pod, obstacle.container, lines=_LINES)
        known[key] = " / ".join(line.strip() for line in text.splitlines() if line.strip())[-_LOG_LENGTH:]
    return known[key]


def _events(ctx: Context, namespace: str, uid: str) -> list[dict[str, Any]]:
    try:
        return list_all(ctx, "events", namespace, fields=f"involvedObject.uid={uid}")
    except ActionError as error:
        ctx.log.warning("events cannot be read: %s", error.message)
        return []


def _labels(found: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = found["metadata"].get("labels") or {}
    return labels


def _revision(found: dict[str, Any]) -> str | None:
    revision: str | None = (found["metadata"].get("annotations") or {}).get(REVISION)
    return revision
