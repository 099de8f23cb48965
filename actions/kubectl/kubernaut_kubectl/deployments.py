"""The action kubernetes/scale_deployment."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl._kubectl import Name, can_i, get, patch
from kubernaut_kubectl._rollout import check_rollout
from kubernaut_kubectl._tracker import tracker_of
from kubernaut_kubectl.ownership import REPLICAS, ResultWithNote, WhenOwned, check_owners, ownership_note
from kubernaut_sdk import Action, Change, Context, Inputs, ObjectRef, PreconditionFailed

__all__ = ["DeploymentInputs", "scale"]


class DeploymentInputs(Inputs):
    """The inputs that name a Deployment."""

    namespace: Name
    deployment: Name
    when_owned: Annotated[
        WhenOwned,
        Field(description="What to do where an owner, such as an autoscaler or Argo CD, would take the change back."),
    ] = "refuse"


class ScaleInputs(DeploymentInputs):
    """The inputs of kubernetes/scale_deployment."""

    replicas: Annotated[int, Field(ge=0, le=10_000, description="As many as there shall be, not how many more.")]
    allow_zero: Annotated[bool, Field(description="Whether it may be scaled to 0, which stops it.")] = False


class ScaleResult(ResultWithNote):
    """The result of kubernetes/scale_deployment."""

    replicas: int


scale = Action(
    "kubernetes/scale_deployment",
    permissions=[
        "apps/deployments: get, patch",
        "apps/replicasets: list",
        "autoscaling/horizontalpodautoscalers: list",
        "pods: list",
    ],
    tools=["kubectl"],
    risk="medium",
    examples=[{"namespace": "shop", "deployment": "checkout", "replicas": 6}],
)


@scale.plan
def plan(ctx: Context, inputs: ScaleInputs) -> Change:
    """Set the number of replicas of a Deployment, and wait until they are ready, for as long as the step may take.

    If a HorizontalPodAutoscaler, KEDA, Argo CD, Flux or an operator owns the number and would revert it, the step is
    refused, unless `when_owned` is `proceed`; then the number is watched for a minute, and a revert fails the step.
    Exactly so many replicas must be ready for 5 s without interruption. ReplicaSets and pods are read only to say why
    they are not ready; without that permission, the reason is missing.
    """
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    before = found["spec"]["replicas"]
    if before != inputs.replicas:
        if not inputs.replicas and not inputs.allow_zero:
            raise PreconditionFailed(
                f"{inputs.deployment} has {before} replicas, and 0 would stop it; set allow_zero if that is meant.",
                reason="LimitReached",
            )
        tracker_of(ctx).owners = check_owners(ctx, found, REPLICAS, inputs.replicas, inputs.when_owned)
    return Change({"replicas": before}, {"replicas": inputs.replicas})


@scale.apply
def apply(ctx: Context, inputs: ScaleInputs, change: Change) -> ScaleResult:
    """Set the replicas with a patch that fails if somebody else scaled the Deployment since it was read."""
    tracker_of(ctx).remember_write(_set_replicas(ctx, inputs, change.before["replicas"], change.after["replicas"]))
    return ScaleResult(replicas=inputs.replicas, note=ownership_note(tracker_of(ctx).owners))


@scale.verify
def verify(ctx: Context, inputs: ScaleInputs, change: Change) -> bool | str:
    """Return True once the replicas are ready and the number is the one that was set."""
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    now, before = found["spec"]["replicas"], change.before["replicas"]
    tracker = tracker_of(ctx)
    shortfall = tracker.require_own_value(
        found, REPLICAS, now, before=before, wanted=inputs.replicas, what="the number of replicas"
    )
    return shortfall or check_rollout(ctx, found)


@scale.undo
def undo(ctx: Context, inputs: ScaleInputs, change: Change) -> None:
    """Set the number of replicas back."""
    _set_replicas(ctx, inputs, change.after["replicas"], change.before["replicas"])


@scale.target
def target(inputs: ScaleInputs) -> ObjectRef:
    """Return the Deployment."""
    return ObjectRef(kind="Deployment", namespace=inputs.namespace, name=inputs.deployment)


@scale.check
def check(ctx: Context, inputs: ScaleInputs) -> dict[str, str | None]:
    """Check the permissions."""
    return can_i(ctx, scale.permissions, inputs.namespace)


def _set_replicas(ctx: Context, inputs: ScaleInputs, before: int, after: int) -> dict[str, Any]:
    path = "/spec/replicas"
    operations = [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]
    return patch(ctx, "deployment.apps", inputs.deployment, operations, inputs.namespace)
