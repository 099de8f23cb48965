"""Where a workflow stands: its phase, why, and one sentence about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.reconciling.children import condition_of
from kubernaut_controller.reconciling.conditions import Fact
from kubernaut_controller.reconciling.ends import End
from kubernaut_controller.reconciling.halting import contradicting
from kubernaut_controller.reconciling.rows import progress
from kubernaut_controller.reconciling.seen import Seen
from kubernaut_controller.reconciling.sentences import run_ended_badly
from kubernaut_controller.status import Phase
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.judgement import failing_steps
from kubernaut_sdk.states import State

__all__ = ["Verdict", "judge", "with_lingering"]

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Where a workflow stands, as its status will say.

    Attributes:
        phase: Its phase.
        reason: Of the condition Succeeded.
        message: Of the condition Succeeded, and of the status where there is no note.
        ends: What became of each step.
        created: The condition PipelineRunCreated, where there is news of it.
        run: The PipelineRun, where there is one.
        note: What of the moment is to be said instead of the message.
    """

    phase: Phase
    reason: str
    message: str
    ends: Mapping[str, End]
    created: Fact | None = None
    run: Json | None = None
    note: str | None = None


def judge(
    seen: Seen,
    workflow: WorkflowExecution,
    run: Json | None,
    ends: Mapping[str, End],
    *,
    over: bool,
    before: Phase,
) -> Verdict:
    """Where a workflow that got its PipelineRun stands.

    Args:
        seen: What is.
        workflow: The same as a model.
        run: The PipelineRun, or None where it is gone.
        ends: What became of each step.
        over: Whether nothing new starts.
        before: The phase that the status has: once over, it stays.
    """
    if before.over:
        condition = condition_of(seen.document)
        kept = Verdict(before, condition.get("reason", ""), condition.get("message", ""), ends, run=run)
        if run is None or condition_of(run).get("status") not in {"True", "False"}:
            return kept
        # the phase stays, and what is said of it may become better known
        phase, reason, message = _ended(seen, workflow, run, ends)
        return replace(kept, reason=reason, message=message) if phase is before else kept
    created = Fact("PipelineRunCreated", True, "Created", "")
    if run is None:
        name = (seen.status.get("pipelineRunRef") or {}).get("name", "")
        message = f"Its PipelineRun {name} was deleted while it ran; it is not made again. See what its steps did, and create it anew."
        return Verdict(Phase.FAILED, "PipelineRunDeleted", message, ends, created)
    condition = condition_of(run)
    if not over:
        started = bool((run.get("status") or {}).get("startTime"))
        phase = Phase.RUNNING if started and condition.get("reason") != "PipelineRunPending" else Phase.PENDING
        return Verdict(phase, condition.get("reason") or "Created", _running_message(ends, phase), ends, created, run)
    phase, reason, message = _ended(seen, workflow, run, ends)
    return Verdict(phase, reason, message, ends, created, run)


def _running_message(ends: Mapping[str, End], phase: Phase) -> str:
    for name, end in ends.items():
        if end.message and not end.over:
            return f"Step {name}: {end.message}"
    if phase is Phase.PENDING:
        return "Its PipelineRun waits for Tekton to start it."
    return f"{progress(ends.values()).replace('/', ' of ')} steps done."


def _ended(seen: Seen, workflow: WorkflowExecution, run: Json, ends: Mapping[str, End]) -> tuple[Phase, str, str]:
    """Phase, reason and sentence of a PipelineRun that is done."""
    condition = condition_of(run)
    foreign = next((end for end in ends.values() if (end.error or {}).get("reason") == "ForeignTaskRun"), None)
    if foreign:
        return Phase.FAILED, "ForeignTaskRun", str(foreign.message)
    good = sum(end.state.good for end in ends.values())
    lets = {step.name for step in workflow.spec.all_steps if step.on_failure == "continue"}
    states = {name: end.state for name, end in ends.items()}
    bad = failing_steps(states, ())
    stops = failing_steps(states, lets)
    contradicted = contradicting(workflow, seen.task_runs, ends)
    asked = (run.get("spec") or {}).get("status") or ""
    by_person = workflow.spec.cancel or bool(seen.being_deleted)
    if stops and (condition.get("status") == "True" or (contradicted and asked and not by_person)):
        # Tekton looks at exit codes alone, and was told to stop by the controller; a person was not the cause
        return _step_failed((contradicted or stops)[0], ends)
    if condition.get("status") == "True":
        message = f"{good} of {len(ends)} steps done."
        if bad:
            message += f" {', '.join(bad)} failed and did not stop it (onFailure: continue)."
        return Phase.SUCCEEDED, "Succeeded", message
    if asked.startswith(("Cancelled", "StoppedRunFinally")):
        who = "" if by_person else ", by somebody who changed its PipelineRun"
        return Phase.CANCELLED, "Cancelled", f"It was cancelled{who}; {good} of {len(ends)} steps were done."
    if _time_over(run, seen.task_runs):
        still = [name for name, end in ends.items() if end.state is State.TIMED_OUT]
        during = f" while {', '.join(still)} ran" if still else ""
        limit = format_duration(workflow.spec.timeout)
        return (
            Phase.TIMED_OUT,
            "TimedOut",
            f"Its time of {limit} (spec.timeout) was over{during}; {good} of {len(ends)} steps were done.",
        )
    namespace = workflow.metadata.namespace or ""
    as_such = run_ended_badly(run, task="kubernaut-action", namespace=namespace)
    if as_such:
        return Phase.FAILED, condition.get("reason", "Failed"), as_such
    if bad:
        return _step_failed((stops or bad)[0], ends)
    return (
        Phase.FAILED,
        condition.get("reason", "Failed"),
        f"Its PipelineRun failed: {condition.get('message', 'no reason is given')}.",
    )


def _step_failed(name: str, ends: Mapping[str, End]) -> tuple[Phase, str, str]:
    state, message = ends[name].state.value.replace("_", " "), ends[name].message
    return Phase.FAILED, "StepFailed", f"Step {name} {state}: {message or 'see its log.'}"


def _time_over(run: Json, task_runs: tuple[Json, ...]) -> bool:
    """Whether the workflow's time was over, rather than one step's."""
    if condition_of(run).get("reason") == "PipelineRunTimeout":
        return True
    skipped = ((run.get("status") or {}).get("skippedTasks")) or ()
    return any("timeout has been reached" in item.get("reason", "") for item in skipped) or any(
        "timed out" in ((task_run.get("spec") or {}).get("statusMessage") or "") for task_run in task_runs
    )


def with_lingering(verdict: Verdict, alive: list[Json], now: datetime) -> Verdict:
    """Says so where a pod does not go away, most likely with its node."""
    for pod in alive:
        since = pod["metadata"].get("deletionTimestamp")
        if since and now > datetime.fromisoformat(since) + timedelta(seconds=60):
            name, node = pod["metadata"]["name"], (pod.get("spec") or {}).get("nodeName", "its node")
            message = (
                f"Its pod {name} does not go away, and its target stays locked: {node} may be gone. Once it surely is: "
                f"kubectl delete pod {name} --force."
            )
            return replace(verdict, note=message)
    return verdict
