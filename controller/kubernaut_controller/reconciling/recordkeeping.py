"""The records of a workflow: which events to send, which records to read, and if all are stored."""

from collections.abc import Mapping
from datetime import datetime

from kubernaut_controller.reconciling.children import Children, own_pods
from kubernaut_controller.reconciling.conditions import ConditionUpdate
from kubernaut_controller.reconciling.effects import Effect, ReadLogs, ReadRecord, SendEvents
from kubernaut_controller.reconciling.events import ended_event, event_key, intended_event
from kubernaut_controller.reconciling.observed import ObservedState
from kubernaut_controller.reconciling.outcomes import KnownOutcome, RecordedBy
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.views import PipelineRunView
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.portable import shorten

__all__ = ["FINAL", "record_effects", "records_condition"]

FINAL = frozenset({"Disabled", "GivenUp", "RefusedByStore", "NothingToStore"})
"""The reasons of RecordsStored after which the controller waits no longer, although not all is stored."""


def record_effects(
    observed: ObservedState,
    workflow: WorkflowExecution,
    policy: Policy,
    run: PipelineRunView | None,
    outcomes: Mapping[str, KnownOutcome],
    children: Children,
    *,
    over: bool,
) -> tuple[list[Effect], ConditionUpdate]:
    """Return the effects on Data Storage, and the condition RecordsStored."""
    if not policy.records:
        return [], ConditionUpdate(
            "RecordsStored", None, "Disabled", "The controller has no Data Storage (--data-storage-url)."
        )
    effects: list[Effect] = []
    made_at = (run if run is not None else observed.document).created
    pods = own_pods(children.own.values(), observed.pods.values())
    events, refused = [], []
    for step in workflow.spec.all_steps:
        outcome = outcomes[step.name]
        wanted = [intended_event(workflow, step, made_at)]
        record_id = wanted[0]["id"]
        if pod_name := children.pod_name(step.name):
            wanted.append(intended_event(workflow, step, made_at, pod_name=pod_name))
        if outcome.ended and outcome.recorded_by is RecordedBy.UNKNOWN:
            effects.append(ReadRecord(step.name, record_id))
        if outcome.ended and outcome.recorded_by is RecordedBy.CONTROLLER:
            at = observed.status.get("finishedAt") or (run.completed_at if run is not None else None) or made_at
            wanted.append(ended_event(workflow, step, outcome, at))
            pod = pods.get(outcome.task_run or "")
            if policy.read_logs and pod is not None and step.name not in observed.logs:
                effects.append(ReadLogs(step.name, pod.name, record_id))
            wanted += observed.logs.get(step.name, ())
        keyed = [((step.name, event_key(event)), event) for event in wanted]
        events += [event for key, event in keyed if key not in observed.answers]
        refused += [reason for key, _ in keyed if (reason := observed.answers.get(key))]
    if events:
        effects.append(SendEvents(tuple(events)))
    if effects or not over or not all(outcome.ended for outcome in outcomes.values()):
        waiting = "Not all is stored yet." if over else "Steps are still to come."
        return effects, ConditionUpdate(
            "RecordsStored", False if over else None, "Waiting" if over else "Running", waiting
        )
    if refused:
        return [], ConditionUpdate(
            "RecordsStored", False, "RefusedByStore", f"Data Storage refused a record: {shorten(refused[0], 500)}"
        )
    return [], ConditionUpdate("RecordsStored", True, "Stored", "")


def records_condition(
    observed: ObservedState, policy: Policy, stored: ConditionUpdate, now: datetime, *, settled: bool
) -> ConditionUpdate:
    """Return the condition RecordsStored for the status.

    A value that closes the workflow is held back until everything else is done, and a deadline ends the waiting.
    """
    if not settled and (stored.status or stored.reason in FINAL):
        return ConditionUpdate("RecordsStored", None, "Running", "Its pods are still ending.")
    if settled and not stored.status and stored.reason == "Waiting":
        since = max(filter(None, (observed.finished_or(now), observed.being_deleted)))
        if now >= since + policy.records_deadline:
            limit = format_duration(policy.records_deadline)
            return ConditionUpdate(
                "RecordsStored", False, "GivenUp", f"Data Storage did not take all records within {limit}."
            )
    return stored
