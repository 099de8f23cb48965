"""Decisions once a workflow has ended, until it is deleted; and on workflows that cannot be read."""

from datetime import timedelta
from typing import Any

import pytest
from bad_objects import FORGED
from decisions import REF, RUNNING, SENT, TARGET, condition_states, decide, names, status, summary
from objects import (
    CREATED,
    NOW,
    OURS,
    Json,
    pipeline_run,
    pod,
    results,
    stamp,
    step,
    successful,
    task_run,
    termination,
    with_requested_params,
    workflow,
)

from kubernaut_controller.reconciling import Policy
from kubernaut_controller.reconciling.effects import (
    AbandonRecords,
    CancelPipelineRun,
    DeleteWorkflow,
    ReadLogs,
    RefreshChildren,
    ReleaseLock,
    RemoveFinalizer,
    SendEvents,
)
from kubernaut_controller.reconciling.lock import LockState
from kubernaut_controller.workflow import read_workflow_execution


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


@pytest.mark.parametrize("difference", sorted(FORGED))
def test_a_taskrun_that_was_not_asked_for_does_not_count_as_the_step(difference: str) -> None:
    document = workflow(target=TARGET, status=RUNNING)
    run = pipeline_run(document, "True", "Succeeded")
    (forged,) = with_requested_params(read_workflow_execution(document), successful())
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
