"""The action aws/redeploy_ecs_service."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.consistency import require_planned
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.session import connect
from kubernaut_aws.ecs.services import ServiceInputs, find_service, last_event, primary_of
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result, VerifyFailed

__all__ = ["redeploy_ecs_service"]


class RedeployInputs(ServiceInputs):
    """The inputs of aws/redeploy_ecs_service."""

    min_healthy_percent: Annotated[
        int,
        Field(ge=0, le=100, description="Refused if the service lets ECS go below this share of its tasks meanwhile."),
    ] = 50


class RedeployResult(Result):
    """The result of aws/redeploy_ecs_service."""

    deployment_id: Annotated[str, Field(max_length=128)]


@dataclass
class _Deployment:
    """The deployment that was made, and if ECS has listed it since."""

    id: str
    listed: bool = False


_MADE: PerExecution[_Deployment] = PerExecution()

redeploy_ecs_service = Action(
    "aws/redeploy_ecs_service",
    permissions=["ecs:DescribeServices", "ecs:UpdateService"],
    idempotent=False,
    risk="medium",
    examples=[{"region": "eu-central-1", "cluster": "shop", "service": "checkout"}],
)


@redeploy_ecs_service.plan
def plan(ctx: Context, inputs: RedeployInputs) -> Change:
    """Replace all tasks of an ECS service by a new deployment of the same task definition, and wait for its end.

    What counts is the deployment that this made: its `rolloutState` must become COMPLETED. (ECS's own waiter
    `services_stable` looks at numbers only, and returns early.) If the circuit breaker gives it up or rolls it back, or
    somebody deploys anew, the step ends at once with code 4. Refused: a service of 0 tasks, where nothing would be
    proved; a deployment that is under way; a `minimumHealthyPercent` below `min_healthy_percent`. Not idempotent: ECS
    takes no token for it, so an error that leaves open whether it was done is final, and a pod that runs again does not
    act.
    """
    service = find_service(connect(ctx, inputs), inputs.cluster, inputs.service)
    if service["desiredCount"] == 0:
        raise PreconditionFailed(
            f"the service {inputs.service} has 0 desired tasks, so a deployment would prove nothing; scale it first.",
            reason="Zero",
        )
    primary = primary_of(service)
    if primary.get("rolloutState") == "IN_PROGRESS":
        raise PreconditionFailed(
            f"the deployment {primary['id']} of {inputs.service} is under way; wait for its end.", reason="InProgress"
        )
    share = service.get("deploymentConfiguration", {}).get("minimumHealthyPercent", 100)
    if share < inputs.min_healthy_percent:
        raise PreconditionFailed(
            f"min_healthy_percent is {inputs.min_healthy_percent}, and the service {inputs.service} has a "
            f"minimumHealthyPercent of {share}; raise that, or lower the limit.",
            reason="TooFewLeft",
        )
    return Change({"deployment": primary["id"]}, {"deployment": f"one by record {ctx.record_id}"})


@redeploy_ecs_service.apply
def apply(ctx: Context, inputs: RedeployInputs, change: Change) -> RedeployResult:
    """Call UpdateService with forceNewDeployment."""
    aws = connect(ctx, inputs)
    now = primary_of(find_service(aws, inputs.cluster, inputs.service))["id"]
    require_planned(f"the service {inputs.service}", {"deployment": now}, change.before)
    params: dict[str, Any] = {"cluster": inputs.cluster, "service": inputs.service, "forceNewDeployment": True}
    answer = aws.call(f"deploy the service {inputs.service} anew", "ecs", "update_service", repeatable=False, **params)
    return RedeployResult(deployment_id=_MADE.set(ctx, _Deployment(primary_of(answer["service"])["id"])).id)


@redeploy_ecs_service.verify
def verify(ctx: Context, inputs: RedeployInputs, change: Change) -> bool | str:
    """Return True once the deployment that was made is completed, until then how far it is."""
    made = _MADE.get(ctx)
    assert made is not None  # not idempotent: only the process that applied verifies
    service = find_service(connect(ctx, inputs), inputs.cluster, inputs.service)
    deployments = {item["id"]: item for item in service.get("deployments", ())}
    ours, primary = deployments.get(made.id), primary_of(service)["id"]
    if ours is None and not made.listed and primary == change.before["deployment"]:
        return f"ECS does not list the deployment {made.id} yet."
    if ours is not None and ours.get("rolloutState") == "FAILED":
        back = f"; ECS rolled back to {primary}" if primary != made.id else ""
        why = str(ours.get("rolloutStateReason", "no reason is told")).rstrip(".")
        raise VerifyFailed(f"the deployment {made.id} failed: {why}{back}.", reason="RolloutFailed")
    if ours is None or primary != made.id:
        raise VerifyFailed(
            f"the deployment {made.id} is no longer the primary one; {primary} is, by the circuit breaker or somebody "
            f"else.",
            reason="Overwritten",
        )
    made.listed = True
    if ours.get("rolloutState") == "COMPLETED":
        return True
    failed = f", {ours['failedTasks']} failed" if ours.get("failedTasks") else ""
    return f"{ours['runningCount']} of {ours['desiredCount']} tasks of {made.id} run{failed}{last_event(service)}."


@redeploy_ecs_service.target
def target(inputs: RedeployInputs) -> str:
    """Return the service. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"ecs:{inputs.region}:{inputs.cluster}/{inputs.service}"
