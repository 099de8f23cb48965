"""The action kubernetes/quarantine_pod."""

import json
from itertools import chain
from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import Name, get, list_all
from kubernaut_kubectl.cluster.patches import Operation, add, annotate, expect, pointer, remove, swap
from kubernaut_kubectl.cluster.selectors import matches, selected_keys
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch_list
from kubernaut_kubectl.owners.controllers import controller_of
from kubernaut_kubectl.rollouts.goal import check_rollout
from kubernaut_kubectl.rollouts.obstacles import is_ready
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, Inputs, PreconditionFailed, Result

__all__ = ["quarantine_pod"]

QUARANTINED = "kubernaut.io/quarantined"
LABELS = "kubernaut.io/quarantined-labels"
SELECTING = "networkpolicies.networking.k8s.io,services"


class QuarantinePodInputs(Inputs):
    """The inputs of kubernetes/quarantine_pod."""

    namespace: Name
    pod: Name
    min_replicas: Annotated[
        int, Field(ge=1, le=10_000, description="A workload of fewer replicas is refused: the others must carry on.")
    ] = 2
    leave_policies: Annotated[
        bool, Field(description="Whether it may fall out of NetworkPolicies, which no longer restrict it then.")
    ] = False


class QuarantinePodResult(Result):
    """The result of kubernetes/quarantine_pod: the labels that were taken from the pod."""

    labels: dict[str, str] | None = None


quarantine_pod = Action(
    "kubernetes/quarantine_pod",
    permissions={
        "apps/replicasets: get, watch": "the ReplicaSet that will make another pod",
        "discovery.k8s.io/endpointslices: list, watch": "to see that no Service sends to the pod any more",
        "events: list": "to say why the new pod does not start",
        "networking.k8s.io/networkpolicies: list": "to see which other selectors share its labels",
        "pods/log: get": "to show the last lines of a container that crashed",
        "pods: get, list, patch, watch": "the pod itself, and the one that takes its place",
        "services: list": "the Services that select it",
    },
    tools=["kubectl"],
    risk="medium",
    examples=[{"namespace": "shop", "pod": "checkout-6d5f9c7b8-x2x4z"}],
)


@quarantine_pod.plan
def plan(ctx: Context, inputs: QuarantinePodInputs) -> Change:
    """Take a pod of a Deployment out of its Services and its ReplicaSet, and keep it running for a look.

    It takes the labels away by which they select it; the ReplicaSet makes a new pod. The labels are kept in an
    annotation, and undo gives them back: the ReplicaSet then takes the pod in again and deletes one. Refused are pods
    of other controllers (a StatefulSet could not replace it, since the name is taken), a ReplicaSet of fewer than
    `min_replicas`, one whose other pods are too few available for that, and a label by which a NetworkPolicy selects it
    too, unless `leave_policies` is true. It is reached when all pods of the ReplicaSet have been available for 5 s, and
    fails at once where they never will be, with the reason. Delete the pod after the look: nothing else does.
    """
    pod = get(ctx, "pod", inputs.pod, inputs.namespace)
    metadata = pod["metadata"]
    kept = (metadata.get("annotations") or {}).get(LABELS)
    if kept is not None:
        state = {"uid": metadata["uid"], "labels": json.loads(kept), "quarantined": True}
        return Change(state, state)
    if ctx.undoing is not None:
        return Change({**ctx.undoing.before, "uid": metadata["uid"]}, ctx.undoing.before)
    owner = _replica_set(ctx, inputs, pod)
    labels = _labels_to_take(ctx, inputs, pod, owner)
    before = {"uid": metadata["uid"], "labels": labels, "quarantined": False}
    return Change(before, {**before, "quarantined": True})


@quarantine_pod.apply
def apply(ctx: Context, inputs: QuarantinePodInputs, change: Change) -> QuarantinePodResult:
    """Take the labels away, each only if it still has its value."""
    labels: dict[str, str] = change.before["labels"]

    def operations(pod: dict[str, Any]) -> list[Operation]:
        reference = controller_of(pod)
        tracker_of(ctx).owner = None if reference is None else {"metadata": reference}
        taken = [swap(pointer("metadata", "labels", key), value, None) for key, value in labels.items()]
        return [
            expect("/metadata/uid", change.before["uid"]),
            *chain.from_iterable(taken),
            add(pointer("metadata", "labels", QUARANTINED), str(ctx.record_id)),
            *annotate(pod, LABELS, json.dumps(labels, sort_keys=True)),
        ]

    compare_and_swap(ctx, "pod", inputs.pod, inputs.namespace, operations)
    return QuarantinePodResult(labels=labels)


@quarantine_pod.verify
def verify(ctx: Context, inputs: QuarantinePodInputs, change: Change) -> bool | str:
    """Return True once no Service leads to the pod, and its ReplicaSet has a new one that is ready."""
    uid, owner = change.after["uid"], tracker_of(ctx).owner
    watch_list(ctx, "endpointslices.discovery.k8s.io", inputs.namespace)
    for item in list_all(ctx, "endpointslices.discovery.k8s.io", inputs.namespace):
        for endpoint in item.get("endpoints") or ():
            if (endpoint.get("targetRef") or {}).get("uid") == uid:
                service = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
                return f"Service {service} still leads to pod {inputs.pod}."
    if owner is None:
        return True
    return check_rollout(ctx, get(ctx, "replicaset.apps", owner["metadata"]["name"], inputs.namespace))


@quarantine_pod.undo
def undo(ctx: Context, inputs: QuarantinePodInputs, change: Change) -> None:
    """Give the labels back."""

    def operations(pod: dict[str, Any]) -> list[Operation]:
        labels = change.before["labels"]
        return [
            expect("/metadata/uid", change.before["uid"]),
            *(add(pointer("metadata", "labels", key), value) for key, value in labels.items()),
            remove(pointer("metadata", "labels", QUARANTINED)),
            *annotate(pod, LABELS, None),
        ]

    compare_and_swap(ctx, "pod", inputs.pod, inputs.namespace, operations)


register_object(quarantine_pod, "Pod", "pod")


def _replica_set(ctx: Context, inputs: QuarantinePodInputs, pod: dict[str, Any]) -> dict[str, Any]:
    """Return the pod's ReplicaSet.

    Raises:
        PreconditionFailed: if it has none, or one that is too small.
    """
    reference = controller_of(pod)
    if reference is None or reference["kind"] != "ReplicaSet":
        owner = f"belongs to {reference['kind']} {reference['name']}" if reference else "has no controller"
        raise PreconditionFailed(
            f"pod {inputs.pod} {owner}; only a pod of a ReplicaSet is replaced while it is kept.",
            reason="NoReplicaSet",
        )
    found = get(ctx, "replicaset.apps", reference["name"], inputs.namespace)
    replicas = found["spec"]["replicas"]
    if replicas < inputs.min_replicas:
        raise PreconditionFailed(
            f"ReplicaSet {reference['name']} has {replicas} replicas, fewer than min_replicas {inputs.min_replicas}; "
            f"scale it up first (kubernetes/scale_deployment).",
            reason="LimitReached",
        )
    others = found.get("status", {}).get("availableReplicas", 0) - is_ready(pod)
    if others < inputs.min_replicas - 1:
        raise PreconditionFailed(
            f"without pod {inputs.pod}, {max(0, others)} pods of ReplicaSet {reference['name']} would be available, "
            f"fewer than min_replicas {inputs.min_replicas} less this one; wait for the others, or lower min_replicas.",
            reason="LimitReached",
        )
    return found


def _labels_to_take(
    ctx: Context, inputs: QuarantinePodInputs, pod: dict[str, Any], owner: dict[str, Any]
) -> dict[str, str]:
    """Return the labels without which neither the ReplicaSet nor a Service selects the pod.

    Raises:
        PreconditionFailed: if a NetworkPolicy would not select it any more either, unless that is allowed.
    """
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    items = list_all(ctx, SELECTING, inputs.namespace)
    services = [item for item in items if item["kind"] == "Service" and item["spec"].get("selector")]
    selecting = [item for item in services if matches({"matchLabels": item["spec"]["selector"]}, labels)]
    own = selected_keys(owner["spec"]["selector"])
    taken = {"pod-template-hash"} if "pod-template-hash" in own & set(labels) else own & set(labels)
    for service in selecting:
        taken |= set(service["spec"]["selector"])
    policies = [item for item in items if item["kind"] == "NetworkPolicy"]
    left = [
        item["metadata"]["name"]
        for item in policies
        if matches(item["spec"].get("podSelector"), labels)
        and not matches(item["spec"].get("podSelector"), {k: v for k, v in labels.items() if k not in taken})
    ]
    if left and not inputs.leave_policies:
        raise PreconditionFailed(
            f"without the labels {', '.join(sorted(taken))}, pod {inputs.pod} would fall out of NetworkPolicy "
            f"{' and '.join(sorted(left))} as well; set leave_policies if that is meant.",
            reason="SharedLabels",
        )
    return {key: labels[key] for key in sorted(taken)}
