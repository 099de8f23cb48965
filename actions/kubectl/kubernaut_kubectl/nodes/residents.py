"""The pods of a node, sorted by what a drain does with each: the five filters of `kubectl drain`, as pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kubernaut_kubectl.disruption.budgets import covers
from kubernaut_kubectl.disruption.eviction import MIRROR
from kubernaut_kubectl.owners.controllers import controller_of

__all__ = ["Residents", "doubly_counted", "pod_name", "sort_pods"]

_SHOWN = 3
_ENDED = {"Succeeded", "Failed"}


@dataclass
class Residents:
    """The pods of a node.

    Attributes:
        staying: Those of DaemonSets, and the mirrors of static pods: a drain leaves them.
        evictable: Those to evict.
        terminating: Those that are being deleted already, which are waited for.
        unmanaged: Those without a controller: nothing would make them again.
        with_data: Those whose emptyDir would be lost.
    """

    staying: list[dict[str, Any]] = field(default_factory=list)
    evictable: list[dict[str, Any]] = field(default_factory=list)
    terminating: list[dict[str, Any]] = field(default_factory=list)
    unmanaged: list[dict[str, Any]] = field(default_factory=list)
    with_data: list[dict[str, Any]] = field(default_factory=list)

    @property
    def leaving(self) -> list[dict[str, Any]]:
        """All that must be gone for the node to be drained."""
        return self.evictable + self.terminating + self.unmanaged + self.with_data

    @property
    def faults(self) -> list[str]:
        """The reasons why the node is not drained with these inputs, a sentence each."""
        faults = []
        if self.unmanaged:
            faults.append(
                f"{_names(self.unmanaged)} has no controller, so nothing would make it again; "
                f"delete_unmanaged: true evicts such pods."
            )
        if self.with_data:
            faults.append(
                f"{_names(self.with_data)} keeps data in an emptyDir, which would be lost; "
                f"delete_emptydir_data: true evicts such pods."
            )
        return faults


def sort_pods(
    pods: Sequence[dict[str, Any]],
    daemon_sets: Sequence[dict[str, Any]],
    *,
    delete_unmanaged: bool,
    delete_emptydir_data: bool,
) -> Residents:
    """Sort the pods of a node. Those of a DaemonSet that is gone are without a controller."""
    known = {item["metadata"]["uid"] for item in daemon_sets}
    found = Residents()
    for pod in pods:
        metadata, controller = pod["metadata"], controller_of(pod)
        is_daemon = controller is not None and controller["kind"] == "DaemonSet"
        has_ended = pod.get("status", {}).get("phase") in _ENDED
        if MIRROR in (metadata.get("annotations") or {}) or (controller and is_daemon and controller["uid"] in known):
            found.staying.append(pod)
        elif "deletionTimestamp" in metadata:
            found.terminating.append(pod)
        elif has_ended:
            found.evictable.append(pod)
        elif (controller is None or is_daemon) and not delete_unmanaged:
            found.unmanaged.append(pod)
        elif not delete_emptydir_data and any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ()):
            found.with_data.append(pod)
        else:
            found.evictable.append(pod)
    return found


def doubly_counted(pods: Sequence[dict[str, Any]], budgets: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence for each running pod that more than one budget counts: the API server never evicts it."""
    faults = []
    for pod in pods:
        own = [
            budget
            for budget in budgets
            if budget["metadata"]["namespace"] == pod["metadata"]["namespace"] and covers(budget, pod)
        ]
        if len(own) > 1 and pod.get("status", {}).get("phase") == "Running":
            names = " and ".join(budget["metadata"]["name"] for budget in own)
            faults.append(
                f"pod {pod_name(pod)} is counted by the PodDisruptionBudgets {names}, and the API server evicts no pod "
                f"that more than one counts; narrow their selectors."
            )
    return faults


def pod_name(pod: dict[str, Any]) -> str:
    """Return the name of a pod with its namespace."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _names(pods: Sequence[dict[str, Any]]) -> str:
    names = [pod_name(pod) for pod in pods]
    more = f" (and {len(names) - _SHOWN} more)" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
