"""The Roles that a workflow's actions declare, for the ServiceAccounts that its steps run under.

An action declares what it needs of Kubernetes as `apps/deployments: get, patch`. A need within a namespace becomes a
Role in the namespace that its input `namespace` says, given or by default, any other a ClusterRole; so does a kind of
the whole cluster, such as nodes, whatever the inputs name. Permissions in other words are not RBAC.
"""

from collections.abc import Iterable
from typing import Any

from kubernaut_controller.validation import Find
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk.permissions import Permission, parse_permission

__all__ = ["rbac_of", "rules_of"]

_RBAC = "rbac.authorization.k8s.io"


def rbac_of(workflow: WorkflowExecution, find: Find) -> list[dict[str, Any]]:
    """Return a Role or ClusterRole, and its binding, for each ServiceAccount and namespace.

    Args:
        workflow: Valid.
        find: The catalogue; a step whose action it does not know is passed over.
    """
    needs: dict[tuple[str, str | None], list[Permission]] = {}
    for step in workflow.spec.all_steps:
        for place, permission in _needs(step, find):
            needs.setdefault((step.service_account_name or "default", place), []).append(permission)
    namespace = workflow.metadata.namespace or "default"
    return [
        document
        for (account, place), needed in sorted(needs.items(), key=lambda item: (item[0][0], item[0][1] or ""))
        for document in _role(account, namespace, place, needed)
    ]


def rules_of(permissions: Iterable[Permission]) -> list[dict[str, Any]]:
    """Return the rules of a Role with these permissions, one for each resource."""
    needed: dict[tuple[str, str], set[str]] = {}
    for one in permissions:
        resource = f"{one.resource}/{one.subresource}" if one.subresource else one.resource
        needed.setdefault((one.group, resource), set()).update(one.verbs)
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": sorted(verbs)}
        for (group, resource), verbs in sorted(needed.items())
    ]


def _needs(step: Step, find: Find) -> list[tuple[str | None, Permission]]:
    """Return each permission of a step's action, with its namespace (None: the cluster)."""
    action = find(step.action_type)
    if action is None:
        return []
    found = [parse_permission(permission) for permission in action.permissions]
    field = action.inputs_model.model_fields.get("namespace")
    place = step.inputs.get("namespace", field.default if field else None)
    return [
        (place if isinstance(place, str) and not permission.cluster_wide else None, permission)
        for permission in found
        if permission
    ]


def _role(account: str, namespace: str, place: str | None, needed: list[Permission]) -> list[dict[str, Any]]:
    kind = "Role" if place else "ClusterRole"
    name = f"kubernaut-{account}" if place else f"kubernaut-{namespace}-{account}"
    metadata = {"name": name, **({"namespace": place} if place else {})}
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules_of(needed)},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]
