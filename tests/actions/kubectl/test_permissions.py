"""The permissions that each action declares are those that it takes: no more, and no fewer.

`permissions.json` holds what a recording proxy before the API server saw in these tests, all of them together
(`make permissions` writes it). Each run on a cluster checks beside that nothing is taken which is not declared.
"""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from cluster_api import ScenarioWorld
from crds import custom_kinds
from kubectl_cluster import OPTIONAL, Cluster, Json, declared_permissions, message_of, reason_of, workload
from kubectl_world import PARTS
from node_standin import StandInNode, crashing
from placed_workload import ROLLOUTS, placed

from kubernaut_sdk.catalog import all_actions
from kubernaut_sdk.permissions import OWN_RESOURCE

RECORDED = json.loads(Path(__file__).with_name("permissions.json").read_text())
ACTIONS = {
    action.action_type: action
    for action in all_actions()
    if action.module.startswith("kubernaut_kubectl.") and action.action_type.startswith("kubernetes/")
}


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_each_permission_that_is_declared_was_taken_and_each_that_was_taken_is_declared(action: str) -> None:
    if any(OWN_RESOURCE in name for name in ACTIONS[action].permissions):
        assert {name.rpartition(" ")[2] for name in set(RECORDED[action]) - OPTIONAL} == {
            name.rpartition(" ")[2] for name in declared_permissions(ACTIONS[action])
        }
    else:
        assert sorted(set(RECORDED[action]) - OPTIONAL) == sorted(declared_permissions(ACTIONS[action]))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_each_permission_has_a_reason(action: str) -> None:
    assert sorted(ACTIONS[action].reasons) == sorted(ACTIONS[action].permissions)
    assert all(ACTIONS[action].reasons.values())


IMAGE = {"container": "app", "image": f"example.invalid/app@sha256:{'1' * 64}"}
MEMORY = {"container": "app", "limits": {"memory": "64Mi"}}
App = Callable[..., str]
ROLLOUT_CASES: list[tuple[str, str, Json]] = [
    *ROLLOUTS,
    ("scale_deployment", "Deployment", {"replicas": 2}),
    ("scale_statefulset", "StatefulSet", {"replicas": 2}),
    ("set_image", "Deployment", IMAGE),
    ("set_image", "DaemonSet", IMAGE),
    ("set_image", "StatefulSet", IMAGE),
    ("set_resources", "Deployment", MEMORY),
    ("set_resources", "DaemonSet", MEMORY),
    ("set_resources", "StatefulSet", MEMORY),
]


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize("answer", [crashing, None], ids=["crashing", "pending"])
@pytest.mark.parametrize(("action", "kind", "inputs"), ROLLOUT_CASES)
def test_a_rollout_whose_pods_do_not_get_ready_says_why(
    cluster: Cluster, machine: StandInNode, action: str, kind: str, inputs: Json, answer: Callable[[Json], Json] | None
) -> None:
    with placed(cluster, machine, kind, action) as name:
        machine.answer = answer or (lambda _pod: None)
        named = {"kind": kind, "name": name} if "container" in inputs else {kind.lower(): name}
        ended = cluster.run(action, {**named, **inputs}, minutes=1)

    assert (ended.exit_code, ended.changed) == (4, True), ended
    assert ended.error is not None
    assert ("exit code 3" if answer else "its containers have not started") in ended.error.message


@pytest.mark.cluster
@pytest.mark.slow
class TestElsewhere:
    """Actions that wait for something else than a rollout, which does not get on."""

    @pytest.mark.parametrize(
        ("action", "part", "inputs"),
        [("recreate_job", "running", {"even_if_running": True}), ("trigger_cronjob", "slow_cron", {})],
    )
    def test_a_job_whose_pod_fits_no_node_says_so(self, cluster: Cluster, action: str, part: str, inputs: Json) -> None:
        name = made(cluster, part)
        ended = cluster.run(action, {"job" if part == "running" else "cronjob": name, **inputs})

        assert reason_of(ended) == (4, "JobStuck"), ended
        assert "Unschedulable" in message_of(ended)

    def test_a_job_is_collected_and_its_pod_deleted(self, cluster: Cluster) -> None:
        name = made(cluster, "running")
        [pod] = cluster.kubectl("get", "pods", f"--selector=job-name={name}", "--output=name").split()
        collected = cluster.run("collect_diagnostics", kind="Job", name=name)
        deleted = cluster.run("delete_pod", pod=pod.partition("/")[2])

        assert collected.exit_code == deleted.exit_code == 0, (collected, deleted)

    @pytest.mark.parametrize("answer", [crashing, None], ids=["crashing", "pending"])
    @pytest.mark.parametrize(
        ("action", "kind", "inputs"),
        [
            ("delete_pod", "Deployment", {}),
            ("delete_pod", "ReplicaSet", {}),
            ("quarantine_pod", "Deployment", {"min_replicas": 1}),
        ],
    )
    def test_a_pod_whose_successor_does_not_get_ready_says_why(
        self,
        cluster: Cluster,
        machine: StandInNode,
        action: str,
        kind: str,
        inputs: Json,
        answer: Callable[[Json], Json] | None,
    ) -> None:
        with placed(cluster, machine, kind, action) as name:
            machine.answer = answer or (lambda _pod: None)
            ended = cluster.run(action, {"pod": cluster.pods(name)[0]["metadata"]["name"], **inputs}, minutes=1)

        assert (ended.exit_code, ended.changed) == (4, True), ended
        assert ("exit code 3" if answer else "its containers have not started") in message_of(ended)

    def test_a_vertical_autoscaler_owns_the_resources_that_it_would_set(self, cluster: Cluster, app: App) -> None:
        name = app()
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        spec = {"targetRef": reference, "updatePolicy": {"updateMode": "Auto"}}
        document = {"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": {"name": name}}
        with custom_kinds([("autoscaling.k8s.io", "VerticalPodAutoscaler", "verticalpodautoscalers", "Namespaced")]):
            cluster.make({**document, "spec": spec})
            refused = cluster.run("set_resources", {"name": name, **MEMORY})

        assert reason_of(refused) == (3, "Owned"), refused
        assert f"VerticalPodAutoscaler {name}" in message_of(refused)

    def test_a_drain_whose_pods_crash_elsewhere_says_why(self, cluster: Cluster, machine: StandInNode) -> None:
        other = StandInNode(cluster.proxy.upstream.geturl())
        other.answer = crashing
        names = [machine.name, other.name]
        term = {"matchExpressions": [{"key": "kubernaut.io/test", "operator": "In", "values": names}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        document = workload("Deployment", name := f"app-{uuid4().hex[:6]}")
        document["spec"]["template"]["spec"] |= {
            "affinity": {"nodeAffinity": required},
            "tolerations": [{"key": "kubernaut.io/test", "operator": "Exists"}],
        }
        cluster.make(document)
        cluster.ready("Deployment", name)
        other.start()
        try:
            inputs: Json = {"lease_namespace": cluster.namespace, "min_schedulable": 0.0}
            ended = cluster.run("drain_node", node=machine.name, minutes=5, **inputs)
        finally:
            other.stop()
            cluster.delete("deployment", name)

        assert (ended.exit_code, ended.changed) == (4, True), ended
        assert "exit code 3" in message_of(ended)


def made(cluster: Cluster, part: str) -> str:
    """Make an object of the conformance scenarios' world, and return its name."""
    name = f"{part.replace('_', '-')}-{uuid4().hex[:6]}"
    return PARTS[part](ScenarioWorld(cluster.proxy.upstream.geturl(), cluster.namespace), name) or name
