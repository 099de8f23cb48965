"""Scaling Deployments."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl._kubectl import Name, can_i, get, patch
from kubernaut_kubectl._progress import rolled_out
from kubernaut_kubectl._watch import watch_of
from kubernaut_kubectl.ownership import REPLICAS, Noted, WhenOwned, look, note_of
from kubernaut_sdk import Action, Change, Context, Inputs, ObjectRef, PreconditionFailed

__all__ = ["STEP", "InNamespace", "scale"]

STEP = timedelta(days=7)
"""How long `verify` may take at most: always as long as the step may."""


class InNamespace(Inputs):
    """What names a Deployment."""

    namespace: Name
    deployment: Name
    when_owned: Annotated[
        WhenOwned,
        Field(description="What to do where an owner, such as an autoscaler or Argo CD, would take the change back."),
    ] = "refuse"


class Scale(InNamespace):
    """How many replicas it shall have."""

    replicas: Annotated[int, Field(ge=0, le=10_000, description="As many as there shall be, not how many more.")]
    allow_zero: Annotated[bool, Field(description="Whether it may be scaled to 0, which stops it.")] = False


class Scaled(Noted):
    """How many replicas it has."""

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
def plan(ctx: Context, inputs: Scale) -> Change:
    """Sets the number of replicas of a Deployment and waits until they are ready, for as long as the step may take.

    Looks first who owns the number: where a HorizontalPodAutoscaler, KEDA, Argo CD, Flux or an operator would take it
    back, it is refused, unless `when_owned` is `proceed`; then it is watched for a minute, and a revert is told.
    They must be ready for 5 s on end, none too many and none too few. ReplicaSets and pods are read only to say why
    they are not; without that permission it is not said.
    """
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    before = found["spec"]["replicas"]
    if before != inputs.replicas:
        if not inputs.replicas and not inputs.allow_zero:
            raise PreconditionFailed(
                f"{inputs.deployment} has {before} replicas, and 0 would stop it; set allow_zero if that is meant.",
                reason="LimitReached",
            )
        watch_of(ctx).owners = look(ctx, found, REPLICAS, inputs.replicas, inputs.when_owned)
    return Change({"replicas": before}, {"replicas": inputs.replicas})


@scale.apply
def apply(ctx: Context, inputs: Scale, change: Change) -> Scaled:
    """One patch that holds only if nobody scaled it since."""
    watch_of(ctx).wrote(_set_replicas(ctx, inputs, change.before["replicas"], change.after["replicas"]))
    return Scaled(replicas=inputs.replicas, note=note_of(watch_of(ctx).owners))


@scale.verify(within=STEP)
def verify(ctx: Context, inputs: Scale, change: Change) -> bool | str:
    """Whether the replicas are ready, and the number is ours."""
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    now, before = found["spec"]["replicas"], change.before["replicas"]
    watch = watch_of(ctx)
    lacks = watch.still(found, REPLICAS, now, before=before, wanted=inputs.replicas, what="the number of replicas")
    return lacks or rolled_out(ctx, found)


@scale.undo
def undo(ctx: Context, inputs: Scale, change: Change) -> None:
    """Sets the number back."""
    _set_replicas(ctx, inputs, change.after["replicas"], change.before["replicas"])


@scale.target
def target(inputs: Scale) -> ObjectRef:
    """The Deployment."""
    return ObjectRef(kind="Deployment", namespace=inputs.namespace, name=inputs.deployment)


@scale.check
def check(ctx: Context, inputs: Scale) -> dict[str, str | None]:
    """The permissions."""
    return can_i(ctx, scale.permissions, inputs.namespace)


def _set_replicas(ctx: Context, inputs: Scale, before: int, after: int) -> dict[str, Any]:
    path = "/spec/replicas"
    operations = [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]
    return patch(ctx, "deployment.apps", inputs.deployment, operations, inputs.namespace)
