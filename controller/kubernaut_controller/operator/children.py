"""A workflow's PipelineRun, TaskRuns and pods, read from the API server into the cache."""

import time

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.cache import CachedWorkflow, is_newer, mark_pod_deleted, strip_unused, update_child
from kubernaut_controller.views import ObjectView

__all__ = ["refresh_children"]


async def refresh_children(api: Api, entry: CachedWorkflow) -> None:
    """Read PipelineRun, TaskRuns and pods from the API server; a TaskRun or pod that is gone stays known."""
    version = entry.version  # before the API server is asked
    if entry.run_name is None:
        entry.children_known, entry.absent_at_version = True, version
        return
    namespace, selector = entry.key[0], f"tekton.dev/pipelineRun={entry.run_name}"
    try:
        run = await api.read("pipelineruns", namespace, entry.run_name)
        task_runs = [item async for item in api.items("taskruns", namespace, selector)]
    except ApiError as error:
        if error.code != 404:
            raise
        run, task_runs = None, []  # Tekton is not installed
    pods = [item async for item in api.items("pods", namespace, selector)]
    if run is not None and not is_newer(run, entry.deleted_run):
        run = None  # it was deleted while it was read
    entry.pipeline_run = strip_unused({"kind": "PipelineRun", **run}) if run else None
    for item in task_runs:
        update_child(entry, "TaskRun", strip_unused({"kind": "TaskRun", **item}), deleted=False)
    entry.deleted_task_runs |= set(entry.task_runs) - {ObjectView(item).name for item in task_runs}
    found = {ObjectView(item).name for item in pods}
    for item in pods:
        update_child(entry, "Pod", strip_unused({"kind": "Pod", **item}), deleted=False)
    for name in entry.pods.keys() - found:
        entry.pods[name] = mark_pod_deleted(entry.pods[name])
    entry.children_known, entry.children_read_at = True, time.monotonic()
    entry.absent_at_version = version if run is None else None
    entry.children_read_version = ObjectView(run).resource_version if run else None
