"""Deleting, clearing away and quarantining pods, on the real API server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from kubectl_cluster import IMAGE, Cluster, Json, message_of, reason_of

pytestmark = pytest.mark.cluster
App = Callable[..., str]
UNREADY = {"readinessProbe": {"exec": {"command": ["/bin/sh", "-c", "exit 1"]}, "periodSeconds": 1}}


def lone_pod(name: str, script: str, **metadata: Any) -> Json:
    container = {"name": "app", "image": IMAGE, "command": ["/bin/sh", "-c", script]}
    spec = {"containers": [container], "hostNetwork": True, "restartPolicy": "Never"}
    spec |= {"terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


@contextmanager
def budgets(cluster: Cluster, app: str, *names: str) -> Iterator[None]:
    """PodDisruptionBudgets that allow nothing."""
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}}
    for name in names:
        document = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}}
        cluster.make({**document, "spec": spec})
        cluster.kubectl("wait", "pdb", name, "--for=jsonpath={.status.expectedPods}=1", "--timeout=20s")
    try:
        yield
    finally:
        cluster.delete("pdb", *names)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_pod_is_deleted_and_its_workload_is_available_again(cluster: Cluster, app: App, kind: str) -> None:
    pod = cluster.pods(name := app(kind))[0]["metadata"]
    planned = cluster.runner("delete_pod").dry_run({"namespace": cluster.namespace, "pod": pod["name"]})
    ended = cluster.run("delete_pod", pod=pod["name"], uid=pod["uid"])
    again = cluster.run("delete_pod", pod=pod["name"], uid=pod["uid"])

    assert (planned.status, planned.changed) == ("planned", False)
    assert (ended.exit_code, ended.output) == (0, {"uid": pod["uid"], "evicted": True}), ended
    assert [other["metadata"]["uid"] for other in cluster.pods(name)] != [pod["uid"]]
    assert again.exit_code == 3  # the name is free, or it is another pod's


def test_a_pod_that_nothing_would_make_again_is_refused(cluster: Cluster) -> None:
    cluster.make(lone_pod("alone", "sleep 100"))
    refused, missing = (cluster.run("delete_pod", pod=name) for name in ("alone", "nobody"))
    cluster.delete("pod", "alone")

    assert reason_of(refused) == (3, "NoController")
    assert message_of(missing) == f"there is no pod nobody in {cluster.namespace}."


@pytest.mark.slow
def test_an_exhausted_budget_is_named_and_only_a_broken_pod_goes_although(cluster: Cluster, app: App) -> None:
    name = app(wait=False, container=UNREADY)
    cluster.kubectl("wait", "pod", f"--selector=app={name}", "--for=jsonpath={.status.phase}=Running", "--timeout=30s")
    pod = cluster.pods(name)[0]["metadata"]
    with budgets(cluster, name, "tight"):
        refused = cluster.run("delete_pod", pod=pod["name"])
        ended = cluster.run("delete_pod", pod=pod["name"], delete_if_not_ready=True, minutes=1)

    assert reason_of(refused) == (3, "DisruptionBudget")
    assert "PodDisruptionBudget tight (minAvailable 1; 0 of 1 pods are healthy, 1 must stay so)" in message_of(refused)
    assert message_of(refused).endswith("The pod is not ready: delete_if_not_ready: true deletes it.")
    assert ended.exit_code == 4  # it was deleted, and the next one is not ready either
    assert ended.changed is True
    assert "runs and is not ready" in message_of(ended)
    assert pod["uid"] not in {other["metadata"]["uid"] for other in cluster.pods(name)}


def test_a_ready_pod_is_never_deleted_against_its_budget(cluster: Cluster, app: App) -> None:
    name = app()
    pod = cluster.pods(name)[0]["metadata"]["name"]
    with budgets(cluster, name, "one", "two"):
        both = cluster.run("delete_pod", pod=pod, delete_if_not_ready=True)
    with budgets(cluster, name, "one"):
        single = cluster.run("delete_pod", pod=pod, delete_if_not_ready=True)

    assert [reason_of(ran) for ran in (both, single)] == [(3, "DisruptionBudget")] * 2
    assert "PodDisruptionBudget one" in message_of(both)
    assert "PodDisruptionBudget two" in message_of(both)
    assert "evicts no pod that more than one budget counts" in message_of(both)


def test_failed_pods_are_cleared_away_within_limits(cluster: Cluster) -> None:
    label = uuid4().hex[:6]
    names = [f"failed-{label}-{number}" for number in range(3)]
    for name in names:
        cluster.make(lone_pod(name, "exit 1", labels={"batch": label}))
    done = f"succeeded-{label}"
    cluster.make(lone_pod(done, "exit 0", labels={"batch": label}))
    for name in names:
        cluster.kubectl("wait", "pod", name, "--for=jsonpath={.status.phase}=Failed", "--timeout=60s")
    cluster.kubectl("wait", "pod", done, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    cluster.kubectl("label", "pod", names[2], "tekton.dev/taskRun=runs")
    cluster.kubectl("label", "pod", names[1], "tekton.dev/taskRun=ended", "tekton.dev/pipelineRun=waits")
    spec = {"taskSpec": {"steps": [{"name": "a", "image": IMAGE}]}, "status": ""}
    task = {"name": "a", "taskSpec": spec["taskSpec"]}
    waits: Json = {"pipelineSpec": {"tasks": [task]}, "status": "PipelineRunPending"}
    cluster.make(
        {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"name": "runs"}, "spec": spec},
        {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "waits"}, "spec": waits},
    )
    where = {"selector": f"batch={label}", "min_age": "0s"}

    young = cluster.run("delete_finished_pods", {**where, "min_age": "1h"})
    many = cluster.run("delete_finished_pods", where, max_pods=1, include_succeeded=True)
    assert reason_of(young) == (3, "NothingSelected")
    assert "that finished 1h ago or more; nothing is done." in message_of(young)
    assert reason_of(many) == (3, "LimitReached")
    assert "are more than max_pods 1" in message_of(many)

    cluster.kubectl("patch", "taskrun", "runs", "--type=merge", '--patch={"spec": {"status": ""}}')
    ended = cluster.run("delete_finished_pods", where)
    left = set(cluster.kubectl("get", "pods", f"--selector=batch={label}", "--output=name").split())
    cluster.delete("pipelinerun", "waits")
    cluster.kubectl("wait", "pipelinerun", "waits", "--for=delete", "--timeout=20s")
    after = cluster.run("delete_finished_pods", where)
    cluster.delete("taskrun", "runs")

    assert ended.exit_code == after.exit_code == 0, (ended, after)
    assert {f"pod/{done}", f"pod/{names[1]}"} <= left
    assert f"pod/{names[0]}" not in left
    assert f"pod/{names[1]}" not in cluster.kubectl("get", "pods", "--output=name").split()


def test_a_pod_in_quarantine_gets_no_traffic_and_is_replaced(cluster: Cluster, app: App) -> None:
    name = app(replicas=2)
    cluster.make(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
        }
    )
    pod = cluster.pods(name)[0]["metadata"]
    ended, again = (cluster.run("quarantine_pod", pod=pod["name"]) for _ in range(2))
    kept = cluster.get("pod", pod["name"])["metadata"]

    assert (ended.exit_code, again.status) == (0, "unchanged"), ended
    assert (kept["uid"], "app" in kept["labels"]) == (pod["uid"], False)
    assert "ownerReferences" not in kept
    assert kept["labels"]["kubernaut.io/quarantined"] == str(ended.record_id)
    assert len(cluster.pods(name)) == 2

    undone = cluster.undo(ended, "quarantine_pod", pod=pod["name"])
    assert undone.exit_code == 0, undone
    cluster.kubectl("delete", "service", name)


def test_who_must_not_be_put_into_quarantine(cluster: Cluster, app: App) -> None:
    single, stateful = app(), app("StatefulSet")
    shared = app(replicas=2)
    unready = app(replicas=2, wait=False, container=UNREADY)
    cluster.kubectl("wait", "deployment", unready, "--for=jsonpath={.status.replicas}=2", "--timeout=30s")
    spec = {"podSelector": {"matchLabels": {"app": shared}}, "policyTypes": ["Ingress"]}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": shared}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": shared}}
    cluster.make({**policy, "spec": spec}, {**service, "spec": {"selector": {"app": shared}, "ports": [{"port": 80}]}})
    refused = {
        name: cluster.run("quarantine_pod", pod=cluster.pods(name)[0]["metadata"]["name"])
        for name in (single, stateful, shared, unready)
    }
    cluster.kubectl("delete", "service,networkpolicy", shared)

    assert reason_of(refused[single]) == (3, "LimitReached")
    assert "has 1 replicas, fewer than min_replicas 2; scale it up first" in message_of(refused[single])
    assert reason_of(refused[unready]) == (3, "LimitReached")
    assert "0 pods of ReplicaSet" in message_of(refused[unready])
    assert "would be available, fewer than min_replicas 2 less this one" in message_of(refused[unready])
    assert reason_of(refused[stateful]) == (3, "NoReplicaSet")
    assert reason_of(refused[shared]) == (3, "SharedLabels")
    assert f"would fall out of NetworkPolicy {shared} as well" in message_of(refused[shared])
