"""The workloads of conformance.yaml, and what belongs to them. They have no replicas, or pods that no node takes."""

import json
from typing import Any

from cluster_api import MARK, MERGE, Json, ObjectMaker, ScenarioWorld

__all__ = ["PARTS", "make_replicas", "pod_template"]


def pod_template(called: str, **labels: str) -> Json:
    """Return a pod template that no node takes, with an image that does not exist."""
    container = {"name": "app", "image": "conformance.invalid/app:1"}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "nodeSelector": {MARK: "none"}}
    return {"metadata": {"labels": {"app": called, **labels}}, "spec": spec}


def workload(called: str, template: Json | None = None, **spec: Any) -> Json:
    """Return a workload of these pods; its kind follows from where it is posted."""
    selector = {"matchLabels": {"app": called}}
    return {
        "metadata": {"name": called},
        "spec": {"selector": selector, "template": template or pod_template(called), **spec},
    }


def is_observed(found: Json) -> bool:
    """Return True for a workload whose controller has seen its newest template."""
    return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])


def wait_observed(world: ScenarioWorld, path: str) -> None:
    """Wait until its controller has seen the newest template."""
    world.wait_until(path, is_observed, "be seen by its controller")


def wait_pod(world: ScenarioWorld, called: str) -> str:
    """Wait for the pod of a workload, and return its name."""
    path = f"{world.core}/pods?labelSelector=app={called}"
    found = world.wait_until(path, lambda pods: bool(pods["items"]), "have a pod")
    return str(found["items"][0]["metadata"]["name"])


def make_revisions(world: ScenarioWorld, kind: str, called: str, **spec: Any) -> None:
    """Make a workload with two revisions."""
    world.make(f"{world.apps}/{kind}", workload(called, **spec))
    path = f"{world.apps}/{kind}/{called}"
    wait_observed(world, path)
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "conformance.invalid/app:2"}
    world.call("PATCH", path, [image], "application/json-patch+json")
    wait_observed(world, path)


def make_replicas(world: ScenarioWorld, called: str) -> str:
    """Make a ReplicaSet, wait for its pod, and return the pod's name."""
    template = pod_template(called, **{"kubernaut.io/conformance-replica": ""})
    world.make(f"{world.apps}/replicasets", workload(called, template, replicas=1))
    return wait_pod(world, called)


def make_busy(world: ScenarioWorld, called: str) -> None:
    """Make a Deployment of one replica."""
    world.make(f"{world.apps}/deployments", workload(called, replicas=1))
    wait_pod(world, called)


def make_idle(world: ScenarioWorld, called: str) -> None:
    """Make a Deployment of no replicas with two revisions."""
    make_revisions(world, "deployments", called, replicas=0)


def make_paused(world: ScenarioWorld, called: str) -> None:
    """Make a Deployment whose rollout is paused."""
    world.make(f"{world.apps}/deployments", workload(called, replicas=0, paused=True))
    wait_observed(world, f"{world.apps}/deployments/{called}")


def make_stateful(world: ScenarioWorld, called: str) -> None:
    """Make a StatefulSet of one replica."""
    world.make(f"{world.apps}/statefulsets", workload(called, replicas=1, serviceName="none"))
    wait_pod(world, called)


def make_ordered(world: ScenarioWorld, called: str) -> None:
    """Make a StatefulSet of no replicas with two revisions."""
    make_revisions(world, "statefulsets", called, replicas=0, serviceName="none")


def make_daemon(world: ScenarioWorld, called: str) -> None:
    """Make a DaemonSet that fits no node, with two revisions."""
    make_revisions(world, "daemonsets", called)


def make_scaled(world: ScenarioWorld, called: str) -> None:
    """Make an autoscaler of a Deployment of no replicas."""
    world.make(f"{world.apps}/deployments", workload(called, replicas=0))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": called}
    scaler = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4}
    world.make(world.autoscalers, {"metadata": {"name": called}, "spec": scaler})


def make_settings(world: ScenarioWorld, called: str) -> None:
    """Make a ConfigMap."""
    world.make(f"{world.core}/configmaps", {"metadata": {"name": called}, "data": {"LEVEL": "debug"}})


def make_failed(world: ScenarioWorld, called: str) -> None:
    """Make a pod that has failed."""
    document = {"metadata": {"name": called, "labels": {"app": "failed"}}, "spec": pod_template(called)["spec"]}
    world.make(f"{world.core}/pods", document)
    world.call("PATCH", f"{world.core}/pods/{called}/status", {"status": {"phase": "Failed"}}, MERGE)


def make_relaxed(world: ScenarioWorld, called: str) -> None:
    """Make a budget that `kubernetes/relax_pdb` has relaxed."""
    make_replicas(world, called)
    mark = {"kubernaut.io/relaxed-from": json.dumps({"min_available": "1", "record": "conformance"})}
    spec = {"selector": {"matchLabels": {"app": called}}, "minAvailable": 0}
    world.make(world.budgets, {"metadata": {"name": called, "annotations": mark}, "spec": spec})


def make_budget(world: ScenarioWorld, called: str) -> None:
    """Make a budget that lets no pod go, and wait until its one pod is counted as healthy."""
    make_replicas(world, called)
    spec = {"selector": {"matchLabels": {"app": called}}, "minAvailable": 1}
    world.make(world.budgets, {"metadata": {"name": called}, "spec": spec})
    path = f"{world.budgets}/{called}"
    world.wait_until(path, lambda found: found["status"].get("currentHealthy") == 1, "count its pod")


PARTS: dict[str, ObjectMaker] = {
    "budget": make_budget,
    "busy": make_busy,
    "daemon": make_daemon,
    "failed": make_failed,
    "idle": make_idle,
    "ordered": make_ordered,
    "paused": make_paused,
    "pod": make_replicas,
    "relaxed": make_relaxed,
    "scaled": make_scaled,
    "settings": make_settings,
    "stateful": make_stateful,
}
"""Part → what makes it."""
