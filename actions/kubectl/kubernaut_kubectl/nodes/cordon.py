"""The actions kubernetes/cordon_node and kubernetes/uncordon_node."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import get
from kubernaut_kubectl.cluster.patches import Operation
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.nodes.capacity import MinSchedulable, require_schedulable
from kubernaut_kubectl.nodes.cordoning import UNSCHEDULABLE, Cordon, cordon_of, cordon_operations
from kubernaut_kubectl.nodes.target import NodeInputs
from kubernaut_kubectl.owners.fields import last_writer
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, Transient

__all__ = ["cordon_node", "uncordon_node"]


class CordonInputs(NodeInputs):
    """The inputs of kubernetes/cordon_node."""

    min_schedulable: MinSchedulable = 0.5


class UncordonInputs(NodeInputs):
    """The inputs of kubernetes/uncordon_node."""

    even_if_not_ours: Annotated[
        bool, Field(description="Whether a cordon is lifted that no action of ours has set.")
    ] = False


class NodeResult(Result):
    """The result of both actions."""

    unschedulable: bool


cordon_node = Action(
    "kubernetes/cordon_node",
    permissions={"nodes: get, list, patch": "the node itself, and how many others take pods"},
    tools=["kubectl"],
    risk="medium",
    examples=[{"node": "worker-1"}],
)
uncordon_node = Action(
    "kubernetes/uncordon_node",
    permissions={"nodes: get, patch": "the node itself"},
    tools=["kubectl"],
    risk="low",
    examples=[{"node": "worker-1"}],
)


@cordon_node.plan
def plan_cordon(ctx: Context, inputs: CordonInputs) -> Change:
    """Keep new pods off a node. Running pods stay; `kubernetes/drain_node` moves them.

    The record's id is kept in an annotation, by which undo and `kubernetes/uncordon_node` know the cordon as ours. A
    node that is cordoned already is left as it is. Refused if fewer than `min_schedulable` of all nodes would be ready
    and schedulable without it.
    """
    node = get(ctx, "node", inputs.node)
    before = cordon_of(node)
    if before.unschedulable:
        return Change(before.document(), before.document())
    if ctx.undoing is None:
        require_schedulable(ctx, node, inputs.min_schedulable)
    return Change(before.document(), Cordon(True, str(ctx.record_id)).document())


@uncordon_node.plan
def plan_uncordon(ctx: Context, inputs: UncordonInputs) -> Change:
    """Allow new pods on a node again.

    Only a cordon that an action of ours has set is lifted: who else keeps pods off a node has a reason that is not
    known here. `even_if_not_ours: true` lifts any.
    """
    node = get(ctx, "node", inputs.node)
    before = cordon_of(node)
    if before.unschedulable and before.cordoned_by is None and not inputs.even_if_not_ours and ctx.undoing is None:
        by = last_writer(node, UNSCHEDULABLE)
        raise PreconditionFailed(
            f"{inputs.node} was cordoned by {by or 'somebody else'}, not by an action of ours; ask why, or set "
            f"even_if_not_ours: true.",
            reason="NotOurs",
        )
    return Change(before.document(), Cordon(False).document())


def _register(action: Action, *, unschedulable: bool) -> None:
    @action.apply
    def apply(ctx: Context, inputs: NodeInputs, change: Change) -> NodeResult:
        _write(ctx, inputs, before=Cordon(**change.before), after=Cordon(**change.after))
        return NodeResult(unschedulable=unschedulable)

    @action.verify
    def verify(ctx: Context, inputs: NodeInputs, change: Change) -> bool | str:
        node = get(ctx, "node", inputs.node)
        shortfall = tracker_of(ctx).require_own_value(
            node,
            UNSCHEDULABLE,
            cordon_of(node).unschedulable,
            before=change.before["unschedulable"],
            wanted=unschedulable,
            what="unschedulable",
        )
        return shortfall or True

    @action.undo
    def undo(ctx: Context, inputs: NodeInputs, change: Change) -> None:
        _write(ctx, inputs, before=Cordon(**change.after), after=Cordon(**change.before))

    register_object(action, "Node", "node")


def _write(ctx: Context, inputs: NodeInputs, *, before: Cordon, after: Cordon) -> None:
    def operations(node: dict[str, Any]) -> list[Operation]:
        if cordon_of(node) != before:
            raise Transient(f"node {inputs.node} changed since it was read; it is planned anew.", reason="Conflict")
        return cordon_operations(node, after)

    tracker_of(ctx).remember_write(compare_and_swap(ctx, "node", inputs.node, None, operations, whole=True))


_register(cordon_node, unschedulable=True)
_register(uncordon_node, unschedulable=False)
