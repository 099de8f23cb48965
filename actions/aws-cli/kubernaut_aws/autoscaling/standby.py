"""The actions aws/enter_standby and aws/exit_standby, for instances of Auto Scaling groups."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.autoscaling.groups import find_group, instances_of, refuse_refresh, require_healthy_left
from kubernaut_aws.common.consistency import require_planned
from kubernaut_aws.common.inputs import AwsInputs, InstanceId, Limit, MinHealthy, Name
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.session import Aws, connect
from kubernaut_aws.ec2.instances import find_instances, require_few, state_of
from kubernaut_sdk import Action, Change, Context, NotFound, PreconditionFailed, Result, VerifyFailed

__all__ = ["enter_standby", "exit_standby"]


class EnterStandbyInputs(AwsInputs):
    """The inputs of aws/enter_standby."""

    group: Annotated[Name, Field(description="The Auto Scaling group's name.")]
    instance_ids: Annotated[
        list[InstanceId], Field(min_length=1, max_length=20, description="The ids of the EC2 instances.")
    ]
    decrement: Annotated[
        bool, Field(description="Whether the group's desired capacity goes down; otherwise AWS starts replacements.")
    ] = True
    max_instances: Limit = 5
    min_healthy: MinHealthy = 1


class ExitStandbyInputs(AwsInputs):
    """The inputs of aws/exit_standby."""

    group: Annotated[Name, Field(description="The Auto Scaling group's name.")]
    instance_ids: Annotated[
        list[InstanceId], Field(min_length=1, max_length=20, description="The ids of the EC2 instances.")
    ]
    max_instances: Limit = 5


class StandbyResult(Result):
    """The result of aws/enter_standby and aws/exit_standby."""

    count: int
    state: Annotated[str, Field(max_length=32)]
    instance_ids: list[str] | None = None


_STANDBY, _SERVING = "Standby", "InService"
_ON_THE_WAY = {"EnteringStandby": _STANDBY, "Pending": _SERVING, "Pending:Wait": _SERVING, "Pending:Proceed": _SERVING}
_ARRIVED: PerExecution[set[str]] = PerExecution()
_SHARED = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeInstanceRefreshes",
    "autoscaling:EnterStandby",
    "autoscaling:ExitStandby",
]

enter_standby = Action(
    "aws/enter_standby",
    permissions=_SHARED,
    risk="medium",
    examples=[{"region": "eu-central-1", "group": "checkout-workers", "instance_ids": ["i-0123456789abcdef0"]}],
)
exit_standby = Action(
    "aws/exit_standby",
    permissions=[*_SHARED, "ec2:DescribeInstances"],
    risk="low",
    examples=[{"region": "eu-central-1", "group": "checkout-workers", "instance_ids": ["i-0123456789abcdef0"]}],
)


@enter_standby.plan
def plan_enter(ctx: Context, inputs: EnterStandbyInputs) -> Change:
    """Take instances of an Auto Scaling group out of service, without terminating them.

    A load balancer of the group deregisters them, and no health check replaces them, so that they can be looked at,
    stopped or rebooted. Refused: fewer than `min_healthy` healthy ones left in service; with `decrement`, a desired
    capacity below the group's minimum; while an instance refresh runs. Idempotent; undo puts them back into service.
    The group is read again right before, since AWS has no compare-and-swap for this.
    """
    require_few(inputs.instance_ids, inputs.max_instances)
    aws = connect(ctx, inputs)
    group = find_group(aws, inputs.group)
    before = _states(group, inputs.instance_ids)
    leaving = [name for name, state in before.items() if state != _STANDBY]
    if leaving:
        _require_state(before, leaving, _SERVING)
        if inputs.decrement and group["DesiredCapacity"] - len(leaving) < group["MinSize"]:
            raise PreconditionFailed(
                f"group {inputs.group} has a minimum of {group['MinSize']}, and {group['DesiredCapacity']} are "
                f"desired; set decrement to false for replacements, or lower the minimum.",
                reason="MinSize",
            )
        require_healthy_left(group, set(leaving), inputs.min_healthy)
        refuse_refresh(aws, inputs.group)
    return Change(before, dict.fromkeys(inputs.instance_ids, _STANDBY))


@enter_standby.apply
def apply_enter(ctx: Context, inputs: EnterStandbyInputs, change: Change) -> StandbyResult:
    """Call EnterStandby."""
    aws, leaving = connect(ctx, inputs), _differing(change)
    require_planned(f"group {inputs.group}", _states(find_group(aws, inputs.group), inputs.instance_ids), change.before)
    _enter(aws, inputs.group, leaving, decrement=inputs.decrement)
    return StandbyResult(count=len(leaving), state=_STANDBY, instance_ids=inputs.instance_ids)


@enter_standby.verify
def verify_enter(ctx: Context, inputs: EnterStandbyInputs, change: Change) -> bool | str:
    """Return True once all are in standby, until then what is missing."""
    return _arrived(ctx, find_group(connect(ctx, inputs), inputs.group), inputs.instance_ids, _STANDBY)


@enter_standby.undo
def undo_enter(ctx: Context, inputs: EnterStandbyInputs, change: Change) -> None:
    """Put those back into service that were."""
    _exit(connect(ctx, inputs), inputs.group, _differing(change))


@enter_standby.target
def target_enter(inputs: EnterStandbyInputs) -> str:
    """Return the group and instances. ARNs are not used, since they hold the account, which only AWS knows."""
    return f"autoscaling:{inputs.region}:{inputs.group}:{','.join(inputs.instance_ids)}"


@exit_standby.plan
def plan_exit(ctx: Context, inputs: ExitStandbyInputs) -> Change:
    """Put instances of an Auto Scaling group that are in standby back into service, and wait until they serve.

    The group's desired capacity goes up by as many. Refused: beyond the group's maximum; an instance that does not
    run, which the group would replace at once; while an instance refresh runs. Idempotent; undo takes them out again.
    """
    require_few(inputs.instance_ids, inputs.max_instances)
    aws = connect(ctx, inputs)
    group = find_group(aws, inputs.group)
    before = _states(group, inputs.instance_ids)
    coming = [name for name, state in before.items() if state != _SERVING]
    if coming:
        _require_state(before, coming, _STANDBY)
        if group["DesiredCapacity"] + len(coming) > group["MaxSize"]:
            raise PreconditionFailed(
                f"group {inputs.group} has a maximum of {group['MaxSize']}, and {group['DesiredCapacity']} are desired "
                f"without the {len(coming)} in standby; raise the maximum, or lower the desired capacity.",
                reason="MaxSize",
            )
        found = find_instances(aws, coming)
        if idle := [f"{name} is {state_of(item)}" for name, item in found.items() if state_of(item) != "running"]:
            raise PreconditionFailed(
                f"the group replaces what does not run: {', '.join(idle)}; use aws/start_instances first.",
                reason="NotRunning",
            )
        refuse_refresh(aws, inputs.group)
    return Change(before, dict.fromkeys(inputs.instance_ids, _SERVING))


@exit_standby.apply
def apply_exit(ctx: Context, inputs: ExitStandbyInputs, change: Change) -> StandbyResult:
    """Call ExitStandby."""
    aws, coming = connect(ctx, inputs), _differing(change)
    require_planned(f"group {inputs.group}", _states(find_group(aws, inputs.group), inputs.instance_ids), change.before)
    _exit(aws, inputs.group, coming)
    return StandbyResult(count=len(coming), state=_SERVING, instance_ids=inputs.instance_ids)


@exit_standby.verify
def verify_exit(ctx: Context, inputs: ExitStandbyInputs, change: Change) -> bool | str:
    """Return True once all are in service and healthy, until then what is missing."""
    group = find_group(connect(ctx, inputs), inputs.group)
    known = instances_of(group)
    sick = [name for name in inputs.instance_ids if known.get(name, {}).get("HealthStatus") == "Unhealthy"]
    if sick:
        return f"{', '.join(sick)} is unhealthy."
    return _arrived(ctx, group, inputs.instance_ids, _SERVING)


@exit_standby.undo
def undo_exit(ctx: Context, inputs: ExitStandbyInputs, change: Change) -> None:
    """Take those out of service again that were in standby."""
    _enter(connect(ctx, inputs), inputs.group, _differing(change), decrement=True)


@exit_standby.target
def target_exit(inputs: ExitStandbyInputs) -> str:
    """Return the group and instances. ARNs are not used, since they hold the account, which only AWS knows."""
    return f"autoscaling:{inputs.region}:{inputs.group}:{','.join(inputs.instance_ids)}"


def _states(group: dict[str, Any], ids: list[str]) -> dict[str, str]:
    """Return the lifecycle state of each instance; one that is on the way counts as arrived.

    Raises:
        NotFound: if one is not in the group.
    """
    known = instances_of(group)
    if strange := [name for name in ids if name not in known]:
        raise NotFound(f"{', '.join(strange)} is not in the group {group['AutoScalingGroupName']}.")
    states = {name: known[name]["LifecycleState"] for name in ids}
    return {name: _ON_THE_WAY.get(state, state) for name, state in states.items()}


def _require_state(states: dict[str, str], ids: list[str], wanted: str) -> None:
    if wrong := [f"{name} is {states[name]}" for name in ids if states[name] != wanted]:
        raise PreconditionFailed(f"only what is {wanted} can be moved: {', '.join(wrong)}.", reason="WrongState")


def _differing(change: Change) -> list[str]:
    return [name for name, state in change.before.items() if state != change.after[name]]


def _enter(aws: Aws, group: str, ids: list[str], *, decrement: bool) -> None:
    params: dict[str, Any] = {
        "AutoScalingGroupName": group,
        "InstanceIds": ids,
        "ShouldDecrementDesiredCapacity": decrement,
    }
    aws.call(f"put {', '.join(ids)} into standby", "autoscaling", "enter_standby", **params)


def _exit(aws: Aws, group: str, ids: list[str]) -> None:
    params: dict[str, Any] = {"AutoScalingGroupName": group, "InstanceIds": ids}
    aws.call(f"put {', '.join(ids)} back into service", "autoscaling", "exit_standby", **params)


def _arrived(ctx: Context, group: dict[str, Any], ids: list[str], wanted: str) -> bool | str:
    """Return True if all are in the wanted state, otherwise which are not.

    Raises:
        VerifyFailed: if one is gone, or has left the state again.
    """
    known, arrived = instances_of(group), _ARRIVED.get(ctx) or _ARRIVED.set(ctx, set())
    waits = []
    for name in ids:
        state = known.get(name, {}).get("LifecycleState", "not in the group any more")
        if state == wanted:
            arrived.add(name)
        elif name not in known or state.startswith("Terminat") or name in arrived:
            raise VerifyFailed(f"{name} is {state}; somebody else, or a health check, took it.", reason="Overwritten")
        else:
            waits.append(f"{name} is {state}, not {wanted}.")
    return " ".join(waits) or True
