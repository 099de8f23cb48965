"""Views of Kubernetes' JSON: they read what is there, and nothing in any JSON makes them raise."""

import inspect
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objects import pipeline_run, pod, stamp, task_run, workflow

from kubernaut_controller import views
from kubernaut_controller.views import (
    ConditionView,
    ContainerStateView,
    LeaseView,
    ObjectView,
    PipelineRunView,
    PodView,
    TaskRunView,
    WorkflowView,
)

VIEWS = [
    ConditionView,
    ContainerStateView,
    LeaseView,
    ObjectView,
    PipelineRunView,
    PodView,
    TaskRunView,
    WorkflowView,
]

FIELDS = """metadata spec status name namespace uid labels annotations finalizers resourceVersion generation
    creationTimestamp deletionTimestamp deletionGracePeriodSeconds ownerReferences controller conditions type reason
    message phase pipelineRunRef steps containerStatuses initContainerStatuses state running terminated waiting
    startedAt exitCode nodeName podName completionTime results value statusMessage startTime childReferences
    pipelineTaskName skippedTasks holderIdentity renewTime leaseDurationSeconds leaseTransitions"""
NAMES = st.sampled_from(FIELDS.split())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["Succeeded", "True", "step-action", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]),
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
NEARLY_AN_OBJECT = st.fixed_dictionaries(
    {}, optional={name: st.dictionaries(NAMES, ANY_JSON, max_size=6) for name in ("metadata", "spec", "status")}
)


def test_every_view_is_tested() -> None:
    public = {getattr(views, name) for name in views.__all__}

    assert {one for one in public if inspect.isclass(one)} == set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
@given(document=ANY_JSON | NEARLY_AN_OBJECT)
def test_no_json_makes_a_view_raise(view: Any, document: Any) -> None:
    seen = view(document)

    for name, member in inspect.getmembers(view):
        if isinstance(member, property):
            repr(getattr(seen, name))
    if isinstance(seen, ObjectView):
        assert isinstance(seen.condition("Ready"), ConditionView)
    assert seen == view(document) or "nan" in repr(seen)


def test_a_condition_is_read_and_an_absent_one_is_empty() -> None:
    run = PipelineRunView(pipeline_run(workflow(), "False", "Failed", message="no"))
    condition = run.condition()

    assert (condition.status, condition.reason, condition.message) == ("False", "Failed", "no")
    assert (condition.is_true, condition.is_final, run.done) == (False, True, True)
    absent = run.condition("Ready")
    assert (absent.status, absent.reason, absent.is_final) == ("", "", False)


def test_a_task_run_shows_its_pod_its_results_and_its_container() -> None:
    seen = TaskRunView(task_run(status="True", reason="Succeeded", results={"status": "succeeded"}))

    assert (seen.name, seen.pipeline_task, seen.pod_name) == ("run-a", "a", "run-a-pod")
    assert (seen.succeeded, seen.completed_at, seen.results) == (True, stamp(8), {"status": "succeeded"})
    assert (seen.container.running, seen.container.started_at) == (True, stamp(3))
    assert seen.controller_uid == "run-1"


def test_a_pipeline_run_shows_its_children_and_what_was_skipped() -> None:
    references = [{"name": "run-a", "pipelineTaskName": "a"}, {"name": 7}]
    document = pipeline_run(
        workflow(),
        childReferences=references,
        skippedTasks=[{"name": "b", "reason": "Results were missing"}],
        spec={"status": "Cancelled"},
    )
    run = PipelineRunView(document)

    assert run.child_references == {"run-a": "a"}
    assert run.skipped_tasks == {"b": "Results were missing"}
    assert (run.stop_requested, run.started_at) == ("Cancelled", stamp(1))


def test_a_pod_shows_its_steps_container_among_sidecars() -> None:
    document = pod("Running", {"terminated": {"exitCode": 3, "reason": "Error", "startedAt": stamp(3)}})
    document["status"]["containerStatuses"].insert(0, {"name": "sidecar", "state": {"running": {}}})
    document["status"]["initContainerStatuses"] = [
        {"name": "prepare", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    ]
    seen = PodView(document)

    assert (seen.phase, seen.step_container.exit_code, seen.step_container.end_reason) == ("Running", 3, "Error")
    assert [container.terminated for container in seen.containers] == [False, True]
    assert seen.all_containers[0].waiting == ("ErrImagePull", "no")


def test_a_containers_end_that_tekton_invented_has_no_start() -> None:
    ended = ContainerStateView({"terminated": {"reason": "TaskRunCancelled", "exitCode": 1, "startedAt": stamp(3)}})

    assert (ended.ended_by_tekton, ended.started_at, ended.ran) == (True, None, True)


def test_a_workflow_shows_its_phase_and_its_pipeline_run() -> None:
    status = {"phase": "Running", "message": "m", "pipelineRunRef": {"name": "fix-1", "uid": "u"}, "steps": [{}, 3]}
    seen = WorkflowView(workflow(status=status, deleted=True))

    assert (seen.phase, seen.message, seen.pipeline_run_name, seen.pipeline_run_uid) == ("Running", "m", "fix-1", "u")
    assert (seen.has_pipeline_run, len(seen.steps), WorkflowView(workflow()).phase) == (True, 1, None)
    assert seen.being_deleted == datetime.fromisoformat(stamp(5))


def test_a_lease_ends_its_duration_after_its_renewal() -> None:
    lease = {"spec": {"holderIdentity": "", "renewTime": "2026-01-31T09:00:00.000000Z", "leaseDurationSeconds": 300}}

    assert LeaseView(lease).ends_at == datetime(2026, 1, 31, 9, 5, tzinfo=UTC)
    assert LeaseView({"spec": {"renewTime": "9999-12-31T23:59:59Z", "leaseDurationSeconds": 2**31}}).ends_at
    assert LeaseView({}).ends_at is None
