"""DaemonSets on nodes that are not ready: their pods never become ready, and block a rollout."""

from math import ceil
from typing import Any

from kubernaut_kubectl.rollouts.diagnosis import pods_of
from kubernaut_kubectl.rollouts.goal import unready_nodes
from kubernaut_kubectl.rollouts.obstacles import is_ready
from kubernaut_kubectl.rollouts.progress import replicas_of
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Context, PreconditionFailed

__all__ = ["max_unavailable", "note_unready_nodes"]


def note_unready_nodes(ctx: Context, found: dict[str, Any]) -> None:
    """Note, for the result, the nodes whose pods of a DaemonSet will not be counted; nothing for other workloads.

    Raises:
        PreconditionFailed: if these pods use up `maxUnavailable`, so that the controller would replace no other.
    """
    if found["kind"] != "DaemonSet" or not found.get("status", {}).get("numberUnavailable"):
        return
    new, old, leaving = pods_of(ctx, found)
    unready = sorted(unready_nodes(ctx, [pod for pod in new + old if not is_ready(pod)] + leaving))
    if not unready:
        return
    name, allowed = found["metadata"]["name"], max_unavailable(found)
    if len(unready) >= allowed:
        raise PreconditionFailed(
            f"nodes that are not ready ({', '.join(unready)}) use up maxUnavailable {allowed} of DaemonSet {name}, so "
            f"that its controller would replace no other pod; repair or delete these nodes, or raise maxUnavailable.",
            reason="NodesNotReady",
        )
    tracker_of(ctx).notes = [f"not counted: the pods on {', '.join(unready)}, because these nodes are not ready."]


def max_unavailable(found: dict[str, Any]) -> int:
    """Return a DaemonSet's `maxUnavailable` as a number; a share of its nodes is rounded up, as its controller does."""
    rolling = (found["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    value = rolling.get("maxUnavailable", 1)
    if isinstance(value, str) and value.endswith("%"):
        value = ceil(replicas_of(found) * int(value[:-1]) / 100)
    return int(value) or int(rolling.get("maxSurge") not in (None, 0, "0%")) * replicas_of(found) or 1
