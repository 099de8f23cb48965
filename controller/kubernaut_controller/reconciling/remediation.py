"""The next decision about a RemediationRequest: its WorkflowExecution is created once, and its end is copied here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.faults import Fault
from kubernaut_controller.reconciling.children import condition_of
from kubernaut_controller.reconciling.conditions import ConditionUpdate, merge_conditions, timestamp
from kubernaut_controller.remediation import workflow_of
from kubernaut_controller.status import Phase
from kubernaut_sdk.portable import shorten

__all__ = [
    "CreateWorkflow",
    "DeleteRequest",
    "RemediationDecision",
    "RequestEffect",
    "UpdateRequestStatus",
    "remediate",
]

Json = Mapping[str, Any]

_DAY = 86_400


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
    """The next effects, in order, and the time of the next decision."""

    effects: tuple[RequestEffect, ...] = ()
    again: datetime | None = None


def remediate(  # noqa: PLR0911 – one case after the other
    document: Json, faults: tuple[Fault, ...], workflow: Json | None, now: datetime
) -> RemediationDecision:
    """Return the next decision about a RemediationRequest.

    Args:
        document: The RemediationRequest from the API server.
        faults: The faults of its shape.
        workflow: The WorkflowExecution of its name, or None where there is none.
        now: The time.
    """
    status = document.get("status") or {}
    if document["metadata"].get("deletionTimestamp"):
        return RemediationDecision()
    if faults:
        message = shorten(" ".join(map(str, faults)), 8000)
        refused = ConditionUpdate("Accepted", False, "Invalid", message)
        return _report(document, Phase.REFUSED, message, refused, None, now)
    over = status.get("phase") in {phase.value for phase in Phase if phase.ended}
    known = status.get("workflowExecutionRef") or {}
    if workflow is not None and (_owner(workflow) != document["metadata"]["uid"]):
        name = workflow["metadata"]["name"]
        message = (
            f"A WorkflowExecution {name} is there already and is not of this request; delete it or rename this one."
        )
        return _report(
            document, Phase.FAILED, message, ConditionUpdate("WorkflowCreated", False, "Conflict", message), None, now
        )
    if workflow is None and over:
        ttl = timedelta(seconds=document["spec"]["workflow"].get("ttlSecondsAfterFinished", _DAY))
        due = datetime.fromisoformat(status["finishedAt"]) + ttl
        return RemediationDecision((DeleteRequest(),)) if now >= due else RemediationDecision(again=due)
    if workflow is None and known:
        message = f"Its WorkflowExecution {known.get('name')} was deleted before its end; it is not made again."
        return _report(
            document, Phase.FAILED, message, ConditionUpdate("WorkflowCreated", True, "Deleted", message), None, now
        )
    if workflow is None:
        return RemediationDecision((CreateWorkflow(workflow_of(dict(document))),))
    phase = Phase((workflow.get("status") or {}).get("phase") or Phase.PENDING)
    outcome = (workflow.get("status") or {}).get("message") or "Its WorkflowExecution was made."
    return _report(document, phase, outcome, ConditionUpdate("WorkflowCreated", True, "Created", ""), workflow, now)


def _owner(workflow: Json) -> str | None:
    owners = workflow["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _report(
    document: Json, phase: Phase, outcome: str, created: ConditionUpdate, workflow: Json | None, now: datetime
) -> RemediationDecision:
    before = document.get("status") or {}
    generation = document["metadata"].get("generation", 1)
    ended = (workflow or {}).get("status") or {}
    reason = condition_of(workflow).get("reason") or phase.value
    succeeded = True if phase is Phase.SUCCEEDED else False if phase.ended else None
    reference = before.get("workflowExecutionRef")
    if workflow is not None:
        reference = {"name": workflow["metadata"]["name"], "uid": workflow["metadata"]["uid"]}
    finished = ended.get("finishedAt") or before.get("finishedAt") or timestamp(now)
    status = {
        "phase": phase.value,
        "outcome": outcome,
        "observedGeneration": generation,
        "finishedAt": finished if phase.ended else None,
        "workflowExecutionRef": reference,
        "conditions": merge_conditions(
            before.get("conditions") or (),
            [created, ConditionUpdate("Succeeded", succeeded, reason, outcome)],
            generation,
            now,
        ),
    }
    known = {name: value for name, value in status.items() if value is not None}
    return RemediationDecision(() if known == before else (UpdateRequestStatus(known),))
