"""Tekton's own resolvers, run beside a test cluster that lacks them."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from loopback import free_ports

NAMESPACE = "tekton-pipelines-resolvers"
_FLAGS = {f"enable-{name}-resolver": "true" for name in ("bundles", "cluster", "git", "http", "hub")}
_CONFIGS: dict[str, dict[str, str]] = {
    "bundleresolver-config": {"default-service-account": "default", "default-kind": "task"},
    "cluster-resolver-config": {"default-kind": "task", "default-namespace": ""},
    "config-leader-election-resolvers": {"lease-duration": "15s", "renew-deadline": "10s", "retry-period": "2s"},
    "config-logging": {},
    "config-observability": {},
    "git-resolver-config": {},
    "http-resolver-config": {},
    "hubresolver-config": {},
    "resolver-cache-config": {},
    "resolvers-feature-flags": _FLAGS,
}
"""The ConfigMaps that Tekton's release installs beside the resolvers."""
_VARIABLES = {
    "SYSTEM_NAMESPACE": NAMESPACE,
    "KUBERNETES_MIN_VERSION": "v0.0.0",
    "METRICS_DOMAIN": "tekton.dev/resolution",
    "CONFIG_LOGGING_NAME": "config-logging",
    "CONFIG_OBSERVABILITY_NAME": "config-observability",
    "CONFIG_FEATURE_FLAGS_NAME": "resolvers-feature-flags",
    "CONFIG_LEADERELECTION_NAME": "config-leader-election-resolvers",
}


@contextmanager
def tekton_resolvers(kubectl: Callable[..., str], folder: Path) -> Iterator[None]:
    """Run Tekton's resolvers, unless the cluster has them as a Deployment.

    The program is the file `resolvers` in the folder TEKTON_RESOLVERS_BIN (`go build ./cmd/resolvers` in
    tektoncd/pipeline).
    """
    deployed = ["deployment", "tekton-pipelines-remote-resolvers", f"--namespace={NAMESPACE}", "--ignore-not-found"]
    if kubectl("get", *deployed, "--output=name"):
        yield
        return
    program = shutil.which("resolvers", path=os.environ.get("TEKTON_RESOLVERS_BIN", ""))
    if program is None:
        pytest.skip("the cluster runs none of Tekton's resolvers, and TEKTON_RESOLVERS_BIN names no folder with them")
    existed = kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "--output=name")
    kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for name, data in _CONFIGS.items():
        config: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        kubectl("apply", f"--namespace={NAMESPACE}", "-f", "-", stdin=config)
    probes, metrics, profiling = free_ports(3)
    ports = {"PROBES_PORT": probes, "METRICS_PROMETHEUS_PORT": metrics, "PROFILING_PORT": profiling}
    variables = {**os.environ, **_VARIABLES, **{name: str(port) for name, port in ports.items()}}
    kubeconfig = os.environ.get("KUBECONFIG", str(Path.home() / ".kube" / "config"))
    words = [program, "-kubeconfig", kubeconfig]
    with (folder / "resolvers.log").open("w") as log:
        process = subprocess.Popen(words, env=variables, stdout=log, stderr=log)
    try:
        yield  # a request waits until they have started
        assert process.poll() is None, (folder / "resolvers.log").read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(timeout=30)
        if not existed:
            kubectl("delete", "namespace", NAMESPACE)
