"""The next decision about a RemediationRequest: its WorkflowExecution is created once, and its end is copied here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.faults import Fault
from kubernaut_controller.reconciling.conditions import ConditionUpdate, merge_conditions, timestamp
from kubernaut_controller.remediation import workflow_of
from kubernaut_controller.status import Phase
from kubernaut_controller.views import WorkflowView, object_of, time_of
from kubernaut_controller.workflow import DAY
from kubernaut_sdk.portable import shorten

__all__ = [
    "CreateWorkflow",
    "DeleteRequest",
    "RemediationDecision",
    "RequestEffect",
    "UpdateRequestStatus",
    "remediate",
]

_LONGEST_MESSAGE = 8000
"""Characters of a condition's message, of which Kubernetes' Condition allows 32,768."""


@dataclass(frozen=True)
class CreateWorkflow:
    """Create the WorkflowExecution; where one of that name exists, it is read in the next round."""

    document: dict[str, Any]


@dataclass(frozen=True)
class UpdateRequestStatus:
    """Replace the RemediationRequest's status."""

    status: dict[str, Any]


@dataclass(frozen=True)
class DeleteRequest:
    """Delete the RemediationRequest, whose workflow is gone and whose time to live has ended."""


RequestEffect = CreateWorkflow | UpdateRequestStatus | DeleteRequest


@dataclass(frozen=True)
class RemediationDecision:
    """The next effects, in order, and the time of the next decision if nothing happens before."""

    effects: tuple[RequestEffect, ...] = ()
    again: datetime | None = None


def remediate(  # noqa: PLR0911 – one case after the other
    request: WorkflowView, faults: tuple[Fault, ...], workflow: WorkflowView | None, now: datetime
) -> RemediationDecision:
    """Return the next decision about a RemediationRequest.

    Args:
        request: The RemediationRequest from the API server; the view reads what both kinds have in common.
        faults: The faults of its shape.
        workflow: The WorkflowExecution of its name, or None where there is none.
        now: The time.
    """
    if request.being_deleted:
        return RemediationDecision()
    if faults:
        message = shorten(" ".join(map(str, faults)), _LONGEST_MESSAGE)
        refused = ConditionUpdate("Accepted", False, "Invalid", message)
        return _report(request, Phase.REFUSED, message, refused, None, now)
    ended = request.phase in {phase.value for phase in Phase if phase.ended}
    # in the status once the workflow exists; without it, a workflow that is missing was never created
    reference = object_of(request.status, "workflowExecutionRef")
    if workflow is not None and workflow.controller_uid != request.uid:
        message = (
            f"A WorkflowExecution {workflow.name} is there already and is not of this request; "
            "delete it or rename this one."
        )
        return _report(
            request, Phase.FAILED, message, ConditionUpdate("WorkflowCreated", False, "Conflict", message), None, now
        )
    if workflow is None and ended:
        ttl = timedelta(seconds=object_of(request.spec, "workflow").get("ttlSecondsAfterFinished", DAY))
        due = (time_of(request.status.get("finishedAt")) or now) + ttl
        return RemediationDecision((DeleteRequest(),)) if now >= due else RemediationDecision(again=due)
    if workflow is None and reference:
        message = f"Its WorkflowExecution {reference.get('name')} was deleted before its end; it is not made again."
        return _report(
            request, Phase.FAILED, message, ConditionUpdate("WorkflowCreated", True, "Deleted", message), None, now
        )
    if workflow is None:
        return RemediationDecision((CreateWorkflow(workflow_of(dict(request.json))),))
    phase = Phase(workflow.phase or Phase.PENDING)
    outcome = workflow.message or "Its WorkflowExecution was made."
    return _report(request, phase, outcome, ConditionUpdate("WorkflowCreated", True, "Created", ""), workflow, now)


def _report(
    request: WorkflowView,
    phase: Phase,
    outcome: str,
    condition: ConditionUpdate,
    workflow: WorkflowView | None,
    now: datetime,
) -> RemediationDecision:
    """Return the decision to write the status: the phase, the outcome and both conditions; no effect if it says so."""
    before = request.status
    workflow_status = workflow.status if workflow is not None else {}
    reason = (workflow.condition().reason if workflow is not None else "") or phase.value
    succeeded = True if phase is Phase.SUCCEEDED else False if phase.ended else None
    reference = before.get("workflowExecutionRef")
    if workflow is not None:
        reference = {"name": workflow.name, "uid": workflow.uid}
    finished = workflow_status.get("finishedAt") or before.get("finishedAt") or timestamp(now)
    status = {
        "phase": phase.value,
        "outcome": outcome,
        "observedGeneration": request.generation,
        "finishedAt": finished if phase.ended else None,
        "workflowExecutionRef": reference,
        "conditions": merge_conditions(
            request.conditions,
            [condition, ConditionUpdate("Succeeded", succeeded, reason, outcome)],
            request.generation,
            now,
        ),
    }
    given = {name: value for name, value in status.items() if value is not None}
    return RemediationDecision(() if given == before else (UpdateRequestStatus(given),))
