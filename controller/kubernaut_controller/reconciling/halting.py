"""Stopping a PipelineRun in which a step failed that Tekton takes for succeeded, since its exit code is 0."""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernaut_controller.reconciling.acts import Act, CancelRun
from kubernaut_controller.reconciling.ends import End, taskrun_succeeded
from kubernaut_controller.validation import dependencies
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.judgement import failing_steps

__all__ = ["STOPPED", "contradicting", "halt"]

Json = Mapping[str, Any]

STOPPED = "StoppedRunFinally"
"""Tekton's word for: what runs may end, nothing new starts, `finally` runs."""


def contradicting(workflow: WorkflowExecution, task_runs: Iterable[Json], ends: Mapping[str, End]) -> list[str]:
    """Return the steps that fail the workflow although Tekton takes them for succeeded and goes on.

    Args:
        workflow: Whose.
        task_runs: Its TaskRuns.
        ends: What became of each step.
    """
    well = {task_run["metadata"]["name"] for task_run in task_runs if taskrun_succeeded(task_run)}
    lets = {step.name for step in workflow.spec.all_steps if step.on_failure == "continue"}
    return [
        name for name in failing_steps({n: end.state for n, end in ends.items()}, lets) if ends[name].task_run in well
    ]


def halt(run: Json, task_runs: Iterable[Json], workflow: WorkflowExecution, ends: Mapping[str, End]) -> list[Act]:
    """Return what stops the PipelineRun where a step failed and Tekton would go on.

    As after any failure, what runs may end, nothing new starts, and `finally` runs. Tekton looks at the TaskRun at the
    same time, and may start what waits for that very step before it is stopped; such a step is cancelled, and with it
    whatever runs, since Tekton cancels all or none.

    Args:
        run: The PipelineRun, which is not done.
        task_runs: Its TaskRuns.
        workflow: Whose.
        ends: What became of each step.
    """
    steps = workflow.spec.steps
    failed = set(contradicting(workflow, task_runs, ends)) & {step.name for step in steps}
    name, asked = run["metadata"]["name"], (run.get("spec") or {}).get("status")
    if not failed or (asked and asked != STOPPED):
        return []
    after = set(failed)
    while more := {step.name for step in steps if dependencies(step) & after} - after:
        after |= more
    if any(ends[step].task_run and not ends[step].over for step in after - failed):
        return [CancelRun(name)]
    return [] if asked else [CancelRun(name, STOPPED)]
