"""The share of a cluster's nodes that take new pods, which no action on a node may take below a limit."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import list_all
from kubernaut_kubectl.rollouts.obstacles import is_ready
from kubernaut_sdk import Context, PreconditionFailed

__all__ = ["MinSchedulable", "require_schedulable", "schedulable_fault"]

MinSchedulable = Annotated[
    float,
    Field(ge=0, le=1, description="The share of all nodes that must stay ready and schedulable without this one."),
]


def require_schedulable(ctx: Context, node: dict[str, Any], share: float) -> None:
    """Raise PreconditionFailed if too few nodes would take new pods without this one.

    Raises:
        PreconditionFailed: if so, or if the nodes may not be listed.
    """
    if takes_pods(node) and (fault := schedulable_fault(node, list_all(ctx, "node", None), share)):
        raise PreconditionFailed(fault, reason="LimitReached")


def schedulable_fault(node: dict[str, Any], nodes: Sequence[dict[str, Any]], share: float) -> str | None:
    """Return a sentence if fewer than a share of the nodes take new pods without this one; otherwise None.

    A node that takes no pods as it is takes none away.
    """
    name = node["metadata"]["name"]
    others = [other for other in nodes if takes_pods(other) and other["metadata"]["name"] != name]
    if not takes_pods(node) or len(others) >= share * len(nodes):
        return None
    return (
        f"without {name}, {len(others)} of {len(nodes)} nodes are ready and schedulable, less than min_schedulable "
        f"{share:g}; add nodes first, or lower min_schedulable if that is meant."
    )


def takes_pods(node: dict[str, Any]) -> bool:
    """Return True if a node is ready and not cordoned."""
    return is_ready(node) and not node["spec"].get("unschedulable", False)
