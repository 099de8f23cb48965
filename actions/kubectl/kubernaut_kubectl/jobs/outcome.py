"""The outcome of a Job: complete, failed and why, or not yet."""

from typing import Any
from urllib.parse import quote

from kubernaut_kubectl.cluster.kubectl import list_all, pod_log
from kubernaut_kubectl.cluster.selectors import selector_text
from kubernaut_kubectl.cluster.watching import watch_list, watch_pods
from kubernaut_kubectl.owners.controllers import owned_by
from kubernaut_kubectl.rollouts.diagnosis import with_evidence
from kubernaut_kubectl.rollouts.obstacles import group_texts, obstacle_of
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Context, VerifyFailed

__all__ = [
    "JOBS",
    "POD_PERMISSIONS",
    "check_outcome",
    "finished",
    "job_named",
    "job_path",
    "pods_of_job",
    "running_jobs",
    "watch_job",
]

JOBS = "job.batch"
"""The resource in kubectl's words."""
POD_PERMISSIONS = {
    "events: list": "to say why a pod does not start",
    "pods/log: get": "to show the last lines of a container that failed",
    "pods: list, watch": "to say why the Job fails, or does not get on",
}
"""The permissions to say why a Job fails or does not get on, and what each is for."""
_LAST_LINES = 10


def finished(job: dict[str, Any]) -> dict[str, Any] | None:
    """Return the condition with which a Job has ended, `Complete` or `Failed`; None while it has not."""
    conditions = job.get("status", {}).get("conditions") or ()
    return next((item for item in conditions if item["type"] in {"Complete", "Failed"} and _holds(item)), None)


def job_named(ctx: Context, namespace: str, name: str) -> dict[str, Any] | None:
    """Return a Job, or None if it is not there; by a list, since kubectl would read the namespace after a 404."""
    jobs = list_all(ctx, JOBS, namespace, fields=f"metadata.name={name}")
    return jobs[0] if jobs else None


def job_path(namespace: str, name: str = "") -> str:
    """Return the path of a Job in the API, or of all Jobs of a namespace."""
    return f"/apis/batch/v1/namespaces/{quote(namespace, safe='')}/jobs" + (f"/{quote(name, safe='')}" if name else "")


def running_jobs(ctx: Context, cronjob: dict[str, Any]) -> list[str]:
    """Return the names of a CronJob's Jobs that have not ended; its status leaves out those that were made by hand."""
    jobs = owned_by(cronjob, list_all(ctx, JOBS, cronjob["metadata"]["namespace"]))
    return [job["metadata"]["name"] for job in jobs if finished(job) is None]


def pods_of_job(ctx: Context, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the pods of a Job; raises as `list_all`."""
    selector = selector_text(job["spec"].get("selector") or {})
    return list_all(ctx, "pod", job["metadata"]["namespace"], selector=selector) if selector else []


def watch_job(ctx: Context, job: dict[str, Any]) -> None:
    """Let a change of a Job, or of its pods, end the wait at once."""
    watch_list(ctx, JOBS, job["metadata"]["namespace"], fields=f"metadata.name={job['metadata']['name']}")
    watch_pods(ctx, job)


def check_outcome(ctx: Context, job: dict[str, Any]) -> bool | str:
    """Return True once a Job is complete, until then a sentence.

    Raises:
        VerifyFailed: if it has failed, with the last lines of a pod's log; or if its pods cannot start, for a reason
            that does not go away by itself.
    """
    name = job["metadata"]["name"]
    watch_job(ctx, job)
    condition = finished(job)
    if condition is not None and condition["type"] == "Complete":
        return True
    if condition is not None:
        why = ": ".join(str(condition[part]) for part in ("reason", "message") if condition.get(part))
        raise VerifyFailed(f"Job {name} has failed: {why}{_last_words(ctx, job)}", reason="JobFailed")
    if job["spec"].get("suspend"):
        return f"Job {name} is suspended."
    status = job.get("status", {})
    counts = tuple(status.get(part, 0) for part in ("active", "succeeded", "failed"))
    text = f"Job {name} runs: {counts[0]} pods are active, {counts[1]} have succeeded, {counts[2]} have failed."
    # a crash is no obstacle: whether it is tried again is for the Job's own backoffLimit to say
    found = [obstacle for pod in pods_of_job(ctx, job) if (obstacle := obstacle_of(pod)) and not obstacle.container]
    tracker = tracker_of(ctx)
    tracker.namespace = job["metadata"]["namespace"]
    waited = tracker.blocked_for(ctx, [obstacle.key for obstacle in found], counts)
    looked_at = [(with_evidence(ctx, obstacle, waited[obstacle.key]), waited[obstacle.key]) for obstacle in found]
    message = " ".join([text, *group_texts([obstacle for obstacle, _ in looked_at])])
    if any(obstacle.patience is not None and seconds >= obstacle.patience for obstacle, seconds in looked_at):
        raise VerifyFailed(f"the pods of Job {name} cannot start: {message}", reason="JobStuck")
    return message


def _holds(condition: dict[str, Any]) -> bool:
    return bool(condition.get("status") == "True")


def _last_words(ctx: Context, job: dict[str, Any]) -> str:
    """Return the last lines of the log of the newest pod that failed."""
    failed = [pod for pod in pods_of_job(ctx, job) if pod.get("status", {}).get("phase") == "Failed"]
    newest = max(failed, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)
    if newest is None:
        return "."
    for container in newest["status"].get("containerStatuses") or ():
        if (container.get("state", {}).get("terminated") or {}).get("exitCode"):
            pod = newest["metadata"]
            log = pod_log(ctx, pod["namespace"], pod["name"], container["name"], lines=_LAST_LINES)
            lines = " / ".join(line.strip() for line in log.splitlines() if line.strip())
            code = container["state"]["terminated"]["exitCode"]
            ended = f". Pod {pod['name']}: container {container['name']} ended with exit code {code}."
            return f"{ended} Its last lines: {lines[-400:]}" if lines else ended
    return "."
