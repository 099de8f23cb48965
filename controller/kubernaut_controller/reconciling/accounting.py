"""How a workflow's records stand: what to tell Data Storage, what to ask it, and when all is stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kubernaut_controller.reconciling.acts import Act, Ask, ReadLog, Tell
from kubernaut_controller.reconciling.children import Children, own_pods
from kubernaut_controller.reconciling.conditions import Fact
from kubernaut_controller.reconciling.ends import End, Teller
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.reconciling.recording import ended_event, event_key, intended_event
from kubernaut_controller.reconciling.seen import Seen
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.states import State

__all__ = ["FINAL", "closing", "records"]

Json = Mapping[str, Any]

FINAL = frozenset({"Disabled", "GivenUp", "RefusedByStore", "NothingToStore"})
"""Reasons of RecordsStored after which there is nothing to wait for, though not all is stored."""


def records(
    seen: Seen,
    workflow: WorkflowExecution,
    policy: Policy,
    run: Json | None,
    ends: Mapping[str, End],
    children: Children,
    *,
    over: bool,
) -> tuple[list[Act], Fact]:
    """What to tell and to ask of Data Storage, and how the records stand."""
    if not policy.records:
        return [], Fact("RecordsStored", None, "Disabled", "The controller has no Data Storage (--data-storage-url).")
    acts: list[Act] = []
    made_at = (run or seen.document)["metadata"]["creationTimestamp"]
    pods = own_pods(children.own.values(), seen.pods.values())
    events, refused = [], []
    for step in workflow.spec.all_steps:
        end = ends[step.name]
        wanted = [intended_event(workflow, step, made_at)]
        record_id = wanted[0]["id"]
        if pod_name := children.pod_name(step.name):
            wanted.append(intended_event(workflow, step, made_at, pod_name=pod_name))
        if end.over and end.teller is Teller.STORE:
            acts.append(Ask(step.name, record_id))
        if end.over and end.teller is Teller.CONTROLLER:
            at = seen.status.get("finishedAt") or ((run or {}).get("status") or {}).get("completionTime") or made_at
            wanted.append(ended_event(workflow, step, end, at))
            pod = pods.get(end.task_run or "")
            if policy.read_logs and pod is not None and step.name not in seen.logs:
                acts.append(ReadLog(step.name, pod["metadata"]["name"], record_id))
            wanted += seen.logs.get(step.name, ())
        keyed = [((step.name, event_key(event)), event) for event in wanted]
        events += [event for key, event in keyed if key not in seen.told]
        refused += [reason for key, _ in keyed if (reason := seen.told.get(key))]
    if events:
        acts.append(Tell(tuple(events)))
    if acts or not over or not all(end.over for end in ends.values()):
        waiting = "Not all is stored yet." if over else "Steps are still to come."
        return acts, Fact("RecordsStored", False if over else None, "Waiting" if over else "Running", waiting)
    if refused:
        return [], Fact(
            "RecordsStored", False, "RefusedByStore", f"Data Storage refused a record: {shorten(refused[0], 500)}"
        )
    return [], Fact("RecordsStored", True, "Stored", "")


def closing(seen: Seen, policy: Policy, stored: Fact, now: datetime, *, settled: bool) -> Fact:
    """How the records stand in the status: what closes a workflow is said last, and a deadline ends the waiting."""
    if not settled and (stored.so or stored.reason in FINAL):
        return Fact("RecordsStored", None, "Running", "Its pods are still ending.")
    if settled and not stored.so and stored.reason == "Waiting":
        since = max(filter(None, (seen.finished_or(now), seen.being_deleted)))
        if now >= since + policy.records_deadline:
            limit = format_duration(policy.records_deadline)
            return Fact("RecordsStored", False, "GivenUp", f"Data Storage did not take all records within {limit}.")
    return stored
