"""Auto Scaling groups as the actions read them: their instances, and what keeps AWS from changing their number."""

from collections import Counter
from typing import Any

from kubernaut_aws.common.errors import FOREIGN
from kubernaut_aws.common.session import Aws
from kubernaut_sdk import ActionError, NotFound, PreconditionFailed

__all__ = ["find_group", "in_service", "instances_of", "obstacle_of", "refuse_refresh", "require_healthy_left"]


def find_group(aws: Aws, name: str) -> dict[str, Any]:
    """Return a group.

    Raises:
        NotFound: if there is none of that name.
    """
    found = aws.items(
        f"describe the group {name} in {aws.region}",
        "autoscaling",
        "describe_auto_scaling_groups",
        "AutoScalingGroups",
        AutoScalingGroupNames=[name],
    )
    if not found:
        raise NotFound(f"there is no Auto Scaling group {name} in {aws.region}.")
    return found[0]


def instances_of(group: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the instances of a group by id."""
    return {item["InstanceId"]: item for item in group["Instances"]}


def refuse_refresh(aws: Aws, name: str) -> None:
    """Raise if an instance refresh of the group runs: it decides itself on the group's instances.

    An endpoint that speaks AWS's protocol but knows no instance refreshes runs none: a log line says so.

    Raises:
        PreconditionFailed: with the refresh.
        Transient: if AWS is out of reach.
    """
    try:
        found = aws.items(
            f"ask for the instance refreshes of the group {name}",
            "autoscaling",
            "describe_instance_refreshes",
            "InstanceRefreshes",
            AutoScalingGroupName=name,
        )
    except ActionError as error:
        if error.reason not in {FOREIGN, "InvalidAction"}:
            raise
        aws.log.warning("this endpoint knows no instance refreshes, so none is looked for: %s", error.message)
        return
    over = {"Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful"}
    if running := next((item for item in found if item["Status"] not in over), None):
        raise PreconditionFailed(
            f"the instance refresh {running['InstanceRefreshId']} of group {name} is {running['Status']} "
            f"({running.get('PercentageComplete', 0)} %); wait for its end, or cancel it.",
            reason="InstanceRefresh",
        )


def require_healthy_left(group: dict[str, Any], leaving: set[str], limit: int) -> None:
    """Raise if too few instances would be left that are in service and healthy.

    Args:
        group: The group.
        leaving: The ids of the instances that go.
        limit: The input `min_healthy`.

    Raises:
        PreconditionFailed: if so.
    """
    left = sum(map(_serves, (item for item in group["Instances"] if item["InstanceId"] not in leaving)))
    if left < limit:
        raise PreconditionFailed(
            f"min_healthy is {limit}, and {left} healthy instances of group {group['AutoScalingGroupName']} would be "
            f"left in service; add some first, or lower the limit.",
            reason="TooFewLeft",
        )


def _serves(instance: dict[str, Any]) -> bool:
    return bool(instance["LifecycleState"] == "InService" and instance["HealthStatus"] == "Healthy")


def in_service(group: dict[str, Any]) -> bool | str:
    """Return True if the desired capacity is in service, otherwise a sentence about what is missing and why.

    With weighted instances, AWS may exceed the desired capacity by less than the largest weight.
    """
    instances, desired = group["Instances"], group["DesiredCapacity"]
    serving = [item for item in instances if _serves(item)]
    units = sum(map(_weight, serving))
    if desired <= units < desired + max(map(_weight, serving), default=1):
        return True
    kind = "units" if any("WeightedCapacity" in item for item in instances) else "instances"
    others = Counter(
        item["LifecycleState"] if item["HealthStatus"] == "Healthy" else f"{item['LifecycleState']} and unhealthy"
        for item in instances
        if item not in serving
    )
    progress = f"{units} of {desired} {kind} are in service"
    if others:
        progress += f"; {', '.join(f'{count} {state}' for state, count in sorted(others.items()))}"
    if any(state.endswith(":Wait") for state in others):
        progress += " (a lifecycle hook holds what waits)"
    obstacle = obstacle_of(group, desired)
    return f"{progress}; {obstacle}" if obstacle else f"{progress}."


def obstacle_of(group: dict[str, Any], desired: int) -> str | None:
    """Return the reason for which AWS would not bring the group to a capacity, or None if there is none."""
    name = group["AutoScalingGroupName"]
    there = [
        item
        for item in group["Instances"]
        if not item["LifecycleState"].startswith(("Terminat", "Standby", "EnteringStandby"))
    ]
    units = sum(map(_weight, there))
    suspended = {process["ProcessName"]: process for process in group.get("SuspendedProcesses", ())}
    needed = (
        "Launch" if units < desired else "Terminate" if units >= desired + max(map(_weight, there), default=1) else ""
    )
    if needed in suspended:
        why = suspended[needed].get("SuspensionReason", "no reason is told")
        return (
            f"the process {needed} of group {name} is suspended ({why}), so nothing would come of it; resume it first."
        )
    protected = [item for item in there if item.get("ProtectedFromScaleIn")]
    if needed == "Terminate" and sum(map(_weight, protected)) >= desired + max(map(_weight, protected), default=1):
        ids = ", ".join(item["InstanceId"] for item in protected[:5])
        return (
            f"{len(protected)} instances of group {name} are protected from scale-in ({ids}), so it would not get down "
            f"to {desired}; take the protection off first."
        )
    return None


def _weight(instance: dict[str, Any]) -> int:
    return int(instance.get("WeightedCapacity", 1))
