"""The end of a workflow about which no decision can be made, since processing it raises an exception.

It ends alone: `Refused` where nothing was started, else `Failed`, with the reason. A running PipelineRun is cancelled
and its pods are waited for; then the locks are released and the finalizer is removed. Only fields that the API server
itself guarantees are read.
"""

from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.reconciling.children import own_pods
from kubernaut_controller.reconciling.conditions import ConditionUpdate, merge_conditions, timestamp
from kubernaut_controller.reconciling.effects import (
    AbandonRecords,
    CancelPipelineRun,
    Effect,
    EmitEvent,
    RefreshChildren,
    ReleaseLock,
    RemoveFinalizer,
    UpdateStatus,
)
from kubernaut_controller.reconciling.observed import ObservedState
from kubernaut_controller.reconciling.outcomes import is_alive
from kubernaut_controller.reconciling.sanitizing import bounded_text
from kubernaut_controller.status import Phase
from kubernaut_controller.views import WorkflowView

__all__ = ["end_unprocessable", "minimal_status"]

_AGAIN = timedelta(seconds=20)


def end_unprocessable(observed: ObservedState, why: str, now: datetime) -> tuple[tuple[Effect, ...], datetime | None]:
    """Return the next effects that end an unprocessable workflow, and the time of the next decision.

    Args:
        observed: All that is known of the workflow.
        why: A sentence about the exception.
        now: The time.
    """
    if observed.being_deleted and not observed.has_finalizer:
        return (), None
    run = observed.pipeline_run
    made = run is not None or observed.document.has_pipeline_run
    if made and not observed.children_known:
        return (RefreshChildren(),), now
    effects: list[Effect] = []
    if run is not None and not run.done:
        if not run.stop_requested:
            effects.append(CancelPipelineRun(run.name))
        return tuple(effects), now + _AGAIN
    if any(is_alive(pod) for pod in own_pods(observed.task_runs, observed.pods.values()).values()):
        return tuple(effects), now + _AGAIN
    if observed.has_finalizer:
        effects.append(ReleaseLock())
    if observed.being_deleted:
        return (*effects, RemoveFinalizer()), None
    phase = Phase.FAILED if made else Phase.REFUSED
    if made:
        effects.append(AbandonRecords())
    status = minimal_status(observed.document, phase, why, now)
    return (*effects, EmitEvent("Warning", phase.value, why), UpdateStatus(status)), None


def minimal_status(document: WorkflowView, phase: Phase, why: str, now: datetime) -> dict[str, Any]:
    """Return a minimal status of a workflow that ended: phase, reason and conditions.

    Args:
        document: The WorkflowExecution.
        phase: Its final phase.
        why: The sentence.
        now: The time.
    """
    generation = document.generation
    message = bounded_text(why, 1000) or phase.value
    refused = phase is Phase.REFUSED
    updates = [
        ConditionUpdate("Accepted", not refused, "Invalid" if refused else "Valid", message if refused else ""),
        ConditionUpdate("Succeeded", phase is Phase.SUCCEEDED, phase.value, message),
        ConditionUpdate(
            "RecordsStored",
            refused,
            "NothingToStore" if refused else "GivenUp",
            "Nothing was started." if refused else "Not all of its records could be sent.",
        ),
    ]
    status: dict[str, Any] = {
        "phase": phase.value,
        "message": message,
        "observedGeneration": generation,
        "finishedAt": timestamp(now),
        "conditions": merge_conditions((), updates, generation, now),
    }
    if document.pipeline_run_name and document.pipeline_run_uid:
        status["pipelineRunRef"] = {"name": document.pipeline_run_name, "uid": document.pipeline_run_uid}
    return status
