"""Workloads with a pod on a node whose machine has died, on the real API server."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from kubectl_cluster import Cluster, Json, message_of, reason_of, workload
from node_standin import StandInNode

pytestmark = pytest.mark.cluster


@pytest.fixture
def machines(cluster: Cluster) -> Iterator[tuple[StandInNode, StandInNode]]:
    """Two played nodes; a test may let either die."""
    made = tuple(StandInNode(cluster.proxy.upstream.geturl()) for _ in range(2))
    for machine in made:
        machine.start()
    yield made[0], made[1]
    for machine in made:
        machine.stop()
    for machine in made:
        for pod in machine.pods():  # nothing would end it
            cluster.kubectl("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0")


def daemon_set(cluster: Cluster, machines: tuple[StandInNode, ...], **rolling: int) -> str:
    """Make a DaemonSet on the played nodes, whose pods take a while to end, and wait until it is ready."""
    name = f"agent-{uuid4().hex[:6]}"
    document = workload("DaemonSet", name, updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    names = [machine.name for machine in machines]
    term: Json = {"matchExpressions": [{"key": "kubernaut.io/test", "operator": "In", "values": names}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    document["spec"]["template"]["spec"] |= {
        "affinity": {"nodeAffinity": required},
        "tolerations": [{"operator": "Exists"}],  # as agents have it; without, a dead node does not count at all
        "terminationGracePeriodSeconds": 30,
    }
    cluster.make(document)
    cluster.ready("DaemonSet", name)
    return name


def kill(cluster: Cluster, machine: StandInNode, daemonset: str) -> None:
    """Let a machine die, and wait until the DaemonSet has noticed."""
    machine.die()
    unavailable = "--for=jsonpath={.status.numberUnavailable}=1"
    cluster.kubectl("wait", "daemonset", daemonset, unavailable, "--timeout=20s")


def test_a_daemon_sets_pod_that_a_dead_node_never_ends_is_not_waited_for(
    cluster: Cluster, machines: tuple[StandInNode, StandInNode]
) -> None:
    alive, dead = machines
    name = daemon_set(cluster, machines, maxUnavailable=2)
    kill(cluster, dead, name)
    ended = cluster.run("restart_daemonset", daemonset=name, retries=3, minutes=2)
    (left,) = dead.pods()

    assert ended.exit_code == 0, ended
    assert ended.output is not None
    assert ended.output["note"] == f"not counted: the pods on {dead.name}, because these nodes are not ready."
    assert "deletionTimestamp" in left["metadata"]
    assert [pod["metadata"]["annotations"] for pod in alive.pods()] == [
        {"kubernaut.io/restarted-by": str(ended.record_id)}
    ]


def test_a_dead_node_that_uses_up_what_may_be_unavailable_is_refused_by_its_name(
    cluster: Cluster, machines: tuple[StandInNode, StandInNode]
) -> None:
    name = daemon_set(cluster, machines, maxUnavailable=1)
    kill(cluster, machines[1], name)
    refused = cluster.run("restart_daemonset", daemonset=name, retries=3)

    assert reason_of(refused) == (3, "NodesNotReady")
    assert f"nodes that are not ready ({machines[1].name}) use up maxUnavailable 1" in message_of(refused)


@pytest.mark.slow
def test_a_pod_that_a_dead_node_never_ends_is_told_with_its_node(
    cluster: Cluster, machines: tuple[StandInNode, StandInNode]
) -> None:
    name = daemon_set(cluster, machines, maxUnavailable=1)
    kill(cluster, machines[1], name)
    (pod,) = machines[1].pods()
    ended = cluster.run("delete_pod", pod=pod["metadata"]["name"], minutes=2)

    assert (ended.exit_code, ended.changed) == (4, True)
    assert f"its node {machines[1].name} is not ready, and only its kubelet can end it" in message_of(ended)
    assert "(kubernetes/delete_node)" in message_of(ended)
