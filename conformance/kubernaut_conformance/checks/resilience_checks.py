"""What a run tells, and what it does when it is stopped, out of time, made again, or with nobody to tell."""

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

TERMINAL = {"succeeded", "unchanged", "planned", "failed", "cancelled", "timed_out"}
RESILIENCE_CHECKS: list[ConformanceCheck[ActionExamination]] = []
_check = register_in(RESILIENCE_CHECKS)


@_check(
    "not-applied-twice",
    "A pod is made again under the same name after it was force-deleted or its node was lost; what is not idempotent must not happen twice.",
    "Before applying, ask Data Storage for the own record; where another pod had begun, end with 3 (reason AlreadyApplied).",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.recreated_pod_run, "it calls itself idempotent")
    require(run.completed.exit_code == 3, f"{describe_end(run)}, not with 3")
    require(run.before == run.after, "it changed the world")


@_check(
    "record-complete",
    "The record is what is left of a remediation after a day; whether it helped is asked of it for months.",
    "Send events with the given id, context and pod: `started`, `applying` with the change, and the end.",
)
def _(action: ActionExamination) -> None:
    run = require_effective_run(action)
    record = run.record
    require(record is not None, "the store has no record of the id that was given")
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
    "If the pod dies now, only what was told before the first change says that one may have been made.",
    "Send `applying`, and change nothing before Data Storage has acknowledged it (or it is in the spool).",
)
def _(action: ActionExamination) -> None:
    first_run = require_effective_run(action)
    states = [event.get("state") for event in first_run.events]
    require("applying" in states, f"it changed the world and told only {', '.join(map(str, states)) or 'nothing'}")
    run = require_run(action.terminated_run)
    if run.held is None:
        raise CheckSkipped("with DATA_STORAGE_POLICY=require it never told `applying`")
    require(run.held == run.before, "the world was changed before `applying` was acknowledged")


@_check(
    "sigterm",
    "A cancel, a node that drains and a deleted pod all come as SIGTERM; after 30 s the pod is killed, and nobody knows what it did.",
    "On SIGTERM start no new change, and end within 20 s: exit code 143, status and record `cancelled`.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.terminated_run)
    seconds = run.completed.after_signal
    if seconds is None:
        raise CheckSkipped("it never told `applying`, so there was no moment at which to stop it")
    require(run.completed.exit_code == 143, f"{describe_end(run)}, {seconds:.0f} s after SIGTERM, not with 143")
    require(seconds <= 20, f"it took {seconds:.0f} s")
    (status,) = require_results(run, "status")
    require(status == "cancelled", f"its results say {status}")
    require((run.record or {}).get("state") == "cancelled", f"its record says {(run.record or {}).get('state')}")
    require(run.after == run.held, "it changed the world after SIGTERM")


@_check(
    "killed-while-applying",
    "A container that is killed for its memory leaves its results as they are; `changed` = `false` would be a lie that nobody finds.",
    "Before the first change write the result `changed` = `unknown` (with status `failed`), and the truth at the end.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.killed_run)
    if run.completed.exit_code != 137 or run.after == run.before:
        raise CheckSkipped("it had ended before it could be killed")
    early = require_run(action.terminated_run)
    if early.held not in {None, early.before}:
        raise CheckSkipped("it changes the world before it tells of it; see told-before-applied")
    status, changed = require_results(run, "status", "changed")
    ended_well = status in {"succeeded", "unchanged", "planned"}
    if ended_well and changed == "true":
        raise CheckSkipped("it had written its end before it could be killed")
    require(not ended_well, f"killed while it changed the world, its results say status {status}")
    require(changed != "false", f"killed while it changed the world, its results say changed {changed}")


@_check(
    "deadline",
    "The action's own end tells what was done; Tekton's timeout kills, and takes no results.",
    "Where ACTION_TIMEOUT has passed start no new change, and end: exit code 124, status and record `timed_out`.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.timed_out_run)
    require(run.completed.exit_code == 124, f"{describe_end(run)}, not with 124")
    (status,) = require_results(run, "status")
    require(status == "timed_out", f"its results say {status}")
    require((run.record or {}).get("state") == "timed_out", f"its record says {(run.record or {}).get('state')}")
    untouched = run.before if run.held is None else run.held
    require(run.after == untouched, "it changed the world after its time was over")


@_check(
    "storage-away-best-effort",
    "An incident does not wait for its record; and the record must not be lost with the pod.",
    'Run nevertheless; end with record-status `deferred` and each event in the log, as one line {"kubernaut_record": {…}}.',
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.storage_unreachable_run)
    require(run.completed.exit_code == 0, describe_end(run))
    require(run.before != run.after, "it did not change the world")
    (status,) = require_results(run, "record-status")
    require(status == "deferred", f"record-status is {status}")
    ends = [event for event in run.marked if event.get("state") in TERMINAL and event.get("id") == run.record_id]
    require(ends, 'the log has no line {"kubernaut_record": …} with the end')


@_check(
    "storage-away-require",
    "Who sets `require` wants no change that nobody knows of.",
    "Where `applying` cannot be stored and DATA_STORAGE_POLICY is `require`, change nothing and end with 5.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.storage_required_run)
    require(run.before == run.after, "it changed the world")
    require(run.completed.exit_code == 5, f"{describe_end(run)}, not with 5")


@_check(
    "told-twice-one-record",
    "Answers get lost; what is sent again must not become a second remediation in the history.",
    "Send every event with the id of ACTION_RECORD_ID, and again unaltered where no answer came.",
)
def _(action: ActionExamination) -> None:
    require_effective_run(action)
    run = require_run(action.duplicated_events_run)
    require(run.completed.exit_code == 0, describe_end(run))
    ids = sorted({str(event.get("id")) for event in run.events})
    require(ids == [run.record_id], f"it told of {format_names(ids)}, and not of {run.record_id} alone")
    require(run.record is not None and run.record.get("state") in TERMINAL, "the store has no end of it")
