"""The actions on Applications, and the incident "HPA at its maximum", on a real Argo CD and a real Gitea."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forge_world import RealGitea, gitea_server
from real_argocd import RealArgo, argocd_server, kubectl

from kubernaut_argocd.applications.autosync import pause_autosync, resume_autosync
from kubernaut_argocd.applications.syncing import rollback_application, sync_application
from kubernaut_argocd.applications.watching import refresh_application, terminate_operation, wait_application
from kubernaut_argocd.files import update_file
from kubernaut_argocd.requests.merging import merge_pull_request
from kubernaut_argocd.requests.opening import open_pull_request
from kubernaut_sdk import Action
from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import ActionRunner, Ran

pytestmark = [pytest.mark.slow, pytest.mark.cluster]
HPA = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "checkout"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
        "minReplicas": 2,
        "maxReplicas": 6,
    },
}


def program(variable: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    if not path.is_file():
        pytest.skip(f"{variable} names no program")
    return path


@pytest.fixture(scope="module")
def argo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealArgo]:
    found = program("ARGOCD_BIN")
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server is here")
    if subprocess.run(["kubectl", "--request-timeout=3s", "get", "--raw=/readyz"], capture_output=True).returncode:
        pytest.skip("no kubeconfig answers: `kubectl get --raw /readyz` failed")
    with argocd_server(found, tmp_path_factory.mktemp("argocd"), f"argo-{mint().hex[-10:]}") as running:
        yield running


@pytest.fixture(scope="module")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGitea]:
    with gitea_server(program("GITEA_BIN"), tmp_path_factory.mktemp("gitea")) as running:
        yield running


@pytest.fixture
def run(argo: RealArgo) -> Callable[..., Ran]:
    def call(action: Action, **inputs: Any) -> Ran:
        server = {"server": argo.url} if "server" in action.inputs_model.model_fields else {}
        return RealTimeRunner(action, secrets={"token": argo.token}).run({**server, **inputs})

    return call


class RealTimeRunner(ActionRunner):
    """A runner whose pauses take their time, since the systems around it do."""

    def run(self, inputs: Any, **rest: Any) -> Ran:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("kubernaut_sdk.testing._JumpingClock", _wall_clock)
            return super().run(inputs, **rest)


def _wall_clock() -> Any:
    import time

    return time


def deployed(repository: Any, value: int) -> str:
    folder = repository.work / "deploy"
    folder.mkdir(exist_ok=True)
    (folder / "hpa.yaml").write_text(json.dumps({**HPA, "spec": {**HPA["spec"], "maxReplicas": value}}, indent=2))  # type: ignore[dict-item]
    repository.push()
    return str(repository.git("rev-parse", "main", cwd=repository.bare)).strip()


def live(argo: RealArgo) -> int:
    words = ("get", "hpa", "checkout", f"--namespace={argo.namespace}", "--output=jsonpath={.spec.maxReplicas}")
    return int(kubectl(*words))


def test_an_application_is_synced_rolled_back_and_paused(
    argo: RealArgo, repository: Any, run: Callable[..., Ran]
) -> None:
    first = deployed(repository, 6)
    argo.create("checkout", f"file://{repository.bare}")
    name = {"application": "checkout"}
    run(refresh_application, **name)
    synced = run(sync_application, **name)
    assert (synced.exit_code, synced.status) == (0, "succeeded"), synced.error
    assert synced.change is not None
    assert [item["name"] for item in synced.change.before["resources"]] == ["checkout"]
    assert live(argo) == 6
    assert run(sync_application, **name).status == "unchanged"

    second = deployed(repository, 12)
    refreshed = run(refresh_application, **name)
    assert refreshed.output is not None
    assert (refreshed.output["sync"], refreshed.output["revision"]) == ("OutOfSync", second)
    assert run(sync_application, **name).exit_code == 0
    assert live(argo) == 12
    assert run(wait_application, **name, revision=second[:10]).status == "unchanged"

    history = argo.read("checkout")["status"]["history"]
    assert [entry["revision"] for entry in history] == [first, second]
    back = run(rollback_application, **name, history_id=history[0]["id"])
    assert (back.exit_code, back.status) == (0, "succeeded"), back.error
    assert live(argo) == 6
    assert run(terminate_operation, **name).status == "unchanged"

    where = {"application": "checkout", "namespace": argo.namespace}
    patch = '{"spec": {"syncPolicy": {"automated": {"selfHeal": true}}}}'
    kubectl("patch", "application", "checkout", f"--namespace={argo.namespace}", "--type=merge", f"--patch={patch}")
    paused = run(pause_autosync, **where)
    assert paused.exit_code == 0, paused.error
    assert argo.read("checkout")["spec"]["syncPolicy"]["automated"] == {"selfHeal": True, "enabled": False}
    resumed = run(resume_autosync, **where)
    assert resumed.exit_code == 0, resumed.error
    assert argo.read("checkout")["spec"]["syncPolicy"]["automated"] == {"selfHeal": True}
    assert run(wait_application, **name, revision=second).exit_code == 0
    assert live(argo) == 12  # automatic sync deploys what git says


def test_an_hpa_at_its_maximum_is_raised_by_a_pull_request(
    argo: RealArgo, gitea: RealGitea, repository: Any, run: Callable[..., Ran]
) -> None:
    deployed(repository, 6)
    gitea.call("POST", "/user/repos", {"name": "deploy", "default_branch": "main"})
    address = f"{gitea.url}/shop/deploy.git"
    repository.git("push", "--quiet", address.replace("://", f"://shop:{gitea.token}@"), "HEAD:refs/heads/main")
    argo.create("incident", address, automated={})
    assert run(wait_application, application="incident").exit_code == 0
    forge = {"repository": address, "forge": "gitea"}
    edits = [{"path": "deploy/hpa.yaml", "field": "spec.maxReplicas", "value": 10}]

    opened = RealTimeRunner(open_pull_request, secrets={"token": gitea.token}).run({**forge, "edits": edits})
    assert opened.output is not None, opened.error
    number = opened.output["number"]
    merged = RealTimeRunner(merge_pull_request, secrets={"token": gitea.token}).run({**forge, "number": number})
    assert merged.output is not None, merged.error
    run(refresh_application, application="incident")
    waited = run(wait_application, application="incident", revision=merged.output["commit"])

    assert waited.exit_code == 0, waited.error
    assert live(argo) == 10
    again = RealTimeRunner(update_file, secrets={"token": gitea.token}).run(
        {"repository": address, "path": "deploy/hpa.yaml", "field": "spec.maxReplicas", "value": 10}
    )
    assert again.status == "unchanged"
