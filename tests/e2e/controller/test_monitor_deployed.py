"""The Effectiveness Monitor as it is deployed: its image, its Deployment with probes, and its token."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
import yaml
from loopback import free_port
from realcluster import ROOT, kubectl, remove_namespace, sh, storage_at, until

from kubernaut_sdk.ids import mint
from kubernaut_sdk.times import rfc3339
from tests.conftest import service_image

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.docker]

TOKEN = "a-token-of-this-test"
WHERE = "kubernaut-monitor-test"


@pytest.fixture(scope="module")
def image(base: str, once: Callable[[str, Callable[[], None]], None]) -> str:
    """The monitor's image by digest, on the cluster's nodes."""

    built = service_image("monitor", "monitor", base, once)
    return sh(os.environ["KUBERNAUT_LOAD_IMAGES"], built).split()[-1]


def overlay(image: str, port: int, url: str) -> str:
    """Write a kustomization over the Deployment for this cluster, whose pods use the host's network."""
    probe = {"httpGet": {"host": "127.0.0.1", "port": port}}
    container = {
        "name": "monitor",
        "args": ["--host=127.0.0.1", f"--port={port}", "--token-file=/kubernaut/monitor/token", "--state=/tmp/state"],
        "env": [{"name": "DATA_STORAGE_URL", "value": url}],
        "ports": [{"$patch": "replace"}, {"name": "http", "containerPort": port}],
        "livenessProbe": probe,
        "readinessProbe": probe,
    }
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kubernaut-monitor", "namespace": "kubernaut-system"},
        "spec": {"template": {"spec": {"hostNetwork": True, "containers": [container]}}},
    }
    name, digest = image.split("@")
    folder = ROOT / "build" / "deploy-monitor"
    folder.mkdir(parents=True, exist_ok=True)
    customization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": WHERE,
        "resources": ["../../controller/deploy/monitor"],
        "images": [{"name": "ghcr.io/kubernaut/monitor", "newName": name, "digest": digest}],
        "patches": [{"patch": yaml.safe_dump(patch)}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(customization))
    return str(folder)


@pytest.fixture(scope="module")
def monitor(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, str]]:
    """The monitor in the cluster, and the address of the Data Storage that it follows."""
    port = free_port()
    privileged = {"pod-security.kubernetes.io/enforce": "privileged"}  # for the host's network
    before = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WHERE, "labels": privileged}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "kubernaut-effectiveness", "namespace": WHERE},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "kubernaut-monitor-token", "namespace": WHERE},
            "stringData": {"token": TOKEN},
        },
    ]
    with storage_at(tmp_path_factory.mktemp("storage")) as url:
        try:
            for document in before:
                kubectl("apply", "-f", "-", stdin=document)
            kubectl("apply", "--server-side", "-k", overlay(image, port, url))
            kubectl("rollout", "status", "deployment/kubernaut-monitor", f"--namespace={WHERE}", "--timeout=120s")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
                yield client, url
        finally:
            remove_namespace(WHERE)


def test_a_record_shows_on_the_page_of_who_has_the_token(monitor: tuple[httpx.Client, str]) -> None:
    client, url = monitor
    now = rfc3339(datetime.now(UTC))
    event = {"id": str(mint()), "state": "succeeded", "at": now, "action_type": "probe/shown", "target": "t"}
    httpx.post(f"{url}/api/v1/action-records", json=[event], trust_env=False).raise_for_status()
    bearer = {"authorization": f"Bearer {TOKEN}"}
    page = until(
        "the record on the page", lambda: "probe/shown" in (text := client.get("/", headers=bearer).text) and text
    )

    assert "Is it helping?" in page
    assert client.get("/", headers={"accept": "application/json"}).status_code == 401
    assert client.get("/healthz").text == "ok\n"
    assert "kubernaut_monitor_records 1.0" in client.get("/metrics", headers=bearer).text


def test_it_runs_without_root_on_a_filesystem_that_it_cannot_write(monitor: tuple[httpx.Client, str]) -> None:
    program = "import os; print(os.getuid(), os.path.exists('/tmp/state/ledger.db')); open('/app/x', 'w')"
    argv = ["exec", "deployment/kubernaut-monitor", f"--namespace={WHERE}", "--", "python3", "-c", program]
    ran = subprocess.run(["kubectl", *argv], capture_output=True, text=True)
    pods = json.loads(kubectl("get", "pods", f"--namespace={WHERE}", "--output=json"))["items"]

    assert ran.stdout.split() == ["65532", "True"]
    assert "Read-only file system" in ran.stderr
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods] == [0]
    assert pods[0]["spec"]["automountServiceAccountToken"] is False
