"""The images of this repository keep the contract. Here a few actions of each; `make conform` examines them all."""

import fcntl
import os
import sys
import tempfile
from pathlib import Path

import pytest

from kubernaut_conformance.examine import examine
from kubernaut_conformance.image import ActionImage
from kubernaut_conformance.installed import InstalledActions
from kubernaut_conformance.scenario import read_scenarios
from kubernaut_sdk import catalog

from .conftest import messages

ACTIONS = Path(__file__).parents[2] / "actions"
pytestmark = [pytest.mark.docker]


@pytest.fixture(autouse=True)
def our_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The `python3` of the scenarios is this one, which has moto."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def conforms(part: str, image: str, *tried: str) -> None:
    folder = ACTIONS / part
    scenarios = [each for each in read_scenarios(folder / "conformance.yaml") if each.action in tried]
    found = list(examine(ActionImage(image), scenarios, cwd=folder))

    assert len(scenarios) == len(tried)
    assert messages(found, "failed") == {}
    assert "scenario-runs" in messages(found, "passed")


@pytest.mark.slow
def test_git(images: dict[str, str]) -> None:
    conforms("argocd", images["argocd"], "git/open_pull_request", "git/update_file")


@pytest.mark.slow
def test_argo_cd_and_the_other_git_actions(images: dict[str, str]) -> None:
    rest = [each.action for each in read_scenarios(ACTIONS / "argocd" / "conformance.yaml")]
    conforms(
        "argocd", images["argocd"], *(name for name in rest if name not in {"git/open_pull_request", "git/update_file"})
    )


@pytest.mark.slow
def test_aws(images: dict[str, str]) -> None:
    """Two of the image's actions; each of them is examined as it is installed, below."""
    conforms("aws-cli", images["aws-cli"], "aws/reboot_instances", "aws/set_desired_capacity")


AWS = [scenario.action for scenario in read_scenarios(ACTIONS / "aws-cli" / "conformance.yaml")]


@pytest.mark.slow
@pytest.mark.parametrize("action", AWS)
def test_each_aws_action_as_it_is_installed(action: str) -> None:
    folder = ACTIONS / "aws-cli"
    [scenario] = [each for each in read_scenarios(folder / "conformance.yaml") if each.action == action]
    found = list(examine(InstalledActions(), [scenario], cwd=folder))

    assert messages(found, "failed") == {}
    assert set(messages(found, "passed")) >= {"permissions-declared", "plan-writes-nothing", "scenario-runs", "sigterm"}


@pytest.mark.slow
@pytest.mark.cluster
def test_kubectl(images: dict[str, str], cluster: None) -> None:
    conforms("kubectl", images["kubectl"], "kubernetes/restart_deployment", "kubernetes/scale_deployment")


KUBECTL = [scenario.action for scenario in read_scenarios(ACTIONS / "kubectl" / "conformance.yaml")]


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("action", KUBECTL)
def test_each_kubectl_action_as_it_is_installed(cluster: None, action: str) -> None:
    folder = ACTIONS / "kubectl"
    [scenario] = [each for each in read_scenarios(folder / "conformance.yaml") if each.action == action]
    with (Path(tempfile.gettempdir()) / "kubernaut-tests-kinds.lock").open("w") as file:
        if action in {"kubernetes/renew_certificate", "kubernetes/snapshot_pvc"}:
            fcntl.flock(file, fcntl.LOCK_EX)  # their scenarios make kinds, which are the whole cluster's
        found = list(examine(InstalledActions(), [scenario], cwd=folder))

    assert messages(found, "failed") == {}
    passed = set(messages(found, "passed"))
    assert passed >= {"plan-writes-nothing", "scenario-runs"}
    idempotent = catalog.find(action).idempotent
    assert ("second-run-unchanged" in passed, "not-applied-twice" in passed) == (idempotent, not idempotent)
    assert ("sigterm" in passed) is scenario.changes  # cancelled in the middle
    recorded = scenario.server is not None  # its requests, and so what they take
    assert ("permissions-declared" in passed) is recorded
