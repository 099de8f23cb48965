"""References to the generic Task: by name, by Tekton's cluster resolver, or by its bundles resolver."""

from typing import Any

__all__ = ["TASK", "bundle_task_ref", "cluster_task_ref"]

TASK = {"name": "kubernaut-action"}


def cluster_task_ref(namespace: str) -> dict[str, Any]:
    """Return the reference to the generic Task in a namespace."""
    return _resolved("cluster", kind="task", name=TASK["name"], namespace=namespace)


def bundle_task_ref(bundle: str, name: str = TASK["name"]) -> dict[str, Any]:
    """Return the reference to a Task in a Tekton bundle."""
    return _resolved("bundles", kind="task", name=name, bundle=bundle)


def _resolved(resolver: str, **params: str) -> dict[str, Any]:
    return {"resolver": resolver, "params": [{"name": name, "value": value} for name, value in params.items()]}
