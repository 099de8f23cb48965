"""The action kubernetes/trigger_cronjob."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import Name, get
from kubernaut_kubectl.cluster.made import MadeOnce, made_name
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.jobs.outcome import POD_PERMISSIONS, check_outcome, running_jobs
from kubernaut_sdk import Action, Change, Context, Inputs, PreconditionFailed, Result, VerifyFailed

__all__ = ["job_name", "trigger_cronjob"]

TRIGGERED_BY = "kubernaut.io/triggered-by"
_JOBS = MadeOnce("Job", "/apis/batch/v1", "jobs", TRIGGERED_BY)
_LONGEST_NAME = 63
"""Characters of a Job's name: its pods have it as the value of a label."""


class TriggerCronJobInputs(Inputs):
    """The inputs of kubernetes/trigger_cronjob."""

    namespace: Name
    cronjob: Name
    even_if_running: Annotated[
        bool,
        Field(description="Whether one is made although one runs and the CronJob's concurrencyPolicy is not Allow."),
    ] = False


class TriggerCronJobResult(Result):
    """The result of kubernetes/trigger_cronjob."""

    job: Annotated[str, Field(max_length=63)]


trigger_cronjob = Action(
    "kubernetes/trigger_cronjob",
    permissions={
        "batch/cronjobs: get": "its template",
        "batch/jobs: create, list, watch": "the new Job, and those that still run",
        **POD_PERMISSIONS,
    },
    tools=["kubectl"],
    idempotent=False,
    risk="medium",
    examples=[{"namespace": "shop", "cronjob": "report"}],
)


@trigger_cronjob.plan
def plan(ctx: Context, inputs: TriggerCronJobInputs) -> Change:
    """Make a Job of a CronJob now, and wait until it is complete.

    One record makes one Job, whose name ends with a part of the record's id. It belongs to the CronJob, whose history
    limits clear it away. If a Job of it still runs and its concurrencyPolicy is Forbid or Replace, the step is refused,
    unless `even_if_running`. A suspended CronJob can be triggered as well. It waits for as long as the step may take;
    a Job that fails ends the wait at once, with the last lines of its log.
    """
    name = job_name(inputs.cronjob, str(ctx.record_id))
    if _JOBS.own(ctx, inputs.namespace, name) is not None:
        return Change({"job": name}, {"job": name})
    found = get(ctx, "cronjob.batch", inputs.cronjob, inputs.namespace)
    policy = found["spec"].get("concurrencyPolicy", "Allow")
    if policy != "Allow" and not inputs.even_if_running and (running := running_jobs(ctx, found)):
        raise PreconditionFailed(
            f"Job {', '.join(running)} of {inputs.cronjob} still runs, and its concurrencyPolicy is {policy}; wait for "
            f"it, delete it (kubernetes/delete_job), or set even_if_running: true.",
            reason="Running",
        )
    job = job_of(found, name, str(ctx.record_id))
    _JOBS.try_make(ctx, inputs.namespace, job, f"make a Job of {inputs.cronjob}")
    return Change({"job": None}, {"job": name})


@trigger_cronjob.apply
def apply(ctx: Context, inputs: TriggerCronJobInputs, change: Change) -> TriggerCronJobResult:
    """Create the Job, unless an attempt whose response was lost has done so."""
    name = change.after["job"]
    found = get(ctx, "cronjob.batch", inputs.cronjob, inputs.namespace)
    job = job_of(found, name, str(ctx.record_id))
    _JOBS.make(ctx, inputs.namespace, job, f"make a Job of {inputs.cronjob}")
    return TriggerCronJobResult(job=name)


@trigger_cronjob.verify
def verify(ctx: Context, inputs: TriggerCronJobInputs, change: Change) -> bool | str:
    """Return True once the Job is complete."""
    job = _JOBS.own(ctx, inputs.namespace, change.after["job"])
    if job is None:
        raise VerifyFailed(
            f"Job {change.after['job']} is gone before its outcome was seen; was it deleted, or is its "
            f"ttlSecondsAfterFinished only seconds?",
            reason="Gone",
        )
    return check_outcome(ctx, job)


register_object(trigger_cronjob, "CronJob", "cronjob")


def job_name(cronjob: str, record: str) -> str:
    """Return the name of the Job that a record makes of a CronJob: never longer than a label's value may be."""
    return made_name(cronjob, record, _LONGEST_NAME)


def job_of(cronjob: dict[str, Any], name: str, record: str) -> dict[str, Any]:
    """Return the Job of a CronJob, as `kubectl create job --from` makes it."""
    template, metadata = cronjob["spec"]["jobTemplate"], cronjob["metadata"]
    own = template.get("metadata") or {}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": metadata["name"], "uid": metadata["uid"]}
    annotations = {**(own.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": own.get("labels") or {},
            "annotations": {**annotations, TRIGGERED_BY: record},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": template["spec"],
    }
