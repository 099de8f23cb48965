"""Draining a node: on the real API server, with its scheduler, controllers and eviction; only the kubelet is played."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kubectl_cluster import Cluster, Json, message_of, reason_of, workload
from node_standin import StandInNode

from kubernaut_kubectl.nodes.residents import doubly_counted, sort_pods

OTHER = "019b5e4e-0000-7000-8000-00000000000f"


def pod_of(name: str, *, owner: str | None = "ReplicaSet", uid: str = "o", phase: str = "Running", **more: Any) -> Json:
    """A pod, as it is read."""
    reference = [{"kind": owner, "name": "x", "uid": uid, "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "a", "uid": name, "ownerReferences": reference, **more.pop("metadata", {})}
    return {"metadata": metadata, "spec": more, "status": {"phase": phase}}


EMPTY_DIR: Json = {"volumes": [{"name": "v", "emptyDir": {}}]}
PODS = [
    pod_of("web"),
    pod_of("daemon", owner="DaemonSet", uid="d"),
    pod_of("orphan", owner="DaemonSet", uid="gone"),
    pod_of("static", owner="Node", metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}),
    pod_of("alone", owner=None),
    pod_of("done", owner=None, phase="Succeeded", **EMPTY_DIR),
    pod_of("cache", **EMPTY_DIR),
    pod_of("leaving", owner=None, metadata={"deletionTimestamp": "now"}),
]


def names(pods: list[Json]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods]


def test_pods_are_sorted_by_what_a_drain_does_with_them() -> None:
    daemon_sets = [{"metadata": {"uid": "d"}}]
    strict = sort_pods(PODS, daemon_sets, delete_unmanaged=False, delete_emptydir_data=False)
    free = sort_pods(PODS, daemon_sets, delete_unmanaged=True, delete_emptydir_data=True)

    assert names(strict.evictable) == ["web", "done"]
    assert names(strict.staying) == names(free.staying) == ["daemon", "static"]
    assert names(strict.unmanaged) == ["orphan", "alone"]
    assert names(strict.with_data) == ["cache"]
    assert names(strict.terminating) == ["leaving"]
    assert names(free.evictable) == ["web", "orphan", "alone", "done", "cache"]
    assert strict.faults == [
        "a/orphan, a/alone has no controller, so nothing would make it again; delete_unmanaged: true evicts such pods.",
        "a/cache keeps data in an emptyDir, which would be lost; delete_emptydir_data: true evicts such pods.",
    ]
    assert free.faults == []


def test_a_pod_that_two_budgets_count_is_found_before_anything_is_done() -> None:
    budgets = [{"metadata": {"name": name, "namespace": "a"}, "spec": {"selector": {}}} for name in ("one", "two")]
    elsewhere = {"metadata": {"name": "three", "namespace": "b"}, "spec": {"selector": {}}}

    assert doubly_counted([pod_of("web")], [budgets[0], elsewhere]) == []
    assert doubly_counted([pod_of("web", phase="Pending")], budgets) == []
    [fault] = doubly_counted([pod_of("web")], budgets)
    assert fault.startswith("pod a/web is counted by the PodDisruptionBudgets one and two, and the API server evicts")


@pytest.fixture
def drain(cluster: Cluster, machine: StandInNode) -> Callable[..., Any]:
    """Drains the machine, with the Lease in the test's own namespace."""

    def run(**inputs: Any) -> Any:
        more = {"node": machine.name, "lease_namespace": cluster.namespace, "min_schedulable": 0.0, **inputs}
        return cluster.run("drain_node", more.pop("inputs", {}), **more)

    return run


@contextmanager
def put(
    cluster: Cluster, machine: StandInNode, *, replicas: int = 1, kind: str = "Deployment", **pod: Any
) -> Iterator[str]:
    """A workload whose pods are on the machine, and may run on another."""
    name = f"app-{uuid4().hex[:6]}"
    many: Json = {} if kind == "DaemonSet" else {"replicas": replicas}
    document = workload(kind, name, **many)
    document["spec"]["template"]["spec"] |= {**machine.placement, **pod}
    cluster.make(document)
    wait_for(lambda: len([p for p in machine.pods() if p["status"]["phase"] == "Running"]) >= replicas)
    cluster.ready(kind, name)
    try:
        yield name
    finally:
        cluster.delete(kind, name)


@contextmanager
def budget(cluster: Cluster, app: str, name: str, **spec: Any) -> Iterator[None]:
    """A PodDisruptionBudget of an app, once its controller has counted the pods."""
    document = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}}
    cluster.make({**document, "spec": {"selector": {"matchLabels": {"app": app}}, **spec}})
    cluster.kubectl("wait", "pdb", name, "--for=jsonpath={.status.observedGeneration}=1", "--timeout=20s")
    try:
        yield
    finally:
        cluster.delete("pdb", name)


def wait_for(reached: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.1)


def lease_of(cluster: Cluster, holder: str) -> Json:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 30, "renewTime": "2026-01-01T00:00:00.000000Z"}
    metadata = {"name": "kubernaut-drain", "annotations": {"kubernaut.io/draining": "worker-9"}}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


@pytest.mark.cluster
class TestDrain:
    """Drains of a node whose kubelet is played."""

    def test_pods_move_and_daemons_stay(self, cluster: Cluster, machine: StandInNode, drain: Any) -> None:
        with (
            put(cluster, machine, replicas=2) as name,
            put(cluster, machine, kind="DaemonSet", nodeSelector=machine.selector) as daemon,
        ):
            planned = cluster.runner("drain_node").dry_run({"node": machine.name, "min_schedulable": 0.0})
            ended = drain()
            again = drain()
            nodes = {pod["spec"]["nodeName"] for pod in cluster.pods(name)}
            left = names(machine.pods())
            undone = cluster.undo(ended, "drain_node", node=machine.name, lease_namespace=cluster.namespace)

        assert planned.status == "planned"
        assert (ended.exit_code, ended.output) == (0, {"evicted": 2, "staying": 1}), ended
        assert len(ended.change.before["pods"]) == 2
        assert again.status == "unchanged"
        assert machine.name not in nodes
        assert [pod.rpartition("-")[0] for pod in left] == [daemon]
        assert undone.exit_code == 0
        after = cluster.get("node", machine.name)
        assert "unschedulable" not in after["spec"]
        assert "kubernaut.io/cordoned-by" not in after["metadata"].get("annotations", {})
        assert cluster.get("lease", "kubernaut-drain")["spec"]["holderIdentity"] == ""

    def test_what_is_refused_before_anything_is_done(
        self, cluster: Cluster, machine: StandInNode, drain: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        volume: Json = {"volumes": [{"name": "v", "emptyDir": {}}]}
        alone = {**workload("Deployment", "alone")["spec"]["template"]["spec"], "nodeName": machine.name}
        cluster.make({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"}, "spec": alone})
        with put(cluster, machine, **volume) as name:
            with budget(cluster, name, "one", minAvailable=0), budget(cluster, name, "two", minAvailable=0):
                faults = drain()
                twice = drain(delete_unmanaged=True, delete_emptydir_data=True)
            free: Json = {"delete_unmanaged": True, "delete_emptydir_data": True}
            refused = {
                "max_pods": drain(max_pods=1, **free),
                "min_schedulable": drain(min_schedulable=1.0, **free),
            }
            monkeypatch.setenv("NODE_NAME", machine.name)
            own = drain(**free)
        cluster.delete("pod", "alone")

        assert reason_of(faults) == reason_of(twice) == (3, "NotEvictable")
        assert f"{cluster.namespace}/alone has no controller" in message_of(faults)
        assert "keeps data in an emptyDir, which would be lost; delete_emptydir_data: true" in message_of(faults)
        assert "is counted by the PodDisruptionBudgets one and two" in message_of(twice)
        for limit, ended in refused.items():
            assert reason_of(ended) == (3, "LimitReached")
            assert limit in message_of(ended)
        assert reason_of(own) == (3, "OwnNode")
        assert f"this step runs on {machine.name} itself" in message_of(own)
        assert "unschedulable" not in cluster.get("node", machine.name)["spec"]

    @pytest.mark.slow
    def test_a_budget_that_holds_a_pod_to_the_end_is_named(
        self, cluster: Cluster, machine: StandInNode, drain: Any
    ) -> None:
        with (
            put(cluster, machine) as held,
            put(cluster, machine) as free,
            budget(cluster, held, "tight", minAvailable=1),
        ):
            ended = drain(minutes=1)
            left = names(machine.pods())
            undone = cluster.undo(ended, "drain_node", node=machine.name, lease_namespace=cluster.namespace)

        assert reason_of(ended) == (4, "PodsStay"), ended
        assert f"1 pods are left on {machine.name}; 1 were evicted. pod {held}" in message_of(ended)
        assert "PodDisruptionBudget tight (minAvailable 1; 1 of 1 pods are healthy" in message_of(ended)
        assert [pod.rpartition("-")[0].rpartition("-")[0] for pod in left] == [held]
        assert free not in str(left)
        assert undone.exit_code == 0

    @pytest.mark.slow
    def test_a_budget_is_waited_for(self, cluster: Cluster, machine: StandInNode) -> None:
        with put(cluster, machine) as held, budget(cluster, held, "tight", minAvailable=1):
            ended = cluster.run_with(
                "drain_node",
                lambda argv: any("/eviction" in word for word in argv),
                4,
                lambda: cluster.delete("pdb", "tight"),
                node=machine.name,
                lease_namespace=cluster.namespace,
                min_schedulable=0.0,
            )
        assert (ended.exit_code, ended.output) == (0, {"evicted": 1, "staying": 0}), ended
        assert "waiting: pod " in ended.log

    @pytest.mark.slow
    def test_a_pod_that_arrives_late_is_evicted_as_well(self, cluster: Cluster, machine: StandInNode) -> None:
        late = {**workload("Deployment", "x")["spec"]["template"]["spec"], "nodeName": machine.name}

        def arrive() -> None:
            owner = cluster.get("configmap", "kube-root-ca.crt")["metadata"]
            reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["name"], "uid": owner["uid"]}
            metadata = {"name": "late", "ownerReferences": [{**reference, "controller": True}]}
            cluster.make({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": late})

        with put(cluster, machine):
            ended = cluster.run_with(
                "drain_node",
                lambda argv: any("/eviction" in word for word in argv),
                1,
                arrive,
                node=machine.name,
                lease_namespace=cluster.namespace,
                min_schedulable=0.0,
            )
            left = machine.pods()

        assert ended.exit_code == 0, ended
        assert ended.output == {
            "evicted": 2,
            "staying": 0,
            "note": f"arrived after the cordon: {cluster.namespace}/late.",
        }
        assert left == []

    @pytest.mark.slow
    def test_pods_that_come_back_again_and_again_are_given_up(
        self, cluster: Cluster, machine: StandInNode, drain: Any
    ) -> None:
        with put(cluster, machine, nodeName=machine.name) as name:
            ended = drain()

        assert reason_of(ended) == (4, "PodsStay"), ended
        assert f"pods of ReplicaSet {cluster.namespace}/{name}" in message_of(ended)
        assert "come back to the node: they name it, or tolerate its cordon" in message_of(ended)

    @pytest.mark.slow
    def test_pods_that_fit_no_other_node_are_told(self, cluster: Cluster, machine: StandInNode, drain: Any) -> None:
        with put(cluster, machine, nodeSelector=machine.selector) as name:
            ended = drain()

        assert reason_of(ended) == (4, "NotReplaced"), ended
        assert f"Deployment {cluster.namespace}/{name} has 0 of 1 replicas available." in message_of(ended)
        assert "Unschedulable: 0/" in message_of(ended)

    @pytest.mark.slow
    def test_a_node_that_somebody_uncordons_meanwhile(self, cluster: Cluster, machine: StandInNode) -> None:
        with put(cluster, machine):
            ended = cluster.run_with(
                "drain_node",
                lambda argv: any("/eviction" in word for word in argv),
                1,
                lambda: cluster.kubectl("uncordon", machine.name),
                node=machine.name,
                lease_namespace=cluster.namespace,
                min_schedulable=0.0,
            )
        assert reason_of(ended) == (4, "TakenBack"), ended

    @pytest.mark.slow
    def test_a_cordon_of_somebody_else_stays_through_the_undo(
        self, cluster: Cluster, machine: StandInNode, drain: Any
    ) -> None:
        with put(cluster, machine):
            cluster.kubectl("cordon", machine.name)
            ended = drain()
            undone = cluster.undo(ended, "drain_node", node=machine.name, lease_namespace=cluster.namespace)

        assert ended.exit_code == undone.exit_code == 0, ended
        assert cluster.get("node", machine.name)["spec"]["unschedulable"] is True

    @pytest.mark.slow
    def test_one_drain_runs_at_a_time(self, cluster: Cluster, machine: StandInNode, drain: Any) -> None:
        cluster.delete("lease", "kubernaut-drain")
        cluster.make(lease_of(cluster, OTHER))
        renew = {"op": "replace", "path": "/spec/leaseDurationSeconds", "value": 31}
        with put(cluster, machine):
            busy = cluster.run_with(
                "drain_node",
                lambda argv: any(word.startswith("lease") for word in argv),
                3,
                lambda: cluster.patch("lease", "kubernaut-drain", renew),
                node=machine.name,
                lease_namespace=cluster.namespace,
                min_schedulable=0.0,
            )
            taken_over = drain()

        assert reason_of(busy) == (75, "DrainInProgress")
        assert busy.changed is False
        assert f"worker-9 is being drained by the record {OTHER}" in message_of(busy)
        assert taken_over.exit_code == 0, taken_over

    @pytest.mark.slow
    def test_a_drain_that_is_cancelled_in_the_middle_says_so_and_can_be_undone(
        self, cluster: Cluster, machine: StandInNode, action: Any, tmp_path: Path
    ) -> None:
        inputs = {"node": machine.name, "lease_namespace": cluster.namespace, "min_schedulable": 0.0}
        env = {"ACTION_INPUTS": json.dumps(inputs), "KUBECONFIG": os.environ["KUBECONFIG"]}
        with put(cluster, machine) as held, put(cluster, machine), budget(cluster, held, "tight", minAvailable=1):
            process = action.start("run", "kubernetes/drain_node", **env)
            wait_for(lambda: "kubernaut.io/cordoned-by" in str(cluster.get("node", machine.name)))
            wait_for(lambda: len(machine.pods()) <= 1)  # the other is gone, this one is held
            process.send_signal(signal.SIGTERM)
            ended = action.ended(process)
            change = tmp_path / "change.json"
            change.write_text(json.dumps(ended.document["change"]))
            cordoned = cluster.get("node", machine.name)["spec"].get("unschedulable")
            undone = action.run("undo", "kubernetes/drain_node", "--change", str(change), **env)
            after = cluster.get("node", machine.name)["spec"]

        assert (ended.code, ended.document["status"], ended.document["changed"]) == (143, "cancelled", "unknown"), (
            ended.stderr
        )
        assert cordoned is True
        assert (undone.code, undone.document["status"]) == (0, "succeeded"), undone.stderr
        assert "unschedulable" not in after
