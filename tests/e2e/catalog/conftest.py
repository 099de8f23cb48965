"""A namespace with the whole catalogue, its images those of this tree, and a ServiceAccount that may act there."""

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from ..conftest import finished, manifest, sh  # noqa: TID252 – tests/ is no package to name it by

ROOT = Path(__file__).parents[3]
ACCOUNT = "kubernaut-remediator"


def release_module(name: str) -> ModuleType:
    """Return a program of the folder `release`, as a module."""
    spec = importlib.util.spec_from_file_location(f"release_{name}", ROOT / "release" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class CatalogNamespace:
    """A namespace in which the catalogue is installed.

    Attributes:
        name: The namespace.
        folder: The catalogue's folder, as a release has it.
        kubectl: Runs kubectl.
        images: The image of each part, by digest.
    """

    name: str
    folder: Path
    kubectl: Callable[..., str]
    images: dict[str, str]

    def apply(self, *documents: dict[str, Any]) -> None:
        for document in documents:
            self.kubectl("apply", f"--namespace={self.name}", "-f", "-", stdin=document)

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", f"--namespace={self.name}", "--output=json", *words))

    def start(self, kind: str, name: str, params: dict[str, str], *options: str) -> str:
        """Start a Task or Pipeline as its README says, and return what tkn printed until its end."""
        told = [f"--param={param}={value}" for param, value in params.items()]
        always = ["--use-param-defaults", "--skip-optional-workspace", "--showlog", f"--serviceaccount={ACCOUNT}"]
        words = ["tkn", kind, "start", name, f"--namespace={self.name}", *always, *options, *told]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=180)
        return ended.stdout  # on standard error a slow cluster may be complained of, later than the last line

    def describe(self, taskrun: str) -> str:
        return sh("tkn", "taskrun", "describe", taskrun, f"--namespace={self.name}")

    def last(self, kind: str, name: str) -> Any:
        """Return the last run of a Task or Pipeline, ended."""
        runs = self.get(f"{kind}runs", f"--selector=tekton.dev/{kind}={name}")["items"]
        newest = max(runs, key=lambda run: run["metadata"]["creationTimestamp"])
        return finished(self.kubectl, f"{kind}run/{newest['metadata']['name']}", self.name)

    def results(self, kind: str, name: str) -> dict[str, str]:
        return {one["name"]: one["value"] for one in self.last(kind, name)["status"].get("results", [])}


@pytest.fixture(scope="module")
def catalog(kubectl: Callable[..., str], digests: dict[str, str], tmp_path_factory: Any) -> Iterator[CatalogNamespace]:
    """A namespace with every object of the catalogue, made by the release's own program."""
    if shutil.which("tkn") is None:
        pytest.skip("no tkn is installed (https://tekton.dev/docs/cli)")
    folder = tmp_path_factory.mktemp("catalog")
    manifests = release_module("manifests")
    services = [f"localhost/{name}@sha256:{'0' * 63}1" for name in ("controller", "data-storage", "monitor")]
    manifests.write_manifests(manifests.read_images("\n".join([*digests.values(), *services])), folder)
    name = f"kubernaut-catalog-{uuid4().hex[:8]}"
    made = CatalogNamespace(name, folder / "catalog", kubectl, digests)
    kubectl("apply", "-f", "-", stdin=manifest("Namespace", name))
    try:
        kubectl("apply", f"--namespace={name}", "-f", str(folder / "catalog.yaml"))
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
        made.apply(
            manifest("ServiceAccount", ACCOUNT),
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": ACCOUNT},
                "roleRef": role,
                "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": name}],
            },
        )
        yield made
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def deployment(catalog: CatalogNamespace) -> Iterator[str]:
    """A Deployment of one pod that is ready."""
    name = "checkout"
    container = {
        "name": "checkout",
        "image": catalog.images["kubectl"],
        "command": ["python3", "-c", "import signal; signal.sigwait([signal.SIGTERM])"],
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    catalog.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
    sh("kubectl", "rollout", "status", f"deployment/{name}", f"--namespace={catalog.name}", "--timeout=90s")
    yield name
    catalog.kubectl("delete", "deployment", name, f"--namespace={catalog.name}", "--wait=true")


def environment() -> dict[str, str]:
    return {**os.environ, "TERM": "xterm"}
