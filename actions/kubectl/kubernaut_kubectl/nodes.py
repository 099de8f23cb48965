"""Cordoning nodes and undoing it."""

from kubernaut_kubectl._kubectl import Name, can_i, get, patch
from kubernaut_sdk import Action, Change, Context, Inputs, ObjectRef, Result

__all__ = ["cordon", "uncordon"]


class Node(Inputs):
    """Which node."""

    node: Name


class Schedulable(Result):
    """Whether new pods are kept off it."""

    unschedulable: bool


def _action(verb: str, *, unschedulable: bool, summary: str) -> Action:
    action = Action(
        f"kubernetes/{verb}_node",
        permissions=["nodes: get, patch"],
        tools=["kubectl"],
        risk="medium" if unschedulable else "low",
        examples=[{"node": "worker-1"}],
    )

    def plan(ctx: Context, inputs: Node) -> Change:
        before = get(ctx, "node", inputs.node)["spec"].get("unschedulable", False)
        return Change({"unschedulable": before}, {"unschedulable": unschedulable})

    plan.__doc__ = summary
    action.plan(plan)

    @action.apply
    def apply(ctx: Context, inputs: Node, change: Change) -> Schedulable:
        _set(ctx, inputs, unschedulable=change.after["unschedulable"])
        return Schedulable(unschedulable=unschedulable)

    @action.verify
    def verify(ctx: Context, inputs: Node, change: Change) -> bool | str:
        now = get(ctx, "node", inputs.node)["spec"].get("unschedulable", False)
        return now == unschedulable or f"{inputs.node} is {'un' if now else ''}schedulable still."

    @action.undo
    def undo(ctx: Context, inputs: Node, change: Change) -> None:
        _set(ctx, inputs, unschedulable=change.before["unschedulable"])

    @action.target
    def target(inputs: Node) -> ObjectRef:
        return ObjectRef(kind="Node", name=inputs.node)

    @action.check
    def check(ctx: Context, inputs: Node) -> dict[str, str | None]:
        return can_i(ctx, action.permissions, None)

    return action


def _set(ctx: Context, inputs: Node, *, unschedulable: bool) -> None:
    # `add` replaces what is there, and makes what is not
    patch(ctx, "node", inputs.node, [{"op": "add", "path": "/spec/unschedulable", "value": unschedulable}])


cordon = _action(
    "cordon", unschedulable=True, summary="Keeps new pods off a node. Pods that are there stay; drain it to move them."
)
uncordon = _action("uncordon", unschedulable=False, summary="Lets new pods onto a node again.")
