"""A row a step: what became of each step of a workflow, and how the status spells it."""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernaut_controller.pipelinerun import record_id_of
from kubernaut_controller.reconciling.children import Children, condition_of, own_pods
from kubernaut_controller.reconciling.ends import End, Teller, end_of, skipped_or_lost
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.reconciling.seen import Seen
from kubernaut_controller.reconciling.shaping import bounded_text, shaped
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.states import State

__all__ = ["ends_of", "progress", "row_documents", "unstarted_ends"]

Json = Mapping[str, Any]

_LARGEST_ROWS = 400 * 1024
"""Bytes that the rows may have together; above, outputs are left to the records."""


def ends_of(
    seen: Seen, workflow: WorkflowExecution, policy: Policy, children: Children, *, run: Json | None, over: bool
) -> dict[str, End]:
    """Step → what became of it, in the shape that a status can hold.

    Args:
        seen: What is.
        workflow: The same as a model.
        policy: Whether there is a Data Storage to ask.
        children: The TaskRuns of its steps.
        run: The PipelineRun, or None where it is gone.
        over: Whether nothing new starts.
    """
    before = {row["name"]: row for row in seen.status.get("steps") or ()}
    status = (run or {}).get("status") or {}
    skipped = {item["name"]: item.get("reason", "") for item in status.get("skippedTasks") or ()}
    referred = {reference.get("pipelineTaskName") for reference in status.get("childReferences") or ()}
    pods = own_pods(children.own.values(), seen.pods.values())
    ends = {}
    for step in workflow.spec.all_steps:
        name = step.name
        known = _from_row(before.get(name, {}))
        asked = not policy.records or name in seen.records
        record = seen.records.get(name)
        if name in children.own:
            end = _end_of(seen, workflow, step, children.own[name], pods, asked=asked, run_gone=run is None and over)
            # what was known once stays known, also when what told it is gone
            ends[name] = known if known and known.over and not end.over else end
        elif name in children.foreign:
            sentence = f"{children.foreign[name]}; somebody else made it, and its end is not this step's."
            error = {"code": 1, "reason": "ForeignTaskRun", "message": sentence}
            ends[name] = End(State.LOST, Teller.CONTROLLER, sentence, error=error)
        elif known and (known.over or not over):
            ends[name] = known
        elif not over:
            ends[name] = End(State.INTENDED)
        elif run is None:
            reason = "Its PipelineRun went away before it could start."
            ends[name] = skipped_or_lost(name, reason, record=record, asked=asked)
        elif name in referred:
            reason = "Its TaskRun was deleted before it could start."
            ends[name] = skipped_or_lost(name, reason, record=record, asked=asked)
        else:
            ends[name] = End(State.SKIPPED, Teller.CONTROLLER, _skipped(skipped.get(name, "")))
    return {name: shaped(end) for name, end in ends.items()}


def _end_of(
    seen: Seen,
    workflow: WorkflowExecution,
    step: Step,
    task_run: Json,
    pods: Mapping[str, Json],
    *,
    asked: bool,
    run_gone: bool,
) -> End:
    """Return what became of a step that has a TaskRun; of one whose pod's words cannot be read, that."""
    name = task_run["metadata"]["name"]
    gone = run_gone or name in seen.gone
    try:
        return end_of(
            step,
            workflow.metadata.namespace or "",
            task_run,
            pod=pods.get(name),
            record=seen.records.get(step.name),
            asked=asked,
            gone=gone,
        )
    except Exception as error:  # whatever an image wrote: its own step's fault alone
        why = bounded_text(f"{type(error).__name__}: {error}", 300)
        if not gone and condition_of(task_run).get("status") not in {"True", "False"}:
            return End(State.STARTED, message=f"What its pod says cannot be read ({why}).", task_run=name)
        sentence = f"What its pod said cannot be read ({why}); what it did is in its log."
        fault = {"code": 1, "reason": "UnreadableResults", "message": sentence}
        finished = (task_run.get("status") or {}).get("completionTime")
        return End(State.LOST, Teller.CONTROLLER, sentence, name, None, finished, error=fault)


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
