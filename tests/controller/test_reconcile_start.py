"""Decisions until a workflow's PipelineRun is there and recorded: its lock, its turn, refusals, conflicts."""

from datetime import timedelta
from typing import Any

import pytest
from decisions import REF, RUNNING, SENT, TARGET, condition_states, decide, names, status, summary
from objects import (
    NOW,
    OURS,
    UID,
    pipeline_run,
    step,
    task_run,
    workflow,
)

from kubernaut_controller.reconciling.effects import (
    AcquireLock,
    AddFinalizer,
    CheckGrant,
    CreatePipelineRun,
    EmitEvent,
    RefreshChildren,
    ReleaseLock,
    RemoveFinalizer,
    SendEvents,
)
from kubernaut_controller.reconciling.lock import LockState
from kubernaut_controller.reconciling.messages import CreationFailure, creation_failure_of
from kubernaut_sdk.traceparent import WorkflowTrace


def test_first_it_is_held_and_its_target_locked_then_its_pipelinerun_is_made() -> None:
    fresh = workflow(held=False, target=TARGET)

    assert decide(fresh) == [AddFinalizer(), AcquireLock()]
    [create] = decide(workflow(target=TARGET), lock=OURS)
    assert isinstance(create, CreatePipelineRun)
    assert create.document["metadata"]["name"] == REF["name"]
    assert decide(workflow(held=False)) == [AddFinalizer()]
    assert names(decide(workflow())) == ["CreatePipelineRun"]


def test_a_dry_run_locks_nothing() -> None:
    assert names(decide(workflow(target=TARGET, dryRun=True))) == ["CreatePipelineRun"]


def test_after_a_restart_it_is_looked_up_before_anything_is_made() -> None:
    assert decide(workflow(), children_known=False) == [RefreshChildren()]


def test_what_a_watch_has_not_told_of_is_looked_up_before_it_is_missed() -> None:
    assert decide(workflow(status=RUNNING), pipeline_run_absent=False) == [RefreshChildren()]
    assert decide(workflow(cancel=True), pipeline_run_absent=False) == [RefreshChildren()]
    assert decide(workflow(deleted=True), pipeline_run_absent=False) == [RefreshChildren()]
    assert "RefreshChildren" not in names(decide(workflow(held=False, cancel=True), pipeline_run_absent=False))


def test_once_made_that_is_told_and_recorded() -> None:
    document = workflow(target=TARGET)
    effects = decide(document, lock=OURS, pipeline_run=pipeline_run(document))
    written_status = status(effects)

    assert names(effects) == ["SendEvents", "EmitEvent", "UpdateStatus"]
    assert effects[1] == EmitEvent("Normal", "PipelineRunCreated", "Created PipelineRun fix-e5621d0cdb.")
    assert effects[0].events[0] | {"id": "?"} == {
        "id": "?",
        "attempt": 0,
        "state": "intended",
        "at": "2026-01-31T09:05:08.000000Z",
        "intended_at": "2026-01-31T09:05:08.000000Z",
        "source": "controller",
        "action_type": "probe/write_text",
        "image": step("a")["image"],
        "dry_run": False,
        "workflow": {"namespace": "shop", "name": "fix", "uid": UID},
        "step": "a",
        "target": TARGET,
        "trace_id": WorkflowTrace(UID).trace_id,
    }
    assert written_status["pipelineRunRef"] == REF
    assert (written_status["phase"], written_status["progress"], written_status["target"]) == (
        "Running",
        "0/1",
        "Deployment/checkout",
    )
    assert condition_states(written_status) == {
        "Accepted": ("True", "Valid"),
        "PipelineRunCreated": ("True", "Created"),
        "Succeeded": ("Unknown", "Running"),
        "RecordsStored": ("Unknown", "Running"),
    }


def test_the_pod_of_a_step_is_recorded_once_tekton_names_it() -> None:
    document = workflow(status=RUNNING)
    run = pipeline_run(document)
    intended = {("a", "intended"): None}
    unnamed = decide(document, pipeline_run=run, task_runs=(task_run(steps=[], pod_name=None),), answers=intended)
    [send, *_] = decide(document, pipeline_run=run, task_runs=(task_run(),), answers=intended)
    stranger = decide(document, pipeline_run=run, task_runs=(task_run(owner="another"),), answers=intended)

    assert names(unnamed) == ["UpdateStatus"]
    assert isinstance(send, SendEvents)
    assert [(event["state"], event["pod_name"], event["at"]) for event in send.events] == [
        ("intended", "run-a-pod", "2026-01-31T09:05:08.000000Z")
    ]
    assert "SendEvents" not in names(decide(document, pipeline_run=run, task_runs=(task_run(),), answers=SENT))
    # a TaskRun that the PipelineRun does not own names no pod
    assert ["pod_name" in event for event in stranger[0].events] == [False]


def test_nothing_is_done_twice() -> None:
    document = workflow()
    run = pipeline_run(document)
    document["status"] = status(decide(document, pipeline_run=run, answers=SENT))

    assert decide(document, pipeline_run=run, answers=SENT, at=NOW + timedelta(hours=1)) == []


def test_a_pending_pipelinerun_is_pending() -> None:
    document = workflow()
    run = pipeline_run(document, reason="PipelineRunPending", startTime=None)

    assert summary(decide(document, pipeline_run=run, answers=SENT)) == (
        "Pending",
        "Its PipelineRun waits for Tekton to start it.",
    )


WAITS: list[tuple[str, dict[str, Any], str]] = [
    (
        "busy",
        {"lock": LockState("busy", by="shop/other")},
        "Waits for shop/other, which acts on Deployment shop/checkout.",
    ),
    (
        "busy, and others ahead",
        {"lock": LockState("busy", by="shop/other"), "queued_before": 2},
        "Waits for shop/other, which acts on Deployment shop/checkout; 2 more are ahead of it.",
    ),
    (
        "rests",
        {"lock": LockState("cooling", by="shop/other", until=NOW + timedelta(minutes=4))},
        "Waits until 2026-01-31T09:09:17Z, when Deployment shop/checkout has rested after shop/other.",
    ),
    ("its turn", {"queued_before": 1}, "Waits for its turn at Deployment shop/checkout: 1 more is ahead of it."),
    (
        "its turn at a free one",
        {"lock": LockState("free"), "queued_before": 1},
        "Waits for its turn at Deployment shop/checkout: 1 more is ahead of it.",
    ),
]


@pytest.mark.parametrize(("known", "message"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_it_waits_for_its_target_visibly(known: dict[str, Any], message: str) -> None:
    effects = decide(workflow(target=TARGET), **known)

    assert names(effects) == ["EmitEvent", "UpdateStatus"]
    assert summary(effects) == ("Pending", message)
    assert effects[0] == EmitEvent("Normal", "WaitsForTarget", message)


def test_past_its_starting_deadline_it_expires_unstarted() -> None:
    document = workflow(target=TARGET, startingDeadline="5s")
    effects = decide(document, lock=LockState("busy", by="shop/other"))

    assert names(effects) == ["EmitEvent", "UpdateStatus"]
    assert summary(effects) == (
        "Expired",
        (
            "It had not started within 5s (spec.startingDeadline). "
            "Waits for shop/other, which acts on Deployment shop/checkout."
        ),
    )
    assert condition_states(status(effects))["RecordsStored"] == ("True", "NothingToStore")
    assert status(effects)["steps"][0]["state"] == "skipped"


def test_past_its_starting_deadline_it_starts_where_nothing_is_in_its_way() -> None:
    assert names(decide(workflow(startingDeadline="5s"))) == ["CreatePipelineRun"]


def test_a_rested_target_is_read_anew() -> None:
    assert decide(workflow(target=TARGET), lock=LockState("cooling", by="x", until=NOW)) == [AcquireLock()]


@pytest.mark.parametrize("known", [{"cancel": True}, {"deleted": True}])
def test_what_has_not_started_ends_at_once(known: dict[str, Any]) -> None:
    effects = decide(workflow(target=TARGET, **known), lock=OURS)

    assert isinstance(effects[0], ReleaseLock)
    if known.get("deleted"):
        assert effects[1:] == [RemoveFinalizer()]
    else:
        assert summary(effects) == ("Cancelled", "It was cancelled before it started.")


FAILURES: list[tuple[str, tuple[int, str, str], str, str]] = [
    (
        "no Tekton",
        (404, "NotFound", "the server could not find the requested resource"),
        "Pending",
        "install Tekton Pipelines",
    ),
    ("quota", (403, "Forbidden", 'pipelineruns "x" is forbidden: exceeded quota: q'), "Pending", "quota has no room"),
    (
        "may not",
        (403, "Forbidden", 'User "u" cannot create resource "pipelineruns"'),
        "Pending",
        "grant it the role of controller/deploy",
    ),
    (
        "webhook away",
        (500, "InternalError", "Internal error occurred: failed calling webhook"),
        "Pending",
        "Tekton's webhook does not answer",
    ),
    ("no answer", (0, "NoAnswer", "POST: connection refused"), "Pending", "it is tried again"),
    (
        "namespace goes",
        (403, "Forbidden", "unable to create new content in namespace x because it is being terminated"),
        "Failed",
        "nothing starts in it",
    ),
    (
        "webhook says no",
        (400, "BadRequest", 'admission webhook "validation.webhook.pipeline.tekton.dev" denied the request: bad'),
        "Failed",
        "Admission refused the PipelineRun",
    ),
    (
        "policy says no",
        (403, "Forbidden", 'admission webhook "policy" denied the request: no'),
        "Failed",
        "Admission refused the PipelineRun",
    ),
    (
        "invalid",
        (422, "Invalid", "ValidatingAdmissionPolicy 'p' denied request: no"),
        "Failed",
        "Admission refused the PipelineRun",
    ),
    ("too large", (413, "RequestEntityTooLarge", "Request entity too large"), "Failed", "too large for etcd"),
]


@pytest.mark.parametrize(
    ("answer", "phase", "message"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
def test_a_pipelinerun_that_cannot_be_made(answer: tuple[int, str, str], phase: str, message: str) -> None:
    effects = decide(workflow(), creation_failure=creation_failure_of(*answer), retry_at=NOW + timedelta(seconds=1))

    assert summary(effects)[0] == phase
    assert message in summary(effects)[1]
    assert condition_states(status(effects))["PipelineRunCreated"] == ("False", creation_failure_of(*answer).reason)
    assert isinstance(effects[0], EmitEvent)
    assert effects[0].type == "Warning"


def test_it_is_tried_again_when_the_pause_is_over() -> None:
    trouble = CreationFailure("ApiServerError", "No.", permanent=False)

    assert names(decide(workflow(), creation_failure=trouble, retry_at=NOW)) == ["CreatePipelineRun"]


def test_somebody_elses_pipelinerun_is_not_taken() -> None:
    document = workflow()
    theirs, other = pipeline_run(document), pipeline_run(document)
    theirs["metadata"]["ownerReferences"][0]["uid"] = "other"
    other["spec"]["pipelineSpec"]["tasks"][0]["params"][1]["value"] = "evil@sha256:0"

    assert summary(decide(document, pipeline_run=theirs))[1].startswith(
        "A PipelineRun fix-e5621d0cdb of somebody else is there"
    )
    assert "with another spec.pipelineSpec is there already" in summary(decide(document, pipeline_run=other))[1]


def test_tekton_spells_durations_anew_and_that_is_no_conflict() -> None:
    document = workflow(timeout="15m")
    run = pipeline_run(document)
    run["spec"]["timeouts"] = {"pipeline": "15m30s", "tasks": "15m0s", "finally": "30s"}

    assert summary(decide(document, pipeline_run=run))[0] == "Running"


FOREIGN_TARGET = {"kind": "Deployment", "namespace": "prod", "name": "checkout"}


def test_a_target_that_is_not_its_own_is_locked_for_all_only_by_a_grant() -> None:
    document = workflow(target=FOREIGN_TARGET)

    assert decide(document) == [CheckGrant()]
    assert decide(document, granted=False) == decide(document, granted=True) == [AcquireLock()]
    accepted = {
        granted: next(
            item["message"]
            for item in status(decide(document, lock=LockState("busy", by="shop/other"), granted=granted))["conditions"]
            if item["type"] == "Accepted"
        )
        for granted in (True, False)
    }
    assert accepted[True] == ""
    assert accepted[False] == (
        "Its target is not of its namespace, so only workflows of shop wait for it. To have all wait, "
        "grant system:serviceaccounts:shop the verb lock on targets.kubernaut.io (resourceNames: deployment) in the "
        "namespace prod."
    )


def test_who_is_not_the_oldest_looks_at_the_lock_and_does_not_take_it() -> None:
    document = workflow(target=TARGET)
    busy = LockState("busy", by="shop/other")

    assert names(decide(document, lock=busy, lock_stale=True)) == ["AcquireLock", "EmitEvent", "UpdateStatus"]
    assert names(decide(document, lock=busy, lock_stale=True, queued_before=1)) == [
        "ReadLock",
        "EmitEvent",
        "UpdateStatus",
    ]
    for lock in (LockState(), LockState("free")):
        assert names(decide(document, lock=lock, lock_stale=True, queued_before=1)) == [
            "ReadLock",
            "EmitEvent",
            "UpdateStatus",
        ]
        assert names(decide(document, lock=lock)) == ["AcquireLock"]
