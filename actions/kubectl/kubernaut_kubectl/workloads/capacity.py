"""Room for a container's resources: LimitRanges, ResourceQuotas, and the nodes."""

from fractions import Fraction
from typing import Any

from kubernaut_kubectl.cluster.kubectl import list_all
from kubernaut_kubectl.cluster.quantities import parse_quantity
from kubernaut_kubectl.owners.controllers import display_name
from kubernaut_kubectl.rollouts.progress import replicas_of
from kubernaut_kubectl.workloads.containers import Container
from kubernaut_sdk import ActionError, Context, PreconditionFailed

__all__ = ["limit_range_fault", "node_fault", "quota_fault", "require_room"]

Resources = dict[str, dict[str, str]]


def require_room(ctx: Context, found: dict[str, Any], container: Container, resources: Resources) -> None:
    """Raise PreconditionFailed for resources that no pod could be created or scheduled with.

    Nodes are read for the whole cluster; where that is not permitted, the scheduler's answer shows after the change.

    Args:
        ctx: The context.
        found: The workload.
        container: The container, as it is.
        resources: Its requests and limits, as they will be.

    Raises:
        PreconditionFailed: with the LimitRange, the ResourceQuota, or the largest node.
    """
    items = list_all(ctx, "limitranges,resourcequotas", found["metadata"]["namespace"])
    name = f"container {container.spec['name']} of {display_name(found)}"
    faults = [limit_range_fault(item, resources) for item in items if item["kind"] == "LimitRange"]
    before = container.spec.get("resources") or {}
    faults += [
        quota_fault(item, before, resources, replicas_of(found)) for item in items if item["kind"] == "ResourceQuota"
    ]
    if found["kind"] != "DaemonSet":
        try:
            faults.append(node_fault(list_all(ctx, "node", None), resources))
        except ActionError as error:
            ctx.log.warning("nodes cannot be read, so it is not known whether it fits one: %s", error.message)
    for fault in faults:
        if fault is not None:
            raise PreconditionFailed(f"{name} cannot have that: {fault}.", reason="NoRoom")


def limit_range_fault(limit_range: dict[str, Any], resources: Resources) -> str | None:
    """Return how resources break a LimitRange, or None."""
    name = limit_range["metadata"]["name"]
    for rule in limit_range["spec"]["limits"]:
        if rule["type"] != "Container":
            continue
        for part in ("requests", "limits"):
            for bound in ("min", "max"):
                for resource, limit in (rule.get(bound) or {}).items():
                    value = resources[part].get(resource)
                    if value is not None and _is_beyond(value, bound, limit):
                        return f"{part}.{resource} {value}, and LimitRange {name} has {bound} {limit}"
    return None


def quota_fault(quota: dict[str, Any], before: dict[str, Any], resources: Resources, replicas: int) -> str | None:
    """Return how resources of that many pods would exceed a ResourceQuota, or None.

    Scopes of a quota are not looked at: a quota with scopes may not count these pods, so it is left out.
    """
    if quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"):
        return None
    status, name = quota.get("status") or {}, quota["metadata"]["name"]
    for key, hard in (status.get("hard") or {}).items():
        part, _, resource = key.rpartition(".")
        part = part or "requests"
        if part not in resources or resource not in resources[part]:
            continue
        own = _total((before.get(part) or {}).get(resource), replicas)
        used = parse_quantity((status.get("used") or {}).get(key, "0")) - own
        if used + _total(resources[part][resource], replicas) > parse_quantity(hard):
            return (
                f"{part}.{resource} {resources[part][resource]} for {replicas} pods, and ResourceQuota {name} has "
                f"{hard} with {(status.get('used') or {}).get(key, '0')} used"
            )
    return None


def node_fault(nodes: list[dict[str, Any]], resources: Resources) -> str | None:
    """Return which request is larger than any schedulable node, or None."""
    usable = [node for node in nodes if not node["spec"].get("unschedulable")]
    for resource, request in resources["requests"].items():
        sizes = [
            (parse_quantity(size), size)
            for node in usable
            if (size := (node.get("status", {}).get("allocatable") or {}).get(resource)) is not None
        ]
        if sizes and parse_quantity(request) > max(sizes)[0]:
            return f"requests.{resource} {request}, and the largest node has {max(sizes)[1]}"
    return None


def _is_beyond(value: str, bound: str, limit: str) -> bool:
    given, allowed = parse_quantity(value), parse_quantity(limit)
    return given < allowed if bound == "min" else given > allowed


def _total(quantity: str | None, replicas: int) -> Fraction:
    return parse_quantity(quantity or "0") * replicas
