"""The maker of an Application: an ApplicationSet, or another Application ("app of apps")."""

from typing import Any

from kubernaut_argocd.applications.cluster import ApplicationCluster
from kubernaut_sdk import NotFound, PreconditionFailed

__all__ = ["owner_of"]

_TRACKING = "argocd.argoproj.io/tracking-id"
_LABELS = ("app.kubernetes.io/instance", "argocd.argoproj.io/instance")
"""The labels by which Argo CD knows what an Application made, if it does not use the annotation (its default before
3.0): the usual one, and the one that its documentation advises (argo-cd.readthedocs.io, *Resource Tracking*)."""


def owner_of(cluster: ApplicationCluster, found: dict[str, Any]) -> str:
    """Return the ApplicationSet or Application that makes this one, as a person names it; empty if there is none.

    Helm sets the label too, and a copied manifest keeps the annotation. So the annotation counts only if it names this
    Application, and the label only if the Application that it names lists this one among its resources, or may not be
    read.
    """
    for reference in found["metadata"].get("ownerReferences") or ():
        if reference.get("kind") == "ApplicationSet":
            return f"ApplicationSet {reference['name']}"
    namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
    tracked = str((found["metadata"].get("annotations") or {}).get(_TRACKING, ""))
    parent, _, identity = tracked.partition(":")
    if identity == f"argoproj.io/Application:{namespace}/{name}":
        return f"Application {parent}"
    labels = found["metadata"].get("labels") or {}
    for value in dict.fromkeys(str(labels[label]) for label in _LABELS if label in labels):
        if _lists(cluster, value, namespace, name):
            return f"Application {value}"
    return ""


def _lists(cluster: ApplicationCluster, instance: str, namespace: str, name: str) -> bool:
    """Return True if the Application of this instance name, `[namespace_]name`, has ours among its resources."""
    elsewhere, _, parent = instance.rpartition("_")
    if (elsewhere or namespace, parent) == (namespace, name):
        return False
    try:
        resources = cluster.read(elsewhere or namespace, parent).get("status", {}).get("resources") or ()
    except NotFound:
        return False
    except PreconditionFailed:
        return True
    return any(
        (item.get("kind"), item.get("namespace"), item.get("name")) == ("Application", namespace, name)
        for item in resources
    )
