"""The next decision about a workflow, situation by situation."""

from datetime import timedelta
from typing import Any

import pytest
from bad_objects import FORGED
from objects import (
    CREATED,
    NOW,
    OURS,
    UID,
    Json,
    observed_state,
    pipeline_run,
    pod,
    results,
    stamp,
    step,
    successful,
    task_run,
    terminated,
    termination,
    with_requested_params,
    workflow,
)

from kubernaut_controller.reconciling import Policy, reconcile
from kubernaut_controller.reconciling.effects import (
    AbandonRecords,
    AcquireLock,
    AddFinalizer,
    CancelPipelineRun,
    CheckGrant,
    CreatePipelineRun,
    DeleteWorkflow,
    EmitEvent,
    ReadLogs,
    ReadRecord,
    RefreshChildren,
    ReleaseLock,
    RemoveFinalizer,
    SendEvents,
    UpdateStatus,
)
from kubernaut_controller.reconciling.lock import LockState
from kubernaut_controller.reconciling.messages import CreationFailure, creation_failure_of
from kubernaut_controller.workflow import read_workflow_execution
from kubernaut_sdk.traceparent import WorkflowTrace

POLICY = Policy()
TARGET = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}
SENT = {("a", "intended"): None, ("a", "intended run-a-pod"): None}
REF = {"name": "fix-e5621d0cdb", "uid": "run-1"}
RUNNING = {"phase": "Running", "pipelineRunRef": REF}


def decide(document: Json, *, at: Any = NOW, policy: Policy = POLICY, **known: Any) -> list[Any]:
    return list(reconcile(observed_state(document, policy=policy, **known), policy, at).effects)


def names(effects: list[Any]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def status(effects: list[Any]) -> Json:
    return next(effect.status for effect in effects if isinstance(effect, UpdateStatus))


def summary(effects: list[Any]) -> tuple[str, str]:
    written_status = status(effects)
    return written_status["phase"], written_status["message"]


def condition_states(written_status: Json) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in written_status["conditions"]}


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


# How it ends. Each: the PipelineRun's condition, its TaskRuns, (phase, message, states)

FAILED = {"code": 3, "reason": "NotFound", "message": "no Deployment shop/checkout"}
TWO = [step("a"), step("b", runAfter=["a"])]
BY_TIMEOUT = "TaskRun cancelled as the PipelineRun it belongs to has timed out."


def bad(**fields: Any) -> Json:
    return task_run(
        status="False", reason="Failed", results=results("failed", error=FAILED), steps=terminated(3), **fields
    )


ENDS: list[tuple[str, dict[str, Any], list[Json], tuple[str, str, dict[str, str]]]] = [
    (
        "well",
        {"status": "True", "reason": "Succeeded"},
        [successful("a"), successful("b")],
        ("Succeeded", "2 of 2 steps done.", {"a": "succeeded", "b": "succeeded"}),
    ),
    (
        "a step failed",
        {"status": "False", "reason": "Failed", "skippedTasks": [{"name": "b", "reason": "PipelineRun was stopping"}]},
        [bad()],
        ("Failed", "Step a failed: no Deployment shop/checkout", {"a": "failed", "b": "skipped"}),
    ),
    (
        "Task missing: no children",
        {"status": "False", "reason": "CouldntGetTask", "message": "Pipeline shop/fix can't be Run"},
        [],
        (
            "Failed",
            "The namespace shop has no Task kubernaut-action; install it: kubectl apply --namespace=shop",
            {"a": "skipped", "b": "skipped"},
        ),
    ),
    (
        "workspace missing",
        {"status": "False", "reason": "InvalidWorkspaceBindings", "message": "no secret."},
        [],
        (
            "Failed",
            "Tekton refused the PipelineRun (InvalidWorkspaceBindings): no secret.",
            {"a": "skipped", "b": "skipped"},
        ),
    ),
    (
        "a result missing",
        {"status": "False", "reason": "InvalidTaskResultReference", "message": "a.output"},
        [successful("a")],
        (
            "Failed",
            "A step's output that another step takes was not there: a.output.",
            {"a": "succeeded", "b": "skipped"},
        ),
    ),
    (
        "cancelled",
        {
            "status": "False",
            "reason": "Cancelled",
            "spec": {"status": "CancelledRunFinally"},
            "skippedTasks": [{"name": "b", "reason": "PipelineRun was gracefully cancelled"}],
        },
        [task_run(status="False", reason="TaskRunCancelled", steps=[], pod_name=None)],
        (
            "Cancelled",
            "It was cancelled, by somebody who changed its PipelineRun; 0 of 2 steps were done.",
            {"a": "cancelled", "b": "skipped"},
        ),
    ),
    (
        "the whole's time was over",
        {"status": "False", "reason": "PipelineRunTimeout"},
        [task_run(status="False", reason="TaskRunCancelled", steps=[], pod_name=None, status_message=BY_TIMEOUT)],
        (
            "TimedOut",
            "Its time of 1h (spec.timeout) was over while a ran; 0 of 2 steps were done.",
            {"a": "timed_out", "b": "skipped"},
        ),
    ),
    (
        "the tasks' time was over, and finally ran",
        {
            "status": "False",
            "reason": "Failed",
            "skippedTasks": [{"name": "b", "reason": "PipelineRun Tasks timeout has been reached"}],
        },
        [successful("a")],
        (
            "TimedOut",
            "Its time of 1h (spec.timeout) was over; 1 of 2 steps were done.",
            {"a": "succeeded", "b": "skipped"},
        ),
    ),
    (
        "a TaskRun that somebody else made",
        {"status": "True", "reason": "Succeeded"},
        [
            successful("a"),
            {
                **successful("b"),
                "metadata": {
                    **successful("b")["metadata"],
                    "ownerReferences": [{"uid": "x", "controller": True}],
                },
            },
        ],
        (
            "Failed",
            "TaskRun run-b is not owned by the PipelineRun; somebody else made it",
            {"a": "succeeded", "b": "lost"},
        ),
    ),
    (
        "another image",
        {"status": "True", "reason": "Succeeded"},
        [
            successful("a"),
            {
                **successful("b"),
                "spec": {**successful("b")["spec"], "params": [{"name": "actionImage", "value": "evil"}]},
            },
        ],
        ("Failed", "TaskRun run-b runs another image; somebody else made it", {"a": "succeeded", "b": "lost"}),
    ),
    (
        "another ServiceAccount",
        {"status": "True", "reason": "Succeeded"},
        [
            successful("a"),
            {**successful("b"), "spec": {**successful("b")["spec"], "serviceAccountName": "admin"}},
        ],
        (
            "Failed",
            "TaskRun run-b has the ServiceAccount admin, not default; somebody else made it",
            {"a": "succeeded", "b": "lost"},
        ),
    ),
]


@pytest.mark.parametrize(
    ("condition", "task_runs", "expected"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS]
)
def test_how_it_ends(
    condition: dict[str, Any], task_runs: list[Json], expected: tuple[str, str, dict[str, str]]
) -> None:
    document = workflow(*TWO, status=RUNNING)
    effects = decide(document, pipeline_run=pipeline_run(document, **condition), task_runs=tuple(task_runs))
    phase, message, states = expected

    assert summary(effects)[0] == phase
    assert summary(effects)[1].startswith(message)
    assert {row["name"]: row["state"] for row in status(effects)["steps"]} == states
    assert next(effect for effect in effects if isinstance(effect, EmitEvent)).reason == phase


LIED = task_run("a", "True", "Succeeded", steps=terminated(0), results=results("failed", error={**FAILED, "code": 1}))


def asked_to(effects: list[Any]) -> list[CancelPipelineRun]:
    return [effect for effect in effects if isinstance(effect, CancelPipelineRun)]


@pytest.mark.parametrize(
    ("steps", "others", "spec", "expected"),
    [
        (TWO, [], {}, ["StoppedRunFinally"]),
        (TWO, [], {"status": "StoppedRunFinally"}, []),
        (TWO, [], {"status": "CancelledRunFinally"}, []),
        (TWO, [task_run("b")], {}, ["CancelledRunFinally"]),
        (TWO, [task_run("b")], {"status": "StoppedRunFinally"}, ["CancelledRunFinally"]),
        (TWO, [successful("b")], {}, ["StoppedRunFinally"]),
        ([step("a"), step("b")], [task_run("b")], {}, ["StoppedRunFinally"]),
        ([step("a", onFailure="continue"), step("b", runAfter=["a"])], [], {}, []),
    ],
    ids=[
        "nothing new starts",
        "once is enough",
        "not again, where somebody cancelled it",
        "what waited for it, and was started too early, is cancelled",
        "the same, where it was started after the stop",
        "what has ended by then has ended",
        "what runs beside it may end",
        "it may fail",
    ],
)
def test_tekton_is_stopped_where_results_say_failed_and_the_exit_code_is_0(
    steps: list[Json], others: list[Json], spec: Json, expected: list[str]
) -> None:
    document = workflow(*steps, status=RUNNING)
    effects = decide(document, pipeline_run=pipeline_run(document, spec=spec), task_runs=(LIED, *others))

    assert [effect.status for effect in asked_to(effects)] == expected
    assert status(effects)["steps"][0]["state"] == "failed"


@pytest.mark.parametrize("known", [("True", "Succeeded", ""), ("False", "Cancelled", "StoppedRunFinally")])
@pytest.mark.parametrize(
    ("end", "message"),
    [
        (LIED, "Step a failed: no Deployment shop/checkout. But its exit code is 0 and its status is failed;"),
        (
            task_run("a", "True", "Succeeded", steps=terminated(0)),
            "Step a failed: Its container succeeded but its results",
        ),
    ],
    ids=["its results say failed", "it has none"],
)
def test_exit_code_0_alone_is_no_success(known: tuple[str, str, str], end: Json, message: str) -> None:
    document = workflow(*TWO, status=RUNNING)
    condition, reason, status_asked = known
    run = pipeline_run(document, condition, reason, spec={"status": status_asked} if status_asked else {})
    effects = decide(document, pipeline_run=run, task_runs=(end, *([successful("b")] if condition == "True" else [])))

    assert summary(effects)[0] == "Failed"
    assert summary(effects)[1].startswith(message)
    assert condition_states(status(effects))["Succeeded"] == ("False", "StepFailed")


def test_who_cancelled_reads_that_it_was_cancelled_also_beside_a_contradiction() -> None:
    document = workflow(*TWO, status=RUNNING, cancel=True)
    run = pipeline_run(document, "False", "Cancelled", spec={"status": "CancelledRunFinally"})
    effects = decide(document, pipeline_run=run, task_runs=(LIED,))

    assert summary(effects) == ("Cancelled", "It was cancelled; 0 of 2 steps were done.")


def test_a_failure_that_was_let_go_on_shows_behind_success() -> None:
    document = workflow(step("a", onFailure="continue"), step("b"), status=RUNNING)
    run = pipeline_run(document, "True", "Completed")
    effects = decide(document, pipeline_run=run, task_runs=(bad(), successful("b")))

    assert summary(effects) == (
        "Succeeded",
        "1 of 2 steps done. a failed and did not stop it (onFailure: continue).",
    )


def test_a_cancel_is_passed_on_once() -> None:
    document = workflow(cancel=True, status=RUNNING)
    run = pipeline_run(document)

    assert CancelPipelineRun(REF["name"]) in decide(document, pipeline_run=run, task_runs=(task_run(),), answers=SENT)
    run["spec"]["status"] = "CancelledRunFinally"
    assert "CancelPipelineRun" not in names(decide(document, pipeline_run=run, task_runs=(task_run(),), answers=SENT))


def test_of_two_watches_one_may_be_late() -> None:
    document = workflow(status=RUNNING)
    children = [{"name": "run-a", "pipelineTaskName": "a"}]
    run = pipeline_run(document, "True", "Succeeded", childReferences=children)

    assert decide(document, pipeline_run=run, task_runs=(task_run(),)) == [RefreshChildren()]
    assert decide(document, pipeline_run=run) == [RefreshChildren()]
    assert summary(decide(document, pipeline_run=run, task_runs=(successful(),)))[0] == "Succeeded"
    # looked up, and it is not there: it was deleted by hand
    effects = decide(document, pipeline_run=run, children_read_at="7", answers=SENT)
    assert ReadRecord("a", effects[0].record_id) == effects[0]


def test_a_pipelinerun_that_vanished_is_reported_and_never_made_again() -> None:
    document = workflow(*TWO, status=RUNNING)
    effects = decide(
        document,
        task_runs=(task_run(),),
        pods={"run-a": pod("Gone", {"running": {"startedAt": stamp(3)}})},
        records={"b": None},
    )

    assert "CreatePipelineRun" not in names(effects)
    assert summary(effects)[0] == "Failed"
    assert summary(effects)[1].startswith(
        "Its PipelineRun fix-e5621d0cdb was deleted while it ran; it is not made again."
    )
    assert {row["name"]: row["state"] for row in status(effects)["steps"]} == {"a": "lost", "b": "skipped"}


def test_one_of_its_name_made_afterwards_is_another() -> None:
    document = workflow(status=RUNNING)
    other = pipeline_run(document, "True", "Succeeded")
    other["metadata"]["uid"] = "run-2"

    assert summary(decide(document, pipeline_run=other, task_runs=(successful(),)))[0] == "Failed"


def test_an_end_stays_also_when_a_pruner_takes_the_pipelinerun_away() -> None:
    document = workflow(status=RUNNING)
    document["status"] = status(
        decide(
            document,
            pipeline_run=pipeline_run(document, "True", "Succeeded"),
            task_runs=(successful(),),
            answers={},
        )
    )
    effects = decide(document, answers=SENT)

    assert summary(effects)[0] == "Succeeded" if "UpdateStatus" in names(effects) else True
    [tell] = [effect for effect in effects if isinstance(effect, SendEvents)]
    assert tell.events[0]["state"] == "succeeded"


# Closing


def finished_workflow(**spec: Any) -> tuple[Json, dict[str, Any]]:
    """Return a workflow whose PipelineRun has ended well, and the observed state of it."""
    document = workflow(target=TARGET, status=RUNNING, **spec)
    return document, {
        "pipeline_run": pipeline_run(document, "True", "Succeeded"),
        "task_runs": (successful(),),
        "lock": OURS,
    }


def test_the_lock_is_held_until_the_last_pod_is_gone() -> None:
    document, known = finished_workflow()
    alive = decide(document, answers=SENT, pods={"run-a": pod()}, **known)
    gone = decide(document, answers=SENT, pods={"run-a": pod("Succeeded")}, **known)

    assert "ReleaseLock" not in names(alive)
    assert condition_states(status(alive))["RecordsStored"] == ("Unknown", "Running")
    assert names(gone) == ["ReleaseLock", "EmitEvent", "UpdateStatus"]
    assert condition_states(status(gone))["RecordsStored"] == ("True", "Stored")


@pytest.mark.parametrize("state", ["busy", "free", "cooling"])
def test_a_lock_that_a_second_controller_took_is_released_at_the_end(state: Any) -> None:
    document, known = finished_workflow()

    assert names(decide(document, answers=SENT, **known | {"lock": LockState(state)}))[0] == "ReleaseLock"


@pytest.mark.parametrize("deleted", [False, True])
def test_a_lock_that_was_taken_while_a_second_controller_closed_it_is_released(deleted: bool) -> None:
    document = closed_workflow()
    document["metadata"] |= {"deletionTimestamp": stamp(5)} if deleted else {}

    assert decide(document, lock=OURS) == [ReleaseLock()]


def test_a_pod_that_does_not_go_is_told() -> None:
    document, known = finished_workflow()
    stuck = pod(deletionTimestamp=stamp(0))
    effects = decide(document, answers=SENT, pods={"run-a": stuck}, at=CREATED + timedelta(minutes=5), **known)

    assert summary(effects)[1] == (
        "Its pod run-a-pod does not go away, and its target stays locked: node-7 may be gone. Once it surely is: "
        "kubectl delete pod run-a-pod --force."
    )


def test_a_pod_that_tekton_gave_up_and_left_is_told_until_it_has_ended() -> None:
    document = workflow(target=TARGET, status=RUNNING | {"phase": "Failed", "finishedAt": stamp(9)})
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "aws" not found'}
    known: dict[str, Any] = {
        "pipeline_run": pipeline_run(document, "False", "Failed"),
        "task_runs": (task_run("a", "False", waiting["reason"], steps=[{"name": "action", "waiting": waiting}]),),
        "lock": OURS,
        "pods": {"run-a": pod("Pending", {"waiting": waiting})},
    }
    why = "Step a failed: There is no Secret shop/aws; create it and run the workflow anew."
    soon, later = (decide(document, at=CREATED + timedelta(seconds=seconds), **known) for seconds in (20, 100))

    assert summary(soon)[1] == f"{why} Its pod is still there, and may yet start it."
    assert summary(later)[1].endswith(
        "Its pod run-a-pod has not ended, and its target stays locked until it has: Tekton left it to its deadline. "
        "To end it now: kubectl delete pod run-a-pod."
    )
    assert "ReleaseLock" not in names(soon) + names(later)


def test_what_was_not_told_is_told_before_it_is_closed() -> None:
    document, known = finished_workflow()
    known["task_runs"] = (successful(stored="deferred"),)
    effects = decide(document, **known)

    assert [event["state"] for event in effects[0].events] == ["intended", "intended", "succeeded"]
    assert effects[0].events[2]["finished_at"] == "2026-01-31T09:05:15.000000Z"
    assert condition_states(status(effects))["RecordsStored"] == ("False", "Waiting")
    sent = {**SENT, ("a", "succeeded"): None}
    assert condition_states(status(decide(document, answers=sent, **known)))["RecordsStored"] == ("True", "Stored")


def test_a_record_that_is_refused_is_told_and_waited_for_no_longer() -> None:
    document, known = finished_workflow()
    effects = decide(document, answers={**SENT, ("a", "intended"): "the id is older than 90 days"}, **known)

    assert condition_states(status(effects))["RecordsStored"] == ("False", "RefusedByStore")


def test_logs_are_read_only_where_that_is_allowed() -> None:
    document, known = finished_workflow()
    known["task_runs"] = (successful(stored="deferred"),)
    allowed = Policy(read_logs=True)
    line = {"id": "x", "state": "succeeded", "at": "2026-01-31T09:05:15Z", "step": "a"}
    assert "ReadLogs" not in names(decide(document, answers=SENT, policy=allowed, **known))
    known["pods"] = {"run-a-pod": pod("Succeeded")}
    [sent] = [effect for effect in decide(document, policy=allowed, **known) if isinstance(effect, SendEvents)]

    assert "ReadLogs" not in names(decide(document, answers=SENT, **known))
    assert ReadLogs("a", "run-a-pod", sent.events[0]["id"]) in decide(document, answers=SENT, policy=allowed, **known)
    [tell] = [
        effect
        for effect in decide(document, answers=SENT, policy=allowed, logs={"a": (line,)}, **known)
        if isinstance(effect, SendEvents)
    ]
    assert line in tell.events


def test_without_data_storage_nothing_is_waited_for() -> None:
    document, known = finished_workflow()
    effects = decide(document, policy=Policy(records=False), **known)

    assert names(effects) == ["ReleaseLock", "EmitEvent", "UpdateStatus"]
    assert condition_states(status(effects))["RecordsStored"] == ("Unknown", "Disabled")


def closed_workflow(**spec: Any) -> Json:
    document, known = finished_workflow(**spec)
    document["status"] = status(decide(document, answers=SENT, **known))
    return document


def test_a_closed_one_is_deleted_when_its_time_is_over_and_not_before() -> None:
    document = closed_workflow(ttlSecondsAfterFinished=60)

    assert decide(document, at=CREATED + timedelta(seconds=60)) == []
    assert decide(document, at=CREATED + timedelta(seconds=69)) == [DeleteWorkflow()]


def test_one_whose_records_are_not_stored_is_not_deleted_until_the_deadline() -> None:
    document, known = finished_workflow(ttlSecondsAfterFinished=0)
    document["status"] = status(decide(document, **known))
    day = timedelta(days=1)

    assert "DeleteWorkflow" not in names(decide(document, at=NOW + day / 2, **known))
    effects = decide(document, at=NOW + day, **known)
    assert AbandonRecords() in effects
    assert condition_states(status(effects))["RecordsStored"] == ("False", "GivenUp")


def test_a_deleted_one_is_let_go_when_its_pods_are_gone_and_its_records_stored() -> None:
    running = workflow(deleted=True, status=RUNNING)
    run = pipeline_run(running)
    assert CancelPipelineRun(REF["name"]) in decide(running, pipeline_run=run, task_runs=(task_run(),), answers=SENT)

    document, known = finished_workflow()
    document["metadata"]["deletionTimestamp"] = stamp(5)
    assert "RemoveFinalizer" not in names(decide(document, **known))
    assert "RemoveFinalizer" not in names(decide(document, answers=SENT, pods={"run-a": pod()}, **known))
    assert decide(document, answers=SENT, **known)[-1] == RemoveFinalizer()
    assert decide(closed_workflow() | {"metadata": document["metadata"]}) == [RemoveFinalizer()]
    assert decide(workflow(held=False, deleted=True)) == []


def test_a_refused_one_says_every_fault_and_makes_nothing() -> None:
    document = workflow(step("a", runAfter=["z"]), step("b", image="x:1"), held=False)
    effects = decide(document)

    assert names(effects) == ["EmitEvent", "UpdateStatus"]
    assert summary(effects) == (
        "Refused",
        (
            "spec.steps[0] \"a\".runAfter[0]: no step 'z'; there is a, b. "
            'spec.steps[1] "b".image: x:1 names no digest; write repository@sha256:<64 hex digits>.'
        ),
    )
    assert condition_states(status(effects)) == {"Accepted": ("False", "Invalid"), "Succeeded": ("False", "Refused")}


def test_a_policy_that_changed_does_not_refuse_what_runs() -> None:
    document = workflow(status=RUNNING)
    policy = Policy(repositories=("elsewhere.example",))

    assert summary(decide(workflow(), policy=policy))[0] == "Refused"
    assert summary(decide(document, policy=policy, pipeline_run=pipeline_run(document)))[0] == "Running"


def test_outputs_that_would_make_the_status_too_large_are_left_to_the_records() -> None:
    steps = [step(f"s{number}") for number in range(300)]
    document = workflow(*steps, status=RUNNING)
    task_runs = tuple(successful(f"s{number}", output={"text": "x" * 1500}) for number in range(300))
    rows = status(decide(document, pipeline_run=pipeline_run(document, "True", "Succeeded"), task_runs=task_runs))[
        "steps"
    ]

    assert all("output" not in row and row["state"] == "succeeded" for row in rows)


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


@pytest.mark.parametrize("difference", sorted(FORGED))
def test_a_taskrun_that_was_not_asked_for_does_not_count_as_the_step(difference: str) -> None:
    document = workflow(target=TARGET, status=RUNNING)
    run = pipeline_run(document, "True", "Succeeded")
    forged = with_requested_params(read_workflow_execution(document), successful())
    FORGED[difference](forged)
    effects = decide(document, answers=SENT, lock=OURS, pipeline_run=run, task_runs=(forged,))
    row = status(effects)["steps"][0]

    assert status(effects)["phase"] == "Failed"
    assert (row["state"], row["error"]["reason"]) == ("lost", "ForeignTaskRun")
    assert row["message"].startswith(f"TaskRun run-a has {difference}")


def test_what_tekton_and_kubernetes_add_or_spell_anew_is_no_difference() -> None:
    limits = {"limits": {"cpu": "0.5", "memory": "1Gi"}}
    document = workflow(step("a", resources=limits))
    run = pipeline_run(document, spec={"taskRunTemplate": {"serviceAccountName": "default", "podTemplate": {"a": "b"}}})
    run["spec"]["taskRunSpecs"][0]["computeResources"] = {"limits": {"cpu": "500m", "memory": "1024Mi"}}

    assert summary(decide(document, pipeline_run=run))[0] == "Running"
    run["spec"]["taskRunSpecs"][0]["computeResources"] = {"limits": {"cpu": "501m", "memory": "1Gi"}}
    assert "with another spec.taskRunSpecs" in summary(decide(document, pipeline_run=run))[1]
    run = pipeline_run(document)
    run["spec"]["taskRunSpecs"][0]["podTemplate"] = {"hostNetwork": True}
    assert "with another spec.taskRunSpecs" in summary(decide(document, pipeline_run=run))[1]


def test_a_pod_with_the_right_labels_and_another_owner_holds_no_lock_and_says_nothing() -> None:
    document, known = finished_workflow()
    foreign = pod(ownerReferences=[{"kind": "TaskRun", "uid": "another", "controller": True}])
    unowned = pod(ownerReferences=[])

    for pods in ({"x": foreign}, {"x": unowned}, {"x": foreign, "y": unowned}):
        assert "ReleaseLock" in names(decide(document, answers=SENT, pods=pods, **known))
    summary = pod("Failed", termination(results("succeeded", stored="stored")), ownerReferences=[])
    stopped = {**known, "task_runs": (task_run("a", "False", "TaskRunCancelled"),)}
    assert status(decide(document, answers=SENT, pods={"x": summary}, **stopped))["steps"][0]["state"] != "succeeded"


def test_one_that_was_started_and_can_no_longer_be_read_is_stopped_and_fails() -> None:
    document = workflow(target=TARGET, status=RUNNING)
    run = pipeline_run(document)
    document["spec"]["steps"] = "?"
    [cancel] = decide(document, pipeline_run=run)
    ended_run = pipeline_run(workflow(), "False", "Cancelled")
    effects = decide(document, pipeline_run=ended_run)

    assert isinstance(cancel, CancelPipelineRun)
    assert names(effects) == ["ReleaseLock", "AbandonRecords", "EmitEvent", "UpdateStatus"]
    assert summary(effects)[0] == "Failed"
    assert summary(effects)[1].startswith("It can no longer be read, so it was stopped: spec.steps: ")


def test_one_that_is_refused_later_frees_its_lock() -> None:
    document = workflow(target=TARGET, timeout="48h")

    assert decide(document, children_known=False, lock=OURS) == [RefreshChildren()]
    assert names(decide(document, lock=OURS)) == ["ReleaseLock", "EmitEvent", "UpdateStatus"]
    assert summary(decide(document, lock=OURS)) == (
        "Refused",
        "spec.timeout: 48h is longer than the 24h that are allowed here (--max-timeout).",
    )
    assert names(decide(document, lock=OURS, policy=Policy(max_timeout=None))) == ["CreatePipelineRun"]
