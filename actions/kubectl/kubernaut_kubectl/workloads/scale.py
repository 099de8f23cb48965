"""The actions kubernetes/scale_deployment and kubernetes/scale_statefulset."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import patch
from kubernaut_kubectl.cluster.patches import pointer, swap
from kubernaut_kubectl.cluster.reasons import in_order
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.owners.fields import REPLICAS, ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.goal import check_rollout
from kubernaut_kubectl.rollouts.progress import replicas_of
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.kinds import DeploymentInputs, StatefulSetInputs, WorkloadInputs, read
from kubernaut_sdk import Action, Change, Context, Inputs, PreconditionFailed

__all__ = ["scale_deployment", "scale_statefulset"]


class WantedReplicas(Inputs):
    """The inputs of both actions, besides the workload."""

    replicas: Annotated[int, Field(ge=0, le=10_000, description="As many as there shall be, not how many more.")]
    allow_zero: Annotated[bool, Field(description="Whether it may be scaled to 0, which stops it.")] = False


class ScaleDeploymentInputs(WantedReplicas, DeploymentInputs):
    """The inputs of kubernetes/scale_deployment."""


class ScaleStatefulSetInputs(WantedReplicas, StatefulSetInputs):
    """The inputs of kubernetes/scale_statefulset."""


ScaleInputs = ScaleDeploymentInputs | ScaleStatefulSetInputs


class ScaleResult(ResultWithNote):
    """The result of both actions."""

    replicas: int


def _action(inputs_model: type[WorkloadInputs], summary: str) -> Action:
    workload = inputs_model.workload
    action = Action(
        f"kubernetes/scale_{workload.field}",
        permissions=in_order(
            workload.write,
            workload.pods,
            {"autoscaling/horizontalpodautoscalers: list": "to see whether an autoscaler owns the number"},
        ),
        tools=["kubectl"],
        risk="medium",
        examples=[{"namespace": "shop", workload.field: workload.example, "replicas": 6}],
    )

    def plan(ctx: Context, inputs: Any) -> Change:
        found = read(ctx, inputs)
        before = replicas_of(found)
        if before != inputs.replicas and ctx.undoing is None:
            if not inputs.replicas and not inputs.allow_zero:
                raise PreconditionFailed(
                    f"{inputs.workload_name} has {before} replicas, and 0 would stop it; "
                    f"set allow_zero if that is meant.",
                    reason="LimitReached",
                )
            tracker_of(ctx).owners = check_owners(ctx, found, REPLICAS, inputs.replicas, inputs.when_owned)
        return Change({"replicas": before}, {"replicas": inputs.replicas})

    plan.__doc__ = summary
    plan.__annotations__["inputs"] = inputs_model
    action.plan(plan)

    @action.apply
    def apply(ctx: Context, inputs: ScaleInputs, change: Change) -> ScaleResult:
        tracker_of(ctx).remember_write(_set(ctx, inputs, change.before["replicas"], change.after["replicas"]))
        return ScaleResult(replicas=inputs.replicas, note=ownership_note(tracker_of(ctx).owners))

    @action.verify
    def verify(ctx: Context, inputs: ScaleInputs, change: Change) -> bool | str:
        found = read(ctx, inputs)
        before = change.before["replicas"]
        shortfall = tracker_of(ctx).require_own_value(
            found,
            REPLICAS,
            replicas_of(found),
            before=before,
            wanted=inputs.replicas,
            what="the number of replicas",
        )
        return shortfall or check_rollout(ctx, found)

    @action.undo
    def undo(ctx: Context, inputs: ScaleInputs, change: Change) -> None:
        _set(ctx, inputs, change.after["replicas"], change.before["replicas"])

    register_object(action, workload.kind, workload.field)
    return action


def _set(ctx: Context, inputs: WorkloadInputs, before: int, after: int) -> dict[str, Any]:
    operations = swap(pointer("spec", "replicas"), before, after)
    return patch(ctx, inputs.workload.resource, inputs.workload_name, operations, inputs.namespace)


scale_deployment = _action(
    ScaleDeploymentInputs,
    """Set the number of replicas of a Deployment, and wait until they are ready, for as long as the step may take.

    If a HorizontalPodAutoscaler, KEDA, Argo CD, Flux or an operator owns the number and would revert it, the step is
    refused, unless `when_owned` is `proceed`; then the number is watched for a minute, and a revert fails the step.
    Exactly so many replicas must be ready for 5 s without interruption. ReplicaSets, pods, their logs and events are
    read only to say why they are not ready; without these permissions, the reason is missing.
    """,
)
scale_statefulset = _action(
    ScaleStatefulSetInputs,
    """Set the number of replicas of a StatefulSet, and wait until they are ready, for as long as the step may take.

    The pods come and go one after the other, unless its podManagementPolicy is Parallel. Volumes of pods that go are
    kept or deleted by its persistentVolumeClaimRetentionPolicy. If an autoscaler, Argo CD, Flux or an operator owns the
    number and would revert it, the step is refused, unless `when_owned` is `proceed`; then the number is watched for a
    minute, and a revert fails the step. Exactly so many replicas must be ready for 5 s without interruption. Pods,
    their logs and events are read only to say why they are not ready.
    """,
)
