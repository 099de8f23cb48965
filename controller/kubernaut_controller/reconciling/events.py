"""The controller's events about steps, for Data Storage; an event is always the same, whenever it is made.

Times come from the cluster's objects, never from a clock here. A controller that restarts sends the same events again,
and Data Storage recognizes them as duplicates.
"""

from datetime import datetime
from typing import Any

from kubernaut_controller.pipelinerun import record_id_of, step_context
from kubernaut_controller.reconciling.outcomes import KnownOutcome
from kubernaut_controller.trace import trace_of
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk import stepevents
from kubernaut_sdk.judgement import StepOutcome
from kubernaut_sdk.states import Source

__all__ = ["ended_event", "event_key", "intended_event"]


def intended_event(
    workflow: WorkflowExecution, step: Step, made_at: str, *, pod_name: str | None = None
) -> dict[str, Any]:
    """Return the event that a step is going to run.

    Args:
        workflow: The workflow.
        step: The step.
        made_at: The PipelineRun's creationTimestamp.
        pod_name: The pod that Tekton made for the step, once known; Data Storage then takes no other pod's.
    """
    event = stepevents.intended_event(_identity(workflow, step), datetime.fromisoformat(made_at))
    return event if pod_name is None else {**event, "pod_name": pod_name}


def ended_event(workflow: WorkflowExecution, step: Step, end: KnownOutcome, at: str) -> dict[str, Any]:
    """Return the event that tells how a step ended.

    Args:
        workflow: The workflow.
        step: The step.
        end: The outcome of the step.
        at: The time of the event where the outcome has none.
    """
    outcome = StepOutcome(state=end.state, changed=end.changed, output=end.output, error=end.error)
    return stepevents.step_event(
        _identity(workflow, step),
        outcome,
        datetime.fromisoformat(end.finished_at or at),
        started_at=datetime.fromisoformat(end.started_at) if end.started_at else None,
    )


def event_key(event: dict[str, Any]) -> str:
    """Return the name of an event within its step, under which Data Storage's answer is kept."""
    if event.get("source") != Source.CONTROLLER:
        return f"log {event['state']} {event['at']}"
    return f"{event['state']} {event['pod_name']}" if "pod_name" in event else str(event["state"])


def _identity(workflow: WorkflowExecution, step: Step) -> stepevents.StepIdentity:
    trace = trace_of(workflow)
    return stepevents.StepIdentity(
        record_id=record_id_of(workflow, step.name),
        action_type=step.action_type,
        image=step.image,
        dry_run=workflow.spec.dry_run,
        context=step_context(workflow, step),
        trace_id=trace.trace_id if trace else None,
    )
