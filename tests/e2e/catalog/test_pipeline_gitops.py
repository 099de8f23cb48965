"""The Pipeline recover-autosynced-application on a real Tekton, with a real Argo CD that deploys from a real Gitea."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ..conftest import ROOT  # noqa: TID252 – tests/ is no package to name it by
from .conftest import CatalogNamespace

if TYPE_CHECKING:
    from gitops_world import Deployed

sys.path.insert(0, str(ROOT / "tests" / "actions" / "standins"))

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]

PIPELINE = "recover-autosynced-application"
GOOD, BAD = "sleep 1000", "exit 3"


@pytest.fixture
def incident(deployed: "Deployed") -> str:
    """An Application with automatic sync, whose Deployment crashes since the last commit; that commit."""
    from gitops_world import within
    from kubectl_cluster import workload

    deployed.push(workload("Deployment", deployed.name, script=GOOD))
    deployed.create(automated={"selfHeal": True})
    within(90, lambda: health(deployed) == "Healthy")
    commit = deployed.push(workload("Deployment", deployed.name, script=BAD))
    deployed.argo.patch(deployed.name, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})
    within(90, lambda: script(deployed) == BAD)
    return commit


def health(deployed: "Deployed") -> Any:
    return deployed.argo.read(deployed.name).get("status", {}).get("health", {}).get("status")


def script(deployed: "Deployed") -> str:
    """The script that the Deployment runs."""
    [container] = deployed.live("deployment")["spec"]["template"]["spec"]["containers"]
    return str(container["command"][-1])


def recover(
    catalog: CatalogNamespace,
    deployed: "Deployed",
    granted: Callable[..., str],
    commit: str,
    password: str,
) -> dict[str, str]:
    """Run the Pipeline with what its page grants, and return how each Task ended."""
    where = deployed.argo.namespace
    for name, files in (
        ("git", {"username": "shop", "password": password}),
        ("argocd", {"token": deployed.argo.token}),
    ):
        catalog.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": files})
    params = {
        "application": deployed.name,
        "argocd_namespace": where,
        "namespace": where,
        "deployment": deployed.name,
        "repository": deployed.forge.address,
        "commit": commit,
        "server": deployed.argo.url,
    }
    account = granted("pipeline", PIPELINE, shop=where, argocd=where)
    secrets = ("--workspace=name=git,secret=git", "--workspace=name=argocd,secret=argocd")
    catalog.start("pipeline", PIPELINE, params, *secrets, account=account, seconds=300)
    return catalog.ended(PIPELINE)


def automated(deployed: "Deployed") -> Any:
    return deployed.argo.read(deployed.name)["spec"]["syncPolicy"].get("automated")


def test_a_bad_commit_is_taken_back_and_argo_cd_deploys_from_git_again(
    catalog: CatalogNamespace,
    deployed: "Deployed",
    incident: str,
    granted: Callable[..., str],
) -> None:
    states = recover(catalog, deployed, granted, incident, deployed.gitea.token)
    application = deployed.argo.read(deployed.name)["status"]
    last = deployed.forge.git("log", "-1", "--format=%H %s", "main").split(" ", 1)

    assert states == {
        "pause": "succeeded",
        "roll-back": "succeeded",
        "revert": "succeeded",
        "resume": "succeeded",
        "wait": "unchanged",
    }
    assert (script(deployed), automated(deployed)) == (GOOD, {"selfHeal": True})
    assert GOOD in deployed.forge.git("show", "main:deploy/deployment.yaml")
    assert (application["sync"]["status"], application["health"]["status"]) == ("Synced", "Healthy")
    assert application["sync"]["revision"] == last[0] != incident


def test_where_git_refuses_the_revert_automatic_sync_stays_off_as_the_page_says(
    catalog: CatalogNamespace,
    deployed: "Deployed",
    incident: str,
    granted: Callable[..., str],
) -> None:
    states = recover(catalog, deployed, granted, incident, "wrong")

    assert states == {"pause": "succeeded", "roll-back": "succeeded", "revert": "failed"}
    assert script(deployed) == GOOD
    assert (automated(deployed) or {"enabled": False})["enabled"] is False
    assert deployed.forge.git("rev-parse", "main").strip() == incident
