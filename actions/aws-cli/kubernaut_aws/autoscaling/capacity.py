"""The action aws/set_desired_capacity, for Auto Scaling groups."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.autoscaling.groups import find_group, in_service, obstacle_of, refuse_refresh
from kubernaut_aws.common.consistency import pending_write, require_planned
from kubernaut_aws.common.inputs import AwsInputs, Name
from kubernaut_aws.common.session import Aws, connect
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result

__all__ = ["set_desired_capacity"]


class CapacityInputs(AwsInputs):
    """The inputs of aws/set_desired_capacity."""

    group: Annotated[Name, Field(description="The Auto Scaling group's name.")]
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
    permissions=[
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:SetDesiredCapacity",
    ],
    risk="medium",
    examples=[{"region": "eu-central-1", "group": "checkout-workers", "desired": 4}],
)


@set_desired_capacity.plan
def plan(ctx: Context, inputs: CapacityInputs) -> Change:
    """Set the desired capacity of an Auto Scaling group, and wait until so many instances are in service.

    It waits for as long as the step may take. If instances are weighted, the number counts units of capacity, as it
    does for AWS. A group is refused if suspended processes or protected instances would keep AWS from reaching the
    number, unless `wait` is off; and while an instance refresh runs. Idempotent. AWS has no compare-and-swap for this
    number: the group is read again right before it is set, but a change that somebody else makes in between is
    overwritten.
    """
    aws = connect(ctx, inputs)
    group = find_group(aws, inputs.group)
    if not group["MinSize"] <= inputs.desired <= group["MaxSize"]:
        raise PreconditionFailed(
            f"group {inputs.group} allows {group['MinSize']} to {group['MaxSize']} instances, not {inputs.desired}; "
            f"widen the group, or ask for less."
        )
    if group["DesiredCapacity"] != inputs.desired:
        refuse_refresh(aws, inputs.group)
    if inputs.wait and (obstacle := obstacle_of(group, inputs.desired)) is not None:
        raise PreconditionFailed(f"{obstacle} Set wait to false to set the number all the same.", reason="Blocked")
    return Change({"desired": group["DesiredCapacity"]}, {"desired": inputs.desired})


@set_desired_capacity.apply
def apply(ctx: Context, inputs: CapacityInputs, change: Change) -> CapacityResult:
    """Call SetDesiredCapacity."""
    _set(connect(ctx, inputs), inputs, change.before["desired"], change.after["desired"])
    return CapacityResult(desired=inputs.desired)


@set_desired_capacity.verify
def verify(ctx: Context, inputs: CapacityInputs, change: Change) -> bool | str:
    """Return True once the instances are in service, until then what is missing."""
    group = find_group(connect(ctx, inputs), inputs.group)
    now = Change(change.before["desired"], change.after["desired"])
    missing = pending_write(f"group {inputs.group}", group["DesiredCapacity"], now, "is there a scaling policy?")
    return missing or not inputs.wait or in_service(group)


@set_desired_capacity.undo
def undo(ctx: Context, inputs: CapacityInputs, change: Change) -> None:
    """Set the desired capacity back."""
    _set(connect(ctx, inputs), inputs, change.after["desired"], change.before["desired"])


@set_desired_capacity.target
def target(inputs: CapacityInputs) -> str:
    """Return the group. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"autoscaling:{inputs.region}:{inputs.group}"


def _set(aws: Aws, inputs: CapacityInputs, before: int, desired: int) -> None:
    require_planned(f"group {inputs.group}", find_group(aws, inputs.group)["DesiredCapacity"], before)
    what = f"set the group {inputs.group} in {inputs.region} to {desired} instances"
    params: dict[str, Any] = {"AutoScalingGroupName": inputs.group, "DesiredCapacity": desired}
    aws.call(what, "autoscaling", "set_desired_capacity", **params)
