"""The next decision about a WorkflowExecution, from what there is now and never from what happened before.

(WorkflowExecution, PipelineRun, TaskRuns, pods, lock, records, time) → effects, in order. Repeats, a crash between any
two effects, missed events and a second controller all lead to the same state, because each decision starts again from
what there is. Called by `operator.workflows`; nothing here does I/O.
"""

from datetime import datetime, timedelta

from kubernaut_controller.pipelinerun import render
from kubernaut_controller.reconciling.children import children_of, differing_field, is_ours, own_pods
from kubernaut_controller.reconciling.conditions import ConditionUpdate, timestamp
from kubernaut_controller.reconciling.decision import Decision
from kubernaut_controller.reconciling.effects import (
    AbandonRecords,
    CancelPipelineRun,
    DeleteWorkflow,
    Effect,
    EmitEvent,
    RefreshChildren,
    ReleaseLock,
    RemoveFinalizer,
)
from kubernaut_controller.reconciling.lock import locked_target
from kubernaut_controller.reconciling.observed import ObservedState
from kubernaut_controller.reconciling.outcomes import is_alive
from kubernaut_controller.reconciling.phase import decide_phase, with_lingering_pod
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.reconciling.recordkeeping import FINAL, record_effects, records_condition
from kubernaut_controller.reconciling.reporting import status_conditions, status_effects, update_status_effects
from kubernaut_controller.reconciling.spans import span_effects
from kubernaut_controller.reconciling.starting import end_unstarted, start
from kubernaut_controller.reconciling.steps import known_outcomes
from kubernaut_controller.reconciling.stopping import STOPPED, stop_pipeline_run
from kubernaut_controller.reconciling.unprocessable import end_unprocessable
from kubernaut_controller.status import Phase
from kubernaut_controller.views import PipelineRunView, WorkflowView, time_of
from kubernaut_controller.workflow import DAY, WorkflowExecution
from kubernaut_sdk.portable import shorten

__all__ = ["due_of", "is_closed", "reconcile"]

_RESYNC = timedelta(minutes=5)
"""The interval for reconciling a running workflow, since a watch may have missed an event."""
_RESYNC_TERMINATING = timedelta(seconds=20)
"""The interval for reconciling an ended workflow while its pods terminate."""


def reconcile(  # noqa: PLR0911 – one case after the other
    observed: ObservedState, policy: Policy, now: datetime
) -> Decision:
    """Return the next decision about a workflow.

    Args:
        observed: All that is known of the workflow.
        policy: The policy of the installation.
        now: The time.
    """
    if observed.being_deleted and not observed.has_finalizer:
        return Decision()
    if is_closed(observed.document):
        return _closed(observed, now)
    workflow = observed.workflow
    if workflow is None or (observed.faults and not _was_created(observed)):
        if observed.has_finalizer and not observed.children_known:
            return Decision((RefreshChildren(),))  # it may have been started before it was refused
        return _stop(observed, now) if _was_created(observed) else _refuse(observed, now)
    run_known = observed.pipeline_run is not None or observed.pipeline_run_absent
    if not observed.children_known or (not run_known and observed.document.has_pipeline_run):
        return Decision((RefreshChildren(),))
    if not _was_created(observed):
        return start(observed, workflow, policy, now)
    return _follow(observed, workflow, policy, now)


def is_closed(document: WorkflowView) -> bool:
    """Return True if nothing is left to do except deleting it in time: ended, lock released, records stored."""
    if document.phase == Phase.REFUSED:
        return True
    stored = document.condition("RecordsStored")
    over = document.phase in {phase.value for phase in Phase if phase.ended}
    return over and (stored.is_true or stored.reason in FINAL)


def _was_created(observed: ObservedState) -> bool:
    return observed.pipeline_run is not None or observed.document.has_pipeline_run


# Refused and closed workflows


def _refuse(observed: ObservedState, now: datetime) -> Decision:
    message = " ".join(str(fault) for fault in observed.faults[:20])
    update = ConditionUpdate("Accepted", False, "Invalid", shorten(message, 8000))
    status = {
        "phase": Phase.REFUSED.value,
        "message": shorten(message, 1000),
        "observedGeneration": observed.document.generation,
        "finishedAt": observed.status.get("finishedAt") or timestamp(now),
        "conditions": status_conditions(
            observed, [update, ConditionUpdate("Succeeded", False, "Refused", "It was refused; nothing ran.")], now
        ),
    }
    effects: list[Effect] = []
    if observed.document.phase != Phase.REFUSED:
        effects += [ReleaseLock()] if observed.has_finalizer else []
        effects.append(EmitEvent("Warning", "Refused", shorten(message, 900)))
    if observed.being_deleted and observed.has_finalizer:
        return Decision((ReleaseLock(), RemoveFinalizer()))
    effects += update_status_effects(observed, status)
    due = due_of(observed.document, now)
    if not effects and not observed.being_deleted and now >= due:
        return Decision((DeleteWorkflow(),))
    return Decision(tuple(effects), again=due)


def _stop(observed: ObservedState, now: datetime) -> Decision:
    """Stop a workflow that runs and can no longer be read."""
    why = f"It can no longer be read, so it was stopped: {' '.join(map(str, observed.faults[:5]))}"
    return Decision(*end_unprocessable(observed, why, now))


def _closed(observed: ObservedState, now: datetime) -> Decision:
    if observed.lock.state == "ours":
        return Decision((ReleaseLock(),))  # taken while another controller closed it
    if observed.being_deleted:
        return Decision((RemoveFinalizer(),)) if observed.has_finalizer else Decision()
    due = due_of(observed.document, now)
    return Decision((DeleteWorkflow(),)) if now >= due else Decision(again=due)


def due_of(document: WorkflowView, now: datetime) -> datetime:
    """Return the time at which an ended workflow is deleted, whatever its spec and status contain."""
    ttl = document.spec.get("ttlSecondsAfterFinished")
    seconds = ttl if isinstance(ttl, int) and 0 <= ttl <= 365 * DAY else DAY
    try:
        return (time_of(document.status.get("finishedAt")) or now) + timedelta(seconds=seconds)
    except OverflowError:  # it ended at the end of all time
        return now + timedelta(seconds=seconds)


# Workflows with a PipelineRun


def _follow(observed: ObservedState, workflow: WorkflowExecution, policy: Policy, now: datetime) -> Decision:
    run = observed.pipeline_run
    if run is not None and observed.document.has_pipeline_run and run.uid != observed.document.pipeline_run_uid:
        run = None  # somebody else created another of the same name
    if run is not None and not observed.document.has_pipeline_run:
        conflict = _conflict(run, workflow, policy)
        if conflict:
            return end_unstarted(observed, workflow, Phase.FAILED, "PipelineRunConflict", conflict, now)
    before = Phase(observed.document.phase or Phase.PENDING)
    done = run is not None and run.done
    if run is not None and done and not before.ended and _task_runs_lag(observed, run):
        return Decision((RefreshChildren(),))
    over = done or run is None or before.ended
    rendered = render(workflow, task_ref=dict(policy.task_ref)) if run is None else {}
    owner = run.uid if run is not None else observed.document.pipeline_run_uid
    children = children_of(workflow, run, observed.task_runs, rendered, owner)
    pods = own_pods(children.own.values(), observed.pods.values())
    outcomes = known_outcomes(observed, workflow, policy, children, run=run, over=over)
    decision = decide_phase(observed, workflow, run, outcomes, over=over, before=before)
    effects: list[Effect] = []
    if run is not None and not done:
        effects += (
            _cancel_effects(run)
            if workflow.spec.cancel or observed.being_deleted
            else stop_pipeline_run(run, tuple(children.own.values()), workflow, outcomes)
        )
    sending, stored = record_effects(observed, workflow, policy, run, outcomes, children, over=over)
    effects += sending
    alive = [pod for pod in pods.values() if is_alive(pod)]
    settled = decision.phase.ended and not alive and all(outcome.ended for outcome in outcomes.values())
    if settled and locked_target(workflow) and observed.lock.state != "released":
        # also where it was another's when last read: a second controller may have taken it
        effects.append(ReleaseLock())
    stored = records_condition(observed, policy, stored, now, settled=settled)
    if stored.reason == "GivenUp":
        effects.append(AbandonRecords())
    if alive and decision.phase.ended:
        decision = with_lingering_pod(decision, alive, now, time_of(observed.status.get("finishedAt")))
    effects += span_effects(observed, workflow, policy, decision, now)
    effects += status_effects(observed, workflow, decision, now, stored)
    if observed.being_deleted and settled and (stored.status or stored.reason in FINAL):
        effects.append(RemoveFinalizer())
    return Decision(tuple(effects), again=now + (_RESYNC_TERMINATING if alive and decision.phase.ended else _RESYNC))


def _cancel_effects(run: PipelineRunView) -> list[Effect]:
    """Return the effects that stop a PipelineRun, unless it is being stopped already."""
    name, asked = run.name, run.stop_requested
    if asked == "PipelineRunPending":
        return [CancelPipelineRun(name, "Cancelled")]  # it never started, so finally need not run
    return [] if asked and asked != STOPPED else [CancelPipelineRun(name)]


def _task_runs_lag(observed: ObservedState, run: PipelineRunView) -> bool:
    """Return True if a done PipelineRun has a TaskRun that is not known to be done: its watch event may be late."""
    if observed.children_read_at == run.resource_version:
        return False
    done = {task_run.name for task_run in observed.task_runs if task_run.done}
    return not run.child_references.keys() <= done


def _conflict(run: PipelineRunView, workflow: WorkflowExecution, policy: Policy) -> str | None:
    """Return the reason why an existing PipelineRun of our name cannot be used; None where it can."""
    name = run.name
    if not is_ours(run, workflow):
        return f"A PipelineRun {name} of somebody else is there already; delete it and create the workflow anew."
    differs = differing_field(run, render(workflow, task_ref=dict(policy.task_ref)))
    if differs:
        return f"A PipelineRun {name} with another {differs} is there already; somebody made it in this one's name."
    return None
