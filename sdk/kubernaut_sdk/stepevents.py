"""The events about a step that the controller sends, or the local engine in its place.

The container sends its own, which say more; these say that the step is going to run, and how it ended where the
container could not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernaut_sdk.judgement import StepOutcome
from kubernaut_sdk.states import Source, State
from kubernaut_sdk.times import rfc3339

__all__ = ["StepIdentity", "intended_event", "step_event"]

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StepIdentity:
    """The facts about a step that the controller, or the command in its place, knows before it runs.

    Attributes:
        record_id: The id of its record.
        action_type: The action that it runs.
        image: Its image, by digest; None if no image runs.
        dry_run: True if it only plans.
        context: The reason why it runs, as in ACTION_CONTEXT.
        trace_id: The trace of its workflow, or None.
    """

    record_id: str | None
    action_type: str | None
    image: str | None
    dry_run: bool
    context: Json
    trace_id: str | None = None


def intended_event(step: StepIdentity, at: datetime) -> dict[str, Any]:
    """Return the event that a step is going to run.

    Args:
        step: The step.
        at: The time at which its PipelineRun was created.
    """
    return {**_event(step, State.INTENDED, at), "intended_at": rfc3339(at)}


def step_event(
    step: StepIdentity, outcome: StepOutcome, at: datetime, *, started_at: datetime | None = None
) -> dict[str, Any]:
    """Return the event of a step's outcome. Equal arguments give equal events, so sending it again changes nothing.

    Args:
        step: The step.
        outcome: Its outcome.
        at: The time at which it ended.
        started_at: The time at which its container started, if it did and that is known.
    """
    known: dict[str, Any] = {
        "finished_at": rfc3339(at),
        "started_at": rfc3339(started_at) if started_at else None,
        "changed": outcome.changed,
        "output": outcome.output,
        "error": outcome.error,
    }
    event = {**_event(step, outcome.state, at), **known}
    return {name: value for name, value in event.items() if value is not None}


def _event(step: StepIdentity, state: State, at: datetime) -> dict[str, Any]:
    event = {
        "id": step.record_id,
        "attempt": 0,
        "state": state.value,
        "at": rfc3339(at),
        "source": Source.CONTROLLER.value,
        "action_type": step.action_type,
        "image": step.image,
        "dry_run": step.dry_run,
        "trace_id": step.trace_id,
        **step.context,
    }
    return {name: value for name, value in event.items() if value is not None}
