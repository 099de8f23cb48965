"""ConfigMaps, autoscalers, fields of any object, and waiting, on the real API server."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from kubectl_cluster import Cluster, Json, message_of, reason_of

pytestmark = pytest.mark.cluster
App = Callable[..., str]


def config_map(name: str, data: Json, **more: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data, **more}


def test_a_key_is_set_repeated_and_undone_and_who_needs_a_restart_is_named(cluster: Cluster, app: App) -> None:
    settings = f"settings-{uuid4().hex[:6]}"
    cluster.make(config_map(settings, {"LEVEL": "debug"}))
    reader = app(wait=False, container={"envFrom": [{"configMapRef": {"name": settings}}]})
    app(wait=False)
    where = {"configmap": settings, "key": "LEVEL", "value": "info"}
    first, again = (cluster.run("patch_configmap", where) for _ in range(2))
    added = cluster.run("patch_configmap", configmap=settings, key="new", value="x" * 5000)

    assert (first.exit_code, first.status, again.status) == (0, "succeeded", "unchanged"), first
    assert first.output is not None
    assert first.output["restart_needed"] == [f"Deployment {cluster.namespace}/{reader} (env)"]
    assert added.exit_code == 0
    assert cluster.undo(added, "patch_configmap", configmap=settings, key="new", value="x" * 5000).exit_code == 0
    assert cluster.undo(first, "patch_configmap", where).exit_code == 0
    assert cluster.get("configmap", settings)["data"] == {"LEVEL": "debug"}
    cluster.patch("configmap", settings, {"op": "replace", "path": "/data/LEVEL", "value": "warn"})
    assert cluster.undo(first, "patch_configmap", where).exit_code == 3  # it is somebody's newer value by now


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"immutable": True}, "Immutable"), ({"binaryData": {"key": "AA=="}}, "Binary")],
)
def test_a_key_that_cannot_be_set_is_refused(cluster: Cluster, more: Json, reason: str) -> None:
    name = f"fixed-{uuid4().hex[:6]}"
    cluster.make(config_map(name, {"other": "1"}, **more))

    assert reason_of(cluster.run("patch_configmap", configmap=name, key="key", value="2")) == (3, reason)


def test_an_empty_config_map_gets_its_first_key(cluster: Cluster) -> None:
    name = f"empty-{uuid4().hex[:6]}"
    cluster.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})

    assert cluster.run("patch_configmap", configmap=name, key="a", value="1").exit_code == 0
    assert cluster.get("configmap", name)["data"] == {"a": "1"}


def test_a_value_may_have_signs_beyond_the_basic_plane(cluster: Cluster) -> None:
    name, value = f"signs-{uuid4().hex[:6]}", "naïve – 日本語 🚀 $$ \\u0041"
    cluster.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})

    # kubectl reads a patch as YAML, which refuses JSON's pairs of escapes
    assert cluster.run("patch_configmap", configmap=name, key="a", value=value).exit_code == 0
    assert cluster.get("configmap", name)["data"] == {"a": value}


@pytest.mark.parametrize(("key", "value"), [("a", "日" * 8192), ("..", "x"), ("..a", "x"), (".", "x"), ("a b", "x")])
def test_a_key_or_value_that_no_config_map_takes_is_refused(cluster: Cluster, key: str, value: str) -> None:
    assert reason_of(cluster.run("patch_configmap", configmap="any", key=key, value=value)) == (2, "InvalidInputs")


def hpa(name: str, target: str, low: int, high: int, **metadata: Any) -> Json:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, **metadata},
        "spec": {"scaleTargetRef": reference, "minReplicas": low, "maxReplicas": high},
    }


def test_an_autoscalers_maximum_is_set_repeated_and_undone(cluster: Cluster) -> None:
    name = f"hpa-{uuid4().hex[:6]}"
    cluster.make(hpa(name, "nothing", 1, 4))
    first, again = (cluster.run("update_hpa", hpa=name, max_replicas=8) for _ in range(2))

    assert (first.exit_code, first.status, again.status) == (0, "succeeded", "unchanged"), first
    assert first.output is not None
    assert (first.output["min_replicas"], first.output["max_replicas"]) == (1, 8)
    refused = cluster.run("update_hpa", hpa=name, max_replicas=17)
    assert reason_of(refused) == (3, "LimitReached")
    assert "from 8 to 17 is a factor of 2.12, more than max_factor 2" in message_of(refused)
    assert reason_of(cluster.run("update_hpa", hpa=name, min_replicas=9)) == (3, "MinimumAboveMaximum")
    assert "minReplicas of" in message_of(cluster.run("update_hpa", hpa=name, min_replicas=3))
    assert "from 1 to 3 is a factor of 3, more than" in message_of(cluster.run("update_hpa", hpa=name, min_replicas=3))
    assert cluster.undo(first, "update_hpa", hpa=name, max_replicas=8).exit_code == 0
    assert cluster.get("hpa", name)["spec"]["maxReplicas"] == 4


def test_an_autoscaler_that_keda_made_is_refused(cluster: Cluster) -> None:
    name = f"hpa-{uuid4().hex[:6]}"
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "queue", "uid": str(uuid4())}
    cluster.make(hpa(name, "nothing", 1, 4, ownerReferences=[{**owner, "controller": True}]))
    refused = cluster.run("update_hpa", hpa=name, max_replicas=8)

    # the garbage collector deletes it soon, since its owner was never there
    assert reason_of(refused) in {(3, "Owned"), (3, "NotFound")}
    if reason_of(refused) == (3, "Owned"):
        assert "belongs to KEDA's ScaledObject queue" in message_of(refused)
        assert "change its minReplicaCount and maxReplicaCount" in message_of(refused)


def test_a_field_is_set_repeated_and_undone(cluster: Cluster) -> None:
    name = f"budget-{uuid4().hex[:6]}"
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}}
    cluster.make({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec})
    where = {"kind": "poddisruptionbudget.policy", "name": name, "pointer": "/spec/minAvailable", "value": 2}
    first, again = (cluster.run("set_field", where) for _ in range(2))
    note = {**where, "pointer": "/metadata/labels/team", "value": "shop"}

    assert (first.exit_code, first.status, again.status) == (0, "succeeded", "unchanged"), first
    assert first.output == {"value_before": 1}
    assert cluster.undo(first, "set_field", where).exit_code == 0
    assert cluster.get("pdb", name)["spec"]["minAvailable"] == 1
    assert reason_of(cluster.run("set_field", note)) == (3, "NotFound")  # it has no labels yet


def test_a_field_within_a_list_that_its_owner_writes_as_a_whole_is_refused(cluster: Cluster) -> None:
    name = f"ingress-{uuid4().hex[:6]}"
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    rule = {"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    document = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}}
    apply = ["apply", "--server-side", "--field-manager=argocd-controller", "-f", "-"]
    cluster.kubectl(*apply, stdin={**document, "spec": {"rules": [rule]}})
    where = {"kind": "ingress.networking.k8s.io", "name": name, "pointer": "/spec/rules/0/host", "value": "a.test"}
    refused = cluster.run("set_field", where)
    cluster.delete("ingress", name)

    assert reason_of(refused) == (3, "Owned")
    assert "belongs to Argo CD, which would take the change back" in message_of(refused)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({"kind": "secret", "name": "a", "pointer": "/data/key", "value": "eA=="}, "Guarded"),
        ({"kind": "Secrets.v1.", "name": "a", "pointer": "/data/key", "value": "eA=="}, None),
        ({"kind": "role.rbac.authorization.k8s.io", "name": "a", "pointer": "/rules/0", "value": {}}, "Guarded"),
        ({"kind": "clusterroles", "name": "a", "pointer": "/rules/0", "value": {}}, "Guarded"),
        ({"kind": "crd", "name": "a", "pointer": "/spec/scope", "value": "x"}, "Guarded"),
        ({"kind": "validatingwebhookconfiguration", "name": "a", "pointer": "/webhooks/0", "value": 1}, "Guarded"),
        ({"kind": "deployment", "name": "a", "pointer": "/status/replicas", "value": 1}, "Guarded"),
        ({"kind": "deployment", "name": "a", "pointer": "/metadata/finalizers/0", "value": "x"}, "Guarded"),
        ({"kind": "deployment", "name": "a", "pointer": "/metadata/ownerReferences/0", "value": {}}, "Guarded"),
        ({"kind": "deployment", "name": "a", "pointer": "/spec", "value": {}}, "Guarded"),
        ({"kind": "deployment", "name": "a", "pointer": "/spec/replicas", "value": 1}, "NotFound"),
        ({"kind": "nosuchkind", "name": "a", "pointer": "/spec/replicas", "value": 1}, "NoSuchKind"),
    ],
)
def test_what_no_action_may_set(cluster: Cluster, where: Json, reason: str | None) -> None:
    refused = cluster.run("set_field", where)

    assert reason_of(refused) == ((3, reason) if reason else (2, "InvalidInputs"))


def test_a_field_that_the_api_server_refuses_or_drops_is_refused_before_anything_is_written(
    cluster: Cluster, app: App
) -> None:
    where = {"kind": "deployment.apps", "name": app(wait=False)}
    wrong = cluster.run("set_field", {**where, "pointer": "/spec/replicas", "value": "many"})
    dropped = cluster.run("set_field", {**where, "pointer": "/spec/replikas", "value": 2})
    beyond = cluster.run("set_field", {**where, "pointer": "/spec/nothing/here", "value": 2})

    assert [ran.exit_code for ran in (wrong, dropped, beyond)] == [3, 3, 3]
    assert [ran.changed for ran in (wrong, dropped, beyond)] == [False] * 3
    assert "no such field" in message_of(dropped)
    assert "has no /spec/nothing; the field's parent must exist." in message_of(beyond)


@pytest.mark.slow
def test_a_condition_and_a_value_are_waited_for(cluster: Cluster, app: App) -> None:
    where: Json = {"kind": "deployment.apps", "name": app()}
    reached = [
        cluster.run("wait_for", {**where, **goal})
        for goal in list[Json](
            [
                {"condition": "Available"},
                {"pointer": "/status/readyReplicas", "value": 1, "hold": "10s"},
                {"kind": "pod", "name": "nobody", "absent": True},
            ]
        )
    ]
    goals: dict[str, Json] = {
        "condition": {"condition": "Available", "status": "False"},
        "no condition": {"condition": "Nice"},
        "value": {"pointer": "/status/readyReplicas", "value": 2},
        "there": {"absent": True},
    }
    missed = {name: cluster.run("wait_for", {**where, **goal}, minutes=1) for name, goal in goals.items()}

    assert [(ran.exit_code, ran.status) for ran in reached] == [(0, "unchanged")] * 3, reached
    assert {name: ran.exit_code for name, ran in missed.items()} == dict.fromkeys(missed, 4)
    assert "has Available True, not False: MinimumReplicasAvailable" in message_of(missed["condition"])
    assert "has no condition Nice; it has Available, Progressing." in message_of(missed["no condition"])
    assert "is 1, not 2." in message_of(missed["value"])
    assert reason_of(cluster.run("wait_for", {**where, "name": "nobody", "condition": "Available"})) == (3, "NotFound")
    assert reason_of(cluster.run("wait_for", {"kind": "secret", "name": "a", "absent": True})) == (3, "Guarded")
