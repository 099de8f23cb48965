"""Undoing once more what was undone already: nothing is to be done, whatever would be refused by now."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from kubectl_cluster import IMAGE, Cluster, Json

pytestmark = pytest.mark.cluster
App = Callable[..., str]
ZEROS = "0" * 64
TEMPLATE: Json = {"template": {"spec": {"containers": [{"name": "app", "image": IMAGE}]}}}
CASES: list[tuple[str, Json, Json]] = [
    # the action, its inputs, and the part of the object that Argo CD applies after the first undo
    ("scale_deployment", {"replicas": 2}, {"spec": {"replicas": 1}}),
    ("pause_rollout", {}, {"spec": {"paused": False}}),
    ("set_image", {"container": "app"}, {"spec": TEMPLATE}),
    ("patch_configmap", {"key": "LEVEL", "value": "info"}, {"data": {"LEVEL": "debug"}, "immutable": True}),
    ("set_field", {"kind": "configmap", "pointer": "/data/LEVEL", "value": "info"}, {"data": {"LEVEL": "debug"}}),
    ("update_hpa", {"max_replicas": 8}, {"spec": {"maxReplicas": 4}}),
    ("suspend_cronjob", {}, {"spec": {"suspend": False}}),
]
KINDS = {
    "patch_configmap": ("v1", "ConfigMap", "configmap"),
    "set_field": ("v1", "ConfigMap", "name"),
    "set_image": ("apps/v1", "Deployment", "name"),
    "suspend_cronjob": ("batch/v1", "CronJob", "cronjob"),
    "update_hpa": ("autoscaling/v2", "HorizontalPodAutoscaler", "hpa"),
}
DEPLOYMENT = ("apps/v1", "Deployment", "deployment")


def made(cluster: Cluster, app: App, kind: str) -> str:
    """Make an object of a kind, as the actions find it."""
    if kind == "Deployment":
        return app()
    name = f"undone-{uuid4().hex[:6]}"
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nothing"}
    pod = {"restartPolicy": "Never", "containers": [{"name": "app", "image": IMAGE}]}
    more: dict[str, tuple[str, Json]] = {
        "ConfigMap": ("v1", {"data": {"LEVEL": "debug"}}),
        "CronJob": (
            "batch/v1",
            {"spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}},
        ),
        "HorizontalPodAutoscaler": (
            "autoscaling/v2",
            {"spec": {"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 4}},
        ),
    }
    version, document = more[kind]
    cluster.make({"apiVersion": version, "kind": kind, "metadata": {"name": name}, **document})
    return name


@pytest.mark.parametrize(("action", "inputs", "applied"), CASES, ids=lambda value: value if type(value) is str else "")
def test_a_second_undo_finds_nothing_to_do_although_the_change_itself_would_be_refused(
    cluster: Cluster, app: App, action: str, inputs: Json, applied: Json
) -> None:
    version, kind, named = KINDS.get(action, DEPLOYMENT)
    name = made(cluster, app, kind)
    where: dict[str, Any] = {named: name, **inputs}
    if action == "set_image":
        where["image"] = cluster.pods(name)[0]["status"]["containerStatuses"][0]["imageID"]
    done = cluster.run(action, where)
    undone = cluster.undo(done, action, where)
    document = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **applied}
    words = ["apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-"]
    cluster.kubectl(*words, stdin=json.loads(json.dumps(document)))
    again = cluster.undo(done, action, where)

    assert (done.exit_code, undone.exit_code, undone.status) == (0, 0, "succeeded"), (done, undone)
    assert (again.exit_code, again.status) == (0, "unchanged"), again
