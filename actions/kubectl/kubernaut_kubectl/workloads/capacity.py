"""Room for a container's resources: LimitRanges, ResourceQuotas, and the nodes."""

from copy import deepcopy
from fractions import Fraction
from typing import Any

from kubernaut_kubectl.cluster.kubectl import list_all
from kubernaut_kubectl.cluster.quantities import parse_quantity, quantity_text
from kubernaut_kubectl.owners.controllers import display_name
from kubernaut_kubectl.rollouts.progress import replicas_of
from kubernaut_kubectl.workloads.containers import Container
from kubernaut_kubectl.workloads.totals import Part, pod_totals
from kubernaut_sdk import ActionError, Context, PreconditionFailed

__all__ = [
    "is_selected",
    "limit_range_fault",
    "node_fault",
    "pod_fault",
    "pod_limit_fault",
    "quota_fault",
    "require_room",
]

Resources = dict[str, dict[str, str]]
PARTS: tuple[Part, ...] = ("requests", "limits")


def require_room(ctx: Context, found: dict[str, Any], container: Container, resources: Resources) -> None:
    """Raise PreconditionFailed for resources that no pod could be created or scheduled with.

    Nodes are read for the whole cluster; where that is not permitted, the scheduler's answer shows after the change.

    Args:
        ctx: The context.
        found: The workload.
        container: The container, as it is.
        resources: Its requests and limits, as they will be.

    Raises:
        PreconditionFailed: with the LimitRange, the ResourceQuota, or what no node has.
    """
    items = list_all(ctx, "limitranges,resourcequotas", found["metadata"]["namespace"])
    name = f"container {container.spec['name']} of {display_name(found)}"
    pod = _with_resources(found, container, resources)
    ranges = [item for item in items if item["kind"] == "LimitRange"]
    faults = [limit_range_fault(item, resources) or pod_limit_fault(item, pod) for item in ranges]
    before = container.spec.get("resources") or {}
    faults += [
        quota_fault(item, before, resources, replicas_of(found)) for item in items if item["kind"] == "ResourceQuota"
    ]
    if found["kind"] != "DaemonSet":
        try:
            nodes = [node for node in list_all(ctx, "node", None) if is_selected(node, pod)]
            faults += [node_fault(nodes, resources), pod_fault(nodes, pod)]
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
        for part in PARTS:
            for bound in ("min", "max"):
                for resource, limit in (rule.get(bound) or {}).items():
                    value = resources[part].get(resource)
                    if value is not None and _is_beyond(parse_quantity(value), bound, limit):
                        return f"{part}.{resource} {value}, and LimitRange {name} has {bound} {limit}"
        for resource, ratio in (rule.get("maxLimitRequestRatio") or {}).items():
            limit, request = (resources[part].get(resource) for part in ("limits", "requests"))
            if limit and request and parse_quantity(limit) > parse_quantity(request) * parse_quantity(ratio):
                return (
                    f"limits.{resource} {limit} for requests.{resource} {request}, and LimitRange {name} has "
                    f"maxLimitRequestRatio {ratio}"
                )
    return None


def pod_limit_fault(limit_range: dict[str, Any], pod: dict[str, Any]) -> str | None:
    """Return how all containers of a pod together break a LimitRange, or None."""
    name = limit_range["metadata"]["name"]
    for rule in limit_range["spec"]["limits"]:
        for part in PARTS if rule["type"] == "Pod" else ():
            totals = pod_totals(pod, part)
            for bound in ("min", "max"):
                for resource, limit in (rule.get(bound) or {}).items():
                    if resource in totals and _is_beyond(totals[resource], bound, limit):
                        total = quantity_text(totals[resource])
                        return f"{part}.{resource} {total} in a whole pod, and LimitRange {name} has {bound} {limit}"
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


def pod_fault(nodes: list[dict[str, Any]], pod: dict[str, Any]) -> str | None:
    """Return what the containers of a pod request together, if no schedulable node has all of it; otherwise None."""
    requests = {name: total for name, total in pod_totals(pod, "requests").items() if total}
    rooms = [
        {name: parse_quantity(size) for name, size in (node.get("status", {}).get("allocatable") or {}).items()}
        for node in nodes
        if not node["spec"].get("unschedulable")
    ]
    # a node that does not say what it has of something is not known to lack it
    if not rooms or any(all(room.get(name, total) >= total for name, total in requests.items()) for room in rooms):
        return None
    wanted = " and ".join(f"{name} {quantity_text(total)}" for name, total in sorted(requests.items()))
    return f"its pods would request {wanted} in all, and no node that they may be put on has that"


def is_selected(node: dict[str, Any], pod: dict[str, Any]) -> bool:
    """Return True if a node has the labels of a pod's nodeSelector."""
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in (pod.get("nodeSelector") or {}).items())


def _with_resources(found: dict[str, Any], container: Container, resources: Resources) -> dict[str, Any]:
    """Return the pod's spec in a workload's template with other resources of one container."""
    pod: dict[str, Any] = deepcopy(found["spec"]["template"]["spec"])
    for one in pod[str(container.way[-2])]:
        if one["name"] == container.spec["name"]:
            one["resources"] = resources
    return pod


def _is_beyond(value: Fraction, bound: str, limit: str) -> bool:
    return value < parse_quantity(limit) if bound == "min" else value > parse_quantity(limit)


def _total(quantity: str | None, replicas: int) -> Fraction:
    return parse_quantity(quantity or "0") * replicas
