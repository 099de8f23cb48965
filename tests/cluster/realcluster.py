"""A real cluster with a real controller, for end-to-end tests, fault campaigns and benchmarks."""

import base64
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "controller" / "deploy" / "base"
TASK = ROOT / "tekton/catalog/task/kubernaut-action/0.1/kubernaut-action.yaml"
SYSTEM = "kubernaut-system"
PROBE = "localhost/kubernaut/probe:1"

Json = dict[str, Any]


def sh(*argv: str, stdin: str | None = None, check: bool = True) -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


def kubectl(*words: str, stdin: Any = None, check: bool = True) -> str:
    text = stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin)
    return sh("kubectl", *words, stdin=text, check=check)


def api_client() -> httpx.Client:
    """Return a client of the kubeconfig's API server, for tests that create a thousand objects.

    It waits longer than the API server does itself, which takes half a minute for 9,000 levels on a busy machine.
    """
    server, token, context = _server()
    headers = {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=server, headers=headers, verify=context, timeout=90, trust_env=False)


@cache
def _server() -> tuple[str, str, ssl.SSLContext]:
    """Return the API server's address, the user's token, and a TLS context with its certificate authority."""
    config = yaml.safe_load(kubectl("config", "view", "--raw", "--flatten", "--minify"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return cluster["server"], user["token"], ssl.create_default_context(cadata=authority)


def install() -> None:
    """Install the custom resources, the controller's ServiceAccount and its RBAC, as they are deployed."""
    kubectl("create", "namespace", SYSTEM, check=False)
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(DEPLOY / "crds"), "-f", str(DEPLOY / "rbac.yaml"))
    kubectl("wait", "--for=condition=Established", "--timeout=20s", "-f", str(DEPLOY / "crds"))


def namespace(name: str, *, task: bool = True, storage: str | None = None) -> None:
    """Create a namespace that can run workflows."""
    kubectl("create", "namespace", name, check=False)
    here = f"--namespace={name}"
    if task:
        kubectl("apply", here, "-f", str(TASK))
    if storage:
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubernaut-data-storage"}}
        kubectl("apply", here, "-f", "-", stdin={**config, "data": {"url": storage}})


def remove_namespace(name: str) -> None:
    """Delete a namespace, and let its workflows go, since no controller is left that would."""
    path, merge = f"/apis/kubernaut.io/v1alpha1/namespaces/{name}/workflowexecutions", "application/merge-patch+json"
    found = kubectl("get", "wfe", f"--namespace={name}", "--output=name").split()  # some nest too deeply for Python
    with api_client() as api:
        for one in found:
            released: Json = {"metadata": {"finalizers": []}}
            api.patch(f"{path}/{one.partition('/')[2]}", json=released, headers={"content-type": merge})
    kubectl("delete", "namespace", name, "--wait=false", check=False)


def on_this_host(name: str, args: list[str], port: int, **fields: Any) -> Json:
    """Return a Deployment's patch for this cluster: the host's network."""
    probed = {"httpGet": {"host": "127.0.0.1", "port": port}}
    container = {
        "name": name.removeprefix("kubernaut-"),
        "args": args,
        "ports": [{"$patch": "replace"}, {"name": "http", "containerPort": port}],
        "livenessProbe": probed,
        "readinessProbe": probed,
        **fields,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": SYSTEM},
        "spec": {"template": {"spec": {"hostNetwork": True, "containers": [container]}}},
    }


def controller_kubeconfig(folder: Path) -> Path:
    """Write a kubeconfig with exactly the permissions that the controller is deployed with."""
    token = kubectl("create", "token", "kubernaut-controller", f"--namespace={SYSTEM}", "--duration=2h").strip()
    config = yaml.safe_load(kubectl("config", "view", "--raw", "--flatten", "--minify"))
    config["users"][0]["user"] = {"token": token}
    path = folder / "controller.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    return path


@dataclass
class ControllerProcess:
    """A controller's process."""

    options: Sequence[str]
    log: Path
    kubeconfig: Path
    program: Sequence[str] = (sys.executable, "-m", "kubernaut_controller.operator")
    env: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "--port=0", *self.options],
                env={**os.environ, "KUBECONFIG": str(self.kubeconfig), **self.env},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=30)

    def __enter__(self) -> "ControllerProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def step(name: str, image: str, action: str = "probe/write_text", **fields: Any) -> Json:
    """Return a step of the probe action."""
    inputs = {"path": f"/tmp/{name}", "text": name} if action == "probe/write_text" else {}
    return {"name": name, "actionType": action, "image": image, "inputs": inputs, "timeout": "1m", **fields}


def workflow(name: str, where: str, *steps: Json, **spec: Any) -> Json:
    """Return a WorkflowExecution."""
    return {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {"name": name, "namespace": where},
        "spec": {"steps": list(steps), **spec},
    }


def get(kind: str, name: str, where: str) -> Json | None:
    """Return an object, or None."""
    text = kubectl("get", kind, name, f"--namespace={where}", "--output=json", "--ignore-not-found")
    return json.loads(text) if text.strip() else None


def until(what: str, find: Callable[[], Any], seconds: float = 90) -> Any:
    """Wait until `find` returns a true value, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = find()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come in {seconds:.0f} s")
        time.sleep(0.2)


def phase_of(document: Json | None) -> str:
    return str(((document or {}).get("status") or {}).get("phase", ""))


def condition(document: Json, type_: str) -> Json:
    """Return a condition of a workflow, or an empty one."""
    conditions = document.get("status", {}).get("conditions", [])
    return next((item for item in conditions if item["type"] == type_), {})


def is_closed(document: Json | None) -> bool:
    """Return True if a workflow has ended and its records are stored."""
    return phase_of(document) not in {"", "Pending", "Running"} and (
        phase_of(document) == "Refused" or condition(document or {}, "RecordsStored").get("status") == "True"
    )


def rows(document: Json) -> dict[str, Json]:
    """Return the steps of the status by name."""
    return {row["name"]: row for row in document["status"].get("steps", [])}


def states(document: Json) -> dict[str, str]:
    """Return the state of each step."""
    return {name: row["state"] for name, row in rows(document).items()}


@contextmanager
def storage_at(folder: Path) -> Iterator[str]:
    """Run a Data Storage on loopback, which pods of this machine's cluster can reach."""
    from kubernaut_datastorage import embedded

    with embedded(folder) as service:
        yield service.url


def records(url: str, name: str) -> dict[str, Json]:
    """Return the record of each step of the workflow of this name."""
    query = {"workflow": name, "limit": "1000"}
    answer = httpx.get(f"{url}/api/v1/action-records", params=query, trust_env=False)
    return {item["step"]: item for item in answer.json()["items"]}
