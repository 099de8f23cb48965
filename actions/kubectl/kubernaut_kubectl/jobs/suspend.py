"""The actions kubernetes/suspend_cronjob and kubernetes/resume_cronjob."""

from typing import Any

from kubernaut_kubectl.cluster.kubectl import Name, get
from kubernaut_kubectl.cluster.patches import Operation, pointer, swap, unchanged
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch
from kubernaut_kubectl.jobs.outcome import running_jobs
from kubernaut_kubectl.owners.fields import ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.kinds import OwnedInputs
from kubernaut_sdk import Action, Change, Context

__all__ = ["resume_cronjob", "suspend_cronjob"]

CRON_JOBS = "cronjob.batch"
SUSPEND = ("spec", "suspend")


class CronJobInputs(OwnedInputs):
    """The inputs of both actions."""

    namespace: Name
    cronjob: Name


class SuspendResult(ResultWithNote):
    """The result of both actions."""

    suspended: bool


def _action(verb: str, *, suspended: bool, summary: str) -> Action:
    action = Action(
        f"kubernetes/{verb}_cronjob",
        permissions={
            "batch/cronjobs: get, patch, watch": "the CronJob itself",
            **({"batch/jobs: list": "to say which of its Jobs still run"} if suspended else {}),
        },
        tools=["kubectl"],
        risk="low" if suspended else "medium",
        examples=[{"namespace": "shop", "cronjob": "report"}],
    )

    def plan(ctx: Context, inputs: CronJobInputs) -> Change:
        found = _read(ctx, inputs)
        before = _is_suspended(found)
        if before != suspended and ctx.undoing is None:
            tracker_of(ctx).owners = check_owners(ctx, found, SUSPEND, suspended, inputs.when_owned)
        return Change({"suspended": before}, {"suspended": suspended})

    plan.__doc__ = summary
    action.plan(plan)

    @action.apply
    def apply(ctx: Context, inputs: CronJobInputs, change: Change) -> SuspendResult:
        written = _set(ctx, inputs, before=change.before["suspended"], after=suspended)
        tracker = tracker_of(ctx)
        tracker.remember_write(written)
        running = running_jobs(ctx, written) if suspended else []
        more = [f"still running, and not ended by this: {', '.join(running)}."] if running else []
        return SuspendResult(suspended=suspended, note=ownership_note(tracker.owners, more))

    @action.verify
    def verify(ctx: Context, inputs: CronJobInputs, change: Change) -> bool | str:
        watch(ctx, CRON_JOBS, inputs.cronjob, inputs.namespace)
        found, tracker = _read(ctx, inputs), tracker_of(ctx)
        before, now = change.before["suspended"], _is_suspended(found)
        shortfall = tracker.require_own_value(found, SUSPEND, now, before=before, wanted=suspended, what="suspend")
        return shortfall or tracker.check_settled(ctx, 0.0)

    @action.undo
    def undo(ctx: Context, inputs: CronJobInputs, change: Change) -> None:
        _set(ctx, inputs, before=suspended, after=change.before["suspended"])

    register_object(action, "CronJob", "cronjob")

    return action


def _read(ctx: Context, inputs: CronJobInputs) -> dict[str, Any]:
    return get(ctx, CRON_JOBS, inputs.cronjob, inputs.namespace)


def _is_suspended(found: dict[str, Any]) -> bool:
    return bool(found["spec"].get("suspend", False))


def _set(ctx: Context, inputs: CronJobInputs, *, before: bool, after: bool) -> dict[str, Any]:
    def operations(found: dict[str, Any]) -> list[Operation]:
        # unlike most, this field is kept by the API server where it is False
        known = before if "suspend" in found["spec"] else None
        return [*unchanged(found)[:1], *swap(pointer(*SUSPEND), known, after)]

    return compare_and_swap(ctx, CRON_JOBS, inputs.cronjob, inputs.namespace, operations)


suspend_cronjob = _action(
    "suspend",
    suspended=True,
    summary="""Suspend a CronJob: it starts no more Jobs until it is resumed.

    Jobs that run go on; the result names them. If Argo CD, Flux or an operator would take it back, the step is refused,
    unless `when_owned` is `proceed`; then it is watched for a minute, and a revert fails the step.
    """,
)
resume_cronjob = _action(
    "resume",
    suspended=False,
    summary="""Resume a suspended CronJob.

    Kubernetes starts one Job at once if a run was missed meanwhile and its startingDeadlineSeconds, if there is one,
    has not passed. If Argo CD, Flux or an operator would take it back, the step is refused, unless `when_owned` is
    `proceed`; then it is watched for a minute, and a revert fails the step.
    """,
)
