"""What a status says, and which Events a person should hear."""

from datetime import datetime
from typing import Any, Literal

from kubernaut_controller.reconciling.acts import Act, Announce, SetStatus
from kubernaut_controller.reconciling.children import condition_of
from kubernaut_controller.reconciling.conditions import Fact, merged, timestamp
from kubernaut_controller.reconciling.lock import grant_of
from kubernaut_controller.reconciling.rows import progress, row_documents
from kubernaut_controller.reconciling.seen import Seen
from kubernaut_controller.reconciling.verdict import Verdict
from kubernaut_controller.status import Phase
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.portable import shorten

__all__ = ["conditions", "set_status", "write"]


def conditions(seen: Seen, facts: list[Fact], now: datetime) -> list[dict[str, Any]]:
    """The conditions of the status, with these facts."""
    return merged(seen.status.get("conditions") or (), facts, seen.metadata.get("generation", 1), now)


def write(
    seen: Seen, workflow: WorkflowExecution, verdict: Verdict, now: datetime, stored: Fact | None = None
) -> tuple[Act, ...]:
    """The status, if it is another than the one there is; and Events for what a person should hear of."""
    phase = verdict.phase
    facts = [Fact("Accepted", True, "Valid", _lock_note(seen, workflow))]
    if verdict.created:
        facts.append(verdict.created)
    so = {Phase.SUCCEEDED: True}.get(phase, False if phase.over else None)
    facts.append(Fact("Succeeded", so, verdict.reason, verdict.message))
    if stored:
        facts.append(stored)
    run_status = (verdict.run or {}).get("status") or {}
    before = seen.status
    reference = before.get("pipelineRunRef")
    if verdict.run is not None and not reference:
        reference = {"name": verdict.run["metadata"]["name"], "uid": verdict.run["metadata"]["uid"]}
    finished = before.get("finishedAt") or (run_status.get("completionTime") or timestamp(now) if phase.over else None)
    status = {
        "phase": phase.value,
        "message": verdict.note or verdict.message,
        "progress": progress(verdict.ends.values()),
        "target": _target(workflow),
        "observedGeneration": seen.metadata.get("generation", 1),
        "startedAt": before.get("startedAt") or run_status.get("startTime"),
        "finishedAt": finished,
        "pipelineRunRef": reference,
        "conditions": conditions(seen, facts, now),
        "steps": row_documents(workflow, verdict.ends),
    }
    return (*_announcements(seen, verdict), *set_status(seen, status))


def _lock_note(seen: Seen, workflow: WorkflowExecution) -> str:
    """Return a sentence where the workflow's lock is known to its own namespace alone; else an empty text."""
    grant = grant_of(workflow)
    if grant is None or seen.granted is not False:
        return ""
    where = f"the namespace {grant.namespace}" if grant.namespace else "the cluster"
    return (
        f"Its target is not of its namespace, so only workflows of {workflow.metadata.namespace} wait for each other "
        f"there. To have all wait, grant {grant.group} the verb lock on targets.kubernaut.io (resourceNames: "
        f"{shorten(grant.kind)}) in {where}."
    )


def _target(workflow: WorkflowExecution) -> str | None:
    target = workflow.spec.target
    return f"{target.kind}/{target.name}" if target else None


def set_status(seen: Seen, status: dict[str, Any]) -> list[Act]:
    """The act that writes a status; none where it says so already."""
    known = {name: value for name, value in status.items() if value is not None}
    return [] if known == dict(seen.status) else [SetStatus(known)]


def _announcements(seen: Seen, verdict: Verdict) -> list[Act]:
    """Events: when the PipelineRun was made, when it cannot start, and when it ended."""
    before, phase = seen.status.get("phase"), verdict.phase
    told = verdict.message or verdict.reason
    if phase.over and before != phase:
        kind: Literal["Normal", "Warning"] = "Normal" if phase in {Phase.SUCCEEDED, Phase.CANCELLED} else "Warning"
        return [Announce(kind, phase.value, told)]
    if verdict.run is not None and not seen.status.get("pipelineRunRef"):
        return [Announce("Normal", "PipelineRunCreated", f"Created PipelineRun {verdict.run['metadata']['name']}.")]
    old = condition_of(seen.document)
    if phase is Phase.PENDING and verdict.run is None and old.get("reason") != verdict.reason:
        kind = "Normal" if verdict.reason == "WaitsForTarget" else "Warning"
        return [Announce(kind, verdict.reason, told)]
    return []
