"""Deletions of targets: a target that is gone is silent, and was not mended."""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernaut_effectiveness.counting.acts import Act
from kubernaut_effectiveness.counting.watching import WatchSpan
from kubernaut_sdk.states import State

__all__ = ["DELETED", "deleted_by_change", "deletions_of_acts", "is_named_by"]

DELETED = "deleted"
"""The kind of span; Data Storage has the same for those that it is told."""


def deleted_by_change(target: str, before: Any, after: Any) -> list[str]:
    """Return the targets that are gone after a change, as the actions that delete something write it.

    A `uid` that becomes null, or a `state` that becomes `terminated`, is of the target itself. `pods` that become fewer
    are those of a node, by namespace and name, or of a namespace, by name.
    """
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return []
    if isinstance(before.get("uid"), str) and "uid" in after and after["uid"] is None:
        return [target]
    if after.get("state") == "terminated" != before.get("state"):
        return [target]
    cluster, separator, object_ = target.rpartition(":")
    kind, _, name = object_.partition("/")
    had, has = before.get("pods"), after.get("pods")
    if kind not in {"Node", "Namespace"} or not isinstance(had, list | Mapping) or not isinstance(has, list | Mapping):
        return []
    gone = [pod if kind == "Node" else f"{name}/{pod}" for pod in had if pod not in has]
    places = [str(pod).split("/") for pod in gone]
    return [f"{cluster}{separator}{place[0]}/Pod/{place[1]}" for place in places if len(place) == 2]


def deletions_of_acts(acts: Iterable[Act]) -> list[WatchSpan]:
    """Return the deletions that records tell of, at their ends: only what succeeded has deleted for sure."""
    return [
        WatchSpan(DELETED, gone, act.ended, act.ended)
        for act in acts
        if act.changes and act.target is not None and act.state is State.SUCCEEDED and not act.dry_run
        for gone in deleted_by_change(act.target, act.before, act.after)
    ]


def is_named_by(target: str | None, labels: Mapping[str, str]) -> bool:
    """Return True if an alert's labels name the very object, such as `node`: once that is gone, it cannot fire.

    The labels are those of kube-state-metrics. A pod's is none of a problem: the alert of its successor is the same.
    """
    kind, _, name = (target or "").rpartition(":")[2].rpartition("/")
    kind = kind.rpartition("/")[2].lower()
    return bool(kind) and name in {labels.get(kind), labels.get(f"{kind}_name")}
