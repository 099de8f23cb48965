"""Cordoning nodes and undoing it."""

from typing import Any

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
        _set(ctx, inputs, before=change.before["unschedulable"], after=unschedulable)
        return Schedulable(unschedulable=unschedulable)

    @action.verify()
    def verify(ctx: Context, inputs: Node, change: Change) -> bool | str:
        now = get(ctx, "node", inputs.node)["spec"].get("unschedulable", False)
        return now == unschedulable or f"{inputs.node} is {'un' if now else ''}schedulable still."

    @action.undo
    def undo(ctx: Context, inputs: Node, change: Change) -> None:
        _set(ctx, inputs, before=change.after["unschedulable"], after=change.before["unschedulable"])

    @action.target
    def target(inputs: Node) -> ObjectRef:
        return ObjectRef(kind="Node", name=inputs.node)

    @action.check
    def check(ctx: Context, inputs: Node) -> dict[str, str | None]:
        return can_i(ctx, action.permissions, None)

    return action


def _set(ctx: Context, inputs: Node, *, before: bool, after: bool) -> None:
    path = "/spec/unschedulable"
    # the API server leaves out a False, and takes null for what is not there; `add` replaces, or makes
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": path, "value": before or None},
        {"op": "add", "path": path, "value": after},
    ]
    patch(ctx, "node", inputs.node, operations)


cordon = _action(
    "cordon", unschedulable=True, summary="Keeps new pods off a node. Pods that are there stay; drain it to move them."
)
uncordon = _action("uncordon", unschedulable=False, summary="Lets new pods onto a node again.")
