"""The action kubernetes/delete_finished_pods."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.durations import DurationText, seconds_of
from kubernaut_kubectl.cluster.kubectl import Name, can_i, delete_raw, list_all
from kubernaut_kubectl.cluster.limits import require_at_most, require_some
from kubernaut_kubectl.cluster.watching import watch_list
from kubernaut_kubectl.disruption.eviction import pod_path
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, ObjectRef, Result
from kubernaut_sdk.times import utcnow

__all__ = ["delete_finished_pods", "finished_at"]

_RUNS = {"PipelineRun": "tekton.dev/pipelineRun", "TaskRun": "tekton.dev/taskRun"}
"""The labels of a pod with the runs of Tekton that it belongs to."""


class DeleteFinishedPodsInputs(Inputs):
    """The inputs of kubernetes/delete_finished_pods."""

    namespace: Name
    selector: Annotated[
        str | None, Field(min_length=1, max_length=1024, description="A label selector, such as app=checkout.")
    ] = None
    include_succeeded: Annotated[bool, Field(description="Whether pods that succeeded go as well.")] = False
    min_age: Annotated[DurationText, Field(description="How long ago they must have finished.")] = "1h"
    max_pods: Annotated[int, Field(ge=1, le=500, description="More than so many are refused.")] = 50


class DeleteFinishedPodsResult(Result):
    """The result of kubernetes/delete_finished_pods."""

    deleted: int


delete_finished_pods = Action(
    "kubernetes/delete_finished_pods",
    permissions={
        "pods: delete, list, watch": "the pods themselves",
        "tekton.dev/pipelineruns: list": "to spare the pods of PipelineRuns that still run",
        "tekton.dev/taskruns: list": "the same of TaskRuns",
    },
    tools=["kubectl"],
    idempotent=False,
    risk="low",
    examples=[{"namespace": "shop", "min_age": "6h"}],
)


@delete_finished_pods.plan
def plan(ctx: Context, inputs: DeleteFinishedPodsInputs) -> Change:
    """Delete the pods of a namespace that failed (evicted ones are among them), by uid, once they are old enough.

    Pods that succeeded go only with `include_succeeded`. Pods of a Tekton PipelineRun or TaskRun that still runs are
    left alone. No pod, or more than `max_pods`, is refused. The age is that of the last container's end, compared with
    this machine's clock. Their logs go with them: collect them first, if they are needed. Not idempotent: a second run
    finds other pods, or none, which is refused.
    """
    tracker = tracker_of(ctx)
    if tracker.planned is not None:
        left = _existing(ctx, inputs, tracker.planned.before["pods"])
        return Change({"pods": left}, {"pods": {}})
    chosen = _choose(ctx, inputs)
    tracker.planned = Change(
        {"pods": {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in chosen}}, {"pods": {}}
    )
    return tracker.planned


@delete_finished_pods.apply
def apply(ctx: Context, inputs: DeleteFinishedPodsInputs, change: Change) -> DeleteFinishedPodsResult:
    """Delete each pod, only if it still has its uid."""
    deleted = 0
    for name, uid in change.before["pods"].items():
        pod = {"metadata": {"name": name, "namespace": inputs.namespace}}
        try:
            delete_raw(ctx, pod_path(pod), uid=uid, what=f"delete pod {name}")
        except NotFound:
            continue
        deleted += 1
    return DeleteFinishedPodsResult(deleted=deleted)


@delete_finished_pods.verify
def verify(ctx: Context, inputs: DeleteFinishedPodsInputs, change: Change) -> bool | str:
    """Return True once all of them are gone."""
    watch_list(ctx, "pod", inputs.namespace, selector=inputs.selector, fields=_phases(inputs))
    left = _existing(ctx, inputs, change.before["pods"])
    return not left or f"{len(left)} pods are not gone yet, such as {min(left)}."


@delete_finished_pods.target
def target(inputs: DeleteFinishedPodsInputs) -> ObjectRef:
    """Return the namespace."""
    return ObjectRef(kind="Namespace", name=inputs.namespace)


@delete_finished_pods.check
def check(ctx: Context, inputs: DeleteFinishedPodsInputs) -> dict[str, str | None]:
    """Check the permissions."""
    return can_i(ctx, delete_finished_pods.permissions, inputs.namespace)


def finished_at(pod: dict[str, Any]) -> datetime:
    """Return when a pod finished: the end of its last container; its start, or creation, if none ever ran."""
    status = pod.get("status", {})
    containers = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    ends = [
        ended["finishedAt"]
        for container in containers
        if (ended := container.get("state", {}).get("terminated")) and ended.get("finishedAt")
    ]
    text = max(ends, default=None) or status.get("startTime") or pod["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(text)


def _finished(ctx: Context, inputs: DeleteFinishedPodsInputs) -> list[dict[str, Any]]:
    return list_all(ctx, "pod", inputs.namespace, selector=inputs.selector, fields=_phases(inputs))


def _phases(inputs: DeleteFinishedPodsInputs) -> str:
    """Return the field selector of the pods that may be deleted."""
    if inputs.include_succeeded:
        return "status.phase!=Running,status.phase!=Pending,status.phase!=Unknown"
    return "status.phase=Failed"


def _existing(ctx: Context, inputs: DeleteFinishedPodsInputs, pods: dict[str, str]) -> dict[str, str]:
    there = {pod["metadata"]["uid"] for pod in _finished(ctx, inputs)}
    return {name: uid for name, uid in pods.items() if uid in there}


def _choose(ctx: Context, inputs: DeleteFinishedPodsInputs) -> list[dict[str, Any]]:
    before = utcnow() - timedelta(seconds=seconds_of(inputs.min_age))
    found = [pod for pod in _finished(ctx, inputs) if finished_at(pod) <= before]
    if any(_runs(pod) for pod in found):
        running = {
            (item["kind"], item["metadata"]["name"])
            for item in list_all(ctx, "pipelineruns.tekton.dev,taskruns.tekton.dev", inputs.namespace)
            if "completionTime" not in item.get("status", {})
        }
        found = [pod for pod in found if not _runs(pod) & running]
    kind = "finished" if inputs.include_succeeded else "failed"
    selected = f" with {inputs.selector}" if inputs.selector else ""
    require_some(found, f"{kind} pods in {inputs.namespace}{selected} that finished {inputs.min_age} ago or more")
    require_at_most(len(found), inputs.max_pods, "max_pods", f"{kind} pods in {inputs.namespace}")
    return found


def _runs(pod: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the runs of Tekton that a pod belongs to, by kind and name."""
    labels = pod["metadata"].get("labels") or {}
    return {(kind, labels[label]) for kind, label in _RUNS.items() if label in labels}
