"""Decisions on how a workflow ends, from its PipelineRun and TaskRuns, situation by situation."""

from typing import Any

import pytest
from decisions import REF, RUNNING, SENT, condition_states, decide, names, status, summary
from objects import (
    Json,
    pipeline_run,
    pod,
    results,
    stamp,
    step,
    successful,
    task_run,
    terminated,
    workflow,
)

from kubernaut_controller.reconciling.effects import (
    CancelPipelineRun,
    EmitEvent,
    ReadRecord,
    RefreshChildren,
    SendEvents,
)

# Each: the PipelineRun's condition, its TaskRuns, (phase, message, states)

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
