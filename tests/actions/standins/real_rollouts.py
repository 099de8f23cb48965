"""A real Argo Rollouts controller for tests, as a process that looks after one namespace of a real cluster.

ROLLOUTS_BIN names the folder of its program, `rollouts-controller`, with the custom resources in `manifests/crds`.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitops_world import within
from kubectl_cluster import workload
from loopback import await_listener, free_ports
from real_argocd import kubectl

__all__ = ["a_rollout", "rollouts_controller"]


def a_rollout(name: str, version: int, *steps: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A Rollout of two pods whose template names a version, with these canary steps."""
    made = workload("Deployment", name)
    made |= {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    made["spec"] |= {"replicas": 2, "strategy": {"canary": {"steps": list(steps)}}, **spec}
    made["spec"]["template"]["metadata"]["annotations"] = {"version": str(version)}
    return made


@contextmanager
def rollouts_controller(program: Path, folder: Path, namespace: str) -> Iterator[None]:
    """A controller of Rollouts of this test run's own; the custom resources are removed if they were not there."""
    health, metrics = free_ports(2)
    resources = f"--kustomize={program.parent / 'manifests' / 'crds'}"
    known = subprocess.run(["kubectl", "get", "crd", "rollouts.argoproj.io"], capture_output=True).returncode == 0
    argv = [
        str(program), "--namespaced", f"--namespace={namespace}", "--leader-elect=false",
        f"--healthzPort={health}", f"--metricsPort={metrics}", f"--kubeconfig={os.environ['KUBECONFIG']}",
    ]  # fmt: skip
    log = folder / "rollouts-controller.log"
    try:
        if not known:
            kubectl("create", resources)
        within(
            60, lambda: subprocess.run(["kubectl", "get", "rollouts.argoproj.io"], capture_output=True).returncode == 0
        )
        with log.open("w") as file:
            process = subprocess.Popen(argv, stdout=file, stderr=file, cwd=folder)
        try:
            await_listener(metrics, process, log)
            yield
        finally:
            process.terminate()
            process.wait()
    finally:
        here = f"--namespace={namespace}"
        subprocess.run(["kubectl", "delete", "rollouts.argoproj.io", "--all", here, "--ignore-not-found"], check=False)
        if not known:
            kubectl("delete", resources, "--wait=false")
