"""Cordons and taints, on the real API server, of Node objects without a machine."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from kubectl_cluster import Cluster, Json, message_of, reason_of

from kubernaut_kubectl.nodes.capacity import schedulable_fault
from kubernaut_kubectl.nodes.cordoning import Cordon, cordon_of
from kubernaut_kubectl.nodes.delete import not_ready_since
from kubernaut_kubectl.nodes.tainting import NodeTaint, is_reserved, marks_of, tolerates
from kubernaut_sdk.times import rfc3339, utcnow

KEY = "example.com/disk-trouble"


def node_of(name: str, *, ready: bool = True, cordoned: bool = False) -> Json:
    """A node, as it is read."""
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    spec = {"unschedulable": True} if cordoned else {}
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": conditions}}


def make_ready(cluster: Cluster, name: str, status: str = "True", minutes: int = 0) -> None:
    """Let a Node object say that it is ready, as its kubelet would; Kubernetes believes it for 40 s.

    Args:
        cluster: The cluster.
        name: The node.
        status: `True`; or `False` or `Unknown`, for a node that is not.
        minutes: For how long it has been so.
    """
    since = rfc3339(utcnow() - timedelta(minutes=minutes))
    ready = {"type": "Ready", "status": status, "reason": "Played", "lastTransitionTime": since}
    patch = json.dumps({"status": {"conditions": [ready]}})
    cluster.kubectl("patch", "node", name, "--subresource=status", "--type=merge", f"--patch={patch}")


@pytest.mark.parametrize(
    ("nodes", "share", "expected"),
    [
        ([node_of("a"), node_of("b")], 0.5, None),
        ([node_of("a"), node_of("b")], 0.6, "without a, 1 of 2 nodes are ready and schedulable, less than"),
        ([node_of("a"), node_of("b", ready=False)], 0.5, "without a, 0 of 2 nodes"),
        ([node_of("a"), node_of("b", cordoned=True), node_of("c")], 0.5, "without a, 1 of 3 nodes"),
        ([node_of("a")], 0.0, None),
        ([node_of("a", ready=False), node_of("b")], 1.0, None),
    ],
)
def test_a_share_of_the_nodes_stays_schedulable(nodes: list[Json], share: float, expected: str | None) -> None:
    fault = schedulable_fault(nodes[0], nodes, share)
    assert fault is None if expected is None else (fault or "").startswith(expected)


@pytest.mark.parametrize(
    ("key", "reserved"),
    [
        ("node.kubernetes.io/not-ready", True),
        ("node-role.kubernetes.io/control-plane", True),
        ("kubernetes.io/x", True),
        ("karpenter.sh/disrupted", True),
        ("ToBeDeletedByClusterAutoscaler", True),
        ("example.com/kubernetes.io", False),
        ("notkubernetes.io/x", False),
        ("dedicated", False),
    ],
)
def test_taints_of_kubernetes_and_of_autoscalers_are_known(key: str, reserved: bool) -> None:
    assert is_reserved(key) is reserved


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "key": "a", "effect": "NoExecute"}, True),
        ({"operator": "Exists", "key": "a", "effect": "NoSchedule"}, False),
        ({"operator": "Exists", "key": "a", "tolerationSeconds": 300}, False),
        ({"key": "a", "value": "1"}, True),
        ({"key": "a", "operator": "Equal", "value": "2"}, False),
        ({"key": "b", "value": "1"}, False),
    ],
)
def test_a_toleration_for_ever_keeps_a_pod(toleration: Json, expected: bool) -> None:
    assert tolerates({"spec": {"tolerations": [toleration]}}, NodeTaint("a", "NoExecute", "1")) is expected


@pytest.mark.parametrize("text", ["", "x", "[]", '{"a": 1}', "null"])
def test_a_mark_that_is_none_is_passed_over(text: str) -> None:
    assert marks_of({"metadata": {"annotations": {"kubernaut.io/tainted-by": text}}}) == {}


@pytest.mark.parametrize(
    ("manager", "ours"),
    [("kubernaut", True), ("kubectl-cordon", False), (None, True)],
    ids=["ours", "theirs", "unknown"],
)
def test_a_mark_counts_only_while_the_cordon_is_still_ours(manager: str | None, ours: bool) -> None:
    node = node_of("a", cordoned=True)
    node["metadata"]["annotations"] = {"kubernaut.io/cordoned-by": "r"}
    if manager is not None:
        written = {"manager": manager, "fieldsV1": {"f:spec": {"f:unschedulable": {}}}}
        node["metadata"]["managedFields"] = [written]

    assert cordon_of(node) == Cordon(True, "r" if ours else None)


@pytest.mark.cluster
class TestCordon:
    """Cordon and uncordon."""

    def test_it_is_applied_repeated_and_undone(self, cluster: Cluster, node: str) -> None:
        first, again = (cluster.run("cordon_node", node=node) for _ in range(2))
        marks = cluster.get("node", node)["metadata"]["annotations"]
        undone = cluster.undo(first, "cordon_node", node=node)
        after = cluster.get("node", node)

        assert (first.status, again.status, undone.exit_code) == ("succeeded", "unchanged", 0), first
        assert marks["kubernaut.io/cordoned-by"] == str(first.record_id)
        assert "kubernaut.io/cordoned-by" not in after["metadata"].get("annotations", {})
        assert "unschedulable" not in after["spec"]

    def test_only_our_own_cordon_is_lifted_unless_asked(self, cluster: Cluster, node: str) -> None:
        cluster.kubectl("cordon", node)
        refused = cluster.run("uncordon_node", node=node)
        lifted = cluster.run("uncordon_node", node=node, even_if_not_ours=True)
        nothing = cluster.run("uncordon_node", node=node)
        ours = cluster.run("cordon_node", node=node)
        ended = cluster.run("uncordon_node", node=node)
        back = cluster.undo(ended, "uncordon_node", node=node)

        assert reason_of(refused) == (3, "NotOurs")
        assert re.search(f"{node} was cordoned by (kubectl|somebody else)", message_of(refused))
        assert [ran.status for ran in (lifted, nothing, ended)] == ["succeeded", "unchanged", "succeeded"]
        assert back.exit_code == 0
        marks = cluster.get("node", node)["metadata"]["annotations"]
        assert marks["kubernaut.io/cordoned-by"] == str(ours.record_id)

    def test_a_cordon_that_somebody_set_anew_is_not_ours_any_more(self, cluster: Cluster, node: str) -> None:
        if "managedFields" not in cluster.kubectl("get", "node", node, "--output=json", "--show-managed-fields"):
            pytest.skip("this API server keeps no managedFields of nodes")
        ours = cluster.run("cordon_node", node=node)
        cluster.kubectl("uncordon", node)
        cluster.kubectl("cordon", node)  # the annotation stands still

        assert reason_of(cluster.undo(ours, "cordon_node", node=node)) == (3, "PreconditionFailed")
        assert reason_of(cluster.run("uncordon_node", node=node)) == (3, "NotOurs")
        assert cluster.get("node", node)["spec"]["unschedulable"] is True

    def test_too_few_schedulable_nodes_are_refused(self, cluster: Cluster, node: str) -> None:
        make_ready(cluster, node)
        refused = cluster.run("cordon_node", node=node, min_schedulable=1.0)
        cordoned = cluster.run("cordon_node", node=node, min_schedulable=0.0)

        assert reason_of(refused) == (3, "LimitReached")
        assert "less than min_schedulable 1" in message_of(refused)
        assert cordoned.exit_code == 0

    @pytest.mark.parametrize("action", ["cordon_node", "uncordon_node", "taint_node", "untaint_node"])
    def test_a_node_that_is_not_there_is_refused(self, cluster: Cluster, action: str) -> None:
        more: dict[str, Any] = {"key": KEY} if "taint" in action else {}
        assert reason_of(cluster.run(action, node="nobody", **more)) == (3, "NotFound")

    def test_a_cordon_that_is_lifted_at_once_is_told(self, cluster: Cluster, node: str) -> None:
        def is_cordoned(argv: list[str]) -> bool:
            return argv[1] == "get" and cluster.get("node", node)["spec"].get("unschedulable", False)

        ended = cluster.run_with("cordon_node", is_cordoned, 1, lambda: cluster.kubectl("uncordon", node), node=node)
        assert reason_of(ended) == (4, "TakenBack")
        assert "unschedulable of" in message_of(ended)
        assert re.search("and then by (kubectl|somebody else) to False", message_of(ended))


@pytest.mark.cluster
class TestTaint:
    """Taint and untaint."""

    def test_it_is_applied_repeated_and_undone(self, cluster: Cluster, node: str) -> None:
        first, again = (cluster.run("taint_node", node=node, key=KEY, value="true") for _ in range(2))
        other = cluster.run("taint_node", node=node, key=KEY, value="very")
        taints = cluster.get("node", node)["spec"]["taints"]
        stale = cluster.undo(first, "taint_node", node=node, key=KEY, value="true")
        undone = [cluster.undo(ran, "taint_node", node=node, key=KEY) for ran in (other, first)]

        assert [ran.status for ran in (first, again, other)] == ["succeeded", "unchanged", "succeeded"], first
        assert {"key": KEY, "value": "very", "effect": "NoSchedule"} in taints
        assert reason_of(stale) == (3, "PreconditionFailed")
        assert [ran.exit_code for ran in undone] == [0, 0]
        after = cluster.get("node", node)
        assert KEY not in str(after["spec"].get("taints", []))
        assert "kubernaut.io/tainted-by" not in after["metadata"].get("annotations", {})

    def test_only_our_own_taint_is_lifted_unless_asked(self, cluster: Cluster, node: str) -> None:
        cluster.kubectl("taint", "node", node, f"{KEY}=x:NoSchedule")
        refused = cluster.run("untaint_node", node=node, key=KEY)
        lifted = cluster.run("untaint_node", node=node, key=KEY, even_if_not_ours=True)
        nothing = cluster.run("untaint_node", node=node, key=KEY)
        cluster.run("taint_node", node=node, key=KEY)
        ended = cluster.run("untaint_node", node=node, key=KEY)

        assert reason_of(refused) == (3, "NotOurs")
        assert re.search(
            f"the taint {KEY}:NoSchedule of {node} was set by (kubectl|somebody else)", message_of(refused)
        )
        assert [ran.status for ran in (lifted, nothing, ended)] == ["succeeded", "unchanged", "succeeded"]

    def test_pods_that_it_would_delete_are_counted(self, cluster: Cluster, node: str) -> None:
        container = {"name": "app", "image": "none.invalid/app:1"}
        spec = {"containers": [container], "nodeName": node, "terminationGracePeriodSeconds": 0}
        cluster.make({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"on-{node}"}, "spec": spec})
        refused = cluster.run("taint_node", node=node, key=KEY, effect="NoExecute")
        ended = cluster.run("taint_node", node=node, key=KEY, effect="NoExecute", max_pods=1)
        cluster.delete("pod", f"on-{node}")

        assert reason_of(refused) == (3, "LimitReached")
        assert "1 pods on" in message_of(refused)
        assert "are more than max_pods 0" in message_of(refused)
        assert ended.exit_code == 0

    @pytest.mark.parametrize("action", ["taint_node", "untaint_node"])
    def test_taints_of_kubernetes_are_not_touched(self, cluster: Cluster, node: str, action: str) -> None:
        assert reason_of(cluster.run(action, node=node, key="node.kubernetes.io/not-ready")) == (3, "Guarded")

    def test_too_few_schedulable_nodes_are_refused(self, cluster: Cluster, node: str) -> None:
        make_ready(cluster, node)
        assert reason_of(cluster.run("taint_node", node=node, key=KEY, min_schedulable=1.0)) == (3, "LimitReached")
        soft = cluster.run("taint_node", node=node, key=KEY, effect="PreferNoSchedule", min_schedulable=1.0)
        assert soft.exit_code == 0


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], "2026-01-01T00:00:00Z"),
        ([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T00:00:00Z"}], None),
        (
            [{"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-02T00:00:00Z"}],
            "2026-01-02T00:00:00Z",
        ),
    ],
)
def test_since_when_a_node_is_not_ready(conditions: list[Json], expected: str | None) -> None:
    node = {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "status": {"conditions": conditions}}
    assert not_ready_since(node) == (datetime.fromisoformat(expected) if expected else None)


@pytest.mark.cluster
class TestDeleteNode:
    """Deleting the Node of a machine that is gone."""

    def test_only_one_that_is_long_dead_and_known_to_be_gone(
        self, cluster: Cluster, node: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fresh = cluster.run("delete_node", node=node, instance_gone=True)
        make_ready(cluster, node)
        ready = cluster.run("delete_node", node=node, instance_gone=True)
        make_ready(cluster, node, "False", minutes=11)
        cluster.patch("node", node, {"op": "add", "path": "/spec/providerID", "value": "aws:///a/i-1"})
        unknown = cluster.run("delete_node", node=node)
        longer = cluster.run("delete_node", node=node, instance_gone=True, min_age="1h")
        monkeypatch.setenv("NODE_NAME", node)
        own = cluster.run("delete_node", node=node, instance_gone=True)
        monkeypatch.delenv("NODE_NAME")
        ended = cluster.run("delete_node", node=node, instance_gone=True)
        again = cluster.run("delete_node", node=node, instance_gone=True)

        assert [reason_of(ran) for ran in (fresh, ready, longer)] == [(3, "Alive")] * 3
        assert f"{node} is ready; a node is deleted only after 10 minutes" in message_of(ready)
        assert "only after 60 minutes" in message_of(longer)
        assert reason_of(unknown) == (3, "InstanceUnknown")
        assert "its machine aws:///a/i-1 is gone" in message_of(unknown)
        assert reason_of(own) == (3, "OwnNode")
        assert ended.exit_code == 0, ended
        assert message_of(again) == f"there is no node {node}."

    def test_one_that_comes_back_or_to_life_is_told(self, cluster: Cluster, node: str) -> None:
        def gone(argv: list[str]) -> bool:
            only = f"--field-selector=metadata.name={node}"
            return argv[1] == "get" and cluster.kubectl("get", "nodes", only, "--output=name") == ""

        def back() -> None:
            cluster.make({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})

        make_ready(cluster, node, "False", minutes=11)
        alive = cluster.run_with(
            "delete_node",
            lambda argv: argv[1] == "delete",
            1,
            lambda: make_ready(cluster, node),
            node=node,
            instance_gone=True,
        )
        make_ready(cluster, node, "False", minutes=11)
        returned = cluster.run_with("delete_node", gone, 1, back, node=node, instance_gone=True, retries=5)

        assert reason_of(alive) == (75, "Conflict"), alive
        assert reason_of(returned) == (4, "CameBack"), returned
        assert f"node {node} has registered again: its machine is alive" in message_of(returned)
