"""The controller of an object: pod → ReplicaSet → Deployment, and the like, by `ownerReferences`."""

from typing import Any

from kubernaut_kubectl.cluster.kubectl import find
from kubernaut_sdk import Context

__all__ = ["controller_of", "display_name", "owned_by", "top_of"]

_READABLE = {
    ("apps", "Deployment"): "deployment.apps",
    ("apps", "ReplicaSet"): "replicaset.apps",
    ("apps", "StatefulSet"): "statefulset.apps",
    ("apps", "DaemonSet"): "daemonset.apps",
    ("batch", "Job"): "job.batch",
}


def controller_of(found: dict[str, Any]) -> dict[str, Any] | None:
    """Return the reference to the controller of an object, or None if it has none."""
    references = found["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


def owned_by(found: dict[str, Any], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items whose owner is the given object."""
    return [
        item
        for item in items
        if any(owner["uid"] == found["metadata"].get("uid") for owner in item["metadata"].get("ownerReferences", ()))
    ]


def top_of(ctx: Context, found: dict[str, Any]) -> dict[str, Any] | None:
    """Return the controller of an object, read from the API server: a pod's workload, if it is one of Kubernetes' own.

    A pod of a Deployment leads to its Deployment. None stands for no controller, one that is gone or was made anew, or
    one of another kind.

    Raises:
        PreconditionFailed: if it may not be read.
        Transient: if the API server is out of reach.
    """
    at: dict[str, Any] | None = None
    while (reference := controller_of(at or found)) is not None:
        group = str(reference.get("apiVersion", "")).rpartition("/")[0]
        resource = _READABLE.get((group, reference["kind"]))
        if resource is None:
            break
        owner = find(ctx, resource, reference["name"], found["metadata"]["namespace"])
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            return at
        at = owner
    return at


def display_name(found: dict[str, Any]) -> str:
    """Return the name of an object for messages: `Deployment shop/checkout`."""
    metadata = found["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{found['kind']} {place}{metadata['name']}"
