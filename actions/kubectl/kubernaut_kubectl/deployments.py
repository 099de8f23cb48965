"""Scaling Deployments."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl._kubectl import Name, can_i, get, patch
from kubernaut_sdk import Action, Change, Context, Inputs, ObjectRef, Result, VerifyFailed

__all__ = ["InNamespace", "not_rolled_out", "rollout_lacks", "scale"]

_STARTED = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
"""When this program was started, as Kubernetes writes times."""


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


@scale.verify
def verify(ctx: Context, inputs: Scale, change: Change) -> bool | str:
    """Whether the replicas are ready."""
    found = get(ctx, "deployment.apps", inputs.deployment, inputs.namespace)
    if (now := found["spec"]["replicas"]) != inputs.replicas:
        raise VerifyFailed(
            f"{inputs.deployment} was set to {inputs.replicas} replicas, and then by somebody else to {now}; "
            f"is there a HorizontalPodAutoscaler?"
        )
    return rollout_lacks(found) or True


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

    Stricter than `kubectl rollout status`: the controller saw the newest spec, there are as many replicas as wanted,
    neither more nor fewer, and all are of the newest template and available.

    Raises:
        VerifyFailed: if Kubernetes gave the rollout up since this program was started.
    """
    return rollout_lacks(get(ctx, "deployment.apps", inputs.deployment, inputs.namespace))


def rollout_lacks(found: dict[str, Any]) -> str | None:
    """As `not_rolled_out`, of a Deployment that was read."""
    name, status = found["metadata"]["name"], found.get("status", {})
    if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
        return "the Deployment controller has not seen the change yet."
    wanted, total, updated = found["spec"]["replicas"], status.get("replicas", 0), status.get("updatedReplicas", 0)
    for condition in status.get("conditions", ()):
        # what is rolled back was often given up before: only a newer word is about this change
        is_news = condition.get("lastUpdateTime", "") >= _STARTED
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded" and is_news:
            raise VerifyFailed(f"the rollout of {name} was given up: {condition.get('message', '')}")
    if not found["spec"].get("paused", False) and (updated < wanted or total > updated):
        return f"{updated} of {wanted} replicas are of the newest template, {total - updated} of an older one."
    if total != wanted:
        return f"there are {total} replicas, {wanted} are wanted."
    if (available := status.get("availableReplicas", 0)) < wanted:
        return f"{available} of {wanted} replicas are available."
    return None


def _set_replicas(ctx: Context, inputs: Scale, before: int, after: int) -> None:
    path = "/spec/replicas"
    operations = [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]
    patch(ctx, "deployment.apps", inputs.deployment, operations, inputs.namespace)
