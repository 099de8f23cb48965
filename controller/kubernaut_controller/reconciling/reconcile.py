"""What to do next about a WorkflowExecution: a function of what is, never of what happened.

(WorkflowExecution, PipelineRun, TaskRuns, pods, lock, records, time) → acts, in order. Any number of repeats, a crash
between any two acts, missed events and a second controller end in the same state, because each decision starts anew
from what there is. Called by `operator.loop`; nothing here talks to anyone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernaut_controller.pipelinerun import render
from kubernaut_controller.reconciling.accounting import FINAL, closing, records
from kubernaut_controller.reconciling.acts import (
    Act,
    Announce,
    CancelRun,
    CheckGrant,
    CreateRun,
    Delete,
    FreeLock,
    GiveUpRecords,
    Hold,
    LetGo,
    LookUp,
    ReadLock,
    TakeLock,
)
from kubernaut_controller.reconciling.children import children_of, condition_of, is_ours, own_pods, started_spec
from kubernaut_controller.reconciling.conditions import Fact, timestamp
from kubernaut_controller.reconciling.ends import End, is_alive
from kubernaut_controller.reconciling.halting import STOPPED, halt
from kubernaut_controller.reconciling.lock import grant_of, locked_target, target_text
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.reconciling.report import conditions, set_status, write
from kubernaut_controller.reconciling.rows import ends_of, unstarted_ends
from kubernaut_controller.reconciling.seen import Seen
from kubernaut_controller.reconciling.stranded import strand
from kubernaut_controller.reconciling.verdict import Verdict, judge, with_lingering
from kubernaut_controller.status import Phase
from kubernaut_controller.workflow import DAY, WorkflowExecution
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.states import State

__all__ = ["Decision", "due_of", "is_closed", "reconcile"]

Json = Mapping[str, Any]

_POLL = timedelta(seconds=5)
"""How often a lock that another has is looked at."""
_LOOK = timedelta(minutes=5)
"""How often what runs is decided about anew, should a watch have missed a word."""
_LINGER = timedelta(seconds=20)
"""The same, while pods of a workflow that is over do not go."""


@dataclass(frozen=True)
class Decision:
    """What to do.

    Attributes:
        acts: In order.
        again: When to decide again, should nothing happen before.
    """

    acts: tuple[Act, ...] = ()
    again: datetime | None = None


def reconcile(  # noqa: PLR0911 – one case after the other
    seen: Seen, policy: Policy, now: datetime
) -> Decision:
    """Decides what to do next.

    Args:
        seen: What is.
        policy: What the installation allows.
        now: The time.
    """
    if seen.being_deleted and not seen.held:
        return Decision()
    if is_closed(seen.document):
        return _closed(seen, now)
    workflow = seen.workflow
    if workflow is None or (seen.faults and not _was_created(seen)):
        if seen.held and not seen.looked_up:
            return Decision((LookUp(),))  # it may have been started before it came to be refused
        return _stop(seen, now) if _was_created(seen) else _refuse(seen, now)
    told_of = seen.pipeline_run is not None or seen.absent
    if not seen.looked_up or (not told_of and seen.status.get("pipelineRunRef")):
        return Decision((LookUp(),))
    if not _was_created(seen):
        return _start(seen, workflow, policy, now)
    return _follow(seen, workflow, policy, now)


def is_closed(document: Json) -> bool:
    """Whether nothing is left to do about a workflow but to delete it in time: ended, lock freed, records stored."""
    status = document.get("status") or {}
    if status.get("phase") == Phase.REFUSED:
        return True
    stored = condition_of(document, "RecordsStored")
    over = status.get("phase") in {phase.value for phase in Phase if phase.over}
    return over and (stored.get("status") == "True" or stored.get("reason") in FINAL)


def _was_created(seen: Seen) -> bool:
    return seen.pipeline_run is not None or bool(seen.status.get("pipelineRunRef"))


# Refused, and closed


def _refuse(seen: Seen, now: datetime) -> Decision:
    message = " ".join(str(fault) for fault in seen.faults[:20])
    fact = Fact("Accepted", False, "Invalid", shorten(message, 8000))
    status = {
        "phase": Phase.REFUSED.value,
        "message": shorten(message, 1000),
        "observedGeneration": seen.metadata.get("generation", 1),
        "finishedAt": seen.status.get("finishedAt") or timestamp(now),
        "conditions": conditions(
            seen, [fact, Fact("Succeeded", False, "Refused", "It was refused; nothing ran.")], now
        ),
    }
    acts: list[Act] = []
    if seen.status.get("phase") != Phase.REFUSED:
        acts += [FreeLock()] if seen.held else []
        acts.append(Announce("Warning", "Refused", shorten(message, 900)))
    if seen.being_deleted and seen.held:
        return Decision((FreeLock(), LetGo()))
    acts += set_status(seen, status)
    due = due_of(seen.document, now)
    if not acts and not seen.being_deleted and now >= due:
        return Decision((Delete(),))
    return Decision(tuple(acts), again=due)


def _stop(seen: Seen, now: datetime) -> Decision:
    """Stops a workflow that runs and can no longer be read."""
    why = f"It can no longer be read, so it was stopped: {' '.join(map(str, seen.faults[:5]))}"
    return Decision(*strand(seen, why, now))


def _closed(seen: Seen, now: datetime) -> Decision:
    if seen.being_deleted:
        return Decision((LetGo(),)) if seen.held else Decision()
    due = due_of(seen.document, now)
    return Decision((Delete(),)) if now >= due else Decision(again=due)


def due_of(document: Json, now: datetime) -> datetime:
    """Return when a workflow that ended is deleted, whatever its spec and status hold."""
    ttl = (document.get("spec") or {}).get("ttlSecondsAfterFinished")
    seconds = ttl if isinstance(ttl, int) and 0 <= ttl <= 365 * DAY else DAY
    try:
        finished = datetime.fromisoformat((document.get("status") or {})["finishedAt"]).astimezone(UTC)
        return finished + timedelta(seconds=seconds)
    except (KeyError, TypeError, ValueError, OverflowError):
        return now + timedelta(seconds=seconds)


# Before there is a PipelineRun


def _start(  # noqa: PLR0911 – one case after the other
    seen: Seen, workflow: WorkflowExecution, policy: Policy, now: datetime
) -> Decision:
    ended = _unstarted_end(seen, workflow, now)
    if ended and seen.held and not seen.absent:
        return Decision((LookUp(),))  # another controller may have started it
    if ended:
        return _end_unstarted(seen, workflow, *ended, now)
    hold: tuple[Act, ...] = () if seen.held else (Hold(),)
    if grant_of(workflow) and seen.granted is None:
        return Decision((CheckGrant(),))
    if locked_target(workflow) and seen.lock.state != "ours":
        waits = _waits(seen, workflow, now)
        if not waits:
            return Decision((*hold, TakeLock()))
        verdict = Verdict(Phase.PENDING, "WaitsForTarget", waits, _intended(workflow))
        # read again from time to time, since another controller may free it; taken only by whom nobody is ahead of
        poll: tuple[Act, ...] = () if not seen.lock_stale else (ReadLock(),) if seen.ahead else (TakeLock(),)
        rested = seen.lock.until if seen.lock.state == "cooling" else None
        soon = min(filter(None, (now + _POLL, rested, _deadline(seen, workflow))))
        return Decision((*hold, *poll, *write(seen, workflow, verdict, now)), again=max(soon, now))
    if hold:
        return Decision(hold)
    trouble = seen.trouble
    if trouble and seen.retry_at and now < seen.retry_at:
        created = Fact("PipelineRunCreated", False, trouble.reason, trouble.message)
        verdict = Verdict(Phase.PENDING, trouble.reason, trouble.message, _intended(workflow), created)
        return Decision(
            write(seen, workflow, verdict, now), again=max(now, min(seen.retry_at, _deadline(seen, workflow)))
        )
    return Decision((CreateRun(render(workflow, task_ref=dict(policy.task_ref))),))


def _unstarted_end(seen: Seen, workflow: WorkflowExecution, now: datetime) -> tuple[Phase, str, str] | None:
    """Phase, reason and sentence of a workflow that ends without a PipelineRun; None where it is yet to start."""
    phase, trouble = seen.status.get("phase"), seen.trouble
    if phase and Phase(phase).over:
        # the controller died between the lock and the status
        return Phase(phase), condition_of(seen.document).get("reason", phase), seen.status.get("message", "")
    if seen.being_deleted:
        return Phase.CANCELLED, "Deleted", "It was deleted before it started."
    if workflow.spec.cancel:
        return Phase.CANCELLED, "Cancelled", "It was cancelled before it started."
    if trouble and trouble.permanent:
        return Phase.FAILED, trouble.reason, trouble.message
    if now >= _deadline(seen, workflow):
        waits = _waits(seen, workflow, now) if locked_target(workflow) and seen.lock.state != "ours" else None
        why = waits or (trouble.message if trouble else None)
        if why:
            limit = format_duration(workflow.spec.starting_deadline)
            return Phase.EXPIRED, "Expired", f"It had not started within {limit} (spec.startingDeadline). {why}"
    return None


def _deadline(seen: Seen, workflow: WorkflowExecution) -> datetime:
    return seen.created + workflow.spec.starting_deadline


def _waits(seen: Seen, workflow: WorkflowExecution, now: datetime) -> str | None:
    """Why the target cannot be had now, or None where it is to be had or not known."""
    assert workflow.spec.target is not None
    target = target_text(workflow.spec.target)
    lock = seen.lock
    behind = f"; {seen.ahead} more {'is' if seen.ahead == 1 else 'are'} ahead of it" if seen.ahead else ""
    match lock.state:
        case "busy":
            return f"Waits for {lock.by}, which acts on {target}{behind}."
        case "cooling" if lock.until and now < lock.until:
            return f"Waits until {timestamp(lock.until)}, when {target} has rested after {lock.by}{behind}."
        case _ if seen.ahead:
            return (
                f"Waits for its turn at {target}: {seen.ahead} more {'is' if seen.ahead == 1 else 'are'} ahead of it."
            )
    return None


def _intended(workflow: WorkflowExecution) -> dict[str, End]:
    return {step.name: End(State.INTENDED) for step in workflow.spec.all_steps}


def _end_unstarted(
    seen: Seen, workflow: WorkflowExecution, phase: Phase, reason: str, message: str, now: datetime
) -> Decision:
    """Ends a workflow that has no PipelineRun: the lock first, so that the status that closes it comes last."""
    free: tuple[Act, ...] = ()
    if locked_target(workflow) and seen.lock.state in {"unknown", "ours"} and (seen.held or seen.lock.state == "ours"):
        free = (FreeLock(),)
    if seen.being_deleted:
        return Decision((*free, LetGo()))
    created = Fact("PipelineRunCreated", False, reason or phase.value, message)
    verdict = Verdict(phase, reason or phase.value, message, unstarted_ends(workflow, message), created)
    stored = Fact("RecordsStored", True, "NothingToStore", "Nothing was started.")
    return Decision((*free, *write(seen, workflow, verdict, now, stored)))


# With a PipelineRun


def _follow(seen: Seen, workflow: WorkflowExecution, policy: Policy, now: datetime) -> Decision:
    run = seen.pipeline_run
    reference = seen.status.get("pipelineRunRef") or {}
    if run is not None and reference and run["metadata"]["uid"] != reference.get("uid"):
        run = None  # somebody made another of its name
    if run is not None and not reference:
        conflict = _conflict(run, workflow, policy)
        if conflict:
            return _end_unstarted(seen, workflow, Phase.FAILED, "PipelineRunConflict", conflict, now)
    before = Phase(seen.status["phase"]) if seen.status.get("phase") else Phase.PENDING
    done = run is not None and condition_of(run).get("status") in {"True", "False"}
    if run is not None and done and not before.over and _lags(seen, run):
        return Decision((LookUp(),))
    over = done or run is None or before.over
    asked = run if run is not None else render(workflow, task_ref=dict(policy.task_ref))
    owner = run["metadata"]["uid"] if run is not None else reference.get("uid")
    children = children_of(workflow, run, seen.task_runs, asked, owner)
    pods = own_pods(children.own.values(), seen.pods.values())
    ends = ends_of(seen, workflow, policy, children, run=run, over=over)
    verdict = judge(seen, workflow, run, ends, over=over, before=before)
    acts: list[Act] = []
    if run is not None and not done:
        acts += (
            _cancel(run)
            if workflow.spec.cancel or seen.being_deleted
            else halt(run, tuple(children.own.values()), workflow, ends)
        )
    telling, stored = records(seen, workflow, policy, run, ends, children, over=over)
    acts += telling
    alive = [pod for pod in pods.values() if is_alive(pod)]
    settled = verdict.phase.over and not alive and all(end.over for end in ends.values())
    if settled and locked_target(workflow) and seen.lock.state not in {"released", "busy", "free", "cooling"}:
        acts.append(FreeLock())
    stored = closing(seen, policy, stored, now, settled=settled)
    if stored.reason == "GivenUp":
        acts.append(GiveUpRecords())
    if alive and verdict.phase.over:
        verdict = with_lingering(verdict, alive, now)
    acts += write(seen, workflow, verdict, now, stored)
    if seen.being_deleted and settled and (stored.so or stored.reason in FINAL):
        acts.append(LetGo())
    return Decision(tuple(acts), again=now + (_LINGER if alive and verdict.phase.over else _LOOK))


def _cancel(run: Json) -> list[Act]:
    """Stops a PipelineRun that nobody has stopped yet."""
    name, asked = run["metadata"]["name"], (run.get("spec") or {}).get("status")
    if asked == "PipelineRunPending":
        return [CancelRun(name, "Cancelled")]  # it never started: there is nothing to end well
    return [] if asked and asked != STOPPED else [CancelRun(name)]


def _lags(seen: Seen, run: Json) -> bool:
    """Whether a TaskRun of a PipelineRun that is done is not known to be done: of two watches, one may be late."""
    if seen.looked_at == run["metadata"]["resourceVersion"]:
        return False
    known = {task_run["metadata"]["name"]: task_run for task_run in seen.task_runs}
    references = (run.get("status") or {}).get("childReferences") or ()
    return any(condition_of(known.get(item["name"])).get("status") not in {"True", "False"} for item in references)


def _conflict(run: Json, workflow: WorkflowExecution, policy: Policy) -> str | None:
    """What is wrong with a PipelineRun that was there already when ours was to be made."""
    name = run["metadata"]["name"]
    if not is_ours(run, workflow):
        return f"A PipelineRun {name} of somebody else is there already; delete it and create the workflow anew."
    differs = started_spec(run, render(workflow, task_ref=dict(policy.task_ref)))
    if differs:
        return f"A PipelineRun {name} with another {differs} is there already; somebody made it in this one's name."
    return None
