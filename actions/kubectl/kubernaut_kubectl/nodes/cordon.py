"""The actions kubernetes/cordon_node and kubernetes/uncordon_node."""

from typing import Any

from kubernaut_kubectl.cluster.kubectl import Name, can_i, get, patch
from kubernaut_sdk import Action, Change, Context, Inputs, ObjectRef, Result

__all__ = ["cordon_node", "uncordon_node"]


class NodeInputs(Inputs):
    """The inputs of both actions."""

    node: Name


class NodeResult(Result):
    """The result of both actions."""

    unschedulable: bool


def _action(verb: str, *, unschedulable: bool, summary: str) -> Action:
    action = Action(
        f"kubernetes/{verb}_node",
        permissions=["nodes: get, patch"],
        tools=["kubectl"],
        risk="medium" if unschedulable else "low",
        examples=[{"node": "worker-1"}],
    )

    def plan(ctx: Context, inputs: NodeInputs) -> Change:
        before = get(ctx, "node", inputs.node)["spec"].get("unschedulable", False)
        return Change({"unschedulable": before}, {"unschedulable": unschedulable})

    plan.__doc__ = summary
    action.plan(plan)

    @action.apply
    def apply(ctx: Context, inputs: NodeInputs, change: Change) -> NodeResult:
        _set(ctx, inputs, before=change.before["unschedulable"], after=unschedulable)
        return NodeResult(unschedulable=unschedulable)

    @action.verify
    def verify(ctx: Context, inputs: NodeInputs, change: Change) -> bool | str:
        now = get(ctx, "node", inputs.node)["spec"].get("unschedulable", False)
        return now == unschedulable or f"{inputs.node} is {'un' if now else ''}schedulable still."

    @action.undo
    def undo(ctx: Context, inputs: NodeInputs, change: Change) -> None:
        _set(ctx, inputs, before=change.after["unschedulable"], after=change.before["unschedulable"])

    @action.target
    def target(inputs: NodeInputs) -> ObjectRef:
        return ObjectRef(kind="Node", name=inputs.node)

    @action.check
    def check(ctx: Context, inputs: NodeInputs) -> dict[str, str | None]:
        return can_i(ctx, action.permissions, None)

    return action


def _set(ctx: Context, inputs: NodeInputs, *, before: bool, after: bool) -> None:
    path = "/spec/unschedulable"
    # the API server omits a False, and `test` takes null for a missing field; `add` replaces or creates it
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": path, "value": before or None},
        {"op": "add", "path": path, "value": after},
    ]
    patch(ctx, "node", inputs.node, operations)


cordon_node = _action(
    "cordon", unschedulable=True, summary="Keep new pods off a node. Running pods stay; drain the node to move them."
)
uncordon_node = _action("uncordon", unschedulable=False, summary="Allow new pods on a node again.")
