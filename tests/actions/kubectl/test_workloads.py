"""Scaling, restarting, rolling back and pausing workloads of all three kinds, on the real API server."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from kubectl_cluster import Cluster, Json, message_of, reason_of
from node_standin import StandInNode
from placed_workload import placed

from kubernaut_sdk.ids import mint

pytestmark = pytest.mark.cluster
App = Callable[..., str]
KINDS = ["Deployment", "StatefulSet", "DaemonSet"]
FAIL = "echo starting; echo no database at orders-db >&2; exit 3"


def replace(path: str, value: Any) -> Json:
    return {"op": "replace", "path": path, "value": value}


def script(text: str) -> Json:
    return replace("/spec/template/spec/containers/0/command", ["/bin/sh", "-c", text])


def named(kind: str, name: str) -> dict[str, str]:
    return {kind.lower(): name}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_scaling_is_applied_repeated_and_undone(cluster: Cluster, app: App, kind: str) -> None:
    where = named(kind, app(kind))
    action = f"scale_{kind.lower()}"
    first, again = (cluster.run(action, where, replicas=2) for _ in range(2))

    assert (first.exit_code, first.status, again.status) == (0, "succeeded", "unchanged"), first
    assert len(cluster.pods(where[kind.lower()])) == 2
    assert reason_of(cluster.run(action, where, replicas=0)) == (3, "LimitReached")
    assert cluster.undo(first, action, where, replicas=2).exit_code == 0
    assert cluster.get(kind, where[kind.lower()])["spec"]["replicas"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_quota_that_is_used_up_is_told_long_before_the_deadline(cluster: Cluster, app: App, kind: str) -> None:
    name = app(kind)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": f"quota-{uuid4().hex[:6]}"}}
    used = len(cluster.kubectl("get", "pods", "--output=name").split())
    cluster.make({**quota, "spec": {"hard": {"pods": str(used)}}})
    try:
        ended = cluster.run(f"scale_{kind.lower()}", named(kind, name), replicas=3)
    finally:
        cluster.delete("resourcequota", quota["metadata"]["name"])  # type: ignore[index]

    assert reason_of(ended) == (4, "RolloutStuck"), ended
    assert "exceeded quota" in message_of(ended)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_number_that_an_autoscaler_owns_is_refused_by_its_name(cluster: Cluster, app: App, kind: str) -> None:
    name = app(kind)
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2}
    document = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}}
    cluster.make({**document, "spec": spec})
    try:
        refused = cluster.run(f"scale_{kind.lower()}", named(kind, name), replicas=3)
        taken_back = cluster.run(f"scale_{kind.lower()}", named(kind, name), replicas=3, when_owned="proceed")
    finally:
        cluster.delete("hpa", name)

    assert reason_of(refused) == (3, "Owned")
    assert f"HorizontalPodAutoscaler {name} (1 to 2 replicas)" in message_of(refused)
    assert "kubernetes/update_hpa" in message_of(refused)
    # the autoscaler's own period is 15 s of real time; what the action waited for is a minute of its own
    assert reason_of(taken_back) in {(4, "TakenBack"), (0, None)}


@pytest.mark.parametrize("kind", KINDS)
def test_restart_once_a_record(cluster: Cluster, app: App, kind: str) -> None:
    name, record = app(kind), mint()
    before = {pod["metadata"]["uid"] for pod in cluster.pods(name)}
    first, again = (cluster.run(f"restart_{kind.lower()}", named(kind, name), record=record) for _ in range(2))
    after = {pod["metadata"]["uid"] for pod in cluster.pods(name)}

    assert (first.exit_code, first.status, again.status) == (0, "succeeded", "unchanged"), first
    assert len(after) == 1
    assert not before & after


@pytest.mark.parametrize(
    ("kind", "spec", "reason"),
    [
        ("Deployment", {"paused": True}, "PreconditionFailed"),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("StatefulSet", {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}, "Partition"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
    ],
)
@pytest.mark.parametrize("verb", ["restart", "rollback"])
def test_what_would_not_roll_out_is_refused(
    cluster: Cluster, app: App, verb: str, kind: str, spec: Json, reason: str
) -> None:
    name = app(kind, wait=False, **spec)
    refused = cluster.run(f"{verb}_{kind.lower()}", named(kind, name), retries=9)

    assert reason_of(refused) == (3, reason)
    assert name in message_of(refused)


@pytest.mark.slow  # the kubelet waits for a minute between the crashes
@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_loop_is_told_with_its_last_lines_and_rolled_back(cluster: Cluster, app: App, kind: str) -> None:
    where = named(kind, name := app(kind))
    cluster.patch(kind, name, script(FAIL))
    # in real time: the container is ready while it runs, which a clock that jumps takes for the five seconds to hold
    ended = cluster.run(f"restart_{kind.lower()}", where, retries=3, minutes=10, real_time=True)
    back = cluster.run(f"rollback_{kind.lower()}", where, retries=3, revision=1)
    if kind == "StatefulSet":
        # OrderedReady: the broken pod blocks the restored template, until it is deleted
        assert reason_of(back) in {(4, "RolloutStuck"), (0, None)}
        if back.exit_code:
            assert f"pod {name}-0: it is of an earlier template and not ready" in message_of(back)
            cluster.delete("pod", f"{name}-0")
    else:
        assert back.exit_code == 0, back
        assert back.output is not None
        assert back.output["revision"] == 1

    assert reason_of(ended) == (4, "RolloutStuck"), ended
    assert "exit code 3" in message_of(ended)
    assert "Its last lines: starting / no database at orders-db" in message_of(ended)
    assert cluster.get(kind, name)["spec"]["template"]["spec"]["containers"][0]["command"][2] == "sleep 1000"
    cluster.ready(kind, name)


@pytest.mark.parametrize("kind", KINDS)
def test_an_earlier_template_whose_config_map_is_gone_is_refused(cluster: Cluster, app: App, kind: str) -> None:
    missing = {"envFrom": [{"configMapRef": {"name": "gone"}}, {"secretRef": {"name": "lost"}}]}
    name = app(kind, wait=False, container=missing)
    cluster.patch(kind, name, {"op": "remove", "path": "/spec/template/spec/containers/0/envFrom"})
    refused = cluster.run(f"rollback_{kind.lower()}", named(kind, name), retries=9)

    assert reason_of(refused) == (3, "ReferenceMissing")
    assert "needs ConfigMap gone and Secret lost, which are gone; restore them first." in message_of(refused)


def test_a_revision_that_is_not_kept_is_refused(cluster: Cluster, app: App) -> None:
    name = app("StatefulSet")
    missing = cluster.run("rollback_statefulset", statefulset=name, revision=9)
    first = cluster.run("rollback_statefulset", statefulset=name)

    assert message_of(missing) == f"{name} has no revision 9; kept are 1."
    assert message_of(first) == f"{name} has no revision before 1 to go back to."


def test_pause_and_resume(cluster: Cluster, app: App) -> None:
    where = {"deployment": app()}
    paused, again = (cluster.run("pause_rollout", where) for _ in range(2))
    assert (paused.exit_code, again.status) == (0, "unchanged"), paused
    cluster.patch("deployment", where["deployment"], script("sleep 999"))
    before = {pod["metadata"]["uid"] for pod in cluster.pods(where["deployment"])}
    resumed = cluster.run("resume_rollout", where)

    assert (resumed.exit_code, resumed.status) == (0, "succeeded"), resumed
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in cluster.pods(where["deployment"]))
    assert cluster.undo(resumed, "resume_rollout", where).exit_code == 0
    assert cluster.get("deployment", where["deployment"])["spec"]["paused"] is True


def test_a_config_map_that_both_templates_name_must_exist_as_well(cluster: Cluster, app: App) -> None:
    name = app(wait=False, container={"envFrom": [{"configMapRef": {"name": "gone"}}]})
    cluster.patch("deployment", name, script("sleep 999"))
    refused = cluster.run("rollback_deployment", deployment=name, retries=9)

    assert reason_of(refused) == (3, "ReferenceMissing")
    assert "needs ConfigMap gone, which is gone; restore it first." in message_of(refused)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('MountVolume.SetUp failed for volume "keys" : secret "lost" not found', "RolloutStuck"),
        ('MountVolume.SetUp failed for volume "data" : rpc error: the driver is busy', "VerifyFailed"),
    ],
)
def test_a_volume_of_what_is_not_there_is_told_long_before_the_deadline(
    cluster: Cluster, machine: StandInNode, message: str, reason: str
) -> None:
    told: set[str] = set()

    def unmounted(pod: Json) -> Json:
        if pod["metadata"]["uid"] not in told:
            told.add(pod["metadata"]["uid"])
            machine.report(pod, "FailedMount", message)
        creating = {"name": "app", "image": "", "imageID": "", "ready": False, "restartCount": 0}
        creating["state"] = {"waiting": {"reason": "ContainerCreating"}}
        return {"phase": "Pending", "containerStatuses": [creating]}

    with placed(cluster, machine, "Deployment", "restart_deployment") as name:
        machine.answer = unmounted
        ended = cluster.run("restart_deployment", deployment=name, minutes=3)

    assert reason_of(ended) == (4, reason), ended
    assert f"FailedMount: {message}" in message_of(ended)


@pytest.mark.slow
def test_a_pod_that_fits_no_node_is_told_with_the_schedulers_words(cluster: Cluster, app: App) -> None:
    name = app()
    cluster.patch(
        "deployment", name, {"op": "add", "path": "/spec/template/spec/nodeSelector", "value": {"zone": "moon"}}
    )
    ended = cluster.run("restart_deployment", retries=3, deployment=name)

    assert reason_of(ended) == (4, "RolloutStuck")
    assert "Unschedulable: 0/" in message_of(ended)
    assert "didn't match Pod's node affinity/selector" in message_of(ended)
