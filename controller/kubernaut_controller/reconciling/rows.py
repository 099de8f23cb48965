"""A row a step: what became of each step of a workflow, and how the status spells it."""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernaut_controller.pipelinerun import record_id_of
from kubernaut_controller.reconciling.children import children_of
from kubernaut_controller.reconciling.ends import End, Teller, end_of, skipped_or_lost
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.reconciling.seen import Seen
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.states import State

__all__ = ["ends_of", "progress", "row_documents", "unstarted_ends"]

Json = Mapping[str, Any]

_LARGEST_ROWS = 400 * 1024
"""Bytes that the rows may have together; above, outputs are left to the records."""


def ends_of(seen: Seen, workflow: WorkflowExecution, policy: Policy, *, run: Json | None, over: bool) -> dict[str, End]:
    """Step → what became of it.

    Args:
        seen: What is.
        workflow: The same as a model.
        policy: How the Task is named, and whether there is a Data Storage to ask.
        run: The PipelineRun, or None where it is gone.
        over: Whether nothing new starts.
    """
    children = children_of(workflow, run, seen.task_runs, policy.task_ref)
    before = {row["name"]: row for row in seen.status.get("steps") or ()}
    skipped = {
        item["name"]: item.get("reason", "") for item in ((run or {}).get("status") or {}).get("skippedTasks") or ()
    }
    references = ((run or {}).get("status") or {}).get("childReferences") or ()
    referred = {reference.get("pipelineTaskName") for reference in references}
    namespace = workflow.metadata.namespace or ""
    ends = {}
    for step in workflow.spec.all_steps:
        row = before.get(step.name, {})
        asked = not policy.records or step.name in seen.records
        record = seen.records.get(step.name)
        if step.name in children.own:
            task_run = children.own[step.name]
            pod = seen.pods.get(task_run["metadata"]["name"])
            end = end_of(
                step,
                namespace,
                task_run,
                pod=pod,
                record=record,
                asked=asked,
                gone=(run is None and over) or task_run["metadata"]["name"] in seen.gone,
            )
            known = _from_row(row)
            # what was known once stays known, also when what told it is gone
            ends[step.name] = known if known and known.over and not end.over else end
        elif step.name in children.foreign:
            sentence = f"{children.foreign[step.name]}; somebody else made it, and its end is not this step's."
            error = {"code": 1, "reason": "ForeignTaskRun", "message": sentence}
            ends[step.name] = End(State.LOST, Teller.CONTROLLER, sentence, error=error)
        elif (known := _from_row(row)) and (known.over or not over):
            ends[step.name] = known
        elif not over:
            ends[step.name] = End(State.INTENDED)
        elif run is None:
            reason = "Its PipelineRun went away before it could start."
            ends[step.name] = skipped_or_lost(step.name, reason, record=record, asked=asked)
        elif step.name in referred:
            reason = "Its TaskRun was deleted before it could start."
            ends[step.name] = skipped_or_lost(step.name, reason, record=record, asked=asked)
        else:
            ends[step.name] = End(State.SKIPPED, Teller.CONTROLLER, _skipped(skipped.get(step.name, "")))
    return ends


def unstarted_ends(workflow: WorkflowExecution, reason: str) -> dict[str, End]:
    """The ends of a workflow that never got a PipelineRun: nothing was intended, so there is nothing to record."""
    return {step.name: End(State.SKIPPED, Teller.CONTAINER, reason) for step in workflow.spec.all_steps}


def row_documents(workflow: WorkflowExecution, ends: Mapping[str, End]) -> list[dict[str, Any]]:
    """The rows as the status has them; outputs only where there is room for all."""
    final = {step.name for step in workflow.spec.finally_}
    rows = [_row(workflow, step, ends[step.name], final=step.name in final) for step in workflow.spec.all_steps]
    if len(dumps(rows)) > _LARGEST_ROWS:
        rows = [{name: value for name, value in row.items() if name != "output"} for row in rows]
    return rows


def progress(ends: Iterable[End]) -> str:
    """Steps done of all: `2/4`."""
    all_ends = list(ends)
    return f"{sum(end.state.good for end in all_ends)}/{len(all_ends)}"


def _row(workflow: WorkflowExecution, step: Step, end: End, *, final: bool) -> dict[str, Any]:
    row = {
        "name": step.name,
        "finally": final or None,
        "state": end.state.value,
        "message": end.message,
        "taskRun": end.task_run,
        "startedAt": end.started_at,
        "finishedAt": end.finished_at,
        "changed": end.changed,
        "output": end.output,
        "error": end.error,
        "recordId": record_id_of(workflow, step.name),
    }
    return {name: value for name, value in row.items() if value is not None}


def _from_row(row: Json) -> End | None:
    """What a row of the status says; who told it is not known any more, so the controller tells it once more."""
    if not row:
        return None
    return End(
        State(row["state"]),
        Teller.CONTROLLER,
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
