"""The outcome of every step of a workflow, and the steps in its status."""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernaut_controller.pipelinerun import record_id_of
from kubernaut_controller.reconciling.children import Children, own_pods
from kubernaut_controller.reconciling.observed import ObservedState
from kubernaut_controller.reconciling.outcomes import KnownOutcome, RecordedBy, known_outcome, outcome_without_task_run
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.reconciling.sanitizing import bounded_text, sanitize
from kubernaut_controller.views import PipelineRunView, PodView, TaskRunView
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.states import State

__all__ = ["known_outcomes", "progress", "step_statuses", "unstarted_outcomes"]

Json = Mapping[str, Any]

_LARGEST_ROWS = 400 * 1024
"""The largest size of all steps in bytes; above that, the outputs are only in the records."""


def known_outcomes(
    observed: ObservedState,
    workflow: WorkflowExecution,
    policy: Policy,
    children: Children,
    *,
    run: PipelineRunView | None,
    over: bool,
) -> dict[str, KnownOutcome]:
    """Return the outcome of each step, sanitized for the status.

    Args:
        observed: All that is known of the workflow.
        workflow: The workflow as a model.
        policy: The policy, which says if records are stored.
        children: The TaskRuns of its steps.
        run: The PipelineRun, or None where it is gone.
        over: True if no new step starts.
    """
    before = {row.get("name"): row for row in observed.document.steps}
    skipped = run.skipped_tasks if run is not None else {}
    referred = set(run.child_references.values()) if run is not None else set()
    pods = own_pods(children.own.values(), observed.pods.values())
    outcomes = {}
    for step in workflow.spec.all_steps:
        name = step.name
        known = _from_status(before.get(name, {}))
        asked = not policy.records or name in observed.records
        record = observed.records.get(name)
        if name in children.own:
            outcome = _outcome_of(
                observed, workflow, step, children.own[name], pods, asked=asked, run_gone=run is None and over
            )
            # a known end stays known, also when its source is gone
            outcomes[name] = known if known and known.ended and not outcome.ended else outcome
        elif name in children.foreign:
            sentence = f"{children.foreign[name]}; somebody else made it, and its end is not this step's."
            error = {"code": 1, "reason": "ForeignTaskRun", "message": sentence}
            outcomes[name] = KnownOutcome(State.LOST, RecordedBy.CONTROLLER, sentence, error=error)
        elif known and (known.ended or not over):
            outcomes[name] = known
        elif not over:
            outcomes[name] = KnownOutcome(State.INTENDED)
        elif run is None:
            reason = "Its PipelineRun went away before it could start."
            outcomes[name] = outcome_without_task_run(name, reason, record=record, asked=asked)
        elif name in referred:
            reason = "Its TaskRun was deleted before it could start."
            outcomes[name] = outcome_without_task_run(name, reason, record=record, asked=asked)
        else:
            outcomes[name] = KnownOutcome(State.SKIPPED, RecordedBy.CONTROLLER, _skipped(skipped.get(name, "")))
    return {name: sanitize(outcome) for name, outcome in outcomes.items()}


def _outcome_of(
    observed: ObservedState,
    workflow: WorkflowExecution,
    step: Step,
    task_run: TaskRunView,
    pods: Mapping[str, PodView],
    *,
    asked: bool,
    run_gone: bool,
) -> KnownOutcome:
    """Return the outcome of a step that has a TaskRun, also where its pod's report cannot be read."""
    name = task_run.name
    gone = run_gone or name in observed.deleted_task_runs
    try:
        return known_outcome(
            step,
            workflow.metadata.namespace or "",
            task_run,
            pod=pods.get(name),
            record=observed.records.get(step.name),
            asked=asked,
            gone=gone,
        )
    except Exception as error:  # an image may write anything; it must affect its own step alone
        why = bounded_text(f"{type(error).__name__}: {error}", 300)
        if not gone and not task_run.done:
            return KnownOutcome(State.STARTED, message=f"What its pod says cannot be read ({why}).", task_run=name)
        sentence = f"What its pod said cannot be read ({why}); what it did is in its log."
        fault = {"code": 1, "reason": "UnreadableResults", "message": sentence}
        finished = task_run.completed_at
        return KnownOutcome(State.LOST, RecordedBy.CONTROLLER, sentence, name, None, finished, error=fault)


def unstarted_outcomes(workflow: WorkflowExecution, reason: str) -> dict[str, KnownOutcome]:
    """Return outcomes for a workflow that never got a PipelineRun: nothing was intended, so nothing is recorded."""
    return {step.name: KnownOutcome(State.SKIPPED, RecordedBy.CONTAINER, reason) for step in workflow.spec.all_steps}


def step_statuses(workflow: WorkflowExecution, outcomes: Mapping[str, KnownOutcome]) -> list[dict[str, Any]]:
    """Return the steps of the status; without outputs where all together would be too large."""
    final = {step.name for step in workflow.spec.finally_}
    rows = [
        _step_status(workflow, step, outcomes[step.name], final=step.name in final) for step in workflow.spec.all_steps
    ]
    if len(dumps(rows)) > _LARGEST_ROWS:
        rows = [{name: value for name, value in row.items() if name != "output"} for row in rows]
    return rows


def progress(outcomes: Iterable[KnownOutcome]) -> str:
    """Return the number of good steps of all: `2/4`."""
    known = list(outcomes)
    return f"{sum(outcome.state.good for outcome in known)}/{len(known)}"


def _step_status(workflow: WorkflowExecution, step: Step, outcome: KnownOutcome, *, final: bool) -> dict[str, Any]:
    row = {
        "name": step.name,
        "finally": final or None,
        "state": outcome.state.value,
        "message": outcome.message,
        "taskRun": outcome.task_run,
        "startedAt": outcome.started_at,
        "finishedAt": outcome.finished_at,
        "changed": outcome.changed,
        "output": outcome.output,
        "error": outcome.error,
        "recordId": record_id_of(workflow, step.name),
    }
    return {name: value for name, value in row.items() if value is not None}


def _from_status(row: Json) -> KnownOutcome | None:
    """Return the outcome in a step of the status, or None.

    The status does not say who completed the record, so the controller sends its event again.
    """
    if not row:
        return None
    return KnownOutcome(
        State(row["state"]),
        RecordedBy.CONTROLLER,
        row.get("message"),
        row.get("taskRun"),
        row.get("startedAt"),
        row.get("finishedAt"),
        row.get("changed"),
        row.get("output"),
        row.get("error"),
    )


def _skipped(reason: str) -> str:
    match reason:
        case "PipelineRun was stopping" | "PipelineRun was gracefully stopped":
            return "A step that failed stopped it before it could start."
        case "Parent Tasks were skipped":
            return "A step that it waits for was skipped."
        case "PipelineRun was gracefully cancelled":
            return "The workflow was cancelled before it could start."
        case "Results were missing":
            return "The output that it takes from an earlier step was not there."
        case _ if "timeout" in reason:
            return "The workflow's time was over before it could start."
        case _:
            return "The workflow ended before it could start."
