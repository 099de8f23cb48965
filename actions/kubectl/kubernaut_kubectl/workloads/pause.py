"""The actions kubernetes/pause_rollout and kubernetes/resume_rollout."""

from typing import Any

from kubernaut_kubectl.cluster.kubectl import patch
from kubernaut_kubectl.cluster.patches import pointer, swap
from kubernaut_kubectl.cluster.reasons import in_order
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch
from kubernaut_kubectl.owners.fields import ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.goal import check_rollout
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.kinds import DEPLOYMENT, DeploymentInputs, read
from kubernaut_sdk import Action, Change, Context

__all__ = ["pause_rollout", "resume_rollout"]

PAUSED = ("spec", "paused")


class PauseResult(ResultWithNote):
    """The result of both actions."""

    paused: bool


def _action(verb: str, *, paused: bool, summary: str) -> Action:
    action = Action(
        f"kubernetes/{verb}_rollout",
        permissions=in_order(DEPLOYMENT.write, {} if paused else DEPLOYMENT.pods),
        tools=["kubectl"],
        risk="low" if paused else "medium",
        examples=[{"namespace": "shop", "deployment": "checkout"}],
    )

    def plan(ctx: Context, inputs: DeploymentInputs) -> Change:
        found = read(ctx, inputs)
        before = _is_paused(found)
        if before != paused and ctx.undoing is None:
            tracker_of(ctx).owners = check_owners(ctx, found, PAUSED, paused, inputs.when_owned)
        return Change({"paused": before}, {"paused": paused})

    plan.__doc__ = summary
    action.plan(plan)

    @action.apply
    def apply(ctx: Context, inputs: DeploymentInputs, change: Change) -> PauseResult:
        tracker_of(ctx).remember_write(_set(ctx, inputs, before=change.before["paused"], after=paused))
        return PauseResult(paused=paused, note=ownership_note(tracker_of(ctx).owners))

    @action.verify
    def verify(ctx: Context, inputs: DeploymentInputs, change: Change) -> bool | str:
        watch(ctx, inputs.workload.resource, inputs.deployment, inputs.namespace)
        found = read(ctx, inputs)
        tracker = tracker_of(ctx)
        shortfall = tracker.require_own_value(
            found, PAUSED, _is_paused(found), before=change.before["paused"], wanted=paused, what="paused"
        )
        if shortfall is not None or not paused:
            return shortfall or check_rollout(ctx, found)
        if found.get("status", {}).get("observedGeneration", 0) < found["metadata"]["generation"]:
            return f"the Deployment controller has not seen that {inputs.deployment} is paused."
        return tracker.check_settled(ctx, 0.0)

    @action.undo
    def undo(ctx: Context, inputs: DeploymentInputs, change: Change) -> None:
        _set(ctx, inputs, before=paused, after=change.before["paused"])

    register_object(action, DEPLOYMENT.kind, DEPLOYMENT.field)
    return action


def _is_paused(found: dict[str, Any]) -> bool:
    return bool(found["spec"].get("paused", False))


def _set(ctx: Context, inputs: DeploymentInputs, *, before: bool, after: bool) -> dict[str, Any]:
    # the API server omits a False
    operations = swap(pointer(*PAUSED), before or None, after)
    return patch(ctx, inputs.workload.resource, inputs.deployment, operations, inputs.namespace)


pause_rollout = _action(
    "pause",
    paused=True,
    summary="""Pause the rollout of a Deployment: its pods stay as they are, and a new template waits.

    It is reached when the Deployment controller has seen it. Scaling still works. Resume it with
    `kubernetes/resume_rollout`; a paused Deployment is easily forgotten, so put that into the workflow's `finally`.
    If Argo CD, Flux or an operator would take it back, the step is refused, unless `when_owned` is `proceed`.
    """,
)
resume_rollout = _action(
    "resume",
    paused=False,
    summary="""Resume the paused rollout of a Deployment, and wait until all its pods are of the newest template.

    It waits for as long as the step may take, until all pods are ready for 5 s without interruption, and fails at once
    where that can be known to be never, as `kubernetes/restart_deployment` does. If Argo CD, Flux or an operator would
    take it back, the step is refused, unless `when_owned` is `proceed`.
    """,
)
