"""The actions aws/terminate_asg_instance and aws/detach_instance, for instances of Auto Scaling groups."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.autoscaling.groups import (
    find_group,
    in_service,
    instances_of,
    obstacle_of,
    refuse_refresh,
    require_healthy_left,
)
from kubernaut_aws.common.consistency import require_planned
from kubernaut_aws.common.inputs import AwsInputs, InstanceId, MinHealthy, Name
from kubernaut_aws.common.session import Aws, connect
from kubernaut_aws.ec2.instances import find_instances, state_of
from kubernaut_sdk import Action, Change, Context, NotFound, PreconditionFailed, Result

__all__ = ["detach_instance", "terminate_asg_instance"]


class RemovalInputs(AwsInputs):
    """The inputs of aws/terminate_asg_instance and aws/detach_instance."""

    group: Annotated[Name, Field(description="The Auto Scaling group's name.")]
    instance_id: InstanceId
    decrement: Annotated[
        bool, Field(description="Whether the group's desired capacity goes down; otherwise AWS starts a replacement.")
    ] = False
    min_healthy: MinHealthy = 1


class RemovalResult(Result):
    """The result of aws/terminate_asg_instance and aws/detach_instance."""

    instance_id: Annotated[str, Field(max_length=32)]
    replaced: bool


_TERMINATED, _DETACHED = "terminated", "detached"
_READS = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeInstanceRefreshes",
    "ec2:DescribeInstances",
]

terminate_asg_instance = Action(
    "aws/terminate_asg_instance",
    permissions=[*_READS, "autoscaling:TerminateInstanceInAutoScalingGroup"],
    risk="high",
    examples=[{"region": "eu-central-1", "group": "checkout-workers", "instance_id": "i-0123456789abcdef0"}],
)
detach_instance = Action(
    "aws/detach_instance",
    permissions=[*_READS, "autoscaling:DetachInstances"],
    risk="medium",
    examples=[{"region": "eu-central-1", "group": "checkout-workers", "instance_id": "i-0123456789abcdef0"}],
)


@terminate_asg_instance.plan
def plan_termination(ctx: Context, inputs: RemovalInputs) -> Change:
    """Terminate an instance of an Auto Scaling group, and wait until its replacement is in service.

    With `decrement` there is no replacement, and the desired capacity goes down. Refused: fewer than `min_healthy`
    healthy ones left in service; scale-in protection of the instance; a suspended process Launch, which would start
    no replacement; a desired capacity below the group's minimum; while an instance refresh runs. Irreversible.
    Idempotent: an instance is terminated once. The group is read again right before.
    """
    return _plan(ctx, inputs, _TERMINATED)


@terminate_asg_instance.apply
def apply_termination(ctx: Context, inputs: RemovalInputs, change: Change) -> RemovalResult:
    """Call TerminateInstanceInAutoScalingGroup."""
    params: dict[str, Any] = {"InstanceId": inputs.instance_id, "ShouldDecrementDesiredCapacity": inputs.decrement}
    return _apply(ctx, inputs, change, "terminate", "terminate_instance_in_auto_scaling_group", params)


@terminate_asg_instance.verify
def verify_termination(ctx: Context, inputs: RemovalInputs, change: Change) -> bool | str:
    """Return True once it is terminated and the group is whole, until then what is missing."""
    aws = connect(ctx, inputs)
    group = find_group(aws, inputs.group)
    if (state := _state(aws, group, inputs.instance_id, _TERMINATED)) != _TERMINATED:
        return f"{inputs.instance_id} still is {state}."
    if inputs.instance_id in instances_of(group):
        return f"{inputs.instance_id} is terminating."
    return inputs.decrement or in_service(group)


@terminate_asg_instance.target
def target_termination(inputs: RemovalInputs) -> str:
    """Return the group and instance. ARNs are not used, since they hold the account, which only AWS knows."""
    return f"autoscaling:{inputs.region}:{inputs.group}:{inputs.instance_id}"


@detach_instance.plan
def plan_detachment(ctx: Context, inputs: RemovalInputs) -> Change:
    """Detach an instance from its Auto Scaling group, and wait until its replacement is in service.

    The instance runs on, out of the group's load balancers, for a look at it; nobody terminates it. With `decrement`
    there is no replacement, and the desired capacity goes down. Refused: fewer than `min_healthy` healthy ones left in
    service; a suspended process Launch; a desired capacity below the group's minimum; while an instance refresh runs.
    Cannot be undone: attaching it again would raise the desired capacity. Idempotent. The group is read again right
    before.
    """
    return _plan(ctx, inputs, _DETACHED)


@detach_instance.apply
def apply_detachment(ctx: Context, inputs: RemovalInputs, change: Change) -> RemovalResult:
    """Call DetachInstances."""
    params: dict[str, Any] = {
        "AutoScalingGroupName": inputs.group,
        "InstanceIds": [inputs.instance_id],
        "ShouldDecrementDesiredCapacity": inputs.decrement,
    }
    return _apply(ctx, inputs, change, "detach", "detach_instances", params)


@detach_instance.verify
def verify_detachment(ctx: Context, inputs: RemovalInputs, change: Change) -> bool | str:
    """Return True once it is out of the group and the group is whole, until then what is missing."""
    group = find_group(connect(ctx, inputs), inputs.group)
    if (found := instances_of(group).get(inputs.instance_id)) is not None:
        return f"{inputs.instance_id} still is {found['LifecycleState']} in the group {inputs.group}."
    return inputs.decrement or in_service(group)


@detach_instance.target
def target_detachment(inputs: RemovalInputs) -> str:
    """Return the group and instance. ARNs are not used, since they hold the account, which only AWS knows."""
    return f"autoscaling:{inputs.region}:{inputs.group}:{inputs.instance_id}"


def _plan(ctx: Context, inputs: RemovalInputs, gone: str) -> Change:
    aws = connect(ctx, inputs)
    group = find_group(aws, inputs.group)
    before = _state(aws, group, inputs.instance_id, gone)
    if before != gone:
        _require_removable(group, inputs, gone)
        refuse_refresh(aws, inputs.group)
    return Change({"state": before}, {"state": gone})


def _require_removable(group: dict[str, Any], inputs: RemovalInputs, gone: str) -> None:
    """Raise if the instance should not go, or the group could not replace it.

    Raises:
        PreconditionFailed: with the reason.
    """
    instance, name = instances_of(group)[inputs.instance_id], inputs.group
    if gone == _TERMINATED and instance.get("ProtectedFromScaleIn"):
        raise PreconditionFailed(
            f"{inputs.instance_id} is protected from scale-in, so it has work to finish; take the protection off.",
            reason="Protected",
        )
    serving = instance["LifecycleState"] not in {"Standby", "EnteringStandby"}
    if inputs.decrement and serving and group["DesiredCapacity"] <= group["MinSize"]:
        raise PreconditionFailed(
            f"group {name} has a minimum of {group['MinSize']}, and {group['DesiredCapacity']} are desired; set "
            f"decrement to false for a replacement, or lower the minimum.",
            reason="MinSize",
        )
    left = {**group, "Instances": [item for item in group["Instances"] if item is not instance]}
    if not inputs.decrement and (obstacle := obstacle_of(left, group["DesiredCapacity"])) is not None:
        raise PreconditionFailed(obstacle, reason="Blocked")
    require_healthy_left(group, {inputs.instance_id}, inputs.min_healthy)


def _apply(
    ctx: Context, inputs: RemovalInputs, change: Change, verb: str, operation: str, params: dict[str, Any]
) -> RemovalResult:
    aws = connect(ctx, inputs)
    now = _state(aws, find_group(aws, inputs.group), inputs.instance_id, change.after["state"])
    require_planned(inputs.instance_id, now, change.before["state"])
    aws.call(f"{verb} {inputs.instance_id}", "autoscaling", operation, **params)
    return RemovalResult(instance_id=inputs.instance_id, replaced=not inputs.decrement)


def _state(aws: Aws, group: dict[str, Any], instance: str, gone: str) -> str:
    """Return the lifecycle state of an instance of the group, or `gone` if it is gone that way, or going.

    Raises:
        NotFound: if it is neither in the group, nor gone that way.
    """
    if (found := instances_of(group).get(instance)) is not None:
        state = str(found["LifecycleState"])
        return gone if state.startswith("Terminat" if gone == _TERMINATED else "Detach") else state
    state = state_of(find_instances(aws, [instance])[instance])
    if (state in {"shutting-down", "terminated"}) == (gone == _TERMINATED):
        return gone
    raise NotFound(f"{instance} is {state}, and not in the group {group['AutoScalingGroupName']}.")
