"""The node that an action is about: its input, and that it must not be the one on which the step itself runs."""

import os
from typing import Any

from kubernaut_kubectl.cluster.kubectl import Name
from kubernaut_sdk import Inputs, PreconditionFailed

__all__ = ["NodeInputs", "require_other_node"]


class NodeInputs(Inputs):
    """The input that names a node."""

    node: Name


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
