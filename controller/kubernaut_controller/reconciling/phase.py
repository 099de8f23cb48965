"""The phase of a workflow that has a PipelineRun, with its reason and one sentence about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kubernaut_controller.reconciling.conditions import ConditionUpdate
from kubernaut_controller.reconciling.messages import run_failure_message
from kubernaut_controller.reconciling.observed import ObservedState
from kubernaut_controller.reconciling.outcomes import KnownOutcome
from kubernaut_controller.reconciling.steps import progress
from kubernaut_controller.reconciling.stopping import contradicted_steps
from kubernaut_controller.status import Phase
from kubernaut_controller.views import PipelineRunView, PodView, TaskRunView, object_of
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.judgement import failing_steps
from kubernaut_sdk.states import State

__all__ = ["PhaseDecision", "decide_phase", "with_lingering_pod"]

Json = Mapping[str, Any]

_PATIENCE = timedelta(seconds=60)
"""The time after which a pod that has not ended is mentioned: one that ends has ended by then."""


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
    run: PipelineRunView | None = None
    note: str | None = None


def decide_phase(
    observed: ObservedState,
    workflow: WorkflowExecution,
    run: PipelineRunView | None,
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
        condition = observed.document.condition()
        kept = PhaseDecision(before, condition.reason, condition.message, outcomes, run=run)
        if run is None or not run.done:
            return kept
        # the phase stays, but its reason and message may become more precise
        phase, reason, message = _ended(observed, workflow, run, outcomes)
        return replace(kept, reason=reason, message=message) if phase is before else kept
    created = ConditionUpdate("PipelineRunCreated", True, "Created", "")
    if run is None:
        name = observed.document.pipeline_run_name or ""
        message = f"Its PipelineRun {name} was deleted while it ran; it is not made again. See what its steps did, and create it anew."
        return PhaseDecision(Phase.FAILED, "PipelineRunDeleted", message, outcomes, created)
    if not over:
        reason = run.condition().reason
        phase = Phase.RUNNING if run.started_at and reason != "PipelineRunPending" else Phase.PENDING
        return PhaseDecision(phase, reason or "Created", _running_message(outcomes, phase), outcomes, created, run)
    phase, reason, message = _ended(observed, workflow, run, outcomes)
    return PhaseDecision(phase, reason, message, outcomes, created, run)


def _running_message(outcomes: Mapping[str, KnownOutcome], phase: Phase) -> str:
    for name, outcome in outcomes.items():
        if outcome.message and not outcome.ended:
            return f"Step {name}: {outcome.message}"
    if phase is Phase.PENDING:
        return "Its PipelineRun waits for Tekton to start it."
    return f"{progress(outcomes.values()).replace('/', ' of ')} steps done."


def _ended(
    observed: ObservedState, workflow: WorkflowExecution, run: PipelineRunView, outcomes: Mapping[str, KnownOutcome]
) -> tuple[Phase, str, str]:
    """Return phase, reason and message for a PipelineRun that is done."""
    condition = run.condition()
    foreign = next(
        (outcome for outcome in outcomes.values() if object_of(outcome.error).get("reason") == "ForeignTaskRun"), None
    )
    if foreign:
        return Phase.FAILED, "ForeignTaskRun", str(foreign.message)
    good = sum(outcome.state.good for outcome in outcomes.values())
    lets = {step.name for step in workflow.spec.all_steps if step.on_failure == "continue"}
    states = {name: outcome.state for name, outcome in outcomes.items()}
    bad = failing_steps(states, ())
    stops = failing_steps(states, lets)
    contradicted = contradicted_steps(workflow, observed.task_runs, outcomes)
    asked = run.stop_requested
    by_person = workflow.spec.cancel or bool(observed.being_deleted)
    if stops and (condition.is_true or (contradicted and asked and not by_person)):
        # Tekton looks only at exit codes, and the controller, not a person, asked it to stop
        return _step_failed((contradicted or stops)[0], outcomes)
    if condition.is_true:
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
        return Phase.FAILED, condition.reason or "Failed", as_such
    if bad:
        return _step_failed((stops or bad)[0], outcomes)
    given_up = [name for name, outcome in outcomes.items() if not outcome.ended and outcome.message]
    if given_up:
        return Phase.FAILED, "StepFailed", f"Step {given_up[0]} failed: {outcomes[given_up[0]].message}"
    return (
        Phase.FAILED,
        condition.reason or "Failed",
        f"Its PipelineRun failed: {condition.message or 'no reason is given'}.",
    )


def _step_failed(name: str, outcomes: Mapping[str, KnownOutcome]) -> tuple[Phase, str, str]:
    state, message = outcomes[name].state.value.replace("_", " "), outcomes[name].message
    return Phase.FAILED, "StepFailed", f"Step {name} {state}: {message or 'see its log.'}"


def _time_over(run: PipelineRunView, task_runs: tuple[TaskRunView, ...]) -> bool:
    """Return True if the workflow's own timeout ended it, rather than a step's."""
    if run.condition().reason == "PipelineRunTimeout":
        return True
    skipped = any("timeout has been reached" in reason for reason in run.skipped_tasks.values())
    return skipped or any(task_run.stopped_by_timeout for task_run in task_runs)


def with_lingering_pod(
    decision: PhaseDecision, alive: list[PodView], now: datetime, finished: datetime | None = None
) -> PhaseDecision:
    """Return the decision with a note about a pod that does not end, for which the target stays locked.

    Args:
        decision: The decision, about a workflow that has ended.
        alive: Its pods that may still run.
        now: The time.
        finished: The time at which the workflow ended, or None where it ends now.
    """
    for pod in alive:
        if pod.being_deleted and now > pod.being_deleted + _PATIENCE:
            message = (
                f"Its pod {pod.name} does not go away, and its target stays locked: {pod.node or 'its node'} may be "
                f"gone. Once it surely is: kubectl delete pod {pod.name} --force."
            )
            return replace(decision, note=message)
        if not pod.being_deleted and finished and now > finished + _PATIENCE:
            message = (
                f"{decision.message} Its pod {pod.name} has not ended, and its target stays locked until it has: Tekton "
                f"left it to its deadline. To end it now: kubectl delete pod {pod.name}."
            )
            return replace(decision, note=message)
    return decision
