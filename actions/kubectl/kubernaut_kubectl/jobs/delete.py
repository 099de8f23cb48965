"""The action kubernetes/delete_job."""

from typing import Annotated

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import delete_raw
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.jobs.guards import JobInputs, require_free_job
from kubernaut_kubectl.jobs.outcome import job_named, job_path, pods_of_job, watch_job
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, NotFound, Result

__all__ = ["delete_job"]


class DeleteJobResult(Result):
    """The result of kubernetes/delete_job."""

    uid: Annotated[str, Field(max_length=36)]


delete_job = Action(
    "kubernetes/delete_job",
    permissions={
        "batch/jobs: delete, list, watch": "the Job itself",
        "pods: list, watch": "to see that its pods are gone, too",
    },
    tools=["kubectl"],
    idempotent=False,
    risk="medium",
    examples=[{"namespace": "shop", "job": "report-29013120"}],
)


@delete_job.plan
def plan(ctx: Context, inputs: JobInputs) -> Change:
    """Delete a Job, and wait until it and its pods are gone.

    A Job that still runs is refused, unless `even_if_running`; its pods are then told to stop and have their grace
    period. Only the Job that was planned is deleted, by its uid. One that something else than a CronJob made, such as
    an operator, is refused, unless `when_owned` is `proceed`. The logs of its pods go with it: collect them first
    (`kubernetes/collect_diagnostics`), if they are needed.
    """
    tracker, job = tracker_of(ctx), job_named(ctx, inputs.namespace, inputs.job)
    if tracker.planned is not None and (job is None or job["metadata"]["uid"] != tracker.planned.before["uid"]):
        return Change(tracker.planned.after, tracker.planned.after)  # an earlier attempt deleted it
    if job is None:
        raise NotFound(f"there is no Job {inputs.job} in {inputs.namespace}.")
    if "deletionTimestamp" not in job["metadata"]:
        require_free_job(inputs, job)
    tracker.owner = job
    tracker.planned = Change({"job": inputs.job, "uid": job["metadata"]["uid"]}, {"job": inputs.job, "uid": None})
    return tracker.planned


@delete_job.apply
def apply(ctx: Context, inputs: JobInputs, change: Change) -> DeleteJobResult:
    """Delete the Job, only as it was read: one that has started to run since is planned anew."""
    uid, job = change.before["uid"], tracker_of(ctx).owner
    assert job is not None
    version = None if inputs.even_if_running else job["metadata"]["resourceVersion"]
    path = job_path(inputs.namespace, inputs.job)
    delete_raw(ctx, path, uid=uid, version=version, dependents="Background", what=f"delete Job {inputs.job}")
    return DeleteJobResult(uid=uid)


@delete_job.verify
def verify(ctx: Context, inputs: JobInputs, change: Change) -> bool | str:
    """Return True once the Job and its pods are gone."""
    planned = tracker_of(ctx).owner
    if planned is not None:
        watch_job(ctx, planned)
    job = job_named(ctx, inputs.namespace, inputs.job)
    if job is not None and planned is not None and job["metadata"]["uid"] == planned["metadata"]["uid"]:
        holders = ", ".join(job["metadata"].get("finalizers") or ())
        return f"Job {inputs.job} is not gone yet" + (f"; finalizers hold it: {holders}." if holders else ".")
    left = pods_of_job(ctx, planned) if planned is not None else []
    return not left or f"{len(left)} pods of Job {inputs.job} are not gone yet, such as {left[0]['metadata']['name']}."


register_object(delete_job, "Job", "job")
