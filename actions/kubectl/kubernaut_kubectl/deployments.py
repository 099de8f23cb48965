"""Scaling Deployments."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl._kubectl import Name, can_i, get, patch
from kubernaut_sdk import Action, Change, Context, Inputs, ObjectRef, Result, VerifyFailed

__all__ = ["InNamespace", "not_rolled_out", "scale"]


class InNamespace(Inputs):
    """What names a Deployment."""

    namespace: Name
    deployment: Name


class Scale(InNamespace):
    """How many replicas it shall have."""

    replicas: Annotated[int, Field(ge=0, le=10_000, description="As many as there shall be, not how many more.")]


class Scaled(Result):
    """How many replicas it has."""

    replicas: int


scale = Action(
    "kubernetes/scale_deployment",
    permissions=["apps/deployments: get, patch"],
    tools=["kubectl"],
    risk="medium",
    examples=[{"namespace": "shop", "deployment": "checkout", "replicas": 6}],
)


@scale.plan
def plan(ctx: Context, inputs: Scale) -> Change:
    """Sets the number of replicas of a Deployment and waits until they are ready."""
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    return Change({"replicas": found["spec"]["replicas"]}, {"replicas": inputs.replicas})


@scale.apply
def apply(ctx: Context, inputs: Scale, change: Change) -> Scaled:
    """One patch that holds only if nobody scaled it since."""
    _set_replicas(ctx, inputs, change.before["replicas"], change.after["replicas"])
    return Scaled(replicas=inputs.replicas)


@scale.verify()
def verify(ctx: Context, inputs: Scale, change: Change) -> bool | str:
    """Whether the replicas are ready."""
    return not_rolled_out(ctx, inputs) or True


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


def not_rolled_out(ctx: Context, inputs: InNamespace) -> str | None:
    """What a Deployment's rollout still lacks, or None.

    As `kubectl rollout status` decides it: the controller saw the newest spec, all replicas are of the newest template
    and available, and none is left of an older one.

    Raises:
        VerifyFailed: if Kubernetes gave the rollout up.
    """
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    status: dict[str, Any] = found.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise VerifyFailed(f"the rollout of {inputs.deployment} was given up: {condition.get('message', '')}")
    wanted, seen = found["spec"]["replicas"], status.get("observedGeneration", 0)
    total, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    if seen < found["metadata"]["generation"]:
        return "the Deployment controller has not seen the change yet."
    if updated < wanted or total > updated:
        return f"{updated} of {wanted} replicas are of the newest template, {total - updated} of an older one."
    if (available := status.get("availableReplicas", 0)) < wanted:
        return f"{available} of {wanted} replicas are available."
    return None


def _set_replicas(ctx: Context, inputs: Scale, before: int, after: int) -> None:
    path = "/spec/replicas"
    operations = [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]
    patch(ctx, "deployment.apps", inputs.deployment, operations, inputs.namespace)
