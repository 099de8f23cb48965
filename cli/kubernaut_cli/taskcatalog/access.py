"""The ClusterRole that a typed Task or a Pipeline needs of Kubernetes, and the commands that grant it."""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernaut_controller.rbac import rules_of
from kubernaut_sdk.permissions import Permission, parse_permission

__all__ = ["ACCOUNT", "cluster_role", "grant_commands"]

Json = dict[str, Any]

ACCOUNT = "kubernaut-remediator"
"""The ServiceAccount of the READMEs and samples."""
_RBAC = "rbac.authorization.k8s.io"


def cluster_role(name: str, entries: Iterable[Mapping[str, Any]]) -> Json | None:
    """Return the ClusterRole with what these actions take of Kubernetes; None if that is nothing."""
    permissions = _parse(entries)
    if not permissions:
        return None
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"kubernaut-{name}"},
        "rules": rules_of(permissions),
    }


def grant_commands(name: str, entries: Iterable[Mapping[str, Any]], namespaces: Iterable[str]) -> list[str]:
    """Return the shell commands that make the ServiceAccount and bind its ClusterRole, if there is one.

    Args:
        name: The Task or Pipeline.
        entries: Its actions.
        namespaces: Those that it acts in. A ClusterRoleBinding is made where there is none, or where a permission is
            about objects of no namespace.
    """
    permissions = _parse(entries)
    made = [f"$ kubectl create serviceaccount {ACCOUNT}"]
    if not permissions:
        return made
    everywhere = any(permission.cluster_wide for permission in permissions)
    places = [] if everywhere else list(dict.fromkeys(namespaces))
    whom = f"kubernaut-{name} --clusterrole=kubernaut-{name} --serviceaccount=default:{ACCOUNT}"
    bindings = [f"$ kubectl create rolebinding {whom} --namespace={place}" for place in places]
    bindings = bindings or [f"$ kubectl create clusterrolebinding {whom}"]
    return [*made, "$ kubectl apply -f samples/clusterrole.yaml", *bindings]


def _parse(entries: Iterable[Mapping[str, Any]]) -> list[Permission]:
    found = (parse_permission(text) for entry in entries for text in entry["permissions"])
    return [permission for permission in found if permission is not None]
