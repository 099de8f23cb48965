"""The action kubernetes/delete_node."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from kubernaut_kubectl.cluster.durations import DurationText, seconds_of
from kubernaut_kubectl.cluster.kubectl import delete_raw, list_all
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch_list
from kubernaut_kubectl.nodes.target import NodeInputs, require_other_node
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, NotFound, PreconditionFailed, Result, VerifyFailed
from kubernaut_sdk.times import utcnow

__all__ = ["delete_node", "not_ready_since"]


class DeleteNodeInputs(NodeInputs):
    """The inputs of kubernetes/delete_node."""

    instance_gone: Annotated[
        bool, Field(description="Say true once the machine is known to be gone or switched off for good.")
    ] = False
    min_age: Annotated[DurationText, Field(description="For how long it must not have been ready; 10m at least.")] = (
        "10m"
    )


class DeleteNodeResult(Result):
    """The result of kubernetes/delete_node."""

    uid: Annotated[str, Field(max_length=36)]


_LEAST_AGE = 600.0
_WATCHED = timedelta(seconds=10)

delete_node = Action(
    "kubernetes/delete_node",
    permissions={"nodes: delete, list, watch": "the node itself"},
    tools=["kubectl"],
    idempotent=False,
    risk="high",
    examples=[{"node": "worker-1", "instance_gone": True}],
)


@delete_node.plan
def plan(ctx: Context, inputs: DeleteNodeInputs) -> Change:
    """Delete the Node object of a machine that is gone, so that its pods and volumes are released.

    If the machine were alive, its pods would go on while others take their place, and two would write to one volume. So
    it is refused unless the node has not been ready for `min_age` (compared with this machine's clock), and unless
    `instance_gone` says that somebody, or the step before, has made sure of the machine: the message names it as the
    cloud does. It is deleted only as it was read: a kubelet's sign of life in between makes the step look again. It is
    reached when the Node has been gone for 10 s; one that registers again fails the step. It cannot be undone.
    """
    tracker, node = tracker_of(ctx), _read(ctx, inputs)
    if tracker.planned is not None and (node is None or node["metadata"]["uid"] != tracker.planned.before["uid"]):
        return Change(tracker.planned.after, tracker.planned.after)  # an earlier attempt deleted it
    if node is None:
        raise NotFound(f"there is no node {inputs.node}.")
    require_other_node(inputs, [])
    since = not_ready_since(node)
    least = max(seconds_of(inputs.min_age), _LEAST_AGE)
    if since is None or since > utcnow() - timedelta(seconds=least):
        state = "is ready" if since is None else f"has not been ready only since {since:%H:%M:%S} UTC"
        raise PreconditionFailed(
            f"{inputs.node} {state}; a node is deleted only after {least / 60:g} minutes without being ready.",
            reason="Alive",
        )
    if not inputs.instance_gone:
        machine = node["spec"].get("providerID")
        named = f"its machine {machine}" if machine else "its machine"
        raise PreconditionFailed(
            f"it is not known whether {named} is gone: if it runs, its pods would run twice. Make sure that it is, and "
            f"set instance_gone: true.",
            reason="InstanceUnknown",
        )
    tracker.owner = node
    tracker.planned = Change({"node": inputs.node, "uid": node["metadata"]["uid"]}, {"node": inputs.node, "uid": None})
    return tracker.planned


@delete_node.apply
def apply(ctx: Context, inputs: DeleteNodeInputs, change: Change) -> DeleteNodeResult:
    """Delete the Node, only as it was read."""
    node = tracker_of(ctx).owner
    assert node is not None
    uid, version = node["metadata"]["uid"], node["metadata"]["resourceVersion"]
    path = f"/api/v1/nodes/{quote(inputs.node, safe='')}"
    delete_raw(ctx, path, uid=uid, version=version, what=f"delete node {inputs.node}")
    return DeleteNodeResult(uid=uid)


@delete_node.verify(settle=_WATCHED)
def verify(ctx: Context, inputs: DeleteNodeInputs, change: Change) -> bool | str:
    """Return True while the node is gone."""
    watch_list(ctx, "node", None, fields=f"metadata.name={inputs.node}")
    node, planned = _read(ctx, inputs), tracker_of(ctx).planned
    if node is None:
        return True
    if planned is not None and node["metadata"]["uid"] == planned.before["uid"]:
        holders = ", ".join(node["metadata"].get("finalizers") or ())
        return f"node {inputs.node} is not gone yet" + (f"; finalizers hold it: {holders}." if holders else ".")
    raise VerifyFailed(
        f"node {inputs.node} has registered again: its machine is alive. Cordon it, and look at it before its pods are "
        f"believed to be gone.",
        reason="CameBack",
    )


register_object(delete_node, "Node", "node")


def not_ready_since(node: dict[str, Any]) -> datetime | None:
    """Return since when a node has not been ready; None if it is. One that was never ready counts from its creation."""
    for condition in node.get("status", {}).get("conditions") or ():
        if condition["type"] == "Ready":
            if condition["status"] == "True":
                return None
            if condition.get("lastTransitionTime"):
                return datetime.fromisoformat(condition["lastTransitionTime"])
    return datetime.fromisoformat(node["metadata"]["creationTimestamp"])


def _read(ctx: Context, inputs: DeleteNodeInputs) -> dict[str, Any] | None:
    nodes = list_all(ctx, "node", None, fields=f"metadata.name={inputs.node}")
    return nodes[0] if nodes else None
