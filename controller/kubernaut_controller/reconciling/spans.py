"""The spans of a workflow that has ended: one for the workflow, below it one for each step that ran.

A step's container makes its spans below its step's, since its TRACEPARENT names that.
"""

from datetime import datetime

from kubernaut_controller.pipelinerun import record_id_of
from kubernaut_controller.reconciling.effects import Effect, ExportSpans
from kubernaut_controller.reconciling.observed import ObservedState
from kubernaut_controller.reconciling.outcomes import KnownOutcome
from kubernaut_controller.reconciling.phase import PhaseDecision
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.status import Phase
from kubernaut_controller.trace import trace_of
from kubernaut_controller.views import time_of
from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk.spans import FinishedSpan
from kubernaut_sdk.traceparent import WorkflowTrace

__all__ = ["span_effects"]


def span_effects(
    observed: ObservedState, workflow: WorkflowExecution, policy: Policy, decision: PhaseDecision, now: datetime
) -> list[Effect]:
    """Return the effect that exports a workflow's spans when it ends; none before, after, and without OpenTelemetry.

    Args:
        observed: All that is known of the workflow.
        workflow: The workflow as a model, with a uid.
        policy: The policy, which says if spans go anywhere.
        decision: Its phase, and the outcomes of its steps.
        now: The time, which is the end where its PipelineRun has none.
    """
    ended_before = observed.document.phase is not None and Phase(observed.document.phase).ended
    if not policy.traces or not decision.phase.ended or ended_before:
        return []
    return [ExportSpans(_workflow_spans(observed, workflow, decision, now))]


def _workflow_spans(
    observed: ObservedState, workflow: WorkflowExecution, decision: PhaseDecision, now: datetime
) -> tuple[FinishedSpan, ...]:
    """Return the spans of a workflow, from its creation to its end."""
    trace = trace_of(workflow)
    if trace is None:
        return ()
    metadata, end = workflow.metadata, now
    if decision.run is not None:
        end = time_of(decision.run.completed_at) or now
    root = FinishedSpan(
        f"workflow {metadata.name}",
        trace.root,
        None,
        observed.created,
        end,
        None if decision.phase is Phase.SUCCEEDED else decision.message,
        {
            "k8s.namespace.name": metadata.namespace or "",
            "kubernaut.workflow.name": metadata.name,
            "kubernaut.workflow.uid": metadata.uid or "",
            "kubernaut.phase": decision.phase.value,
            "kubernaut.dry_run": workflow.spec.dry_run,
        },
    )
    steps = ((step, decision.outcomes[step.name]) for step in workflow.spec.all_steps)
    return root, *(span for step, outcome in steps if (span := _step_span(workflow, trace, step, outcome, end)))


def _step_span(
    workflow: WorkflowExecution, trace: WorkflowTrace, step: Step, outcome: KnownOutcome, end: datetime
) -> FinishedSpan | None:
    """Return the span of a step; None where its container never ran."""
    started = time_of(outcome.started_at)
    if started is None:
        return None
    return FinishedSpan(
        f"step {step.name}",
        trace.step(step.name),
        trace.root.span_id,
        started,
        time_of(outcome.finished_at) or end,
        None if outcome.state.good else outcome.message or outcome.state.value,
        {
            "kubernaut.step": step.name,
            "kubernaut.action.type": step.action_type,
            "kubernaut.record.id": record_id_of(workflow, step.name) or "",
            "kubernaut.state": outcome.state.value,
        },
    )
