"""The report to people: the status of a workflow, and Kubernetes Events."""

from datetime import datetime
from typing import Any, Literal

from kubernaut_controller.reconciling.conditions import ConditionUpdate, merge_conditions, timestamp
from kubernaut_controller.reconciling.effects import Effect, EmitEvent, UpdateStatus
from kubernaut_controller.reconciling.lock import grant_of
from kubernaut_controller.reconciling.observed import ObservedState
from kubernaut_controller.reconciling.phase import PhaseDecision
from kubernaut_controller.reconciling.steps import progress, step_statuses
from kubernaut_controller.status import Phase
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.portable import shorten

__all__ = ["status_conditions", "status_effects", "update_status_effects"]


def status_conditions(observed: ObservedState, updates: list[ConditionUpdate], now: datetime) -> list[dict[str, Any]]:
    """Return the conditions of the status, with these updates."""
    generation = observed.document.generation
    return merge_conditions(observed.document.conditions, updates, generation, now)


def status_effects(
    observed: ObservedState,
    workflow: WorkflowExecution,
    decision: PhaseDecision,
    now: datetime,
    stored: ConditionUpdate | None = None,
) -> tuple[Effect, ...]:
    """Return the effects that write a changed status and emit Events about changes of phase."""
    phase = decision.phase
    updates = [ConditionUpdate("Accepted", True, "Valid", _lock_note(observed, workflow))]
    if decision.created:
        updates.append(decision.created)
    succeeded = {Phase.SUCCEEDED: True}.get(phase, False if phase.ended else None)
    updates.append(ConditionUpdate("Succeeded", succeeded, decision.reason, decision.message))
    if stored:
        updates.append(stored)
    before, run = observed.status, decision.run
    reference = before.get("pipelineRunRef")
    if run is not None and not reference:
        reference = {"name": run.name, "uid": run.uid}
    completed = (run.completed_at if run is not None else None) or timestamp(now)
    status = {
        "phase": phase.value,
        "message": decision.note or decision.message,
        "progress": progress(decision.outcomes.values()),
        "target": _target(workflow),
        "observedGeneration": observed.document.generation,
        "startedAt": before.get("startedAt") or (run.started_at if run is not None else None),
        "finishedAt": before.get("finishedAt") or (completed if phase.ended else None),
        "pipelineRunRef": reference,
        "conditions": status_conditions(observed, updates, now),
        "steps": step_statuses(workflow, decision.outcomes),
    }
    return (*_events(observed, decision), *update_status_effects(observed, status))


def _lock_note(observed: ObservedState, workflow: WorkflowExecution) -> str:
    """Return a sentence where only the workflow's own namespace respects its lock; else an empty text."""
    grant = grant_of(workflow)
    if grant is None or observed.granted is not False:
        return ""
    where = f"the namespace {grant.namespace}" if grant.namespace else "the cluster"
    return (
        f"Its target is not of its namespace, so only workflows of {workflow.metadata.namespace} wait for it. "
        f"To have all wait, grant {grant.group} the verb lock on targets.kubernaut.io (resourceNames: "
        f"{shorten(grant.kind)}) in {where}."
    )


def _target(workflow: WorkflowExecution) -> str | None:
    target = workflow.spec.target
    return f"{target.kind}/{target.name}" if target else None


def update_status_effects(observed: ObservedState, status: dict[str, Any]) -> list[Effect]:
    """Return the effect that writes a status; none where the status is unchanged."""
    known = {name: value for name, value in status.items() if value is not None}
    return [] if known == dict(observed.status) else [UpdateStatus(known)]


def _events(observed: ObservedState, decision: PhaseDecision) -> list[Effect]:
    """Return the Events: the PipelineRun was created, it cannot start, or the workflow ended."""
    before, phase = observed.document.phase, decision.phase
    text = decision.message or decision.reason
    if phase.ended and before != phase:
        kind: Literal["Normal", "Warning"] = "Normal" if phase in {Phase.SUCCEEDED, Phase.CANCELLED} else "Warning"
        return [EmitEvent(kind, phase.value, text)]
    if decision.run is not None and not observed.document.has_pipeline_run:
        return [EmitEvent("Normal", "PipelineRunCreated", f"Created PipelineRun {decision.run.name}.")]
    old = observed.document.condition()
    if phase is Phase.PENDING and decision.run is None and old.reason != decision.reason:
        kind = "Normal" if decision.reason == "WaitsForTarget" else "Warning"
        return [EmitEvent(kind, decision.reason, text)]
    return []
