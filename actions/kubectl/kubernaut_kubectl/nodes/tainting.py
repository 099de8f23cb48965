"""The taints of a node, and the marks of the records that set them."""

import json
from dataclasses import dataclass
from typing import Any

from kubernaut_kubectl.cluster.patches import Operation, annotate, expect, pointer, swap

__all__ = ["TAINTS", "NodeTaint", "is_reserved", "marks_of", "taint_of", "taint_operations", "tolerates"]

TAINTED_BY = "kubernaut.io/tainted-by"
"""The annotation with a JSON object: taint as `key:effect` → the id of the record that set it."""
TAINTS = ("spec", "taints")

_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io", "karpenter.sh")
_RESERVED_KEYS = {"ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler"}


@dataclass(frozen=True)
class NodeTaint:
    """A taint. Kubernetes allows one of each key and effect.

    Attributes:
        key: Its key.
        effect: `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
        value: Its value, which may be empty.
    """

    key: str
    effect: str
    value: str = ""

    @property
    def name(self) -> str:
        """Its key and effect, by which a node has one."""
        return f"{self.key}:{self.effect}"

    def document(self) -> dict[str, str]:
        """Return it as the API server has it."""
        return {"key": self.key, "effect": self.effect, **({"value": self.value} if self.value else {})}


def is_reserved(key: str) -> bool:
    """Return True for a key that belongs to Kubernetes or to a cluster's autoscaler, which set and lift it."""
    domain = key.rpartition("/")[0]
    return key in _RESERVED_KEYS or any(
        domain == reserved or domain.endswith(f".{reserved}") for reserved in _RESERVED_DOMAINS
    )


def taint_of(node: dict[str, Any], key: str, effect: str) -> NodeTaint | None:
    """Return a node's taint of this key and effect, or None."""
    for item in node["spec"].get("taints") or ():
        if (item["key"], item["effect"]) == (key, effect):
            return NodeTaint(key, effect, item.get("value", ""))
    return None


def marks_of(node: dict[str, Any]) -> dict[str, str]:
    """Return taint → record for the taints that are marked as ours; an annotation that cannot be read has none."""
    try:
        found = json.loads((node["metadata"].get("annotations") or {}).get(TAINTED_BY, "{}"))
    except ValueError:
        return {}
    return {name: mark for name, mark in found.items() if isinstance(mark, str)} if isinstance(found, dict) else {}


def taint_operations(
    node: dict[str, Any], before: NodeTaint | None, after: NodeTaint | None, mark: str | None
) -> list[Operation]:
    """Return the operations that put one taint, with its mark, in the place of another.

    They fail unless the node's taints are as they were read.
    """
    taints: list[dict[str, Any]] = node["spec"].get("taints") or []
    changed = before or after
    assert changed is not None, "nothing is to be written"
    name = changed.name
    kept = [item for item in taints if f"{item['key']}:{item['effect']}" != name]
    marks = {other: record for other, record in marks_of(node).items() if other != name}
    marks |= {name: mark} if mark is not None else {}
    return [
        expect(pointer("metadata", "uid"), node["metadata"]["uid"]),
        *swap(pointer(*TAINTS), taints or None, [*kept, *([after.document()] if after else [])] or None),
        *annotate(node, TAINTED_BY, json.dumps(marks, sort_keys=True) if marks else None),
    ]


def tolerates(pod: dict[str, Any], taint: NodeTaint) -> bool:
    """Return True if a pod tolerates a taint for ever: it stays on the node although the effect is NoExecute."""
    return any(_matches(item, taint) for item in pod["spec"].get("tolerations") or ())


def _matches(toleration: dict[str, Any], taint: NodeTaint) -> bool:
    if toleration.get("effect") not in {None, "", taint.effect} or toleration.get("tolerationSeconds") is not None:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in {None, "", taint.key}
    return toleration.get("key") == taint.key and toleration.get("value", "") == taint.value
