"""The image serves as it will in a cluster: not as root, nothing to write to but /tmp; and its manifests are sound."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from kubernaut_datastorage.tokens import generate_token, hash_token
from kubernaut_sdk.ids import mint

ROOT = Path(__file__).parents[2]


def sh(*argv: str) -> str:
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr[-2000:] or done.stdout[-2000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.docker
def test_the_image_serves(storage_image: str, tmp_path: Path) -> None:
    token = generate_token()
    tmp_path.chmod(0o755)
    (tmp_path / "access").write_text(f"{hash_token(token)} write,read test\n")
    options = ["--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp"]
    serve = ["--host=127.0.0.1", "--port=0", "--data=/tmp/records", "--access-file=/etc/access/access"]
    container = sh("docker", "run", "--detach", *options, f"--volume={tmp_path}:/etc/access:ro", storage_image, *serve)
    try:
        url = ""
        deadline = time.monotonic() + 60
        while not url and time.monotonic() < deadline:
            done = subprocess.run(["docker", "logs", container.strip()], capture_output=True, text=True, check=False)
            for line in done.stderr.splitlines():
                message = json.loads(line)["message"]
                if "Uvicorn running on" in message:
                    url = message.split()[3]
            time.sleep(0.2)
        assert url, done.stderr
        event = {"id": str(mint()), "state": "failed", "at": "2026-01-31T09:05:07Z"}
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, trust_env=False, headers=headers, timeout=30) as client:
            assert client.post("/api/v1/action-records", json=[event]).json()[0]["outcome"] == "stored"
            assert client.get("/readyz").status_code == 200
            assert b"kubernaut_data_storage_events_total" in client.get("/metrics").content
        sh("docker", "stop", "--time=20", container.strip())
        ended = json.loads(sh("docker", "inspect", container.strip()))[0]
        assert ended["State"]["ExitCode"] in {0, 143}
        assert ended["Config"]["User"] == "65532:65532"
    finally:
        subprocess.run(["docker", "rm", "--force", container.strip()], capture_output=True, check=False)


def rendered(folder: str) -> list[dict[str, Any]]:
    """Return the manifests that `kubectl apply -k` would apply."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl is here to render a kustomization")
    return list(yaml.safe_load_all(sh("kubectl", "kustomize", folder)))


def deployment(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Data Storage's Deployment of these."""
    named = {(one["kind"], one["metadata"]["name"]): one for one in documents}
    return named["Deployment", "kubernaut-data-storage"]


FOLDERS = ["datastorage/deploy", "controller/deploy", "controller/deploy/postgresql"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_manifests_are_what_others_rely_on(folder: str) -> None:
    documents = rendered(folder)
    found = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    pod = deployment(documents)["spec"]["template"]["spec"]
    [container] = pod["containers"]

    assert found["Service", "kubernaut-data-storage"]["spec"]["ports"][0]["port"] == 8080
    assert found["ClusterRole", "kubernaut-data-storage-token-review"]["rules"] == [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    ]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert ("NetworkPolicy", "kubernaut-data-storage") in found
    assert {one["metadata"].get("namespace") for one in documents if one["kind"] not in _CLUSTER_WIDE} == {
        "kubernaut-system"
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_command_knows_the_options_of_the_manifest(folder: str) -> None:
    from kubernaut_cli.commands.serve import serve

    [container] = deployment(rendered(folder))["spec"]["template"]["spec"]["containers"]
    known = {option for parameter in serve.params for option in parameter.opts}

    assert {argument.partition("=")[0] for argument in container["args"]} <= known


def test_on_a_volume_there_is_one_replica_and_on_postgresql_two_that_are_not_evicted_together() -> None:
    volume, database = (deployment(rendered(folder))["spec"] for folder in FOLDERS[1:])
    [budget] = [one for one in rendered(FOLDERS[2]) if one["kind"] == "PodDisruptionBudget"]

    assert (volume["replicas"], volume["strategy"]) == (1, {"type": "Recreate"})
    assert (database["replicas"], budget["spec"]["minAvailable"]) == (2, 1)


_CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
