"""The phase of a workflow that has a PipelineRun, with its reason and one sentence about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.reconciling.children import condition_of
from kubernaut_controller.reconciling.conditions import ConditionUpdate
from kubernaut_controller.reconciling.messages import run_failure_message
from kubernaut_controller.reconciling.observed import ObservedState
from kubernaut_controller.reconciling.outcomes import KnownOutcome
from kubernaut_controller.reconciling.steps import progress
from kubernaut_controller.reconciling.stopping import contradicted_steps
from kubernaut_controller.status import Phase
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.judgement import failing_steps
from kubernaut_sdk.states import State

__all__ = ["PhaseDecision", "decide_phase", "with_lingering_pod"]

Json = Mapping[str, Any]


@dataclass(frozen=True)
class PhaseDecision:
    """The phase of a workflow, as its status will show it.

    Attributes:
        phase: The phase.
        reason: The reason of the condition Succeeded.
        message: The message of the condition Succeeded, and of the status where there is no note.
        outcomes: The outcome of each step.
        created: The new value of the condition PipelineRunCreated, or None where it is unchanged.
        run: The PipelineRun, where there is one.
        note: A temporary message, which the status shows instead.
    """

    phase: Phase
    reason: str
    message: str
    outcomes: Mapping[str, KnownOutcome]
    created: ConditionUpdate | None = None
    run: Json | None = None
    note: str | None = None


def decide_phase(
    observed: ObservedState,
    workflow: WorkflowExecution,
    run: Json | None,
    outcomes: Mapping[str, KnownOutcome],
    *,
    over: bool,
    before: Phase,
) -> PhaseDecision:
    """Return the phase of a workflow that got its PipelineRun.

    Args:
        observed: All that is known of the workflow.
        workflow: The workflow as a model.
        run: The PipelineRun, or None where it is gone.
        outcomes: The outcome of each step.
        over: True if no new step starts.
        before: The phase in the status; a final one does not change.
    """
    if before.ended:
        condition = condition_of(observed.document)
        kept = PhaseDecision(before, condition.get("reason", ""), condition.get("message", ""), outcomes, run=run)
        if run is None or condition_of(run).get("status") not in {"True", "False"}:
            return kept
        # the phase stays, but its reason and message may become more precise
        phase, reason, message = _ended(observed, workflow, run, outcomes)
        return replace(kept, reason=reason, message=message) if phase is before else kept
    created = ConditionUpdate("PipelineRunCreated", True, "Created", "")
    if run is None:
        name = (observed.status.get("pipelineRunRef") or {}).get("name", "")
        message = f"Its PipelineRun {name} was deleted while it ran; it is not made again. See what its steps did, and create it anew."
        return PhaseDecision(Phase.FAILED, "PipelineRunDeleted", message, outcomes, created)
    condition = condition_of(run)
    if not over:
        started = bool((run.get("status") or {}).get("startTime"))
        phase = Phase.RUNNING if started and condition.get("reason") != "PipelineRunPending" else Phase.PENDING
        return PhaseDecision(
            phase, condition.get("reason") or "Created", _running_message(outcomes, phase), outcomes, created, run
        )
    phase, reason, message = _ended(observed, workflow, run, outcomes)
    return PhaseDecision(phase, reason, message, outcomes, created, run)


def _is_long_ago(time: str | None, now: datetime) -> bool:
    """Return True if a time was over a minute ago: a pod that ends has ended by then."""
    try:
        return bool(time) and now > datetime.fromisoformat(str(time)) + timedelta(seconds=60)
    except (ValueError, TypeError, OverflowError):
        return False


def _running_message(outcomes: Mapping[str, KnownOutcome], phase: Phase) -> str:
    for name, outcome in outcomes.items():
        if outcome.message and not outcome.ended:
            return f"Step {name}: {outcome.message}"
    if phase is Phase.PENDING:
        return "Its PipelineRun waits for Tekton to start it."
    return f"{progress(outcomes.values()).replace('/', ' of ')} steps done."


def _ended(
    observed: ObservedState, workflow: WorkflowExecution, run: Json, outcomes: Mapping[str, KnownOutcome]
) -> tuple[Phase, str, str]:
    """Return phase, reason and message for a PipelineRun that is done."""
    condition = condition_of(run)
    foreign = next(
        (outcome for outcome in outcomes.values() if (outcome.error or {}).get("reason") == "ForeignTaskRun"), None
    )
    if foreign:
        return Phase.FAILED, "ForeignTaskRun", str(foreign.message)
    good = sum(outcome.state.good for outcome in outcomes.values())
    lets = {step.name for step in workflow.spec.all_steps if step.on_failure == "continue"}
    states = {name: outcome.state for name, outcome in outcomes.items()}
    bad = failing_steps(states, ())
    stops = failing_steps(states, lets)
    contradicted = contradicted_steps(workflow, observed.task_runs, outcomes)
    asked = (run.get("spec") or {}).get("status") or ""
    by_person = workflow.spec.cancel or bool(observed.being_deleted)
    if stops and (condition.get("status") == "True" or (contradicted and asked and not by_person)):
        # Tekton looks only at exit codes, and the controller, not a person, asked it to stop
        return _step_failed((contradicted or stops)[0], outcomes)
    if condition.get("status") == "True":
        message = f"{good} of {len(outcomes)} steps done."
        if bad:
            message += f" {', '.join(bad)} failed and did not stop it (onFailure: continue)."
        return Phase.SUCCEEDED, "Succeeded", message
    if asked.startswith(("Cancelled", "StoppedRunFinally")):
        who = "" if by_person else ", by somebody who changed its PipelineRun"
        return Phase.CANCELLED, "Cancelled", f"It was cancelled{who}; {good} of {len(outcomes)} steps were done."
    if _time_over(run, observed.task_runs):
        still = [name for name, outcome in outcomes.items() if outcome.state is State.TIMED_OUT]
        during = f" while {', '.join(still)} ran" if still else ""
        limit = format_duration(workflow.spec.timeout)
        return (
            Phase.TIMED_OUT,
            "TimedOut",
            f"Its time of {limit} (spec.timeout) was over{during}; {good} of {len(outcomes)} steps were done.",
        )
    namespace = workflow.metadata.namespace or ""
    as_such = run_failure_message(run, task="kubernaut-action", namespace=namespace)
    if as_such:
        return Phase.FAILED, condition.get("reason", "Failed"), as_such
    if bad:
        return _step_failed((stops or bad)[0], outcomes)
    given_up = [name for name, outcome in outcomes.items() if not outcome.ended and outcome.message]
    if given_up:
        return Phase.FAILED, "StepFailed", f"Step {given_up[0]} failed: {outcomes[given_up[0]].message}"
    return (
        Phase.FAILED,
        condition.get("reason", "Failed"),
        f"Its PipelineRun failed: {condition.get('message', 'no reason is given')}.",
    )


def _step_failed(name: str, outcomes: Mapping[str, KnownOutcome]) -> tuple[Phase, str, str]:
    state, message = outcomes[name].state.value.replace("_", " "), outcomes[name].message
    return Phase.FAILED, "StepFailed", f"Step {name} {state}: {message or 'see its log.'}"


def _time_over(run: Json, task_runs: tuple[Json, ...]) -> bool:
    """Return True if the workflow's own timeout ended it, rather than a step's."""
    if condition_of(run).get("reason") == "PipelineRunTimeout":
        return True
    skipped = ((run.get("status") or {}).get("skippedTasks")) or ()
    return any("timeout has been reached" in item.get("reason", "") for item in skipped) or any(
        "timed out" in ((task_run.get("spec") or {}).get("statusMessage") or "") for task_run in task_runs
    )


def with_lingering_pod(
    decision: PhaseDecision, alive: list[Json], now: datetime, finished: str | None = None
) -> PhaseDecision:
    """Return the decision with a note about a pod that does not end, for which the target stays locked.

    Args:
        decision: The decision, about a workflow that has ended.
        alive: Its pods that may still run.
        now: The time.
        finished: The time at which the workflow ended, or None where it ends now.
    """
    for pod in alive:
        since = pod["metadata"].get("deletionTimestamp")
        if since and _is_long_ago(since, now):
            name, node = pod["metadata"]["name"], (pod.get("spec") or {}).get("nodeName", "its node")
            message = (
                f"Its pod {name} does not go away, and its target stays locked: {node} may be gone. Once it surely is: "
                f"kubectl delete pod {name} --force."
            )
            return replace(decision, note=message)
        if not since and _is_long_ago(finished, now):
            name = pod["metadata"]["name"]
            message = (
                f"{decision.message} Its pod {name} has not ended, and its target stays locked until it has: Tekton left "
                f"it to its deadline. To end it now: kubectl delete pod {name}."
            )
            return replace(decision, note=message)
    return decision
