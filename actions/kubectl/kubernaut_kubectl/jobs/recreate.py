"""The action kubernetes/recreate_job."""

from copy import deepcopy
from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import create, delete_raw, patch
from kubernaut_kubectl.cluster.patches import pointer, swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.jobs.guards import JobInputs, require_free_job
from kubernaut_kubectl.jobs.outcome import (
    JOBS,
    POD_PERMISSIONS,
    check_outcome,
    finished,
    job_named,
    job_path,
    pods_of_job,
    watch_job,
)
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, Failed, NotFound, PreconditionFailed, Result, VerifyFailed

__all__ = ["manifest_of", "recreate_job"]

RECREATED_BY = "kubernaut.io/recreated-by"
_GENERATED_LABELS = (
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
)
_MARGIN = 15.0
"""Seconds that are kept of the step's time to delete a Job and make it anew."""


class RecreateJobResult(Result):
    """The result of kubernetes/recreate_job."""

    uid: Annotated[str, Field(max_length=36)]


recreate_job = Action(
    "kubernetes/recreate_job",
    permissions={
        "batch/jobs: create, delete, get, list, patch, watch": "to stop the Job, delete it and make it again",
        **POD_PERMISSIONS,
    },
    tools=["kubectl"],
    idempotent=False,
    risk="medium",
    examples=[{"namespace": "shop", "job": "migrate-schema"}],
)


@recreate_job.plan
def plan(ctx: Context, inputs: JobInputs) -> Change:
    """Delete a Job and make it again under its name, since a Job cannot be run again; wait until it is complete.

    A Job that still runs is refused, unless `even_if_running`: it is suspended first, which stops its pods, and made
    again once they have ended, so that old and new never run at once. One record makes it anew once. The API server
    checks the new Job, by a dry run, before the old one is deleted. In the moment between, only the death of this
    step's own container can lose the Job: it must then be applied again from where it came from. One that something
    else than a CronJob made is refused, unless `when_owned` is `proceed`. A Job that fails ends the wait at once, with
    the last lines of its log.
    """
    tracker, job = tracker_of(ctx), job_named(ctx, inputs.namespace, inputs.job)
    after = {"recreated_by": str(ctx.record_id)}
    if job is None and tracker.unmade is not None:
        return Change({"recreated_by": None}, after)
    if job is None:
        raise NotFound(f"there is no Job {inputs.job} in {inputs.namespace}.")
    before = {"recreated_by": _recreated_by(job)}
    if before != after:
        require_free_job(inputs, job)
        if holders := job["metadata"].get("finalizers"):
            raise PreconditionFailed(
                f"Job {inputs.job} would not be gone when it is deleted: {', '.join(holders)} holds it as a finalizer.",
                reason="Finalizers",
            )
        trial = manifest_of(job, str(ctx.record_id))
        trial["metadata"]["name"] = f"{inputs.job[:52].rstrip('-.')}-{str(ctx.record_id)[-10:]}"
        create(ctx, job_path(inputs.namespace), trial, f"make Job {inputs.job} again", dry_run=True)
    return Change(before, after)


@recreate_job.apply
def apply(ctx: Context, inputs: JobInputs, change: Change) -> RecreateJobResult:
    """Stop the Job if it runs, delete it, and make it again."""
    tracker = tracker_of(ctx)
    job = job_named(ctx, inputs.namespace, inputs.job)
    what = f"make Job {inputs.job} again"
    if job is not None:
        if "deletionTimestamp" in job["metadata"]:
            raise Failed(f"Job {inputs.job} is being deleted by somebody else.", reason="Gone")
        require_free_job(inputs, job)
        manifest = manifest_of(job, str(ctx.record_id))
        uid, version = job["metadata"]["uid"], job["metadata"]["resourceVersion"]
        if finished(job) is None:
            _stop(ctx, inputs, job)
            version = None  # its controller still writes its status
        path = job_path(inputs.namespace, inputs.job)
        with ctx.uninterrupted():
            delete_raw(ctx, path, uid=uid, version=version, dependents="Background", what=f"delete Job {inputs.job}")
            tracker.unmade = manifest
            made = create(ctx, job_path(inputs.namespace), manifest, what)
    else:
        assert tracker.unmade is not None
        made = create(ctx, job_path(inputs.namespace), tracker.unmade, what)
    tracker.unmade = None
    return RecreateJobResult(uid=made["metadata"]["uid"])


@recreate_job.verify
def verify(ctx: Context, inputs: JobInputs, change: Change) -> bool | str:
    """Return True once the new Job is complete."""
    job = job_named(ctx, inputs.namespace, inputs.job)
    if job is None or _recreated_by(job) != str(ctx.record_id):
        raise VerifyFailed(f"Job {inputs.job} was deleted before its outcome was seen.", reason="Gone")
    return check_outcome(ctx, job)


register_object(recreate_job, "Job", "job")


def manifest_of(job: dict[str, Any], record: str) -> dict[str, Any]:
    """Return a Job as it can be made again: without what the API server and its controller added."""
    metadata, spec = job["metadata"], deepcopy(job["spec"])
    template = spec["template"].setdefault("metadata", {})
    template["labels"] = {
        key: value for key, value in (template.get("labels") or {}).items() if key not in _GENERATED_LABELS
    }
    template.pop("creationTimestamp", None)
    if not spec.get("manualSelector"):
        spec.pop("selector", None)
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in _GENERATED_LABELS}
    owners = metadata.get("ownerReferences")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": metadata["name"],
            "labels": labels,
            "annotations": {**(metadata.get("annotations") or {}), RECREATED_BY: record},
            **({"ownerReferences": owners} if owners else {}),
        },
        "spec": spec,
    }


def _recreated_by(job: dict[str, Any]) -> str | None:
    mark: str | None = (job["metadata"].get("annotations") or {}).get(RECREATED_BY)
    return mark


def _stop(ctx: Context, inputs: JobInputs, job: dict[str, Any]) -> None:
    """Suspend a Job, and return once its pods have ended.

    Raises:
        Failed: if they do not end in time; the Job stays suspended.
    """
    if not job["spec"].get("suspend"):
        known = job["spec"].get("suspend")
        patch(ctx, JOBS, inputs.job, swap(pointer("spec", "suspend"), known, True), inputs.namespace)
    watch_job(ctx, job)
    while True:
        now = job_named(ctx, inputs.namespace, inputs.job)
        if now is None or now["metadata"]["uid"] != job["metadata"]["uid"]:
            raise Failed(f"Job {inputs.job} was deleted by somebody else while its pods were stopped.", reason="Gone")
        phases = [pod.get("status", {}).get("phase") for pod in pods_of_job(ctx, now)]
        running = [phase for phase in phases if phase not in {"Succeeded", "Failed"}]
        if not running and not now.get("status", {}).get("active", 0):
            return
        if ctx.remaining() < _MARGIN:
            raise Failed(
                f"{len(running)} pods of Job {inputs.job} have not ended; it is suspended, and was not made again.",
                reason="PodsStay",
            )
        ctx.wait(2.0)
