"""The outcome of a step from its TaskRun, its pod and its record; one row for each case, in Tekton's own words."""

from typing import Any

import pytest
from objects import IMAGE, pod, results, stamp, step, successful, task_run, terminated, termination

from kubernaut_controller.reconciling.outcomes import RecordedBy, is_alive, known_outcome
from kubernaut_controller.views import PodView, TaskRunView
from kubernaut_controller.workflow import Step

BACK_OFF = 'the step "action" failed to pull the image "". The pod errored with the message: "Back-off pulling image"'
ERROR = {"code": 1, "reason": "Failed", "message": "no such deployment"}
INTERRUPTED = {"code": 143, "reason": "Interrupted", "message": "interrupted before its end"}
CANCELLED: dict[str, Any] = {
    "status": "False",
    "reason": "TaskRunCancelled",
    "steps": terminated(1, "TaskRunCancelled"),
}
BY_TIMEOUT = "TaskRun cancelled as the PipelineRun it belongs to has timed out."

RAN = {"exitCode": 143, "startedAt": stamp(3)}

WHY = "failed to sync configmap cache"
GIVEN_UP: dict[str, Any] = {
    "reason": "CreateContainerConfigError",
    "message": "Failed to create pod due to config error",
    "steps": [{"name": "action", "waiting": {"reason": "CreateContainerConfigError", "message": WHY}}],
}

#  what it is, the TaskRun, what else is known, (state, teller, changed, a part of the message)
TABLE: list[tuple[str, Any, dict[str, Any], tuple[str, str, bool | None, str | None]]] = [
    ("pending", task_run(steps=[]), {}, ("intended", "pending", None, None)),
    ("running", task_run(), {}, ("started", "pending", None, None)),
    ("running, as its pod says", task_run(steps=[]), {"pod": pod()}, ("started", "pending", None, None)),
    (
        "quota",
        task_run(reason="ExceededResourceQuota", message="exceeded quota: q.", steps=[], pod_name=None),
        {},
        ("intended", "pending", None, "Waits for room in the namespace's quota: exceeded quota: q."),
    ),
    (
        "no node",
        task_run(reason="ExceededNodeResources", message="0/1 nodes", steps=[]),
        {},
        (
            "intended",
            "pending",
            None,
            "Waits for a node with room for it: 0/1 nodes; lower its resources or add nodes.",
        ),
    ),
    ("well", successful(), {}, ("succeeded", "container", True, None)),
    ("well, not recorded", successful(stored="deferred"), {}, ("succeeded", "controller", True, None)),
    (
        "nothing to do",
        successful("a", status="unchanged", changed="false"),
        {},
        ("unchanged", "container", False, None),
    ),
    (
        "failed",
        task_run(status="False", reason="Failed", results=results("failed", error=ERROR), steps=terminated(1)),
        {},
        ("failed", "container", True, "no such deployment"),
    ),
    (
        "timed out by its own clock",
        task_run(status="False", reason="Failed", results=results("timed_out", error=ERROR), steps=terminated(124)),
        {},
        ("timed_out", "container", True, "no such deployment"),
    ),
    (
        "no results, not asked",
        task_run(status="True", reason="Succeeded", steps=terminated(0)),
        {"asked": False},
        ("failed", "controller", None, "its results did not arrive"),
    ),
    (
        "no results, no record",
        task_run(status="True", reason="Succeeded", steps=terminated(0)),
        {},
        ("failed", "controller", None, "its results did not arrive"),
    ),
    (
        "no results, but its record",
        task_run(status="True", reason="Succeeded", steps=terminated(0)),
        {"record": {"state": "succeeded", "changed": True, "output": {"n": 1}}},
        ("failed", "controller", None, "its results did not arrive"),
    ),
    (
        "its code says well, its results do not",
        task_run(status="True", reason="Succeeded", results=results("failed", error=ERROR), steps=terminated(0)),
        {},
        ("failed", "controller", None, "no such deployment. But its exit code is 0 and its status is failed;"),
    ),
    (
        "its results say well, its code does not",
        task_run(status="False", reason="Failed", results=results(), steps=terminated(1)),
        {"record": {"state": "succeeded", "changed": True}},
        ("failed", "controller", None, "Its exit code is 1 and its status is succeeded; so it counts as failed"),
    ),
    (
        "no results and a code that its record contradicts",
        task_run(status="False", reason="Failed", steps=terminated(3)),
        {"record": {"state": "succeeded", "changed": True}},
        ("failed", "controller", None, "Its exit code is 3 and its record says succeeded; so it counts as failed"),
    ),
    (
        "its container could not be started",
        task_run(status="False", reason="Failed", steps=terminated(128, "StartError", started=-9)),
        {"pod": pod("Failed", {"terminated": {"exitCode": 128, "reason": "StartError", "startedAt": stamp(-9)}})},
        ("failed", "controller", False, "Its container ended with 128"),
    ),
    (
        "a termination message that is none",
        task_run(**CANCELLED),
        {"pod": pod("Failed", {"terminated": {**RAN, "message": '[{"key":[1],"value":"x","type":1}]'}})},
        ("lost", "controller", None, "It was cancelled."),
    ),
    (
        "killed for memory, its results say Interrupted",
        task_run(
            status="False",
            reason="Failed",
            message="OOMKilled",
            results=results("failed", changed="unknown", error=INTERRUPTED),
            steps=terminated(137, "OOMKilled"),
        ),
        {},
        ("lost", "controller", None, "It was killed for using more memory than its limit of 512Mi"),
    ),
    (
        "killed for memory, not started",
        task_run(status="False", reason="StepOOM", steps=terminated(137, "OOMKilled")),
        {},
        ("lost", "controller", None, "limit of 512Mi"),
    ),
    (
        "evicted",
        task_run(
            status="False",
            reason="PodEvicted",
            message="The node was low on resource: memory.",
            steps=terminated(137),
        ),
        {},
        ("lost", "controller", None, "Its pod was evicted: The node was low on resource: memory;"),
    ),
    (
        "node gone",
        task_run(status="False", reason="Failed", message='pods "run-a-pod" not found', steps=terminated(1)),
        {},
        ("lost", "controller", None, "Its pod went away, deleted or with its node"),
    ),
    (
        "image",
        task_run(
            status="False",
            reason="TaskRunImagePullFailed",
            message=BACK_OFF,
            steps=terminated(1, "TaskRunImagePullFailed"),
        ),
        {},
        ("failed", "controller", False, f"Its image {IMAGE} cannot be pulled"),
    ),
    (
        "ServiceAccount",
        task_run(
            status="False",
            reason="PodCreationFailed",
            message='serviceaccounts "scaler" not found.',
            steps=[],
            pod_name=None,
        ),
        {"asked": False},
        ("failed", "controller", False, "There is no ServiceAccount shop/scaler; create it"),
    ),
    (
        "Secret",
        task_run(status="False", reason="CreateContainerConfigError", message='secret "aws" not found', steps=[]),
        {},
        ("failed", "controller", False, "There is no Secret shop/aws; create it"),
    ),
    (
        "given up by Tekton, while the kubelet tries again",
        task_run(status="False", **GIVEN_UP),
        {"pod": pod("Pending", {"waiting": {"reason": "CreateContainerConfigError"}})},
        (
            "intended",
            "pending",
            None,
            "see its secretName and ConfigMaps. Its pod is still there, and may yet start it.",
        ),
    ),
    (
        "given up by Tekton, and started after that",
        task_run(status="False", **GIVEN_UP),
        {"pod": pod()},
        ("started", "pending", None, "Tekton gave it up before its container started, which has reported nothing"),
    ),
    (
        "given up by Tekton, started after that, and well",
        task_run(status="False", **GIVEN_UP),
        {"pod": pod("Succeeded", termination(results(), 0))},
        ("succeeded", "container", True, None),
    ),
    (
        "given up by Tekton, and never started",
        task_run(status="False", **GIVEN_UP),
        {"pod": pod("Failed", {"waiting": {"reason": "CreateContainerConfigError"}})},
        ("failed", "controller", False, "Its container could not be made: failed to sync configmap cache"),
    ),
    (
        "given up by Tekton, started after that, and silent",
        task_run(status="False", **GIVEN_UP),
        {"pod": pod("Failed", {"terminated": {"exitCode": 137, "reason": "Error", "startedAt": stamp(3)}})},
        ("lost", "controller", None, "Tekton gave it up before its container started, which has reported nothing"),
    ),
    (
        "refused by Pod Security",
        task_run(
            status="False",
            reason="PodAdmissionFailed",
            message='pods "x" is forbidden: violates PodSecurity "restricted"',
            steps=[],
            pod_name=None,
        ),
        {},
        ("failed", "controller", False, "Its pod was refused: pods"),
    ),
    (
        "another Task of that name",
        task_run(
            status="False", reason="TaskRunValidationFailed", message="invalid input params", steps=[], pod_name=None
        ),
        {},
        (
            "failed",
            "controller",
            False,
            "The Task kubernaut-action in shop is not of this version: invalid input params",
        ),
    ),
    (
        "no word",
        task_run(status="False", reason="Failed", steps=terminated(3)),
        {},
        ("lost", "controller", None, "Its container ended with 3 and said nothing; see its log."),
    ),
    (
        "cancelled, its pod still ends",
        task_run(**CANCELLED),
        {"pod": pod(deletionTimestamp=stamp(8))},
        ("started", "pending", None, "It was told to stop; its pod may live for 30 s more."),
    ),
    (
        "cancelled, its pod's last word",
        task_run(**CANCELLED),
        {"pod": pod(state=termination(results("cancelled", stored="deferred", error=INTERRUPTED)))},
        ("cancelled", "controller", True, "It was cancelled."),
    ),
    (
        "cancelled, but it was done by then",
        task_run(**CANCELLED),
        {"pod": pod(state=termination(results("succeeded"), code=0))},
        ("succeeded", "container", True, None),
    ),
    (
        "cancelled, its record",
        task_run(**CANCELLED),
        {"record": {"state": "cancelled", "changed": False}},
        ("cancelled", "container", False, "It was cancelled."),
    ),
    ("cancelled, nothing known", task_run(**CANCELLED), {}, ("lost", "controller", None, "It was cancelled.")),
    (
        "cancelled before its container started",
        task_run(**CANCELLED),
        {"pod": pod("Gone", {"waiting": {"reason": "ContainerCreating"}})},
        ("cancelled", "controller", False, "It was cancelled before its container started."),
    ),
    (
        "cancelled before it had a pod",
        task_run(status="False", reason="TaskRunCancelled", steps=[], pod_name=None),
        {"asked": False},
        ("cancelled", "controller", False, "It was cancelled before its container started."),
    ),
    (
        "cancelled; its pod was not seen to start, but its record says so",
        task_run(**CANCELLED),
        {"pod": pod("Gone", {"waiting": {}}), "record": {"state": "applying"}},
        ("lost", "controller", None, "It was cancelled."),
    ),
    (
        "the whole's time was over",
        task_run(**CANCELLED, status_message=BY_TIMEOUT),
        {"record": {"state": "cancelled", "changed": True}},
        ("timed_out", "container", True, "Its time was over."),
    ),
    (
        "Tekton's time was over",
        task_run(status="False", reason="TaskRunTimeout", steps=terminated(1, "TaskRunTimeout")),
        {"pod": pod(state=termination(results("succeeded"), code=0))},
        ("timed_out", "container", True, "Its time was over."),
    ),
    (
        "its TaskRun was deleted",
        task_run(),
        {"gone": True, "record": {"state": "cancelled"}},
        ("cancelled", "container", None, None),
    ),
    (
        "its TaskRun was deleted before it started",
        task_run(steps=[], pod_name=None),
        {"gone": True},
        ("cancelled", "controller", False, "Its TaskRun was deleted before its container started."),
    ),
]


@pytest.mark.parametrize(("given", "known", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_became_of_a_step(
    given: Any, known: dict[str, Any], expected: tuple[str, str, bool | None, str | None]
) -> None:
    if "pod" in known:
        known = {**known, "pod": PodView(known["pod"])}
    end = known_outcome(Step.model_validate(step("a")), "shop", TaskRunView(given), **known)
    state, recorded_by, changed, message = expected

    assert (end.state.value, end.recorded_by, end.changed) == (state, RecordedBy(recorded_by), changed)
    assert message is None if end.message is None else message is not None and message in end.message
    assert end.message is None or end.message.count("\n") == 0


def test_a_row_has_the_containers_own_times_and_words() -> None:
    end = known_outcome(Step.model_validate(step("a")), "shop", TaskRunView(successful(output={"replicas": 6})))

    assert (end.started_at, end.finished_at, end.output) == (stamp(3), stamp(8), {"replicas": 6})


@pytest.mark.parametrize(
    ("given", "alive"),
    [
        (pod(), True),
        (pod("Pending", {"waiting": {}}), True),
        (pod("Succeeded"), False),
        (pod("Gone"), False),
        (pod(state={"terminated": {"exitCode": 0}}), False),
    ],
)
def test_a_pod_lives_until_its_containers_ended(given: Any, alive: bool) -> None:
    assert is_alive(PodView(given)) is alive
