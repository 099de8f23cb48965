"""The actions kubernetes/restart_deployment, restart_statefulset and restart_daemonset.

None is idempotent: a record acts once, and a new record acts again. The record's id is written into the template, so
that an attempt whose response was lost is not repeated.
"""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.patches import Operation, annotate, unchanged
from kubernaut_kubectl.cluster.reasons import in_order
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.owners.fields import ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.goal import check_rollout, require_rollout
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.daemons import note_unready_nodes
from kubernaut_kubectl.workloads.kinds import (
    DaemonSetInputs,
    DeploymentInputs,
    StatefulSetInputs,
    WorkloadInputs,
    read,
)
from kubernaut_sdk import Action, Change, Context

__all__ = ["restart_daemonset", "restart_deployment", "restart_statefulset"]

RESTARTED_BY = "kubernaut.io/restarted-by"
RESTARTED_FIELD = ("spec", "template", "metadata", "annotations", RESTARTED_BY)


class RestartResult(ResultWithNote):
    """The result of all three: the record's id, as the pod template has it."""

    restarted_by: Annotated[str, Field(max_length=36)]


def _action(inputs_model: type[WorkloadInputs], summary: str) -> Action:
    workload = inputs_model.workload
    action = Action(
        f"kubernetes/restart_{workload.field}",
        permissions=in_order(workload.write, workload.pods),
        tools=["kubectl"],
        idempotent=False,
        risk="medium",
        examples=[{"namespace": "shop", workload.field: workload.example}],
    )

    def plan(ctx: Context, inputs: Any) -> Change:
        found = read(ctx, inputs)
        before = _restarted_by(found)
        if before != str(ctx.record_id):
            require_rollout(found)
            note_unready_nodes(ctx, found)
            tracker_of(ctx).owners = check_owners(ctx, found, RESTARTED_FIELD, str(ctx.record_id), inputs.when_owned)
        return Change({"restarted_by": before}, {"restarted_by": str(ctx.record_id)})

    plan.__doc__ = summary
    plan.__annotations__["inputs"] = inputs_model
    action.plan(plan)

    @action.apply
    def apply(ctx: Context, inputs: WorkloadInputs, change: Change) -> RestartResult:
        def operations(found: dict[str, Any]) -> list[Operation]:
            require_rollout(found)
            return [*unchanged(found), *annotate(found, RESTARTED_BY, str(ctx.record_id), "spec", "template")]

        tracker, name = tracker_of(ctx), inputs.workload_name
        tracker.remember_write(compare_and_swap(ctx, workload.resource, name, inputs.namespace, operations))
        return RestartResult(restarted_by=str(ctx.record_id), note=ownership_note(tracker.owners, tracker.notes))

    @action.verify
    def verify(ctx: Context, inputs: WorkloadInputs, change: Change) -> bool | str:
        found = read(ctx, inputs)
        shortfall = tracker_of(ctx).require_own_value(
            found,
            RESTARTED_FIELD,
            _restarted_by(found),
            before=change.before["restarted_by"],
            wanted=str(ctx.record_id),
            what=f"the annotation {RESTARTED_BY}",
        )
        return shortfall or check_rollout(ctx, found)

    register_object(action, workload.kind, workload.field)
    return action


def _restarted_by(found: dict[str, Any]) -> str | None:
    annotations = found["spec"]["template"].get("metadata", {}).get("annotations") or {}
    value: str | None = annotations.get(RESTARTED_BY)
    return value


restart_deployment = _action(
    DeploymentInputs,
    """Replace all pods of a Deployment by its update strategy, and wait until the new ones are ready.

    Not idempotent: every record restarts again. One record restarts once, however often its pod runs. It waits for as
    long as the step may take, until all pods are ready for 5 s without interruption; a container that crashes three
    times, or an image that does not exist, ends the wait at once. An operator's Deployment is not restarted unless
    `when_owned` is `proceed`; then it is watched for a minute, and a revert fails the step.
    """,
)
restart_statefulset = _action(
    StatefulSetInputs,
    """Replace all pods of a StatefulSet, the last first, and wait until the new ones are ready.

    Not idempotent: every record restarts again; one record restarts once. It waits for as long as the step may take:
    allow the time of one pod for each replica. Refused are the updateStrategy OnDelete and a partition, by which pods
    would keep the earlier template. A pod that is not ready blocks the rollout of a StatefulSet; after 30 s the step
    fails and names it. An operator's StatefulSet is not restarted unless `when_owned` is `proceed`.
    """,
)
restart_daemonset = _action(
    DaemonSetInputs,
    """Replace the pod of a DaemonSet on every node, and wait until the new ones are ready.

    Not idempotent: every record restarts again; one record restarts once. Pods on nodes that are not ready are not
    counted, and the result names these nodes; if they already use up its maxUnavailable, no pod would be replaced, and
    the step is refused. Refused is the updateStrategy OnDelete. An operator's DaemonSet is not restarted unless
    `when_owned` is `proceed`.
    """,
)
