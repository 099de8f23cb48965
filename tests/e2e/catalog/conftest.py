"""A namespace with the whole catalogue, its images those of this tree, and a ServiceAccount that may act there."""

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.actions.conftest import repository  # noqa: F401 – a fixture that `deployed` takes
from tests.actions.gitops.conftest import argo, deployed, gitea  # noqa: F401 – fixtures: an Argo CD and its Gitea
from tests.release.packageindex import build_packages

from ..conftest import finished, manifest, sh  # noqa: TID252 – tests/ is no package to name it by
from .installation import Release

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

    def start(
        self, kind: str, name: str, params: dict[str, str], *options: str, account: str = ACCOUNT, seconds: int = 180
    ) -> str:
        """Start a Task or Pipeline as its README says, and return what tkn printed until its end."""
        told = [f"--param={param}={value}" for param, value in params.items()]
        always = ["--use-param-defaults", "--skip-optional-workspace", "--showlog", f"--serviceaccount={account}"]
        words = ["tkn", kind, "start", name, f"--namespace={self.name}", *always, *options, *told]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=seconds)
        return ended.stdout  # on standard error a slow cluster may be complained of, later than the last line

    def describe(self, taskrun: str) -> str:
        return sh("tkn", "taskrun", "describe", taskrun, f"--namespace={self.name}")

    def last(self, kind: str, name: str) -> Any:
        """Return the last run of a Task or Pipeline, ended."""
        runs = self.get(f"{kind}runs", f"--selector=tekton.dev/{kind}={name}")["items"]
        newest = max(runs, key=lambda run: run["metadata"]["creationTimestamp"])
        return finished(self.kubectl, f"{kind}run/{newest['metadata']['name']}", self.name)

    def ended(self, pipeline: str) -> dict[str, str]:
        """Return how each Task of a Pipeline's last run ended: by its result `status`."""
        run = self.last("pipeline", pipeline)["metadata"]["name"]
        states = {}
        for taskrun in self.get("taskruns", f"--selector=tekton.dev/pipelineRun={run}")["items"]:
            results = {one["name"]: one["value"] for one in taskrun["status"].get("results", [])}
            states[taskrun["metadata"]["labels"]["tekton.dev/pipelineTask"]] = results.get("status", "no results")
        return states

    def error(self, task: str) -> Any:
        """Return the error of a Task's last run."""
        return json.loads(self.results("task", task)["error"])

    def results(self, kind: str, name: str) -> dict[str, str]:
        return {one["name"]: one["value"] for one in self.last(kind, name)["status"].get("results", [])}


@pytest.fixture(scope="session")
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
def granted(catalog: CatalogNamespace) -> Iterator[Callable[..., str]]:
    """Runs the commands of a page's section Permissions, for a ServiceAccount that may nothing else; its name.

    The example's namespaces are replaced by the given ones.
    """
    made: list[tuple[str, ...]] = []

    def grant(kind: str, name: str, **places: str) -> str:
        folder = catalog.folder / kind / name / "0.1"
        page = (folder / "README.md").read_text().partition("## Permissions\n")[2]
        commands = page.partition("```console\n")[2].partition("```")[0]
        account = f"granted-{os.urandom(3).hex()}"
        commands = commands.replace("$ ", "").replace(ACCOUNT, account).replace("=default:", f"={catalog.name}:")
        for example, place in places.items():
            commands = commands.replace(f"--namespace={example}\n", f"--namespace={place}\n")
        for line in dict.fromkeys(commands.splitlines()):  # two examples may stand for one namespace
            words = shlex.split(line.replace(f"kubernaut-{name}", f"{account}-{name}"))
            if words[:2] == ["kubectl", "apply"]:
                role = (folder / words[3]).read_text().replace(f"kubernaut-{name}", f"{account}-{name}")
                catalog.kubectl("apply", "-f", "-", stdin=role)
                made.append(("clusterrole", f"{account}-{name}"))
                continue
            here = [] if any("--namespace=" in word for word in words) else [f"--namespace={catalog.name}"]
            sh(*words, *here)
            made.append((*words[2:4], *here, *(word for word in words if word.startswith("--namespace="))))
        return account

    yield grant
    for words in made:
        catalog.kubectl("delete", *words, "--ignore-not-found")


@pytest.fixture
def world(catalog: CatalogNamespace, demo: Callable[[str], Any]) -> Iterator[Any]:
    """A git repository and an AWS account on loopback, and their Secrets."""
    with demo("pipelines") as made:
        files = {path.name: path.read_text() for path in made.secret.iterdir()}
        catalog.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws"}, "stringData": files})
        yield made


@pytest.fixture
def aws(world: Any) -> Callable[[str], Any]:
    """Makes a client of a service of that account."""
    config = (world.secret / "config").read_text()
    endpoint = next(line.partition("=")[2].strip() for line in config.splitlines() if "endpoint_url" in line)
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return lambda service: boto3.client(service, endpoint_url=endpoint, region_name="eu-central-1", **keys)


def sleeper(name: str, image: str, **pod: Any) -> dict[str, Any]:
    """A Deployment of one pod that waits for its end."""
    program = "import signal; signal.sigwait([signal.SIGTERM])"
    container = {"name": name, "image": image, "command": ["python3", "-c", program]}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **pod},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def deployment(catalog: CatalogNamespace) -> Iterator[str]:
    """A Deployment of one pod that is ready."""
    name = "checkout"
    catalog.apply(sleeper(name, catalog.images["kubectl"]))
    sh("kubectl", "rollout", "status", f"deployment/{name}", f"--namespace={catalog.name}", "--timeout=90s")
    yield name
    catalog.kubectl("delete", "deployment", name, f"--namespace={catalog.name}", "--wait=true")


@pytest.fixture(scope="session")
def release(
    digests: dict[str, str],
    controller_image: str,
    storage_image: str,
    once: Callable[[str, Callable[[], None]], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Release:
    """The files of a release, made by its own programs; its images are in the cluster's nodes."""
    loaded = sh(os.environ["KUBERNAUT_LOAD_IMAGES"], controller_image, storage_image).split()
    folder = tmp_path_factory.mktemp("release")
    (folder / "images.txt").write_text("\n".join([*digests.values(), *loaded]))
    assert release_module("manifests").main([str(folder / "images.txt"), str(folder)]) == 0
    once("packages", build_packages)
    return Release(folder, {image.partition("@")[0].rpartition("/")[2]: image for image in loaded})


def environment() -> dict[str, str]:
    return {**os.environ, "TERM": "xterm"}
