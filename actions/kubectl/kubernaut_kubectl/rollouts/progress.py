"""The progress of a rollout, from the workload's own status: pure functions.

They are stricter than `kubectl rollout status`: the controller has seen the newest spec, there are exactly as many
replicas as wanted, and all are of the newest template and available.
"""

from typing import Any

__all__ = ["counts", "is_complete_without_pods", "replicas_of", "rollout_shortfall", "rolls_out"]


def replicas_of(found: dict[str, Any]) -> int:
    """Return the number of pods that a workload wants; a DaemonSet's is that of its nodes."""
    if found["kind"] == "DaemonSet":
        return int(found.get("status", {}).get("desiredNumberScheduled", 0))
    return int(found["spec"].get("replicas", 1))


def rolls_out(found: dict[str, Any]) -> bool:
    """Return True if a change of the template replaces all pods: not paused, not OnDelete, no partition."""
    spec = found["spec"]
    strategy = spec.get("updateStrategy") or {}
    if found["kind"] == "StatefulSet" and (strategy.get("rollingUpdate") or {}).get("partition"):
        return False
    return not spec.get("paused", False) and strategy.get("type", "RollingUpdate") != "OnDelete"


def rollout_shortfall(found: dict[str, Any]) -> str | None:
    """Return what a rollout still lacks, or None if it is complete."""
    status = found.get("status", {})
    if status.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
        return f"the {found['kind']} controller has not seen the change yet."
    wanted, total, updated, available = counts(found)
    if rolls_out(found) and (updated < wanted or total > updated):
        return f"{updated} of {wanted} replicas are of the newest template, {total - updated} of an older one."
    if total != wanted:
        return f"there are {total} replicas, {wanted} are wanted."
    if available < wanted:
        return f"{available} of {wanted} replicas are available."
    return None


def counts(found: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return how many pods are wanted, how many there are, are of the newest template, and are available."""
    status, wanted = found.get("status", {}), replicas_of(found)
    match found["kind"]:
        case "DaemonSet":
            names = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
        case "ReplicaSet":  # it replaces no pod, so all count as of its template
            names = ("replicas", "replicas", "availableReplicas")
        case _:
            names = ("replicas", "updatedReplicas", "availableReplicas")
    total, updated, available = (int(status.get(name, 0)) for name in names)
    return wanted, total, updated, available


def is_complete_without_pods(found: dict[str, Any]) -> bool:
    """Return True if no pod is wanted, so that there is nothing that could crash."""
    return replicas_of(found) == 0
