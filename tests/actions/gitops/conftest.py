"""A real Argo CD, which deploys from a real Gitea into a real cluster."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "cluster"))

from forge_world import RealGitea, gitea_server
from gitops_world import Deployed, Json, Run
from programs import program_in
from real_argocd import RealArgo, argocd_server, kubectl

from kubernaut_sdk import Action
from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import ActionRunner, Ran


@pytest.fixture(scope="session")
def argo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealArgo]:
    found = program_in("ARGOCD_BIN", "argocd")
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server is here")
    if subprocess.run(["kubectl", "--request-timeout=3s", "get", "--raw=/readyz"], capture_output=True).returncode:
        pytest.skip("no kubeconfig answers: `kubectl get --raw /readyz` failed")
    with argocd_server(found, tmp_path_factory.mktemp("argocd"), f"argo-{mint().hex[-10:]}") as running:
        yield running


@pytest.fixture(scope="session")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGitea]:
    with gitea_server(program_in("GITEA_BIN", "gitea"), tmp_path_factory.mktemp("gitea")) as running:
        yield running


@pytest.fixture
def deployed(argo: RealArgo, gitea: RealGitea, repository: Any) -> Iterator[Deployed]:
    made = Deployed(argo, gitea, repository)
    yield made
    here = f"--namespace={argo.namespace}"
    kubectl("delete", "applications.argoproj.io", made.name, here, "--ignore-not-found")
    kubectl("delete", "deployment,hpa", made.name, here, "--ignore-not-found", "--wait=false")


@pytest.fixture
def run(argo: RealArgo) -> Run:
    """Runs an action on the Argo CD, and lets its pauses take their time."""

    def call(ours: Action, /, *, retries: int = 0, seconds: int = 90, **inputs: Any) -> Ran:
        server = {"server": argo.url} if "server" in ours.inputs_model.model_fields else {}
        more: Json = {"timeout": timedelta(seconds=seconds), "retries": retries, "real_time": True}
        return ActionRunner(ours, secrets={"token": argo.token}, **more).run({**server, **inputs})

    return call
