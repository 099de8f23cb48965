"""A node's cordon, and the mark of the record that set it.

The mark is an annotation. It counts only while `managedFields` says that the cordon itself is still ours: somebody who
lifts it and sets it again with kubectl does not touch annotations. So nothing lifts a cordon that another person or
program relies on, unless it is asked to. Where an API server keeps no `managedFields`, the annotation alone decides.
"""

from dataclasses import dataclass
from typing import Any

from kubernaut_kubectl.cluster.kubectl import MANAGER
from kubernaut_kubectl.cluster.patches import Operation, add, annotate, expect, pointer
from kubernaut_kubectl.owners.fields import manages

__all__ = ["CORDONED_BY", "UNSCHEDULABLE", "Cordon", "cordon_of", "cordon_operations"]

CORDONED_BY = "kubernaut.io/cordoned-by"
"""The annotation with the id of the record that cordoned a node."""
UNSCHEDULABLE = ("spec", "unschedulable")


@dataclass(frozen=True)
class Cordon:
    """The cordon of a node.

    Attributes:
        unschedulable: True if no new pod is put onto the node.
        cordoned_by: The record that cordoned it; None if it is not cordoned, or by somebody else.
    """

    unschedulable: bool
    cordoned_by: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON, for a Change."""
        return {"unschedulable": self.unschedulable, "cordoned_by": self.cordoned_by}


def cordon_of(node: dict[str, Any]) -> Cordon:
    """Return the cordon of a node, as it was read."""
    unschedulable = bool(node["spec"].get("unschedulable", False))
    mark = (node["metadata"].get("annotations") or {}).get(CORDONED_BY)
    known = bool(node["metadata"].get("managedFields"))
    ours = unschedulable and (manages(node, UNSCHEDULABLE, {MANAGER}) or not known)
    return Cordon(unschedulable, mark if ours else None)


def cordon_operations(node: dict[str, Any], after: Cordon) -> list[Operation]:
    """Return the operations that set the cordon and its mark, only while the node's cordon is as it was read."""
    path = pointer(*UNSCHEDULABLE)
    return [
        expect(pointer("metadata", "uid"), node["metadata"]["uid"]),
        # the API server omits a False, and `test` takes null for a missing field; `add` replaces or creates it
        expect(path, node["spec"].get("unschedulable", False) or None),
        add(path, after.unschedulable),
        *annotate(node, CORDONED_BY, after.cordoned_by),
    ]
