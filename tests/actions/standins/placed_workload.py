"""Workloads whose pods are on a played node, so that they get ready, crash or never start as a test wants it."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from kubectl_cluster import Cluster, Json, workload
from node_standin import StandInNode, running

__all__ = ["ROLLOUTS", "placed"]

ROLLOUTS: list[tuple[str, str, Json]] = [
    ("restart_daemonset", "DaemonSet", {}),
    ("restart_deployment", "Deployment", {}),
    ("restart_statefulset", "StatefulSet", {}),
    ("resume_rollout", "Deployment", {}),
    ("rollback_daemonset", "DaemonSet", {}),
    ("rollback_deployment", "Deployment", {}),
    ("rollback_statefulset", "StatefulSet", {}),
]
"""The actions that begin a rollout and take no more than the workload's name: action, kind and other inputs."""


@contextmanager
def placed(cluster: Cluster, machine: StandInNode, kind: str, action: str) -> Iterator[str]:
    """A workload on the played node, as the action needs it: paused, or with a second revision."""
    name = f"app-{uuid4().hex[:6]}"
    document = workload(kind, name)
    variable = {"name": "SETTING", "valueFrom": {"configMapKeyRef": {"name": name, "key": "a"}}}
    pod = document["spec"]["template"]["spec"]
    pod |= {"nodeSelector": machine.selector, "tolerations": machine.placement["tolerations"]}
    pod["containers"][0]["env"] = [variable]
    machine.answer = running
    cluster.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}, document)
    cluster.ready(kind, name)
    if action.startswith(("rollback", "resume")):
        if action == "resume_rollout":
            cluster.patch(kind, name, {"op": "add", "path": "/spec/paused", "value": True})
        cluster.patch(kind, name, {"op": "remove", "path": "/spec/template/spec/containers/0/env"})
        if action != "resume_rollout":
            cluster.ready(kind, name)
    try:
        yield name
    finally:
        cluster.delete(kind, name)
        cluster.delete("configmap", name)
