"""The stop of a PipelineRun in which a step failed that Tekton considers successful, since its exit code is 0."""

from collections.abc import Iterable, Mapping

from kubernaut_controller.reconciling.effects import CancelPipelineRun, Effect
from kubernaut_controller.reconciling.outcomes import KnownOutcome
from kubernaut_controller.validation import dependencies
from kubernaut_controller.views import PipelineRunView, TaskRunView
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.judgement import failing_steps

__all__ = ["STOPPED", "contradicted_steps", "stop_pipeline_run"]

STOPPED = "StoppedRunFinally"
"""Tekton's value for: running steps may end, no new step starts, `finally` runs."""


def contradicted_steps(
    workflow: WorkflowExecution, task_runs: Iterable[TaskRunView], outcomes: Mapping[str, KnownOutcome]
) -> list[str]:
    """Return the steps that fail the workflow although Tekton considers them successful and goes on.

    Args:
        workflow: The workflow.
        task_runs: Its TaskRuns.
        outcomes: The outcome of each step.
    """
    well = {task_run.name for task_run in task_runs if task_run.succeeded}
    lets = {step.name for step in workflow.spec.all_steps if step.on_failure == "continue"}
    return [
        name
        for name in failing_steps({n: outcome.state for n, outcome in outcomes.items()}, lets)
        if outcomes[name].task_run in well
    ]


def stop_pipeline_run(
    run: PipelineRunView,
    task_runs: Iterable[TaskRunView],
    workflow: WorkflowExecution,
    outcomes: Mapping[str, KnownOutcome],
) -> list[Effect]:
    """Return the effects that stop a PipelineRun in which a step failed and Tekton would go on.

    As after any failure, running steps may end, no new step starts, and `finally` runs. Tekton acts on the TaskRun at
    the same time, and may start the steps that wait for the failed one before it is stopped. Such a step is cancelled,
    and every other running step with it, since Tekton cancels all or none.

    Args:
        run: The PipelineRun, which is not done.
        task_runs: Its TaskRuns.
        workflow: The workflow.
        outcomes: The outcome of each step.
    """
    steps = workflow.spec.steps
    failed = set(contradicted_steps(workflow, task_runs, outcomes)) & {step.name for step in steps}
    name, asked = run.name, run.stop_requested
    if not failed or (asked and asked != STOPPED):
        return []
    after = set(failed)
    while more := {step.name for step in steps if dependencies(step) & after} - after:
        after |= more
    if any(outcomes[step].task_run and not outcomes[step].ended for step in after - failed):
        return [CancelPipelineRun(name)]
    return [] if asked else [CancelPipelineRun(name, STOPPED)]
