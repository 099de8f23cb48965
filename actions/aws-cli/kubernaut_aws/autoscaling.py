"""Auto Scaling groups."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws._aws import Region, client, told
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, PreconditionFailed, Result, VerifyFailed

__all__ = ["set_desired_capacity"]


class Capacity(Inputs):
    """Which group and how many."""

    region: Region
    group: Annotated[str, Field(min_length=1, max_length=255, description="The Auto Scaling group's name.")]
    desired: Annotated[int, Field(ge=0, le=100_000, description="As many instances as there shall be.")]
    wait: Annotated[bool, Field(description="Whether to wait until so many are in service.")] = True


class Desired(Result):
    """How many there shall be now."""

    desired: int


set_desired_capacity = Action(
    "aws/set_desired_capacity",
    permissions=["autoscaling:DescribeAutoScalingGroups", "autoscaling:SetDesiredCapacity"],
    risk="medium",
    examples=[{"region": "eu-central-1", "group": "checkout-workers", "desired": 4}],
)


@set_desired_capacity.plan
def plan(ctx: Context, inputs: Capacity) -> Change:
    """Sets how many instances an Auto Scaling group shall have and waits until they are in service.

    Idempotent: AWS takes the number as it stands.
    """
    group = _group(ctx, inputs)
    if not group["MinSize"] <= inputs.desired <= group["MaxSize"]:
        raise PreconditionFailed(
            f"group {inputs.group} allows {group['MinSize']} to {group['MaxSize']} instances, not {inputs.desired}; "
            f"widen the group, or ask for less."
        )
    return Change({"desired": group["DesiredCapacity"]}, {"desired": inputs.desired})


@set_desired_capacity.apply
def apply(ctx: Context, inputs: Capacity, change: Change) -> Desired:
    """SetDesiredCapacity."""
    _set(ctx, inputs, change.after["desired"])
    return Desired(desired=inputs.desired)


@set_desired_capacity.verify
def verify(ctx: Context, inputs: Capacity, change: Change) -> bool | str:
    """Whether they are in service."""
    if not inputs.wait:
        return True
    group = _group(ctx, inputs)
    if (now := group["DesiredCapacity"]) != inputs.desired:
        raise VerifyFailed(
            f"group {inputs.group} was set to {inputs.desired} instances, and then by somebody else to {now}; "
            f"is there a scaling policy?"
        )
    ready = [instance["LifecycleState"] for instance in group["Instances"]].count("InService")
    return ready == inputs.desired or f"{ready} of {inputs.desired} instances are in service."


@set_desired_capacity.undo
def undo(ctx: Context, inputs: Capacity, change: Change) -> None:
    """Sets the number back."""
    _set(ctx, inputs, change.before["desired"])


@set_desired_capacity.target
def target(inputs: Capacity) -> str:
    """The group; its ARN holds an account that only AWS knows."""
    return f"autoscaling:{inputs.region}:{inputs.group}"


def _group(ctx: Context, inputs: Capacity) -> dict[str, Any]:
    with told(f"describe the group {inputs.group} in {inputs.region}"):
        autoscaling = client(ctx, "autoscaling", inputs.region)
        groups = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[inputs.group])["AutoScalingGroups"]
    if not groups:
        raise NotFound(f"there is no Auto Scaling group {inputs.group} in {inputs.region}.")
    group: dict[str, Any] = groups[0]
    return group


def _set(ctx: Context, inputs: Capacity, desired: int) -> None:
    with told(f"set the group {inputs.group} in {inputs.region} to {desired} instances"):
        autoscaling = client(ctx, "autoscaling", inputs.region)
        autoscaling.set_desired_capacity(AutoScalingGroupName=inputs.group, DesiredCapacity=desired)
