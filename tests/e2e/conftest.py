"""The fixtures of the end-to-end tests: action images in Docker and in the cluster, and the demo's environment."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest
from loopback import free_port

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo"

sys.path.insert(0, str(DEMO))


def sh(*argv: str, **options: Any) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return str(done.stdout)


@pytest.fixture(scope="session")
def kubectl() -> Callable[..., str]:
    """A function that runs kubectl on a cluster with Tekton."""
    probe = ["kubectl", "--request-timeout=5s", "get", "crd", "pipelineruns.tekton.dev"]
    if shutil.which("kubectl") is None or subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("no kubeconfig answers whose cluster runs Tekton: `kubectl get crd pipelineruns.tekton.dev` failed")

    def call(*words: str, stdin: Any = None) -> str:
        return sh("kubectl", *words, input=stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin))

    return call


@pytest.fixture(scope="session")
def digests(images: dict[str, str], kubectl: Callable[..., str]) -> dict[str, str]:
    """The image of each part, by digest, loaded into the cluster's nodes."""
    load = os.environ.get("KUBERNAUT_LOAD_IMAGES")
    if not load:
        pytest.skip(
            "KUBERNAUT_LOAD_IMAGES names no program that loads images into the cluster and prints their digests"
        )
    lines = sh(load, *images.values()).split()
    return dict(zip(images, lines, strict=True))


@dataclass(frozen=True)
class DemoEnvironment:
    """The services that the demo changes, reachable from processes, containers and pods of this machine."""

    folder: Path
    repository: str
    bare: Path
    secret: Path
    instance: str

    def workflow(self, images: dict[str, str], name: str = "demo") -> str:
        """Return the demo's workflow, with these images by digest."""
        text = Template((DEMO / "workflow.yaml").read_text()).substitute(
            instance=self.instance,
            repository=self.repository,
            aws_image=images["aws-cli"],
            git_image=images["argocd"],
            cluster_step="",
        )
        file = self.folder / f"{name}.yaml"
        file.write_text(text.replace("namespace: shop}", "namespace: kubernaut-e2e}", 1))
        return str(file)


@contextmanager
def make_environment(folder: Path) -> Iterator[DemoEnvironment]:
    """An AWS API and a git server on loopback, in the state that the demo expects."""
    from shop import aws_api, git_repository, make_aws_resources

    folder.mkdir()
    bare = git_repository(folder)
    port = free_port()
    daemon = subprocess.Popen(
        [
            "git",
            "daemon",
            "--listen=127.0.0.1",
            f"--port={port}",
            f"--base-path={folder}",
            "--export-all",
            "--enable=receive-pack",
            "--reuseaddr",
        ],
        stderr=subprocess.DEVNULL,
    )
    url = f"git://127.0.0.1:{port}/{bare.name}"
    while subprocess.run(["git", "ls-remote", url], capture_output=True).returncode != 0:
        assert daemon.poll() is None
        time.sleep(0.05)
    try:
        with aws_api(folder / "aws") as api:
            yield DemoEnvironment(folder, url, bare, folder / "aws", make_aws_resources(api))
    finally:
        daemon.terminate()
        daemon.wait()


@pytest.fixture
def demo(tmp_path: Path) -> Callable[[str], Any]:
    """A function that makes an environment with a name."""
    return lambda name: make_environment(tmp_path / name)


def manifest(kind: str, name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **content}


def finished(kubectl: Callable[..., str], name: str, namespace: str) -> Any:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        run = json.loads(kubectl("get", name, f"--namespace={namespace}", "--output=json"))
        conditions = run.get("status", {}).get("conditions", [{"status": "Unknown"}])
        if conditions[0]["status"] != "Unknown":
            return run
        time.sleep(0.5)
    raise AssertionError(f"{name} did not end in time")


def scaler(image: str) -> list[dict[str, Any]]:
    """A Deployment, and a ServiceAccount that may scale it."""
    labels = {"app": "checkout"}
    container = {"name": "app", "image": image, "command": ["python3", "-c", "import time; time.sleep(1000)"]}
    pod = {"containers": [container], "hostNetwork": True, "terminationGracePeriodSeconds": 0}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}
    owners = {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list"]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "scaler"}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "scaler"}}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"}, "spec": spec},
        manifest("ServiceAccount", "scaler"),
        {**rbac, "kind": "Role", "rules": [rule, owners]},
        {**rbac, "kind": "RoleBinding", "roleRef": role, "subjects": [{"kind": "ServiceAccount", "name": "scaler"}]},
    ]


def label(name: str) -> str:
    return f"tekton.dev/pipelineRun={name.rpartition('/')[2]}"
