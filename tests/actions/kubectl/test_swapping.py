"""Compare and swap on the real API server: what is written to an object that was changed since `plan` read it."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from cluster_api import ScenarioWorld
from kubectl_cluster import IMAGE, Cluster, Json, reason_of
from kubectl_world import PARTS

from kubernaut_sdk.testing import Ran

pytestmark = pytest.mark.cluster
App = Callable[..., str]
DIGEST = f"127.0.0.1:9/nothing@sha256:{'0' * 64}"


def is_write(argv: list[str]) -> bool:
    return argv[1] == "patch" and "--dry-run=server" not in argv


def before_its_write(cluster: Cluster, action: str, event: Callable[[], Any], **inputs: Any) -> Ran:
    """Run an action, without retries, while something happens between its plan and its first write."""
    return cluster.run_with(action, is_write, 1, event, **inputs)


def reads_of_the_object(ran: Ran) -> int:
    """The number of times that the object itself was read before the first write."""
    calls = [list(call) for call in ran.calls]
    write = next(number for number, call in enumerate(calls) if is_write(call))
    target = calls[write][calls[write].index("--") + 1 :]
    return len([call for call in calls[:write] if call[1] == "get" and call[-2:] == target])


@pytest.mark.parametrize(
    ("action", "part", "named", "inputs"),
    [
        ("restart_deployment", "idle", "deployment", {}),
        ("rollback_deployment", "idle", "deployment", {}),
        ("set_image", "idle", "name", {"container": "app", "image": DIGEST}),
        ("set_resources", "idle", "name", {"container": "app", "limits": {"memory": "64Mi"}}),
        ("patch_configmap", "settings", "configmap", {"key": "LEVEL", "value": "info"}),
        ("set_field", "settings", "name", {"kind": "configmap", "pointer": "/data/LEVEL", "value": "info"}),
        ("update_hpa", "scaled", "hpa", {"max_replicas": 8, "settle": "0s"}),
        ("cordon_node", "open", "node", {}),
        ("taint_node", "open", "node", {"key": "example.com/trouble"}),
    ],
)
def test_what_plan_has_read_is_not_read_again_before_it_is_written(
    cluster: Cluster, action: str, part: str, named: str, inputs: Json
) -> None:
    name = f"{part}-{uuid4().hex[:6]}"
    world = ScenarioWorld(cluster.proxy.upstream.geturl(), cluster.namespace)
    name = PARTS[part](world, name) or name
    ran = before_its_write(cluster, action, lambda: None, minutes=1, **{named: name, **inputs})
    if named == "node":
        cluster.delete("node", name)

    assert ran.changed is True
    assert reads_of_the_object(ran) == 1


def test_a_change_of_another_field_is_kept_and_the_planned_one_made_all_the_same(cluster: Cluster, app: App) -> None:
    name = app()
    ended = before_its_write(
        cluster,
        "restart_deployment",
        lambda: cluster.kubectl("scale", f"deployment/{name}", "--replicas=2"),
        deployment=name,
    )
    found = cluster.get("deployment", name)["spec"]

    assert ended.exit_code == 0, ended
    assert found["replicas"] == 2
    assert found["template"]["metadata"]["annotations"]["kubernaut.io/restarted-by"] == str(ended.record_id)
    assert [call[1] for call in ended.calls][:4] == ["get", "patch", "get", "patch"]


def test_a_newer_value_of_the_field_is_left_alone(cluster: Cluster, app: App) -> None:
    name = app()
    path = "/spec/template/spec/containers/0"
    swap = [{"op": "replace", "path": f"{path}/image", "value": f"{IMAGE}-theirs"}]
    ended = before_its_write(
        cluster,
        "set_image",
        lambda: cluster.patch("deployment", name, *swap),
        name=name,
        container="app",
        image=DIGEST,
    )
    kept = cluster.get("deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"]

    assert reason_of(ended) == (75, "Conflict"), ended
    assert kept == f"{IMAGE}-theirs"


def test_a_container_that_was_moved_meanwhile_is_found_again(cluster: Cluster, app: App) -> None:
    name = app(wait=False)
    first = {"name": "first", "image": IMAGE, "command": ["/bin/sh", "-c", "sleep 1000"]}
    move = {"op": "add", "path": "/spec/template/spec/containers/0", "value": first}
    image = f"127.0.0.1:9/nothing@sha256:{'1' * 64}"
    before_its_write(
        cluster,
        "set_image",
        lambda: cluster.patch("deployment", name, move),
        name=name,
        container="app",
        image=image,
        minutes=1,
    )
    containers = cluster.get("deployment", name)["spec"]["template"]["spec"]["containers"]

    assert {one["name"]: one["image"] for one in containers} == {"first": IMAGE, "app": image}


def test_the_first_annotation_of_somebody_else_is_not_overwritten(cluster: Cluster) -> None:
    name = f"budget-{uuid4().hex[:6]}"
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": name}}}
    pod: Json = {"containers": [{"name": "app", "image": IMAGE, "command": ["/bin/sh", "-c", "sleep 1000"]}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {**pod, "hostNetwork": True}}
    workload = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template}
    cluster.make(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": workload},
    )
    cluster.kubectl("wait", "pdb", name, "--for=jsonpath={.status.currentHealthy}=2", "--timeout=60s")
    ended = before_its_write(
        cluster,
        "relax_pdb",
        lambda: cluster.kubectl("annotate", "pdb", name, "team=shop"),
        pdb=name,
        min_available="1",
    )
    marks = cluster.get("pdb", name)["metadata"]["annotations"]
    cluster.delete("deployment", name)

    assert ended.exit_code == 0, ended
    assert marks["team"] == "shop"
    assert json.loads(marks["kubernaut.io/relaxed-from"])["record"] == str(ended.record_id)


def test_a_cordon_that_another_record_has_set_anew_meanwhile_is_its_own(cluster: Cluster, node: str) -> None:
    assert cluster.run("cordon_node", node=node).exit_code == 0

    def set_anew() -> None:
        cluster.kubectl("uncordon", node)
        cluster.kubectl("cordon", node)
        cluster.kubectl("annotate", "node", node, "kubernaut.io/cordoned-by=another", "--overwrite")

    ended = before_its_write(cluster, "uncordon_node", set_anew, node=node)

    assert reason_of(ended) == (75, "Conflict"), ended
    assert cluster.get("node", node)["spec"]["unschedulable"] is True
