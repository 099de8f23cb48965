"""The obstacles that keep a pod from being ready, as its status tells them."""

from typing import Any

import pytest

from kubernaut_kubectl.rollouts.obstacles import NOW, STUCK, group_texts, obstacle_of

Json = dict[str, Any]


def pod(state: Json, *, restarts: int = 0, last: Json | None = None, init: bool = False) -> Json:
    container = {"name": "app", "ready": False, "restartCount": restarts, "state": state}
    container |= {"lastState": {"terminated": last}} if last else {}
    statuses = "initContainerStatuses" if init else "containerStatuses"
    return {"metadata": {"name": "p", "uid": "u"}, "status": {statuses: [container]}}


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


OOM = {"exitCode": 137, "reason": "OOMKilled"}


FAILED = {"exitCode": 3, "reason": "Error"}


NOT_FOUND = 'failed to pull image "a": failed to resolve reference "a": a: not found'


@pytest.mark.parametrize(
    ("found", "text", "patience"),
    [
        (pod(waiting("ImagePullBackOff", NOT_FOUND)), f"container app: ImagePullBackOff: {NOT_FOUND}", NOW),
        (pod(waiting("ErrImagePull", "dial tcp: i/o timeout")), "container app: ErrImagePull: dial tcp: i/o", STUCK),
        (pod(waiting("InvalidImageName")), "container app: InvalidImageName", NOW),
        (pod(waiting("CreateContainerConfigError", 'secret "x" not found')), 'secret "x" not found', STUCK),
        (pod(waiting("CrashLoopBackOff"), restarts=1, last=FAILED), "it ended with exit code 3 (Error).", None),
        (pod(waiting("CrashLoopBackOff"), restarts=3, last=FAILED), "it ended with exit code 3 (Error).", NOW),
        (pod(waiting("CrashLoopBackOff"), restarts=2, last=OOM), "it ended with exit code 137 (OOMKilled).", NOW),
        (pod({"running": {}}), "container app runs and is not ready.", None),
        (pod({"terminated": FAILED}), "container app ended with exit code 3 (Error).", None),
        (pod(waiting("CrashLoopBackOff"), restarts=3, last=FAILED, init=True), "container app: CrashLoopBackOff", NOW),
    ],
)
def test_what_keeps_a_pod_from_being_ready_and_for_how_long_it_may(found: Json, text: str, patience: Any) -> None:
    obstacle = obstacle_of(found)
    assert obstacle is not None
    assert text in obstacle.text
    assert obstacle.patience == patience


def several(**more: Json) -> Json:
    """A pod of an init container, a sidecar and two containers; all run and are ready but those that say otherwise."""
    well = {"ready": True, "restartCount": 0, "state": {"running": {}}}
    ended = {"ready": True, "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}
    status = {name: {"name": name, **well, **more.get(name, {})} for name in ("app", "helper", "proxy")}
    init = [{"name": "init", **ended, **more.get("init", {})}, status.pop("proxy")]
    spec = {"initContainers": [{"name": "init"}, {"name": "proxy", "restartPolicy": "Always"}]}
    statuses = {"initContainerStatuses": init, "containerStatuses": list(status.values())}
    return {"metadata": {"name": "p", "uid": "u"}, "spec": spec, "status": statuses}


UNREADY: Json = {"ready": False}


CRASHES: Json = {
    **UNREADY,
    "restartCount": 3,
    "state": waiting("CrashLoopBackOff"),
    "lastState": {"terminated": FAILED},
}


CREATED: Json = {**UNREADY, "state": waiting("PodInitializing")}


@pytest.mark.parametrize(
    ("found", "text", "patience"),
    [
        # the one that crashes is why the other is not ready, whichever comes first
        (several(app=UNREADY, helper=CRASHES), "container helper: CrashLoopBackOff: it ended with", NOW),
        (several(proxy=UNREADY, app=CRASHES), "container app: CrashLoopBackOff: it ended with", NOW),
        (several(proxy=CRASHES, app=CREATED), "container proxy: CrashLoopBackOff: it ended with", NOW),
        (several(proxy=UNREADY, app=CREATED), "sidecar proxy runs and is not ready.", None),
        (
            several(init={**UNREADY, "state": {"running": {}}}, app=CREATED, helper=CREATED),
            "init container init has not ended yet.",
            None,
        ),
        (several(helper=UNREADY), "container helper runs and is not ready.", None),
    ],
)
def test_which_of_several_containers_keeps_a_pod_from_being_ready(found: Json, text: str, patience: Any) -> None:
    obstacle = obstacle_of(found)
    assert obstacle is not None
    assert obstacle.text.startswith(text)
    assert obstacle.patience == patience


def test_a_pod_that_no_node_takes_is_told_with_the_schedulers_words() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available",
    }
    obstacle = obstacle_of({"metadata": {"name": "p"}, "status": {"conditions": [condition]}})
    assert obstacle is not None
    assert (obstacle.text, obstacle.patience) == ("Unschedulable: 0/3 nodes are available", STUCK)
    assert (
        obstacle_of({"metadata": {"name": "p"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        is None
    )


def test_the_same_obstacle_of_several_pods_is_told_once() -> None:
    found = [obstacle_of(pod({"running": {}})) for _ in range(3)]
    assert group_texts([one for one in found if one]) == ["pod p and 2 more: container app runs and is not ready."]
