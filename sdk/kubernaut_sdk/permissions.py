"""Permissions of Kubernetes as actions declare them: `apps/deployments: get, patch`, `pods/log: get`, `nodes: list`."""

import re
from dataclasses import dataclass

__all__ = ["OWN_RESOURCE", "Permission", "parse_permission"]

OWN_RESOURCE = "the object's own resource"
"""Stands for a resource in an action's permissions where an input names the kind."""

_TEXT = re.compile(r"(?P<path>[a-z0-9.-]+(?:/[a-z0-9-]+){0,2}): (?P<verbs>[a-z]+(?:, [a-z]+)*)")
_VERBS = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
"""The verbs of Kubernetes' objects; `flags: read` is in the words of something else."""
_GROUPS = {"apps", "autoscaling", "batch", "extensions", "policy"}
"""The API groups whose names have no dot."""
_CLUSTER_WIDE = {
    "apiservices",
    "clusterrolebindings",
    "clusterroles",
    "csidrivers",
    "csinodes",
    "customresourcedefinitions",
    "ingressclasses",
    "namespaces",
    "nodes",
    "persistentvolumes",
    "priorityclasses",
    "runtimeclasses",
    "storageclasses",
    "volumeattachments",
    "volumesnapshotclasses",
    "volumesnapshotcontents",
}
"""The resources that belong to no namespace: a Role cannot grant them."""


@dataclass(frozen=True)
class Permission:
    """One permission.

    Attributes:
        name: The resource as it was declared, such as `apps/deployments`.
        group: The API group; empty for the core group.
        resource: The resource's plural, such as `deployments`.
        subresource: Its part, such as `log`; empty for the object itself.
        verbs: What is done with it.
    """

    name: str
    group: str
    resource: str
    subresource: str
    verbs: tuple[str, ...]

    @property
    def cluster_wide(self) -> bool:
        """True if objects of the resource belong to no namespace."""
        return self.resource in _CLUSTER_WIDE


def parse_permission(text: str) -> Permission | None:
    """Return a permission, or None if the text is in the words of another target than Kubernetes."""
    match = _TEXT.fullmatch(text)
    if match is None or not _VERBS.issuperset(verbs := match["verbs"].split(", ")):
        return None
    parts = match["path"].split("/")
    group = parts.pop(0) if len(parts) > 1 and (parts[0] in _GROUPS or "." in parts[0]) else ""
    if len(parts) > 2:
        return None
    resource, subresource = parts[0], parts[1] if len(parts) == 2 else ""
    return Permission(match["path"], group, resource, subresource, tuple(verbs))
