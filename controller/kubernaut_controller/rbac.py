"""The Roles that a workflow's actions declare, for the ServiceAccounts that its steps run under.

An action of the domain `kubernetes` declares its needs as `apps/deployments: get, patch`. A need within a namespace
becomes a Role in the namespace that its inputs name, any other a ClusterRole; so does a kind of the whole cluster, such
as nodes, whatever the inputs name. Permissions of other domains are not RBAC.
"""

from typing import Any

from kubernaut_controller.validation import Find
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk.permissions import parse_permission

__all__ = ["rbac_of"]

_RBAC = "rbac.authorization.k8s.io"


def rbac_of(workflow: WorkflowExecution, find: Find) -> list[dict[str, Any]]:
    """Return a Role or ClusterRole, and its binding, for each ServiceAccount and namespace.

    Args:
        workflow: Valid.
        find: The catalogue; a step whose action it does not know is passed over.
    """
    rules: dict[tuple[str, str | None], dict[tuple[str, str], set[str]]] = {}
    for step in workflow.spec.all_steps:
        for place, group, resource, verbs in _needs(step, find):
            account = step.service_account_name or "default"
            rules.setdefault((account, place), {}).setdefault((group, resource), set()).update(verbs)
    namespace = workflow.metadata.namespace or "default"
    return [
        document
        for (account, place), needed in sorted(rules.items(), key=lambda item: (item[0][0], item[0][1] or ""))
        for document in _role(account, namespace, place, needed)
    ]


def _needs(step: Step, find: Find) -> list[tuple[str | None, str, str, list[str]]]:
    """Return namespace (None: the cluster), group, resource and verbs of each permission of a step's action."""
    action = find(step.action_type) if step.action_type.startswith("kubernetes/") else None
    found = [parse_permission(permission) for permission in (action.permissions if action else ())]
    place = step.inputs.get("namespace")
    return [
        (
            place if isinstance(place, str) and not permission.cluster_wide else None,
            permission.group,
            f"{permission.resource}/{permission.subresource}" if permission.subresource else permission.resource,
            list(permission.verbs),
        )
        for permission in found
        if permission
    ]


def _role(
    account: str, namespace: str, place: str | None, needed: dict[tuple[str, str], set[str]]
) -> list[dict[str, Any]]:
    kind = "Role" if place else "ClusterRole"
    name = f"kubernaut-{account}" if place else f"kubernaut-{namespace}-{account}"
    metadata = {"name": name, **({"namespace": place} if place else {})}
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": sorted(verbs)}
        for (group, resource), verbs in sorted(needed.items())
    ]
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]
