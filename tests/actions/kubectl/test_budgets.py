"""Relaxing a PodDisruptionBudget and restoring it, on the real API server."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kubectl_cluster import Cluster, Json, message_of, reason_of

from kubernaut_kubectl.disruption.relax import healthy_needed, relax_fault
from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.catalog import find
from kubernaut_sdk.models import parse_inputs

App = Callable[..., str]
LIMITS: Json = {"min_available": None, "max_unavailable": None}


@pytest.mark.parametrize(
    ("limit", "expected", "needed"),
    [
        ({"min_available": "2"}, 3, 2),
        ({"min_available": "50%"}, 3, 2),
        ({"min_available": "100%"}, 3, 3),
        ({"max_unavailable": "1"}, 3, 2),
        ({"max_unavailable": "30%"}, 4, 2),
        ({"max_unavailable": "5"}, 3, 0),
        ({}, 3, 0),
    ],
)
def test_percentages_are_counted_as_kubernetes_does(limit: Json, expected: int, needed: int) -> None:
    assert healthy_needed({**LIMITS, **limit}, expected) == needed


@pytest.mark.parametrize(
    ("status", "after", "text"),
    [
        ({"expectedPods": 0}, {"min_available": "0"}, "counts no pod"),
        ({"expectedPods": 3, "currentHealthy": 3}, {"min_available": "2"}, "would not be looser"),
        ({"expectedPods": 3, "currentHealthy": 3}, {"min_available": "0"}, "keep one, or set allow_zero: true"),
        ({"expectedPods": 3, "currentHealthy": 1}, {"min_available": "1"}, "would still allow no eviction: 1 healthy"),
        ({"expectedPods": 3, "currentHealthy": 2}, {"max_unavailable": "2"}, None),
    ],
)
def test_limits_that_would_not_help_or_go_too_far(status: Json, after: Json, text: str | None) -> None:
    budget = {"metadata": {"name": "web"}, "spec": {"minAvailable": 2}, "status": status}
    fault = relax_fault(budget, {**LIMITS, **after}, allow_zero=False)
    assert fault is None if text is None else text in (fault or "")


@pytest.mark.parametrize("inputs", [{}, {"min_available": "1", "max_unavailable": "1"}, {"min_available": "a"}])
def test_one_limit_is_named(inputs: Json) -> None:
    action = find("kubernetes/relax_pdb")
    assert action is not None
    with pytest.raises(InvalidInputs):
        parse_inputs(action.inputs_model, {"namespace": "a", "pdb": "b", **inputs})


@contextmanager
def budget(cluster: Cluster, app: str, **spec: Any) -> Iterator[str]:
    """A PodDisruptionBudget of an app of one pod."""
    document = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": app}}
    cluster.make({**document, "spec": {"selector": {"matchLabels": {"app": app}}, **spec}})
    cluster.kubectl("wait", "pdb", app, "--for=jsonpath={.status.currentHealthy}=1", "--timeout=30s")
    try:
        yield app
    finally:
        cluster.delete("pdb", app)


@pytest.mark.cluster
class TestRelax:
    """Relaxing and restoring."""

    def test_it_is_applied_repeated_restored_and_undone(self, cluster: Cluster, app: App) -> None:
        with budget(cluster, app(), minAvailable=1) as name:
            zero: Json = {"pdb": name, "min_available": "0", "allow_zero": True}
            first, again = (cluster.run("relax_pdb", zero) for _ in range(2))
            relaxed = cluster.get("pdb", name)
            other = cluster.run("relax_pdb", pdb=name, max_unavailable="1")
            restored, nothing = (cluster.run("restore_pdb", pdb=name) for _ in range(2))
            after = cluster.get("pdb", name)
            second = cluster.run("relax_pdb", pdb=name, max_unavailable="100%", allow_zero=True)
            undone = cluster.undo(second, "relax_pdb", pdb=name, max_unavailable="100%", allow_zero=True)
            last = cluster.get("pdb", name)

        assert [ran.status for ran in (first, again)] == ["succeeded", "unchanged"], first
        assert relaxed["spec"]["minAvailable"] == 0
        assert relaxed["status"]["disruptionsAllowed"] == 1
        mark = json.loads(relaxed["metadata"]["annotations"]["kubernaut.io/relaxed-from"])
        assert mark == {"min_available": "1", "record": str(first.record_id)}
        assert reason_of(other) == (3, "AlreadyRelaxed")
        assert str(first.record_id) in message_of(other)
        assert [ran.status for ran in (restored, nothing)] == ["succeeded", "unchanged"], restored
        assert (second.exit_code, undone.exit_code) == (0, 0), second
        for found in (after, last):
            assert found["spec"]["minAvailable"] == 1
            assert "maxUnavailable" not in found["spec"]
            assert "kubernaut.io/relaxed-from" not in found["metadata"].get("annotations", {})

    def test_what_is_refused(self, cluster: Cluster, app: App) -> None:
        with budget(cluster, app(), minAvailable=1) as name:
            last = cluster.run("relax_pdb", pdb=name, min_available="0")
            same = cluster.run("relax_pdb", pdb=name, min_available="100%")
            owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "controller": True}
            owner["uid"] = cluster.get("configmap", "kube-root-ca.crt")["metadata"]["uid"]
            cluster.patch("pdb", name, {"op": "add", "path": "/metadata/ownerReferences", "value": [owner]})
            owned = cluster.run("relax_pdb", pdb=name, min_available="0", allow_zero=True)
            missing = cluster.run("relax_pdb", pdb="nobody", min_available="0")

        assert reason_of(last) == reason_of(same) == (3, "LimitReached")
        assert "what" in message_of(last)
        assert "would not be looser" in message_of(same)
        assert reason_of(owned) == (3, "Owned")
        assert missing.exit_code == 3

    def test_limits_that_somebody_sets_back_meanwhile_are_told(self, cluster: Cluster, app: App) -> None:
        with budget(cluster, app(), minAvailable=1) as name:
            back = {"op": "replace", "path": "/spec/minAvailable", "value": 1}
            ended = cluster.run_with(
                "relax_pdb",
                lambda argv: argv[1] == "get",
                2,
                lambda: cluster.patch("pdb", name, back),
                pdb=name,
                min_available="0",
                allow_zero=True,
            )
        assert reason_of(ended) == (4, "TakenBack")

    @pytest.mark.slow
    def test_pods_that_are_lost_meanwhile_keep_it_from_allowing_anything(self, cluster: Cluster, app: App) -> None:
        with budget(cluster, app(replicas=1), maxUnavailable=0) as name:
            ended = cluster.run_with(
                "relax_pdb",
                lambda argv: argv[1] == "patch",
                1,
                lambda: cluster.kubectl("scale", f"deployment/{name}", "--replicas=0"),
                pdb=name,
                max_unavailable="1",
                allow_zero=True,
                minutes=1,
            )
        assert ended.exit_code in {0, 4}  # the budget may have been recounted before the pod was gone
        if ended.exit_code:
            assert "allows no disruption yet." in message_of(ended)
