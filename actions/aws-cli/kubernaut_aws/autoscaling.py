"""The action aws/set_desired_capacity, for Auto Scaling groups."""

from collections import Counter
from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws._aws import call_aws
from kubernaut_aws._regions import Region
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, PreconditionFailed, Result, Transient, VerifyFailed

__all__ = ["set_desired_capacity"]


class CapacityInputs(Inputs):
    """The inputs of aws/set_desired_capacity."""

    region: Region
    group: Annotated[str, Field(min_length=1, max_length=255, description="The Auto Scaling group's name.")]
    desired: Annotated[
        int,
        Field(
            ge=0, le=100_000, description="As many instances as there shall be; units, where instances are weighted."
        ),
    ]
    wait: Annotated[bool, Field(description="Whether to wait until so many are in service.")] = True


class CapacityResult(Result):
    """The result of aws/set_desired_capacity."""

    desired: int


set_desired_capacity = Action(
    "aws/set_desired_capacity",
    permissions=["autoscaling:DescribeAutoScalingGroups", "autoscaling:SetDesiredCapacity"],
    risk="medium",
    examples=[{"region": "eu-central-1", "group": "checkout-workers", "desired": 4}],
)


@set_desired_capacity.plan
def plan(ctx: Context, inputs: CapacityInputs) -> Change:
    """Set the desired capacity of an Auto Scaling group, and wait until so many instances are in service.

    It waits for as long as the step may take. If instances are weighted, the number counts units of capacity, as it
    does for AWS. A group is refused if suspended processes or protected instances would keep AWS from reaching the
    number, unless `wait` is off. Idempotent. AWS has no compare-and-swap for this number: the group is read again right
    before it is set, but a change that somebody else makes in between is overwritten.
    """
    group = _group(ctx, inputs)
    if not group["MinSize"] <= inputs.desired <= group["MaxSize"]:
        raise PreconditionFailed(
            f"group {inputs.group} allows {group['MinSize']} to {group['MaxSize']} instances, not {inputs.desired}; "
            f"widen the group, or ask for less."
        )
    if inputs.wait and (obstacle := _obstacle(group, inputs.desired)) is not None:
        raise PreconditionFailed(f"{obstacle} Set wait to false to set the number all the same.", reason="Blocked")
    return Change({"desired": group["DesiredCapacity"]}, {"desired": inputs.desired})


@set_desired_capacity.apply
def apply(ctx: Context, inputs: CapacityInputs, change: Change) -> CapacityResult:
    """Call SetDesiredCapacity."""
    _set(ctx, inputs, change.before["desired"], change.after["desired"])
    return CapacityResult(desired=inputs.desired)


@set_desired_capacity.verify
def verify(ctx: Context, inputs: CapacityInputs, change: Change) -> bool | str:
    """Return True once the instances are in service, until then what is missing."""
    group = _group(ctx, inputs)
    now, before = group["DesiredCapacity"], change.before["desired"]
    if now != inputs.desired:
        if now == before:  # a read may return an older state
            return f"group {inputs.group} still says that {now} are desired, not {inputs.desired}."
        raise VerifyFailed(
            f"group {inputs.group} was set to {inputs.desired} instances, and then by somebody else to {now}; "
            f"is there a scaling policy?"
        )
    return not inputs.wait or _in_service(group)


@set_desired_capacity.undo
def undo(ctx: Context, inputs: CapacityInputs, change: Change) -> None:
    """Set the desired capacity back."""
    _set(ctx, inputs, change.after["desired"], change.before["desired"])


@set_desired_capacity.target
def target(inputs: CapacityInputs) -> str:
    """Return the group. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"autoscaling:{inputs.region}:{inputs.group}"


def _in_service(group: dict[str, Any]) -> bool | str:
    """Return True if the desired capacity is in service, otherwise a sentence about what is missing and why.

    With weighted instances, AWS may exceed the desired capacity by less than the largest weight.
    """
    instances, desired = group["Instances"], group["DesiredCapacity"]
    serving = [
        item for item in instances if item["LifecycleState"] == "InService" and item["HealthStatus"] == "Healthy"
    ]
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
    obstacle = _obstacle(group, desired)
    return f"{progress}; {obstacle}" if obstacle else f"{progress}."


def _obstacle(group: dict[str, Any], desired: int) -> str | None:
    """Return the reason for which AWS would not bring the group to a capacity, or None if there is none."""
    name = group["AutoScalingGroupName"]
    there = [item for item in group["Instances"] if not item["LifecycleState"].startswith("Terminat")]
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


def _group(ctx: Context, inputs: CapacityInputs) -> dict[str, Any]:
    what = f"describe the group {inputs.group} in {inputs.region}"
    names: dict[str, Any] = {"AutoScalingGroupNames": [inputs.group]}
    answer = call_aws(ctx, what, "autoscaling", inputs.region, "describe_auto_scaling_groups", **names)
    if not (groups := answer["AutoScalingGroups"]):
        raise NotFound(f"there is no Auto Scaling group {inputs.group} in {inputs.region}.")
    group: dict[str, Any] = groups[0]
    return group


def _set(ctx: Context, inputs: CapacityInputs, before: int, desired: int) -> None:
    if (now := _group(ctx, inputs)["DesiredCapacity"]) != before:
        raise Transient(
            f"group {inputs.group} was at {before} when it was read, and is at {now}; it is planned anew.",
            reason="Conflict",
        )
    what = f"set the group {inputs.group} in {inputs.region} to {desired} instances"
    params: dict[str, Any] = {"AutoScalingGroupName": inputs.group, "DesiredCapacity": desired}
    call_aws(ctx, what, "autoscaling", inputs.region, "set_desired_capacity", **params)
