"""The action aws/scale_ecs_service."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.consistency import pending_write, require_planned
from kubernaut_aws.common.session import Aws, connect
from kubernaut_aws.ecs.services import ServiceInputs, find_service, last_event, primary_of
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, VerifyFailed

__all__ = ["scale_ecs_service"]


class ScaleServiceInputs(ServiceInputs):
    """The inputs of aws/scale_ecs_service."""

    desired: Annotated[int, Field(ge=0, le=5_000, description="As many tasks as there shall be.")]
    allow_zero: Annotated[bool, Field(description="Whether 0 is meant, which ends the service's last task.")] = False


class ScaleServiceResult(Result):
    """The result of aws/scale_ecs_service."""

    desired: int


scale_ecs_service = Action(
    "aws/scale_ecs_service",
    permissions=["ecs:DescribeServices", "ecs:UpdateService"],
    risk="medium",
    examples=[{"region": "eu-central-1", "cluster": "shop", "service": "checkout", "desired": 6}],
)


@scale_ecs_service.plan
def plan(ctx: Context, inputs: ScaleServiceInputs) -> Change:
    """Set the number of tasks of an ECS service, and wait until they run.

    Refused: 0 without `allow_zero`; a service that CodeDeploy or another controller deploys; a DAEMON. A number that
    Application Auto Scaling changes again ends the step with code 4. Idempotent; undo sets the number back. ECS has no
    compare-and-swap for this: the number is read again right before it is set.
    """
    service = find_service(connect(ctx, inputs), inputs.cluster, inputs.service)
    if inputs.desired == 0 and not inputs.allow_zero:
        raise PreconditionFailed(
            f"desired is 0, which ends the last task of {inputs.service}; set allow_zero to true if that is meant.",
            reason="Zero",
        )
    return Change({"desired": service["desiredCount"]}, {"desired": inputs.desired})


@scale_ecs_service.apply
def apply(ctx: Context, inputs: ScaleServiceInputs, change: Change) -> ScaleServiceResult:
    """Call UpdateService with the number."""
    _set(connect(ctx, inputs), inputs, change.before, change.after)
    return ScaleServiceResult(desired=inputs.desired)


@scale_ecs_service.verify
def verify(ctx: Context, inputs: ScaleServiceInputs, change: Change) -> bool | str:
    """Return True once so many tasks run, until then what is missing."""
    service = find_service(connect(ctx, inputs), inputs.cluster, inputs.service)
    now = {"desired": service["desiredCount"]}
    if missing := pending_write(f"the service {inputs.service}", now, change, "is there a scaling policy?"):
        return missing
    if primary_of(service).get("rolloutState") == "FAILED":
        raise VerifyFailed(
            f"the deployment of {inputs.service} failed: {primary_of(service).get('rolloutStateReason', 'no reason')}",
            reason="RolloutFailed",
        )
    running, pending = service["runningCount"], service["pendingCount"]
    if running == inputs.desired and pending == 0:
        return True
    return f"{running} of {inputs.desired} tasks of {inputs.service} run, {pending} are pending{last_event(service)}."


@scale_ecs_service.undo
def undo(ctx: Context, inputs: ScaleServiceInputs, change: Change) -> None:
    """Set the number back."""
    _set(connect(ctx, inputs), inputs, change.after, change.before)


@scale_ecs_service.target
def target(inputs: ScaleServiceInputs) -> str:
    """Return the service. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"ecs:{inputs.region}:{inputs.cluster}/{inputs.service}"


def _set(aws: Aws, inputs: ScaleServiceInputs, before: dict[str, int], after: dict[str, int]) -> None:
    now = find_service(aws, inputs.cluster, inputs.service)["desiredCount"]
    require_planned(f"the service {inputs.service}", {"desired": now}, before)
    params: dict[str, Any] = {"cluster": inputs.cluster, "service": inputs.service, "desiredCount": after["desired"]}
    aws.call(f"set the service {inputs.service} to {after['desired']} tasks", "ecs", "update_service", **params)
