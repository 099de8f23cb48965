"""The status of the custom resources: phase, conditions and steps. Models only; `reconciling` decides their values."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_controller.shape import Shape
from kubernaut_sdk.states import Error, State

__all__ = ["Condition", "Phase", "PipelineRunRef", "RemediationStatus", "StepStatus", "WorkflowStatus"]


class Phase(StrEnum):
    """The phase of a WorkflowExecution."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    TIMED_OUT = "TimedOut"
    REFUSED = "Refused"
    EXPIRED = "Expired"

    @property
    def ended(self) -> bool:
        """True if it is a final phase."""
        return self not in {Phase.PENDING, Phase.RUNNING}


class Condition(Shape):
    """A condition: true, false, or not known yet."""

    type: Annotated[str, Field(description="The condition: Accepted, PipelineRunCreated, Succeeded, RecordsStored, ….")]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="The status of the condition.")]
    reason: Annotated[str, Field(description="The reason, one word for programs.")]
    message: Annotated[str, Field(description="A sentence for people: the event, and the remedy.")]
    last_transition_time: Annotated[datetime, Field(description="The time of the last change of its status.")]
    observed_generation: Annotated[int | None, Field(description="The generation of the spec that it is about.")] = None


class PipelineRunRef(Shape):
    """The PipelineRun that carries a workflow out, in the same namespace."""

    name: Annotated[str, Field(description="Its name.")]
    uid: Annotated[str, Field(description="Its uid, which tells it from another of that name.")]


class StepStatus(Shape):
    """The state of one step."""

    name: Annotated[str, Field(description="The step.")]
    final: Annotated[bool, Field(alias="finally", description="True for a step of finally.")] = False
    state: Annotated[State, Field(description="The state, with the names of action records.")]
    message: Annotated[str | None, Field(description="The event or the reason for waiting, and the remedy.")] = None
    task_run: Annotated[str | None, Field(description="Its TaskRun.")] = None
    started_at: Annotated[datetime | None, Field(description="The time at which it started.")] = None
    finished_at: Annotated[datetime | None, Field(description="The time at which it ended.")] = None
    changed: Annotated[
        bool | None, Field(description="True if the action changed something; absent where that is not known.")
    ] = None
    output: Annotated[dict[str, Any] | None, Field(description="The output of the action.")] = None
    error: Annotated[Error | None, Field(description="The error, where it did not succeed.")] = None
    record_id: Annotated[str | None, Field(description="Its action record in Data Storage.")] = None


Conditions = Annotated[tuple[Condition, ...], Field(description="The conditions: Accepted, Succeeded and more.")]


class WorkflowStatus(Shape):
    """The status of a WorkflowExecution."""

    phase: Annotated[Phase | None, Field(description="The phase.")] = None
    message: Annotated[str | None, Field(description="The state in one sentence, and the remedy.")] = None
    progress: Annotated[str | None, Field(description="Steps done of all, such as 2/4.")] = None
    target: Annotated[str | None, Field(description="The target, as Kind/name.")] = None
    observed_generation: Annotated[int | None, Field(description="The generation of the spec that this is about.")] = (
        None
    )
    started_at: Annotated[datetime | None, Field(description="The time at which its PipelineRun started.")] = None
    finished_at: Annotated[datetime | None, Field(description="The time at which it ended.")] = None
    pipeline_run_ref: Annotated[PipelineRunRef | None, Field(description="Its PipelineRun, once created.")] = None
    conditions: Conditions = ()
    steps: Annotated[tuple[StepStatus, ...], Field(description="The steps, those of finally last.")] = ()


class RemediationStatus(Shape):
    """The status of a RemediationRequest: the end of its WorkflowExecution."""

    phase: Annotated[Phase | None, Field(description="The phase of its WorkflowExecution.")] = None
    outcome: Annotated[str | None, Field(description="The outcome in one sentence.")] = None
    observed_generation: Annotated[int | None, Field(description="The generation of the spec that this is about.")] = (
        None
    )
    finished_at: Annotated[datetime | None, Field(description="The time at which it ended.")] = None
    workflow_execution_ref: Annotated[
        dict[Literal["name", "uid"], str] | None, Field(description="Its WorkflowExecution.")
    ] = None
    conditions: Conditions = ()
