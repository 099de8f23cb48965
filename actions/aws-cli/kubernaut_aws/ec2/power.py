"""The actions aws/start_instances and aws/stop_instances."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.consistency import require_planned
from kubernaut_aws.common.dryrun import dry_run
from kubernaut_aws.common.inputs import AwsInputs, InstanceId, Limit
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.session import Aws, connect
from kubernaut_aws.ec2.instances import find_instances, read_checks, refuse_owned, require_few, state_of
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, VerifyFailed

__all__ = ["start_instances", "stop_instances"]


class StartInputs(AwsInputs):
    """The inputs of aws/start_instances."""

    instance_ids: Annotated[
        list[InstanceId], Field(min_length=1, max_length=50, description="The ids of the EC2 instances.")
    ]
    max_instances: Limit = 10


class StopInputs(AwsInputs):
    """The inputs of aws/stop_instances."""

    instance_ids: Annotated[
        list[InstanceId], Field(min_length=1, max_length=50, description="The ids of the EC2 instances.")
    ]
    max_instances: Limit = 10
    lose_instance_store: Annotated[
        bool, Field(description="Whether data on instance store volumes, which a stop erases, may be lost.")
    ] = False


class PowerResult(Result):
    """The result of aws/start_instances and aws/stop_instances."""

    count: int
    state: Annotated[str, Field(max_length=32)]
    instance_ids: list[str] | None = None


_STARTED, _STOPPED = "running", "stopped"
_ON_THE_WAY = {"pending": _STARTED, "running": _STARTED, "stopping": _STOPPED, "stopped": _STOPPED}
_BEGAN: PerExecution[set[str]] = PerExecution()

start_instances = Action(
    "aws/start_instances",
    permissions=[
        "autoscaling:DescribeAutoScalingInstances",
        "ec2:DescribeInstanceAttribute",
        "ec2:DescribeInstanceStatus",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeInstances",
        "ec2:StartInstances",
        "ec2:StopInstances",
    ],
    risk="low",
    examples=[{"region": "eu-central-1", "instance_ids": ["i-0123456789abcdef0"]}],
)
stop_instances = Action(
    "aws/stop_instances",
    permissions=[
        "autoscaling:DescribeAutoScalingInstances",
        "ec2:DescribeInstanceAttribute",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeInstances",
        "ec2:StartInstances",
        "ec2:StopInstances",
    ],
    risk="high",
    examples=[{"region": "eu-central-1", "instance_ids": ["i-0123456789abcdef0"]}],
)


@start_instances.plan
def plan_start(ctx: Context, inputs: StartInputs) -> Change:
    """Start stopped EC2 instances, and wait until they run and pass their status checks.

    Idempotent. An instance that EC2 stops again while it starts (its volume cannot be decrypted, there is no capacity)
    ends the step at once, with EC2's reason. If there is no capacity, nothing is started, and the failure is transient.
    Undo stops those that were stopped. EC2 has no compare-and-swap for this: the states are read again right before.
    """
    require_few(inputs.instance_ids, inputs.max_instances)
    found = find_instances(connect(ctx, inputs), inputs.instance_ids)
    return Change(_states(found), dict.fromkeys(inputs.instance_ids, _STARTED))


@start_instances.apply
def apply_start(ctx: Context, inputs: StartInputs, change: Change) -> PowerResult:
    """Call StartInstances for those that are stopped."""
    aws = connect(ctx, inputs)
    require_planned("the instances", _states(find_instances(aws, inputs.instance_ids)), change.before)
    return _switch(aws, "start", [name for name, state in change.before.items() if state == _STOPPED], inputs)


@start_instances.verify
def verify_start(ctx: Context, inputs: StartInputs, change: Change) -> bool | str:
    """Return True once all run and pass their checks, until then what is missing."""
    aws = connect(ctx, inputs)
    began = _BEGAN.get(ctx) or _BEGAN.set(ctx, set())
    found = read_checks(aws, inputs.instance_ids)
    waits = []
    for name in inputs.instance_ids:
        state, checks = found.get(name, ("unknown", frozenset()))
        if state in {"pending", "running"}:
            began.add(name)
        elif name in began or state in {"shutting-down", "terminated"}:
            why = find_instances(aws, [name])[name].get("StateReason", {}).get("Message", "no reason is told")
            raise VerifyFailed(f"{name} began to start and is {state}: {why}.", reason="StoppedAgain")
        if state != "running" or not checks <= {"ok", "not-applicable"}:
            waits.append(f"{name} is {state}, its checks {', '.join(sorted(checks)) or 'unknown'}.")
    return " ".join(waits) or True


@start_instances.undo
def undo_start(ctx: Context, inputs: StartInputs, change: Change) -> None:
    """Stop those that were stopped."""
    ids = [name for name, state in change.before.items() if state == _STOPPED]
    aws = connect(ctx, inputs)
    _require_stoppable(aws, ids, lose_instance_store=False)
    _switch(aws, "stop", ids, inputs)


@start_instances.check
def check_start(ctx: Context, inputs: StartInputs) -> dict[str, str | None]:
    """Ask EC2 by its dry run if it would start them."""
    params: dict[str, Any] = {"InstanceIds": inputs.instance_ids}
    return {"ec2:StartInstances": dry_run(connect(ctx, inputs), "start the instances", "start_instances", **params)}


@start_instances.target
def target_start(inputs: StartInputs) -> str:
    """Return the instances. Their ARNs are not used, since they hold the account, which only AWS knows."""
    return f"ec2:{inputs.region}:{','.join(inputs.instance_ids)}"


@stop_instances.plan
def plan_stop(ctx: Context, inputs: StopInputs) -> Change:
    """Stop running EC2 instances, and wait until they are stopped.

    Refused: an instance in service in an Auto Scaling group, which would terminate and replace it; stop protection; a
    root volume on instance store, or a one-time Spot instance, which cannot be stopped; data on instance store
    volumes, which a stop erases, unless `lose_instance_store`. Undo starts those that ran; an address that is not an
    Elastic IP is then another. EC2 has no compare-and-swap for this: the states are read again right before.
    """
    require_few(inputs.instance_ids, inputs.max_instances)
    aws = connect(ctx, inputs)
    before = _states(find_instances(aws, inputs.instance_ids))
    running = [name for name, state in before.items() if state == _STARTED]
    if running:
        _require_stoppable(aws, running, lose_instance_store=inputs.lose_instance_store)
    return Change(before, dict.fromkeys(inputs.instance_ids, _STOPPED))


@stop_instances.apply
def apply_stop(ctx: Context, inputs: StopInputs, change: Change) -> PowerResult:
    """Call StopInstances for those that run."""
    aws = connect(ctx, inputs)
    require_planned("the instances", _states(find_instances(aws, inputs.instance_ids)), change.before)
    return _switch(aws, "stop", [name for name, state in change.before.items() if state == _STARTED], inputs)


@stop_instances.verify
def verify_stop(ctx: Context, inputs: StopInputs, change: Change) -> bool | str:
    """Return True once all are stopped, until then which are not."""
    found = find_instances(connect(ctx, inputs), inputs.instance_ids)
    began = _BEGAN.get(ctx) or _BEGAN.set(ctx, set())
    waits = []
    for name, instance in found.items():
        state = state_of(instance)
        if state in {"stopping", "stopped"}:
            began.add(name)
        elif state == "pending" or name in began or state in {"shutting-down", "terminated"}:
            raise VerifyFailed(f"{name} was stopped, and is {state} by somebody else.", reason="Overwritten")
        if state != _STOPPED:
            waits.append(f"{name} is {state}.")
    return " ".join(waits) or True


@stop_instances.undo
def undo_stop(ctx: Context, inputs: StopInputs, change: Change) -> None:
    """Start those that ran."""
    _switch(connect(ctx, inputs), "start", [name for name, state in change.before.items() if state == _STARTED], inputs)


@stop_instances.check
def check_stop(ctx: Context, inputs: StopInputs) -> dict[str, str | None]:
    """Ask EC2 by its dry run if it would stop them."""
    params: dict[str, Any] = {"InstanceIds": inputs.instance_ids}
    return {"ec2:StopInstances": dry_run(connect(ctx, inputs), "stop the instances", "stop_instances", **params)}


@stop_instances.target
def target_stop(inputs: StopInputs) -> str:
    """Return the instances. Their ARNs are not used, since they hold the account, which only AWS knows."""
    return f"ec2:{inputs.region}:{','.join(inputs.instance_ids)}"


def _states(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return running or stopped for each instance; one that is on the way counts as arrived.

    Raises:
        PreconditionFailed: if one is terminated.
    """
    if gone := [f"{name} is {state_of(item)}" for name, item in found.items() if state_of(item) not in _ON_THE_WAY]:
        raise PreconditionFailed(f"what is terminated can be neither started nor stopped: {', '.join(gone)}.")
    return {name: _ON_THE_WAY[state_of(item)] for name, item in found.items()}


def _switch(aws: Aws, verb: str, ids: list[str], inputs: StartInputs | StopInputs) -> PowerResult:
    if ids:
        aws.call(f"{verb} {', '.join(ids)}", "ec2", f"{verb}_instances", InstanceIds=ids)
    state = _STARTED if verb == "start" else _STOPPED
    return PowerResult(count=len(ids), state=state, instance_ids=inputs.instance_ids)


def _require_stoppable(aws: Aws, ids: list[str], *, lose_instance_store: bool) -> None:
    """Raise if an instance may not, cannot, or should not be stopped.

    Raises:
        PreconditionFailed: with the reason.
    """
    refuse_owned(aws, ids, "is stopped", "take it out of service with aws/enter_standby first")
    found = find_instances(aws, ids)
    for name, instance in found.items():
        if instance.get("RootDeviceType") == "instance-store":
            raise PreconditionFailed(f"{name} has its root on instance store, so it cannot be stopped, only rebooted.")
        if instance.get("InstanceLifecycle") == "spot":
            raise PreconditionFailed(f"{name} is a Spot instance; AWS alone decides when it starts again.")
        what = f"read the stop protection of {name}"
        read = aws.call(what, "ec2", "describe_instance_attribute", InstanceId=name, Attribute="disableApiStop")
        if read.get("DisableApiStop", {}).get("Value"):
            raise PreconditionFailed(
                f"{name} is protected from being stopped; take the stop protection off first.", reason="StopProtected"
            )
    if not lose_instance_store:
        _refuse_instance_store(aws, found)


def _refuse_instance_store(aws: Aws, found: Mapping[str, Mapping[str, Any]]) -> None:
    kinds = sorted({item["InstanceType"] for item in found.values()})
    listed = aws.items(
        "describe the instances' types", "ec2", "describe_instance_types", "InstanceTypes", InstanceTypes=kinds
    )
    with_store = {item["InstanceType"] for item in listed if item.get("InstanceStorageSupported")}
    if losing := [name for name, item in found.items() if item["InstanceType"] in with_store]:
        raise PreconditionFailed(
            f"{', '.join(losing)} has instance store volumes, whose data a stop erases; set lose_instance_store to "
            f"true if it may be lost.",
            reason="InstanceStore",
        )
