"""The ends of a rollout: reached, not yet and why, never and why; and what is somebody else's."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from kubectl_standin import Kubectl, condition, pod, ready

from kubernaut_kubectl.rollouts.progress import rollout_shortfall
from kubernaut_kubectl.workloads.restart import restart_deployment
from kubernaut_kubectl.workloads.rollback import rollback_deployment
from kubernaut_kubectl.workloads.scale import scale_deployment
from kubernaut_sdk import Action
from kubernaut_sdk.testing import ActionRunner, Ran

Json = dict[str, Any]
WHERE = {"namespace": "a", "deployment": "b"}
ACTIONS = [
    pytest.param(scale_deployment, {"replicas": 6}, id="scale"),
    pytest.param(restart_deployment, {}, id="restart"),
    pytest.param(rollback_deployment, {}, id="rollback"),
]


def ran(action: Action, kubectl: Kubectl, *, minutes: int = 5, **inputs: Any) -> Ran:
    runner = ActionRunner(action, tools={"kubectl": kubectl}, timeout=timedelta(minutes=minutes))
    return runner.run({**WHERE, **inputs})


def short(**status: Any) -> Callable[[Json, int], Json]:
    """One replica is not available, for ever, and this is told besides."""
    return lambda found, looks: {**ready(found, looks), "availableReplicas": found["spec"]["replicas"] - 1, **status}


def message_of(end: Ran) -> str:
    assert end.error is not None, end
    return end.error.message


@pytest.mark.parametrize(
    ("status", "shortfall"),
    [
        ({}, None),
        ({"observedGeneration": 3}, "the Deployment controller has not seen the change yet."),
        ({"updatedReplicas": 1}, "1 of 3 replicas are of the newest template, 2 of an older one."),
        ({"replicas": 4, "updatedReplicas": 3}, "3 of 3 replicas are of the newest template, 1 of an older one."),
        ({"replicas": 6, "updatedReplicas": 6}, "there are 6 replicas, 3 are wanted."),
        ({"availableReplicas": 1}, "1 of 3 replicas are available."),
    ],
)
def test_what_a_rollout_lacks(status: Json, shortfall: str | None) -> None:
    found = Kubectl(replicas=3).found
    assert rollout_shortfall({**found, "status": {**ready(found, 0), **status}}) == shortfall


@pytest.mark.parametrize(("action", "inputs"), ACTIONS)
def test_it_waits_for_as_long_as_the_step_may_take(action: Action, inputs: Json) -> None:
    def status(found: Json, looks: int) -> Json:
        return ready(found, looks) if looks > 200 else short()(found, looks)  # at two seconds a look

    assert ran(action, Kubectl(status), minutes=10, **inputs).exit_code == 0
    assert ran(action, Kubectl(status), minutes=3, **inputs).exit_code == 4


@pytest.mark.parametrize(("action", "inputs"), ACTIONS)
def test_a_goal_that_is_seen_once_has_not_held(action: Action, inputs: Json) -> None:
    """Without a readiness probe a pod is available until it crashes."""

    def status(found: Json, looks: int) -> Json:
        return short()(found, looks) if looks % 3 == 0 else ready(found, looks)

    end = ran(action, Kubectl(status), **inputs)

    assert end.exit_code == 4
    assert "replicas are available." in message_of(end)


def test_to_none_there_is_nothing_that_could_crash() -> None:
    kubectl = Kubectl()
    assert ran(scale_deployment, kubectl, replicas=0, allow_zero=True).exit_code == 0
    assert kubectl.looks == 1


def test_to_none_only_if_that_is_meant() -> None:
    kubectl = Kubectl()
    refused = ran(scale_deployment, kubectl, replicas=0)

    assert (refused.exit_code, kubectl.patches) == (3, [])
    assert message_of(refused) == "b has 2 replicas, and 0 would stop it; set allow_zero if that is meant."
    assert ran(scale_deployment, Kubectl(replicas=0), replicas=0).status == "unchanged"


BACK_OFF = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}
PULL = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "app:3": dial tcp: i/o timeout'}
UNKNOWN = {"reason": "ErrImagePull", "message": 'failed to pull "app:3": manifest unknown'}


@pytest.mark.parametrize(
    ("waits", "expected_text"),
    [
        (
            {"state": {"waiting": BACK_OFF}, "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}},
            "pod p: container app: CrashLoopBackOff: it ended with exit code 3 (Error). back-off 40s",
        ),
        ({"state": {"waiting": PULL}}, "pod p: container app: ImagePullBackOff: Back-off pulling image"),
        ({"state": {"running": {}}}, "pod p: container app runs and is not ready."),
        (
            {"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
            "pod p: container app ended with exit code 137 (OOMKilled).",
        ),
    ],
)
def test_what_the_pods_wait_for_is_told_at_the_end(waits: Json, expected_text: str) -> None:
    end = ran(restart_deployment, Kubectl(short(), pods=[pod("p", **waits)]))

    assert end.exit_code == 4
    assert expected_text in message_of(end)


def test_a_quota_that_is_used_up_is_told() -> None:
    quota = 'pods "b-x" is forbidden: exceeded quota: compute, requested: requests.memory=512Mi'
    failure = condition("ReplicaFailure", "FailedCreate", quota, status="True")
    end = ran(scale_deployment, Kubectl(short(conditions=[failure])), replicas=6)

    assert end.exit_code == 4
    assert f"5 of 6 replicas are available. {quota}" in message_of(end)


def test_a_pod_that_fits_no_node_is_told() -> None:
    nowhere = condition("PodScheduled", "Unschedulable", "0/3 nodes are available: 3 Insufficient memory.")
    waits = pod("p")
    waits["status"] = {"conditions": [nowhere]}
    end = ran(scale_deployment, Kubectl(short(), pods=[waits]), replicas=6)

    assert "pod p: Unschedulable: 0/3 nodes are available: 3 Insufficient memory." in message_of(end)


@pytest.mark.parametrize(
    "waits",
    [UNKNOWN, {"reason": "InvalidImageName", "message": "couldn't parse it"}, {"reason": "ErrImageNeverPull"}],
)
def test_an_image_that_cannot_be_had_ends_the_wait_at_once(waits: Json) -> None:
    kubectl = Kubectl(short(), pods=[pod("p", state={"waiting": waits})])
    end = ran(restart_deployment, kubectl)

    assert (end.exit_code, kubectl.looks) == (4, 1)
    assert "the rollout of b will not come to an end: 1 of 2 replicas are available. pod p: " in message_of(end)
    assert waits["reason"] in message_of(end)


def test_the_pods_of_what_is_rolled_back_are_not_the_new_ones() -> None:
    def status(found: Json, looks: int) -> Json:
        return ready(found, looks) if looks > 5 else short()(found, looks)

    broken = pod("p", owner="another-set", state={"waiting": UNKNOWN})
    assert ran(rollback_deployment, Kubectl(status, pods=[broken])).exit_code == 0


def test_without_leave_to_read_pods_it_still_verifies() -> None:
    end = ran(scale_deployment, Kubectl(short(), forbidden=("pod", "replicaset.apps")), replicas=6)

    assert end.exit_code == 4
    assert message_of(end).endswith("5 of 6 replicas are available.")
    assert "the pods of b cannot be read" in end.log


def given_up(when: str) -> Json:
    return condition("Progressing", "ProgressDeadlineExceeded", "timed out progressing.", when)


@pytest.mark.parametrize(
    "clock", ["1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z"], ids=["server-behind", "server-ahead"]
)
def test_a_rollout_that_kubernetes_gave_up_ends_the_wait_whatever_the_clocks_say(clock: str) -> None:
    def status(found: Json, looks: int) -> Json:
        return short(conditions=[given_up(clock)] if looks > 3 else [])(found, looks)

    kubectl = Kubectl(status)
    end = ran(restart_deployment, kubectl)

    assert (end.exit_code, kubectl.looks) == (4, 4)
    assert "the rollout of b was given up: timed out progressing. 1 of 2 replicas are available." in message_of(end)


@pytest.mark.parametrize("clock", ["1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z"])
def test_what_was_given_up_before_is_not_about_this_change(clock: str) -> None:
    def status(found: Json, looks: int) -> Json:
        return ready(found, looks) if looks > 5 else short(conditions=[given_up(clock)])(found, looks)

    assert ran(rollback_deployment, Kubectl(status)).exit_code == 0


@pytest.mark.parametrize(("action", "inputs"), ACTIONS)
def test_a_change_that_somebody_takes_back_is_told_at_once(action: Action, inputs: Json) -> None:
    before = Kubectl().found

    def revert(found: Json, looks: int) -> None:
        if looks == 2:
            found["spec"] = before["spec"]
            found["metadata"]["generation"] += 1

    kubectl = Kubectl(short(), meanwhile=revert)
    end = ran(action, kubectl, **inputs)

    assert end.error is not None
    assert (end.exit_code, end.error.reason, kubectl.looks) == (4, "TakenBack", 2)
    assert "and then by somebody else to" in end.error.message


@pytest.mark.parametrize(("action", "inputs"), ACTIONS)
def test_a_read_older_than_our_write_is_not_yet(action: Action, inputs: Json) -> None:
    kubectl = Kubectl()
    old = kubectl.found
    new: list[Json] = []

    def lag(found: Json, looks: int) -> None:
        if looks == 1:
            new.append(found)
            kubectl.found = old
        if looks == 4:
            kubectl.found = new[0]

    kubectl.meanwhile = lag
    assert ran(action, kubectl, **inputs).exit_code == 0
