"""The actions aws/deregister_targets and aws/register_targets, for target groups of load balancers."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kubernaut_aws.common.consistency import require_planned
from kubernaut_aws.common.inputs import AwsInputs, Limit, MinHealthy
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.session import Aws, connect
from kubernaut_sdk import Action, Change, Context, NotFound, PreconditionFailed, Result, VerifyFailed

__all__ = ["deregister_targets", "register_targets"]


class Target(BaseModel):
    """A target, with its port: without one, AWS answers 200 to a deregistration, and does nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Annotated[str, Field(pattern=r"^(i-[0-9a-f]{8,17}|[0-9a-f.:]{2,45})$", max_length=45)]
    port: Annotated[int, Field(ge=1, le=65_535)]

    def __str__(self) -> str:
        return f"{self.id}:{self.port}"


class _TargetsInputs(AwsInputs):
    target_group_arn: Annotated[
        str,
        Field(
            pattern=r"^arn:aws(-[a-z]+)*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9-]+/[0-9a-f]+$",
            max_length=255,
            description="The target group.",
        ),
    ]
    targets: Annotated[
        list[Target], Field(min_length=1, max_length=20, description="Instances or addresses, each with its port.")
    ]


class DeregisterInputs(_TargetsInputs):
    """The inputs of aws/deregister_targets."""

    max_targets: Annotated[
        Limit | None,
        Field(description="Refused if it would be more at once; by default a third of those registered, at least one."),
    ] = None
    min_healthy: MinHealthy = 1


class RegisterInputs(_TargetsInputs):
    """The inputs of aws/register_targets."""

    max_targets: Limit = 10


class TargetsResult(Result):
    """The result of aws/deregister_targets and aws/register_targets."""

    count: int
    state: Annotated[str, Field(max_length=32)]


_IN, _OUT = "registered", "deregistered"
_SEEN: PerExecution[set[str]] = PerExecution()
_PERMISSIONS = [
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "elasticloadbalancing:RegisterTargets",
]
_EXAMPLE = {
    "region": "eu-central-1",
    "target_group_arn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/checkout/0123456789abcdef",
    "targets": [{"id": "i-0123456789abcdef0", "port": 8080}],
}

deregister_targets = Action("aws/deregister_targets", permissions=_PERMISSIONS, risk="medium", examples=[_EXAMPLE])
register_targets = Action("aws/register_targets", permissions=_PERMISSIONS, risk="low", examples=[_EXAMPLE])


@deregister_targets.plan
def plan_out(ctx: Context, inputs: DeregisterInputs) -> Change:
    """Take targets out of a load balancer's target group, and wait until their open requests have drained.

    A target is named with its port: without one, AWS answers 200 and does nothing to a target that has another port
    than its group. Refused: a target that is registered with other ports only; more than `max_targets` at once (a
    third of those registered, at least one); fewer than `min_healthy` healthy ones left. Idempotent; undo registers
    them again. AWS has no compare-and-swap for this: the targets are read again right before.
    """
    aws = connect(ctx, inputs)
    _require_ports(aws, inputs)
    health = _health(aws, inputs.target_group_arn)
    change = Change(_states(health, inputs.targets), {str(item): _OUT for item in inputs.targets})
    leaving = {name for name, state in change.before.items() if state == _IN}
    _refuse_other_ports(health, inputs.targets, change.before)
    registered = [name for name, item in health.items() if item["TargetHealth"]["State"] != "draining"]
    limit = inputs.max_targets or max(1, len(registered) // 3)
    if len(leaving) > limit:
        raise PreconditionFailed(
            f"max_targets is {limit}{'' if inputs.max_targets else ' (a third)'}, and {len(leaving)} of "
            f"{len(registered)} registered targets would go; take fewer at once.",
            reason="TooMany",
        )
    left = [n for n, item in health.items() if item["TargetHealth"]["State"] == "healthy" and n not in leaving]
    if leaving and len(left) < inputs.min_healthy:
        raise PreconditionFailed(
            f"min_healthy is {inputs.min_healthy}, and {len(left)} healthy targets would be left; add some first, or "
            f"lower the limit.",
            reason="TooFewLeft",
        )
    return change


@deregister_targets.apply
def apply_out(ctx: Context, inputs: DeregisterInputs, change: Change) -> TargetsResult:
    """Call DeregisterTargets for those that are registered."""
    return _move(connect(ctx, inputs), inputs, change.before, change.after)


@deregister_targets.verify
def verify_out(ctx: Context, inputs: DeregisterInputs, change: Change) -> bool | str:
    """Return True once all are drained, until then which are not."""
    health = _health(connect(ctx, inputs), inputs.target_group_arn)
    seen = _SEEN.get(ctx) or _SEEN.set(ctx, set())
    waits = []
    for name in map(str, inputs.targets):
        state = health[name]["TargetHealth"]["State"] if name in health else "unused"
        if name not in health or state == "draining" or _is_unregistered(health[name]):
            seen.add(name)
        elif name in seen:
            raise VerifyFailed(f"{name} was deregistered, and by somebody else registered again.", reason="Overwritten")
        if name in health and not _is_unregistered(health[name]):
            waits.append(f"{name} is {state}.")
    return " ".join(waits) or True


@deregister_targets.undo
def undo_out(ctx: Context, inputs: DeregisterInputs, change: Change) -> None:
    """Register those again that were registered."""
    _move(connect(ctx, inputs), inputs, change.after, change.before)


@deregister_targets.target
def target_out(inputs: DeregisterInputs) -> str:
    """Return the target group."""
    return inputs.target_group_arn


@register_targets.plan
def plan_in(ctx: Context, inputs: RegisterInputs) -> Change:
    """Put targets into a load balancer's target group, and wait until it finds them healthy.

    A target of which the load balancer says that it will never use it (the group is attached to nothing, the zone is
    not enabled, the address does not fit) ends the step at once with code 4. Idempotent; undo takes them out again.
    """
    if len(inputs.targets) > inputs.max_targets:
        raise PreconditionFailed(
            f"max_targets is {inputs.max_targets}, and {len(inputs.targets)} are named; name fewer, or "
            f"raise the limit.",
            reason="TooMany",
        )
    aws = connect(ctx, inputs)
    _require_ports(aws, inputs)
    health = _health(aws, inputs.target_group_arn)
    return Change(_states(health, inputs.targets), {str(item): _IN for item in inputs.targets})


@register_targets.apply
def apply_in(ctx: Context, inputs: RegisterInputs, change: Change) -> TargetsResult:
    """Call RegisterTargets for those that are not registered."""
    return _move(connect(ctx, inputs), inputs, change.before, change.after)


@register_targets.verify
def verify_in(ctx: Context, inputs: RegisterInputs, change: Change) -> bool | str:
    """Return True once all are healthy, until then which are not, and why."""
    health = _health(connect(ctx, inputs), inputs.target_group_arn)
    seen = _SEEN.get(ctx) or _SEEN.set(ctx, set())
    waits = []
    for name in map(str, inputs.targets):
        found = health.get(name, {}).get("TargetHealth", {"State": "not registered"})
        state, reason = found["State"], found.get("Reason", "")
        why = f" ({reason}: {found.get('Description', '').rstrip('.')})" if reason else ""
        if state == "unused" and reason != "Target.NotRegistered":
            raise VerifyFailed(f"{name} will get no requests{why}.", reason="Unused")
        if state in {"initial", "healthy", "unhealthy", "unavailable"}:
            seen.add(name)
        elif name in seen:
            raise VerifyFailed(f"{name} was registered, and is {state} by somebody else.", reason="Overwritten")
        if state != "healthy":
            waits.append(f"{name} is {state}{why}.")
    return " ".join(waits) or True


@register_targets.undo
def undo_in(ctx: Context, inputs: RegisterInputs, change: Change) -> None:
    """Take those out again that were not registered."""
    _move(connect(ctx, inputs), inputs, change.after, change.before)


@register_targets.target
def target_in(inputs: RegisterInputs) -> str:
    """Return the target group."""
    return inputs.target_group_arn


def _require_ports(aws: Aws, inputs: _TargetsInputs) -> None:
    """Raise unless the group is of targets with ports.

    Raises:
        PreconditionFailed: if it is of Lambda functions, or of load balancers.
    """
    what = f"describe the target group {inputs.target_group_arn}"
    arns = [inputs.target_group_arn]
    found = aws.items(what, "elbv2", "describe_target_groups", "TargetGroups", TargetGroupArns=arns)[0]
    if found.get("TargetType", "instance") not in {"instance", "ip"}:
        raise PreconditionFailed(
            f"the target group {found['TargetGroupName']} is of type {found['TargetType']}, whose targets this "
            f"action does not move.",
            reason="TargetType",
        )


def _health(aws: Aws, group: str) -> dict[str, dict[str, Any]]:
    """Return the targets of a group, by `id:port`. AWS tells all of them in one response."""
    what = f"describe the health of {group}"
    found = aws.call(what, "elbv2", "describe_target_health", TargetGroupArn=group)["TargetHealthDescriptions"]
    return {f"{item['Target']['Id']}:{item['Target']['Port']}": item for item in found}


def _is_unregistered(item: dict[str, Any]) -> bool:
    return bool(item["TargetHealth"].get("Reason") == "Target.NotRegistered")


def _states(health: dict[str, dict[str, Any]], targets: list[Target]) -> dict[str, str]:
    there = {
        name
        for name, item in health.items()
        if item["TargetHealth"]["State"] != "draining" and not _is_unregistered(item)
    }
    return {str(item): _IN if str(item) in there else _OUT for item in targets}


def _refuse_other_ports(health: dict[str, dict[str, Any]], targets: list[Target], states: dict[str, str]) -> None:
    for item in targets:
        ports = sorted(known["Target"]["Port"] for known in health.values() if known["Target"]["Id"] == item.id)
        if states[str(item)] == _OUT and ports and str(item) not in health:
            raise NotFound(
                f"{item} is not registered; {item.id} is with port {', '.join(map(str, ports))}. Name that port.",
                reason="OtherPort",
            )


def _move(aws: Aws, inputs: _TargetsInputs, before: dict[str, str], after: dict[str, str]) -> TargetsResult:
    group = inputs.target_group_arn
    health = _health(aws, group)
    require_planned("the targets", _states(health, inputs.targets), before)
    moving = [item for item in inputs.targets if before[str(item)] != after[str(item)]]
    [state] = {after[str(item)] for item in moving}
    targets = [_description(item, health) for item in moving]
    verb = "register" if state == _IN else "deregister"
    what = f"{verb} {', '.join(map(str, moving))}"
    aws.call(what, "elbv2", f"{verb}_targets", TargetGroupArn=group, Targets=targets)
    return TargetsResult(count=len(moving), state=state)


def _description(item: Target, health: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a target as AWS registered it: one outside of the group's VPC also has a zone."""
    zone = health.get(str(item), {}).get("Target", {}).get("AvailabilityZone")
    return {"Id": item.id, "Port": item.port, **({"AvailabilityZone": zone} if zone == "all" else {})}
