"""The action kubernetes/delete_pod."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import Name, delete_raw, find, list_all
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch_list
from kubernaut_kubectl.disruption.eviction import MIRROR, evict, pod_path, try_eviction
from kubernaut_kubectl.owners.controllers import controller_of, top_of
from kubernaut_kubectl.rollouts.goal import check_rollout, unready_nodes
from kubernaut_kubectl.rollouts.obstacles import STUCK, is_ready
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import (
    Action,
    Change,
    Context,
    Inputs,
    NotFound,
    PreconditionFailed,
    Result,
    Transient,
)

__all__ = ["delete_pod"]


_AVAILABLE = {"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"}
"""The kinds whose pods are available, or not; another's, such as a Job's, need not come back."""


class DeletePodInputs(Inputs):
    """The inputs of kubernetes/delete_pod."""

    namespace: Name
    pod: Name
    uid: Annotated[
        str | None,
        Field(pattern=r"^[0-9a-f-]{36}$", description="The pod's uid, if only this very pod is meant; any without."),
    ] = None
    delete_if_not_ready: Annotated[
        bool,
        Field(description="Whether a pod that is not ready may be deleted although a PodDisruptionBudget forbids it."),
    ] = False


class DeletePodResult(Result):
    """The result of kubernetes/delete_pod."""

    uid: Annotated[str, Field(max_length=36)]
    evicted: bool


delete_pod = Action(
    "kubernetes/delete_pod",
    permissions={
        "apps/daemonsets: get, watch": "the workload of the pod, which must be available again",
        "apps/deployments: get, watch": "the same of a Deployment",
        "apps/replicasets: get, list, watch": "to find the Deployment, and its newest pods; or the workload itself",
        "apps/statefulsets: get, watch": "the same of a StatefulSet",
        "batch/jobs: get": "the same of a Job",
        "events: list": "to say why a new pod does not start",
        "nodes: list": "to count a DaemonSet's pods of nodes that are ready, and no others",
        "pods/eviction: create": "to evict the pod, and to try it beforehand",
        "pods/log: get": "to show the last lines of a container that crashed",
        "pods: delete, list, watch": "the pod itself; it is deleted only with delete_if_not_ready",
        "policy/poddisruptionbudgets: list": "to name the budget that forbids it",
    },
    tools=["kubectl"],
    idempotent=False,
    risk="medium",
    examples=[{"namespace": "shop", "pod": "checkout-6d5f9c7b8-x2x4z"}],
)


@delete_pod.plan
def plan(ctx: Context, inputs: DeletePodInputs) -> Change:
    """Delete one pod, so that its controller makes a new one, and wait until its workload is fully available.

    The pod is evicted, which keeps PodDisruptionBudgets, and only the pod that was planned, by its uid. A pod without a
    controller is refused: nothing would make it again. If a budget is exhausted, which a broken pod itself often
    causes, `delete_if_not_ready: true` deletes the pod although, provided that it is not ready. It waits for as long as
    the step may take, and fails at once where the workload will never be available, with the reason. Not idempotent: a
    pod of a StatefulSet has the same name again.
    """
    tracker = tracker_of(ctx)
    pod = _read(ctx, inputs)
    if tracker.planned is not None and (pod is None or pod["metadata"]["uid"] != tracker.planned.before["uid"]):
        return Change(tracker.planned.after, tracker.planned.after)  # an earlier attempt deleted it
    if pod is None:
        raise NotFound(f"there is no pod {inputs.pod} in {inputs.namespace}.")
    metadata = pod["metadata"]
    if inputs.uid is not None and metadata["uid"] != inputs.uid:
        raise PreconditionFailed(
            f"pod {inputs.pod} is another one by now: its uid is {metadata['uid']}.", reason="Gone"
        )
    _require_controller(pod)
    if "deletionTimestamp" not in metadata:
        _require_evictable(ctx, inputs, pod)
    tracker.planned = Change({"pod": inputs.pod, "uid": metadata["uid"]}, {"pod": inputs.pod, "uid": None})
    tracker.owner = top_of(ctx, pod)
    return tracker.planned


@delete_pod.apply
def apply(ctx: Context, inputs: DeletePodInputs, change: Change) -> DeletePodResult:
    """Evict the pod, or delete it where that was allowed and its budget forbids an eviction."""
    uid = change.before["uid"]
    pod = _read(ctx, inputs)
    if pod is None or pod["metadata"]["uid"] != uid or "deletionTimestamp" in pod["metadata"]:
        return DeletePodResult(uid=uid, evicted=False)
    refusal = evict(ctx, pod)
    if refusal is None:
        return DeletePodResult(uid=uid, evicted=True)
    if not inputs.delete_if_not_ready or is_ready(pod):
        raise Transient(refusal.message, reason="DisruptionBudget")
    what = f"delete pod {inputs.pod}"
    delete_raw(ctx, pod_path(pod), uid=uid, version=pod["metadata"]["resourceVersion"], what=what)
    return DeletePodResult(uid=uid, evicted=False)


@delete_pod.verify
def verify(ctx: Context, inputs: DeletePodInputs, change: Change) -> bool | str:
    """Return True once the pod is gone and its workload is available again."""
    tracker = tracker_of(ctx)
    assert tracker.planned is not None
    watch_list(ctx, "pod", inputs.namespace, fields=f"metadata.name={inputs.pod}")
    pod = _read(ctx, inputs)
    if pod is not None and pod["metadata"]["uid"] == tracker.planned.before["uid"]:
        return _why_there(ctx, pod)
    if tracker.owner is None or tracker.owner["kind"] not in _AVAILABLE:
        return True
    owner = find(ctx, f"{tracker.owner['kind'].lower()}.apps", tracker.owner["metadata"]["name"], inputs.namespace)
    return True if owner is None else check_rollout(ctx, owner)


register_object(delete_pod, "Pod", "pod")


def _read(ctx: Context, inputs: DeletePodInputs) -> dict[str, Any] | None:
    """Return the pod, or None if it is gone; by a list, since kubectl would read the namespace after a 404."""
    pods = list_all(ctx, "pod", inputs.namespace, fields=f"metadata.name={inputs.pod}")
    return pods[0] if pods else None


def _why_there(ctx: Context, pod: dict[str, Any]) -> str:
    """Return that a pod is not gone yet; if it has stood for a while, and its node's kubelet is dead, that too."""
    metadata, node = pod["metadata"], pod["spec"].get("nodeName")
    text = f"pod {metadata['name']} is not gone yet"
    if holders := ", ".join(metadata.get("finalizers") or ()):
        return f"{text}; finalizers hold it: {holders}."
    waited = tracker_of(ctx).blocked_for(ctx, [metadata["uid"]], None)[metadata["uid"]]
    if waited >= STUCK and unready_nodes(ctx, [pod]):
        return (
            f"{text}: its node {node} is not ready, and only its kubelet can end it. If that machine is gone for good, "
            f"delete the node (kubernetes/delete_node)."
        )
    return f"{text}."


def _require_controller(pod: dict[str, Any]) -> None:
    metadata = pod["metadata"]
    if MIRROR in (metadata.get("annotations") or {}):
        raise PreconditionFailed(
            f"pod {metadata['name']} is a mirror of a static pod; the kubelet of its node runs it.", reason="MirrorPod"
        )
    if controller_of(pod) is None:
        raise PreconditionFailed(
            f"pod {metadata['name']} has no controller; if it were deleted, nothing would make it again.",
            reason="NoController",
        )


def _require_evictable(ctx: Context, inputs: DeletePodInputs, pod: dict[str, Any]) -> None:
    refusal = try_eviction(ctx, pod)
    if refusal is None:
        return
    if not is_ready(pod) and inputs.delete_if_not_ready:
        return
    hint = "" if refusal.lasting or is_ready(pod) else " The pod is not ready: delete_if_not_ready: true deletes it."
    raise PreconditionFailed(f"{refusal.message}{hint}", reason="DisruptionBudget")
