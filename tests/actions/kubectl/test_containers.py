"""A container's image and resources, on the real API server."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from kubectl_cluster import IMAGE, Cluster, Json, message_of, reason_of

from kubernaut_kubectl.cluster.quantities import parse_quantity

pytestmark = pytest.mark.cluster
App = Callable[..., str]
ZEROS = "0" * 64


def named(name: str, **more: Any) -> Json:
    return {"name": name, "container": "app", **more}


def test_an_image_is_set_by_digest_repeated_and_undone(cluster: Cluster, app: App) -> None:
    name = app()
    digest = cluster.pods(name)[0]["status"]["containerStatuses"][0]["imageID"]
    where = named(name, image=digest)
    first, again = (cluster.run("set_image", where) for _ in range(2))

    assert (first.exit_code, first.status, again.status) == (0, "succeeded", "unchanged"), first
    assert first.output == {"image": digest, "image_before": IMAGE}
    assert [pod["spec"]["containers"][0]["image"] for pod in cluster.pods(name)] == [digest]
    assert cluster.undo(first, "set_image", where).exit_code == 0
    assert cluster.get("deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE


def test_an_image_that_cannot_be_pulled_is_told_long_before_the_deadline(cluster: Cluster, app: App) -> None:
    ended = cluster.run("set_image", named(app(), image=f"127.0.0.1:9/nothing@sha256:{ZEROS}"), minutes=600)

    assert reason_of(ended) == (4, "RolloutStuck")
    assert "connection refused" in message_of(ended)  # the registry's words, or those of the way to it
    assert "ErrImagePull" in message_of(ended) or "ImagePullBackOff" in message_of(ended)


@pytest.mark.parametrize("image", ["shop/checkout:1", "shop/checkout", f"-x@sha256:{ZEROS}", f"a@sha256:{ZEROS}0"])
def test_an_image_without_a_digest_is_refused(cluster: Cluster, image: str) -> None:
    assert reason_of(cluster.run("set_image", named("any", image=image))) == (2, "InvalidInputs")


def test_a_container_that_is_not_there_is_refused(cluster: Cluster, app: App) -> None:
    name = app(wait=False)
    refused = cluster.run("set_image", {**named(name), "container": "web", "image": f"a@sha256:{ZEROS}"})

    assert message_of(refused) == f"Deployment {cluster.namespace}/{name} has no container web; it has app."


@pytest.mark.slow  # it is watched for two minutes, in which the pods are read some 60 times
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_resources_are_set_compared_by_value_and_undone(cluster: Cluster, app: App, kind: str) -> None:
    name = app(kind, container={"resources": {"limits": {"memory": "32Mi"}}})
    where = named(name, kind=kind, limits={"memory": "65536Ki", "cpu": "500m"})
    first = cluster.run("set_resources", where)
    again = cluster.run("set_resources", {**where, "limits": {"memory": "64Mi", "cpu": "0.5"}})

    assert (first.exit_code, first.status, again.status) == (0, "succeeded", "unchanged"), first
    assert cluster.undo(first, "set_resources", where).exit_code == 0
    resources = cluster.get(kind, name)["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources["limits"] == {"memory": "32Mi"}


def test_resources_that_leave_no_room_are_refused(cluster: Cluster, app: App) -> None:
    name = app(wait=False, container={"resources": {"limits": {"memory": "32Mi"}, "requests": {"memory": "16Mi"}}})
    limits: Json = {"limits": [{"type": "Container", "max": {"memory": "48Mi"}}]}
    limit_range = f"lr-{uuid4().hex[:6]}"

    def refused(**more: Any) -> tuple[tuple[int, str | None], str]:
        ran = cluster.run("set_resources", named(name, **more), retries=9)  # its controller may not have seen it yet
        return reason_of(ran), message_of(ran)

    assert refused(limits={"memory": "128Mi"})[0] == (3, "LimitReached")
    assert "is a factor of 4, more than max_factor 2" in refused(limits={"memory": "128Mi"})[1]
    assert refused(requests={"memory": "32Mi"}, limits={"memory": "31Mi"})[0] == (3, "RequestAboveLimit")
    far = {"requests": {"cpu": "9000"}}
    assert refused(**far)[0] == (3, "NoRoom")
    assert "requests.cpu 9000, and the largest node has" in refused(**far)[1]
    cluster.make({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": limit_range}, "spec": limits})
    ended = refused(limits={"memory": "64Mi"})
    cluster.delete("limitrange", limit_range)
    assert ended[0] == (3, "NoRoom")
    assert f"limits.memory 64Mi, and LimitRange {limit_range} has max 48Mi" in ended[1]
    assert refused()[0] == (2, "InvalidInputs")


def test_the_containers_of_a_pod_must_fit_one_node_together(cluster: Cluster, app: App) -> None:
    """The node is named, since other tests make nodes, and delete them, in the meantime."""
    name, host = app(wait=False), "kubernetes.io/hostname"
    nodes = json.loads(cluster.kubectl("get", "nodes", f"--selector={host}", "--output=json"))["items"]
    node = min(nodes, key=lambda one: one["metadata"]["creationTimestamp"])  # the cluster's own
    share = f"{int(parse_quantity(node['status']['allocatable']['cpu']) * 600)}m"  # of thousandths
    helper = {"name": "helper", "image": IMAGE, "resources": {"requests": {"cpu": share}}}
    selector = {host: node["metadata"]["labels"][host]}
    cluster.patch("deployment", name, {"op": "add", "path": "/spec/template/spec/containers/-", "value": helper})
    cluster.patch("deployment", name, {"op": "add", "path": "/spec/template/spec/nodeSelector", "value": selector})
    refused = cluster.run("set_resources", named(name, requests={"cpu": share}), retries=9)

    assert reason_of(refused) == (3, "NoRoom")
    assert "its pods would request cpu" in message_of(refused)
    assert "in all, and no node that they may be put on has that" in message_of(refused)


@pytest.mark.slow
def test_a_sidecar_that_crashes_within_the_watch_is_told(cluster: Cluster, app: App) -> None:
    name = app(wait=False)
    command = ["/bin/sh", "-c", "sleep 3; exit 3"]
    sidecar = {"name": "proxy", "image": IMAGE, "command": command, "restartPolicy": "Always"}
    cluster.patch("deployment", name, {"op": "add", "path": "/spec/template/spec/initContainers", "value": [sidecar]})
    where = {"name": name, "container": "proxy", "limits": {"memory": "64Mi"}}
    ended = cluster.run("set_resources", where, minutes=10, retries=9, real_time=True)

    assert ended.exit_code == 4, ended
    assert "container proxy of pod" in message_of(ended)
    assert "exit code 3" in message_of(ended)


@pytest.mark.slow
def test_a_crash_within_the_watch_is_told(cluster: Cluster, app: App) -> None:
    name = app(script="sleep 2; exit 3")
    ended = cluster.run("set_resources", named(name, limits={"memory": "64Mi"}), minutes=600)

    assert ended.exit_code == 4
    assert "exit code 3" in message_of(ended)
