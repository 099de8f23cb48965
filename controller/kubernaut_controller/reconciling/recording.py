"""What the controller tells of a workflow's steps: events for Data Storage, each the same whenever it is made.

Times come from the cluster's objects, never from a clock here, so that a controller that starts anew sends the same
events, which the store knows as duplicates.
"""

from datetime import datetime
from typing import Any

from kubernaut_controller.pipelinerun import record_id_of, step_context
from kubernaut_controller.reconciling.ends import End
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk import judgement
from kubernaut_sdk.judgement import StepIdentity, StepOutcome, step_event

__all__ = ["ended_event", "intended_event"]


def intended_event(workflow: WorkflowExecution, step: Step, made_at: str) -> dict[str, Any]:
    """Return the event that a step's PipelineRun was made.

    Args:
        workflow: Whose.
        step: Which.
        made_at: The PipelineRun's creationTimestamp.
    """
    return judgement.intended_event(_identity(workflow, step), datetime.fromisoformat(made_at))


def ended_event(workflow: WorkflowExecution, step: Step, end: End, at: str) -> dict[str, Any]:
    """Return the event of how a step ended, or that nothing is known of it.

    Args:
        workflow: Whose.
        step: Which.
        end: What is known.
        at: When, where the end itself does not say.
    """
    outcome = StepOutcome(state=end.state, changed=end.changed, output=end.output, error=end.error)
    return step_event(
        _identity(workflow, step),
        outcome,
        datetime.fromisoformat(end.finished_at or at),
        started_at=datetime.fromisoformat(end.started_at) if end.started_at else None,
    )


def _identity(workflow: WorkflowExecution, step: Step) -> StepIdentity:
    return StepIdentity(
        record_id=record_id_of(workflow, step.name),
        action_type=step.action_type,
        image=step.image,
        dry_run=workflow.spec.dry_run,
        context=step_context(workflow, step),
    )
