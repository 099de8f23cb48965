"""Decisions about a workflow that has no PipelineRun yet: its lock, its turn, its deadline, its end before a start.

Called by `reconcile`.
"""

from datetime import datetime, timedelta

from kubernaut_controller.pipelinerun import render
from kubernaut_controller.reconciling.conditions import ConditionUpdate, timestamp
from kubernaut_controller.reconciling.decision import Decision
from kubernaut_controller.reconciling.effects import (
    AcquireLock,
    AddFinalizer,
    CheckGrant,
    CreatePipelineRun,
    Effect,
    ReadLock,
    RefreshChildren,
    ReleaseLock,
    RemoveFinalizer,
)
from kubernaut_controller.reconciling.lock import grant_of, locked_target, target_text
from kubernaut_controller.reconciling.observed import ObservedState
from kubernaut_controller.reconciling.outcomes import KnownOutcome
from kubernaut_controller.reconciling.phase import PhaseDecision
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.reconciling.reporting import status_effects
from kubernaut_controller.reconciling.steps import unstarted_outcomes
from kubernaut_controller.status import Phase
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.states import State

__all__ = ["end_unstarted", "start"]

_POLL = timedelta(seconds=5)
"""The interval for reading a lock that another workflow holds."""


def start(  # noqa: PLR0911 – one case after the other
    observed: ObservedState, workflow: WorkflowExecution, policy: Policy, now: datetime
) -> Decision:
    """Return the decision about a workflow without a PipelineRun: wait for its target, start it, or end it."""
    ended = _end_before_start(observed, workflow, now)
    if ended and observed.has_finalizer and not observed.pipeline_run_absent:
        return Decision((RefreshChildren(),))  # another controller may have started it
    if ended:
        return end_unstarted(observed, workflow, *ended, now)
    hold: tuple[Effect, ...] = () if observed.has_finalizer else (AddFinalizer(),)
    if grant_of(workflow) and observed.granted is None:
        return Decision((CheckGrant(),))
    if locked_target(workflow) and observed.lock.state != "ours":
        waiting_reason = _waiting_reason(observed, workflow, now)
        if not waiting_reason:
            return Decision((*hold, AcquireLock()))
        decision = PhaseDecision(Phase.PENDING, "WaitsForTarget", waiting_reason, _intended(workflow))
        # read it again from time to time, since another controller may release it; acquire it only as the oldest
        poll: tuple[Effect, ...] = (
            () if not observed.lock_stale else (ReadLock(),) if observed.queued_before else (AcquireLock(),)
        )
        rested = observed.lock.until if observed.lock.state == "cooling" else None
        soon = min(filter(None, (now + _POLL, rested, _deadline(observed, workflow))))
        return Decision((*hold, *poll, *status_effects(observed, workflow, decision, now)), again=max(soon, now))
    if hold:
        return Decision(hold)
    creation_failure = observed.creation_failure
    if creation_failure and observed.retry_at and now < observed.retry_at:
        created = ConditionUpdate("PipelineRunCreated", False, creation_failure.reason, creation_failure.message)
        decision = PhaseDecision(
            Phase.PENDING, creation_failure.reason, creation_failure.message, _intended(workflow), created
        )
        return Decision(
            status_effects(observed, workflow, decision, now),
            again=max(now, min(observed.retry_at, _deadline(observed, workflow))),
        )
    return Decision((CreatePipelineRun(render(workflow, task_ref=dict(policy.task_ref))),))


def _end_before_start(
    observed: ObservedState, workflow: WorkflowExecution, now: datetime
) -> tuple[Phase, str, str] | None:
    """Return phase, reason and message of a workflow that ends without a PipelineRun; None if it may still start."""
    phase, creation_failure = observed.document.phase, observed.creation_failure
    if phase and Phase(phase).ended:
        # the controller died after it released the lock and before it wrote the status
        return Phase(phase), observed.document.condition().reason or phase, observed.document.message
    if observed.being_deleted:
        return Phase.CANCELLED, "Deleted", "It was deleted before it started."
    if workflow.spec.cancel:
        return Phase.CANCELLED, "Cancelled", "It was cancelled before it started."
    if creation_failure and creation_failure.permanent:
        return Phase.FAILED, creation_failure.reason, creation_failure.message
    if now >= _deadline(observed, workflow):
        waiting_reason = (
            _waiting_reason(observed, workflow, now)
            if locked_target(workflow) and observed.lock.state != "ours"
            else None
        )
        why = waiting_reason or (creation_failure.message if creation_failure else None)
        if why:
            limit = format_duration(workflow.spec.starting_deadline)
            return Phase.EXPIRED, "Expired", f"It had not started within {limit} (spec.startingDeadline). {why}"
    return None


def _deadline(observed: ObservedState, workflow: WorkflowExecution) -> datetime:
    return observed.created + workflow.spec.starting_deadline


def _waiting_reason(observed: ObservedState, workflow: WorkflowExecution, now: datetime) -> str | None:
    """Return the reason why the target's lock cannot be acquired now; None where it can, or that is not known."""
    assert workflow.spec.target is not None
    target = target_text(workflow.spec.target)
    lock, before = observed.lock, observed.queued_before
    ahead = f"{before} more {'is' if before == 1 else 'are'} ahead of it"
    behind = f"; {ahead}" if before else ""
    match lock.state:
        case "busy":
            return f"Waits for {lock.by}, which acts on {target}{behind}."
        case "cooling" if lock.until and now < lock.until:
            return f"Waits until {timestamp(lock.until)}, when {target} has rested after {lock.by}{behind}."
        case _ if before:
            return f"Waits for its turn at {target}: {ahead}."
    return None


def _intended(workflow: WorkflowExecution) -> dict[str, KnownOutcome]:
    return {step.name: KnownOutcome(State.INTENDED) for step in workflow.spec.all_steps}


def end_unstarted(
    observed: ObservedState, workflow: WorkflowExecution, phase: Phase, reason: str, message: str, now: datetime
) -> Decision:
    """End a workflow without a PipelineRun: release the lock first, since the status that closes it must come last."""
    free: tuple[Effect, ...] = ()
    if (
        locked_target(workflow)
        and observed.lock.state in {"unknown", "ours"}
        and (observed.has_finalizer or observed.lock.state == "ours")
    ):
        free = (ReleaseLock(),)
    if observed.being_deleted:
        return Decision((*free, RemoveFinalizer()))
    created = ConditionUpdate("PipelineRunCreated", False, reason or phase.value, message)
    decision = PhaseDecision(phase, reason or phase.value, message, unstarted_outcomes(workflow, message), created)
    stored = ConditionUpdate("RecordsStored", True, "NothingToStore", "Nothing was started.")
    return Decision((*free, *status_effects(observed, workflow, decision, now, stored)))
