"""Checks of the record, and of runs that are terminated, time out, are repeated, or cannot reach Data Storage."""

from kubernaut_conformance.checks.check import CheckSkipped, ConformanceCheck, register_in, require
from kubernaut_conformance.checks.requirements import (
    describe_end,
    format_names,
    require_effective_run,
    require_results,
    require_run,
)
from kubernaut_conformance.examination import WORKFLOW, ActionExamination
from kubernaut_sdk.portable import shorten

__all__ = ["RESILIENCE_CHECKS"]

TERMINAL_STATES = {"succeeded", "unchanged", "planned", "failed", "cancelled", "timed_out"}
RESILIENCE_CHECKS: list[ConformanceCheck[ActionExamination]] = []
_check = register_in(RESILIENCE_CHECKS)


@_check(
    "not-applied-twice",
    "A pod is made again under the same name after it was force-deleted or its node was lost; an action that is not idempotent must not be applied twice.",
    "Before applying, read the record of ACTION_RECORD_ID from Data Storage; if another pod has begun, end with 3 (reason AlreadyApplied).",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.recreated_pod_run, "it calls itself idempotent")
    require(run.completed.exit_code == 3, f"{describe_end(run)}, not with 3")
    require(run.before == run.after, "it changed something")


@_check(
    "record-complete",
    "After a day the record is all that is left of a remediation; its effectiveness is computed from it for months.",
    "Send events with the given id, context and pod: `started`, `applying` with the change, and the final state.",
)
def _(action: ActionExamination) -> None:
    run = require_effective_run(action)
    record = run.record
    require(record is not None, "Data Storage has no record of the id that was given")
    assert record is not None
    expected = {
        "state": "succeeded",
        "action_type": action.spec.action_type,
        "workflow": WORKFLOW,
        "step": "conformance",
        "pod": {"name": "conformance-pod", "uid": "22222222-2222-4222-8222-222222222222"},
    }
    for name, value in expected.items():
        require(
            record.get(name) == value, f"{name} is {shorten(repr(record.get(name)))} and not {shorten(repr(value))}"
        )
    for name in ("started_at", "finished_at", "change"):
        require(record.get(name), f"{name} is missing")
    require(record.get("changed") is True, f"changed is {record.get('changed')}")


@_check(
    "told-before-applied",
    "If the pod dies, only an event sent before the first change shows that a change may have been made.",
    "Send `applying`, and change nothing before Data Storage has acknowledged it (or it is in the spool).",
)
def _(action: ActionExamination) -> None:
    first = require_effective_run(action)
    states = [event.get("state") for event in first.events]
    require("applying" in states, f"it made a change and sent only {', '.join(map(str, states)) or 'nothing'}")
    run = require_run(action.terminated_run)
    if run.held is None:
        raise CheckSkipped("with DATA_STORAGE_POLICY=require it never sent `applying`")
    require(run.held == run.before, "it made a change before `applying` was acknowledged")


@_check(
    "sigterm",
    "Cancelling a workflow, draining a node and deleting a pod all send SIGTERM; 30 s later the pod is killed, and nobody knows what it did.",
    "On SIGTERM start no new change, and end within 20 s: exit code 143, status and record `cancelled`.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.terminated_run)
    seconds = run.completed.after_signal
    if seconds is None:
        raise CheckSkipped("it never sent `applying`, so there was no moment at which to stop it")
    require(run.completed.exit_code == 143, f"{describe_end(run)}, {seconds:.0f} s after SIGTERM, not with 143")
    require(seconds <= 20, f"it took {seconds:.0f} s")
    (status,) = require_results(run, "status")
    require(status == "cancelled", f"its results say {status}")
    require((run.record or {}).get("state") == "cancelled", f"its record says {(run.record or {}).get('state')}")
    require(run.after == run.held, "it made a change after SIGTERM")


@_check(
    "killed-while-applying",
    "A container that is killed for its memory leaves its results as they are; a wrong `changed` = `false` would never be noticed.",
    "Before the first change write the result `changed` = `unknown` (with status `failed`), and the true values at the end.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.killed_run)
    if run.completed.exit_code != 137 or run.after == run.before:
        raise CheckSkipped("it had ended before it could be killed")
    early = require_run(action.terminated_run)
    if early.held not in {None, early.before}:
        raise CheckSkipped("it makes a change before it sends `applying`; see told-before-applied")
    status, changed = require_results(run, "status", "changed")
    ended_well = status in {"succeeded", "unchanged", "planned"}
    if ended_well and changed == "true":
        raise CheckSkipped("it had written its final results before it could be killed")
    require(not ended_well, f"killed during its change, its results say status {status}")
    require(changed != "false", f"killed during its change, its results say changed {changed}")


@_check(
    "deadline",
    "An action that ends by itself reports what it did; Tekton's timeout kills it and takes no results.",
    "After ACTION_TIMEOUT start no new change, and end: exit code 124, status and record `timed_out`.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.timed_out_run)
    require(run.completed.exit_code == 124, f"{describe_end(run)}, not with 124")
    (status,) = require_results(run, "status")
    require(status == "timed_out", f"its results say {status}")
    require((run.record or {}).get("state") == "timed_out", f"its record says {(run.record or {}).get('state')}")
    untouched = run.before if run.held is None else run.held
    require(run.after == untouched, "it made a change after its timeout")


@_check(
    "storage-away-best-effort",
    "An incident cannot wait for Data Storage, and the record must not be lost with the pod.",
    'Run anyway; end with record-status `deferred` and each event in the log, as one line {"kubernaut_record": {…}}.',
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.storage_unreachable_run)
    require(run.completed.exit_code == 0, describe_end(run))
    require(run.before != run.after, "it changed nothing")
    (status,) = require_results(run, "record-status")
    require(status == "deferred", f"record-status is {status}")
    ends = [event for event in run.marked if event.get("state") in TERMINAL_STATES and event.get("id") == run.record_id]
    require(ends, 'the log has no line {"kubernaut_record": …} with the final state')


@_check(
    "storage-away-require",
    "With the policy `require` there must be no change without a record.",
    "If `applying` cannot be stored and DATA_STORAGE_POLICY is `require`, change nothing and end with 5.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.storage_required_run)
    require(run.before == run.after, "it changed something")
    require(run.completed.exit_code == 5, f"{describe_end(run)}, not with 5")


@_check(
    "told-twice-one-record",
    "Answers get lost; an event sent again must not become a second remediation in the history.",
    "Send every event with the id of ACTION_RECORD_ID, and send it again unaltered if no answer came.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.duplicated_events_run)
    require(run.completed.exit_code == 0, describe_end(run))
    ids = sorted({str(event.get("id")) for event in run.events})
    require(ids == [run.record_id], f"it sent events of {format_names(ids)}, and not of {run.record_id} alone")
    require(
        run.record is not None and run.record.get("state") in TERMINAL_STATES, "Data Storage has no final state of it"
    )
