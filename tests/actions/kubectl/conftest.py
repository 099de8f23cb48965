"""Fixtures for actions on the real API server."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kubectl_cluster import Cluster, proxied_kubeconfig, record_permissions, workload
from node_standin import StandInNode

from kubernaut_conformance.target_proxy import TargetProxy


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A namespace for the tests of one file."""
    ready = ["kubectl", "--request-timeout=3s", "get", "--raw", "/readyz"]
    if shutil.which("kubectl") is None or subprocess.run(ready, capture_output=True).returncode != 0:
        pytest.skip("no kubeconfig answers: `kubectl get --raw /readyz` failed")
    name = f"kubernaut-actions-{uuid4().hex[:8]}"
    subprocess.run(["kubectl", "create", "namespace", name], check=True, capture_output=True)
    server = subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = server.stdout.readline().rpartition(" ")[2].strip()
    proxy = TargetProxy(f"http://{address}", "kubernetes")
    kubeconfig = tmp_path_factory.mktemp("proxied") / "kubeconfig"
    kubeconfig.write_text(json.dumps(proxied_kubeconfig(proxy.url)))
    made = Cluster(name, proxy, kubeconfig)
    yield made
    proxy.close()
    if file := os.environ.get("KUBERNAUT_RECORD_PERMISSIONS"):
        record_permissions(Path(file), made.used)
    server.terminate()
    server.wait()
    server.stdout.close()
    subprocess.run(["kubectl", "delete", "namespace", name, "--wait=false"], capture_output=True)


@pytest.fixture
def app(cluster: Cluster) -> Iterator[Callable[..., str]]:
    """Makes a workload, waits until it is ready, and deletes it after the test."""
    made: list[tuple[str, str]] = []

    def make(kind: str = "Deployment", *, wait: bool = True, **fields: Any) -> str:
        name = f"{kind.lower()[:6]}-{uuid4().hex[:6]}"
        cluster.make(workload(kind, name, **fields))
        made.append((kind, name))
        if wait:
            cluster.ready(kind, name)
        return name

    yield make
    for kind, name in made:
        cluster.delete(kind, name)


@pytest.fixture
def node(cluster: Cluster) -> Iterator[str]:
    """A Node object without a machine, so that no real node is touched; nothing is scheduled there."""
    name = f"kubernaut-{uuid4().hex[:8]}"
    cluster.make({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    yield name
    cluster.delete("node", name)


@pytest.fixture
def machine(cluster: Cluster) -> Iterator[StandInNode]:
    """A node whose kubelet is played, so that real pods can be put there and evicted."""
    made = StandInNode(cluster.proxy.upstream.geturl())
    made.start()
    yield made
    made.stop()
