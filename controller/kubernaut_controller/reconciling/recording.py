"""What the controller tells of a workflow's steps: events for Data Storage, each the same whenever it is made.

Times come from the cluster's objects, never from a clock here, so that a controller that starts anew sends the same
events, which the store knows as duplicates.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kubernaut_controller.pipelinerun import record_id_of, step_context
from kubernaut_controller.reconciling.ends import End
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk.states import Source, State
from kubernaut_sdk.times import rfc3339

__all__ = ["ended_event", "intended_event"]


def intended_event(workflow: WorkflowExecution, step: Step, made_at: str) -> dict[str, Any]:
    """That a step's PipelineRun was made.

    Args:
        workflow: Whose.
        step: Which.
        made_at: The PipelineRun's creationTimestamp.
    """
    return {**_event(workflow, step, State.INTENDED, made_at), "intended_at": _time(made_at)}


def ended_event(workflow: WorkflowExecution, step: Step, end: End, at: str) -> dict[str, Any]:
    """How a step ended, or that nothing is known of it.

    Args:
        workflow: Whose.
        step: Which.
        end: What is known.
        at: When, where the end itself does not say.
    """
    known: dict[str, Any] = {
        "finished_at": _time(end.finished_at or at),
        "started_at": _time(end.started_at) if end.started_at else None,
        "changed": end.changed,
        "output": end.output,
        "error": end.error,
    }
    event = {**_event(workflow, step, end.state, end.finished_at or at), **known}
    return {name: value for name, value in event.items() if value is not None}


def _event(workflow: WorkflowExecution, step: Step, state: State, at: str) -> dict[str, Any]:
    about: Mapping[str, Any] = step_context(workflow, step)
    return {
        "id": record_id_of(workflow, step.name),
        "attempt": 0,
        "state": state.value,
        "at": _time(at),
        "source": Source.CONTROLLER.value,
        "action_type": step.action_type,
        "image": step.image,
        "dry_run": workflow.spec.dry_run,
        **{name: value for name, value in about.items() if name != "cluster"},
    }


def _time(text: str) -> str:
    return rfc3339(datetime.fromisoformat(text))
