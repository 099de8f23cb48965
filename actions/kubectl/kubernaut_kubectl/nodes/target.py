"""The node that an action is about: its input, and what all of them register."""

import os
from typing import Any

from kubernaut_kubectl.cluster.kubectl import Name, can_i
from kubernaut_sdk import Action, Context, Inputs, ObjectRef, PreconditionFailed

__all__ = ["NodeInputs", "register_node", "require_other_node"]


class NodeInputs(Inputs):
    """The input that names a node."""

    node: Name


def register_node(action: Action) -> None:
    """Register an action's `target` and `check`: the node, and the permissions."""

    @action.target
    def target(inputs: NodeInputs) -> ObjectRef:
        return ObjectRef(kind="Node", name=inputs.node)

    @action.check
    def check(ctx: Context, inputs: NodeInputs) -> dict[str, str | None]:
        return can_i(ctx, action.permissions, None)


def require_other_node(inputs: NodeInputs, pods: list[dict[str, Any]]) -> None:
    """Raise PreconditionFailed for the node that this step itself runs on.

    Args:
        inputs: The inputs.
        pods: The pods of the node, in case that the step's own pod knows its uid but not its node.

    Raises:
        PreconditionFailed: if it is that node: the step would end itself half-way.
    """
    own = os.environ.get("POD_UID")
    if os.environ.get("NODE_NAME") == inputs.node or (own and any(pod["metadata"]["uid"] == own for pod in pods)):
        raise PreconditionFailed(
            f"this step runs on {inputs.node} itself, and would end half-way; keep it off that node, by a nodeSelector "
            f"or an affinity in Tekton's default pod template, and try again.",
            reason="OwnNode",
        )
