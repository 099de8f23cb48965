"""What the controller says of its custom resources: phase, conditions, a row a step. Shapes; `reconciling` decides."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_controller.shape import Shape
from kubernaut_sdk.states import Error, State

__all__ = ["Condition", "Phase", "RemediationStatus", "StepStatus", "WorkflowStatus"]


class Phase(StrEnum):
    """Where a WorkflowExecution stands."""

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
        """Whether it is the last one."""
        return self not in {Phase.PENDING, Phase.RUNNING}


class Condition(Shape):
    """One thing that is so, is not so, or is not known yet."""

    type: Annotated[str, Field(description="What: Accepted, PipelineRunCreated, Succeeded, ….")]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="Whether it is so.")]
    reason: Annotated[str, Field(description="One word on why, for machines.")]
    message: Annotated[str, Field(description="A sentence for people: what happened and what to do.")]
    last_transition_time: Annotated[datetime, Field(description="When its status changed last.")]
    observed_generation: Annotated[int | None, Field(description="The generation of the spec that it is about.")] = None


class PipelineRunRef(Shape):
    """The PipelineRun that carries a workflow out, in the same namespace."""

    name: Annotated[str, Field(description="Its name.")]
    uid: Annotated[str, Field(description="Its uid, which tells it from another of that name.")]


class StepStatus(Shape):
    """What is known of one step."""

    name: Annotated[str, Field(description="The step.")]
    final: Annotated[bool, Field(alias="finally", description="Whether it is one of finally.")] = False
    state: Annotated[State, Field(description="As in action records.")]
    message: Annotated[str | None, Field(description="What happened or is waited for, and what to do.")] = None
    task_run: Annotated[str | None, Field(description="Its TaskRun.")] = None
    started_at: Annotated[datetime | None, Field(description="When it started.")] = None
    finished_at: Annotated[datetime | None, Field(description="When it ended.")] = None
    changed: Annotated[bool | None, Field(description="Whether the world was changed; absent: not known.")] = None
    output: Annotated[dict[str, Any] | None, Field(description="What the action had to say.")] = None
    error: Annotated[Error | None, Field(description="Why it did not succeed.")] = None
    record_id: Annotated[str | None, Field(description="Its action record in Data Storage.")] = None


Conditions = Annotated[tuple[Condition, ...], Field(description="What is so: Accepted, Succeeded and more.")]


class WorkflowStatus(Shape):
    """What the controller says of a WorkflowExecution."""

    phase: Annotated[Phase | None, Field(description="Where it stands.")] = None
    message: Annotated[str | None, Field(description="In one sentence: what happens or happened, and what to do.")] = (
        None
    )
    progress: Annotated[str | None, Field(description="Steps done of all, such as 2/4.")] = None
    target: Annotated[str | None, Field(description="What is acted on, as Kind/name.")] = None
    observed_generation: Annotated[int | None, Field(description="The generation of the spec that this is about.")] = (
        None
    )
    started_at: Annotated[datetime | None, Field(description="When its PipelineRun started.")] = None
    finished_at: Annotated[datetime | None, Field(description="When it ended.")] = None
    pipeline_run_ref: Annotated[PipelineRunRef | None, Field(description="Its PipelineRun, once made.")] = None
    conditions: Conditions = ()
    steps: Annotated[tuple[StepStatus, ...], Field(description="A row a step, those of finally last.")] = ()


class RemediationStatus(Shape):
    """What the controller says of a RemediationRequest: what its WorkflowExecution came to."""

    phase: Annotated[Phase | None, Field(description="Its WorkflowExecution's.")] = None
    outcome: Annotated[str | None, Field(description="What came of it, in one sentence.")] = None
    observed_generation: Annotated[int | None, Field(description="The generation of the spec that this is about.")] = (
        None
    )
    finished_at: Annotated[datetime | None, Field(description="When it ended.")] = None
    workflow_execution_ref: Annotated[
        dict[Literal["name", "uid"], str] | None, Field(description="Its WorkflowExecution.")
    ] = None
    conditions: Conditions = ()
