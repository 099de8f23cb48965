"""The actions kubernetes/taint_node and kubernetes/untaint_node."""

from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import get, list_all
from kubernaut_kubectl.cluster.limits import require_at_most
from kubernaut_kubectl.cluster.patches import Operation
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.nodes.capacity import MinSchedulable, require_schedulable
from kubernaut_kubectl.nodes.tainting import (
    TAINTS,
    NodeTaint,
    is_reserved,
    marks_of,
    taint_of,
    taint_operations,
    tolerates,
)
from kubernaut_kubectl.nodes.target import NodeInputs
from kubernaut_kubectl.owners.fields import last_writer
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, Transient

__all__ = ["taint_node", "untaint_node"]

Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class TaintInputs(NodeInputs):
    """The inputs that name a taint of a node."""

    key: Annotated[
        str,
        Field(
            pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
            max_length=316,
            description="The taint's key, such as example.com/disk-trouble.",
        ),
    ]
    effect: Annotated[Effect, Field(description="NoExecute deletes the pods that do not tolerate it.")] = "NoSchedule"


class TaintNodeInputs(TaintInputs):
    """The inputs of kubernetes/taint_node."""

    value: Annotated[
        str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63, description="Its value.")
    ] = ""
    min_schedulable: MinSchedulable = 0.5
    max_pods: Annotated[
        int,
        Field(ge=0, le=500, description="The most pods that NoExecute may delete; PodDisruptionBudgets do not count."),
    ] = 0


class UntaintNodeInputs(TaintInputs):
    """The inputs of kubernetes/untaint_node."""

    even_if_not_ours: Annotated[
        bool, Field(description="Whether a taint is lifted that no action of ours has set.")
    ] = False


class TaintResult(Result):
    """The result of both actions."""

    tainted: bool


taint_node = Action(
    "kubernetes/taint_node",
    permissions={
        "nodes: get, list, patch": "the node itself, and how many others take pods",
        "pods: list": "to refuse an effect that would evict pods which do not tolerate it",
    },
    tools=["kubectl"],
    risk="medium",
    examples=[{"node": "worker-1", "key": "example.com/disk-trouble", "value": "true"}],
)
untaint_node = Action(
    "kubernetes/untaint_node",
    permissions={"nodes: get, patch": "the node itself"},
    tools=["kubectl"],
    risk="low",
    examples=[{"node": "worker-1", "key": "example.com/disk-trouble"}],
)


@taint_node.plan
def plan_taint(ctx: Context, inputs: TaintNodeInputs) -> Change:
    """Put a taint onto a node, so that only pods that tolerate it are put there.

    With the effect NoExecute, Kubernetes at once deletes the pods that do not tolerate it, and heeds no
    PodDisruptionBudget: more of them than `max_pods`, which is 0, are refused; `kubernetes/drain_node` is the gentle
    way. Taints of Kubernetes itself and of autoscalers are refused. So is a NoSchedule or NoExecute that would leave
    fewer than `min_schedulable` of all nodes ready and schedulable (other nodes' taints are not counted). The record's
    id is kept in an annotation, by which `kubernetes/untaint_node` knows the taint as ours.
    """
    _require_free(inputs)
    node = get(ctx, "node", inputs.node)
    before = _state(node, inputs)
    wanted = NodeTaint(inputs.key, inputs.effect, inputs.value)
    if before["value"] == inputs.value:
        return Change(before, before)
    if ctx.undoing is None:
        if inputs.effect != "PreferNoSchedule":
            require_schedulable(ctx, node, inputs.min_schedulable)
        if inputs.effect == "NoExecute":
            pods = list_all(ctx, "pod", None, fields=f"spec.nodeName={inputs.node}", everywhere=True)
            count = len([pod for pod in pods if not tolerates(pod, wanted)])
            what = f"pods on {inputs.node} that do not tolerate {wanted.name}, and would be deleted,"
            require_at_most(count, inputs.max_pods, "max_pods", what)
    return Change(before, {"value": inputs.value, "tainted_by": str(ctx.record_id)})


@untaint_node.plan
def plan_untaint(ctx: Context, inputs: UntaintNodeInputs) -> Change:
    """Take a taint off a node.

    Only a taint that an action of ours has set is taken off; `even_if_not_ours: true` takes any, but for those of
    Kubernetes itself and of autoscalers, which would set them again.
    """
    _require_free(inputs)
    node = get(ctx, "node", inputs.node)
    before = _state(node, inputs)
    is_theirs = before["value"] is not None and before["tainted_by"] is None
    if is_theirs and not inputs.even_if_not_ours and ctx.undoing is None:
        by = last_writer(node, TAINTS)
        raise PreconditionFailed(
            f"the taint {inputs.key}:{inputs.effect} of {inputs.node} was set by {by or 'somebody else'}, not by an "
            f"action of ours; ask why, or set even_if_not_ours: true.",
            reason="NotOurs",
        )
    return Change(before, {"value": None, "tainted_by": None})


def _register(action: Action, *, tainted: bool) -> None:
    @action.apply
    def apply(ctx: Context, inputs: TaintInputs, change: Change) -> TaintResult:
        _write(ctx, inputs, change.before, change.after)
        return TaintResult(tainted=tainted)

    @action.verify
    def verify(ctx: Context, inputs: TaintInputs, change: Change) -> bool | str:
        node = get(ctx, "node", inputs.node)
        shortfall = tracker_of(ctx).require_own_value(
            node,
            TAINTS,
            _state(node, inputs)["value"],
            before=change.before["value"],
            wanted=change.after["value"],
            what=f"the taint {inputs.key}:{inputs.effect}",
        )
        return shortfall or True

    @action.undo
    def undo(ctx: Context, inputs: TaintInputs, change: Change) -> None:
        _write(ctx, inputs, change.after, change.before)

    register_object(action, "Node", "node")


def _require_free(inputs: TaintInputs) -> None:
    if is_reserved(inputs.key):
        raise PreconditionFailed(
            f"{inputs.key} is a taint of Kubernetes or of an autoscaler, which sets and lifts it; use a key of your "
            f"own, such as example.com/disk-trouble.",
            reason="Guarded",
        )


def _state(node: dict[str, Any], inputs: TaintInputs) -> dict[str, Any]:
    taint = taint_of(node, inputs.key, inputs.effect)
    mark = marks_of(node).get(f"{inputs.key}:{inputs.effect}")
    return {"value": taint.value if taint else None, "tainted_by": mark if taint else None}


def _write(ctx: Context, inputs: TaintInputs, before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = (
        NodeTaint(inputs.key, inputs.effect, state["value"]) if state["value"] is not None else None
        for state in (before, after)
    )

    def operations(node: dict[str, Any]) -> list[Operation]:
        if _state(node, inputs) != before:
            raise Transient(f"node {inputs.node} changed since it was read; it is planned anew.", reason="Conflict")
        return taint_operations(node, old, new, after["tainted_by"])

    tracker_of(ctx).remember_write(compare_and_swap(ctx, "node", inputs.node, None, operations, whole=True))


_register(taint_node, tainted=True)
_register(untaint_node, tainted=False)
