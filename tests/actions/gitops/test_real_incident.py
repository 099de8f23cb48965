"""The incident "an autoscaler at its maximum" on a real Argo CD and Gitea: by `kubernaut run` and by the controller."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from gitops_world import Deployed, Run, ended_well, incident
from kubectl_cluster import workload
from realcluster import (
    ControllerProcess,
    condition,
    controller_kubeconfig,
    get,
    install,
    is_closed,
    kubectl,
    namespace,
    phase_of,
    records,
    remove_namespace,
    sh,
    states,
    storage_at,
    until,
)

from kubernaut_argocd.applications.watching import wait_application

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


STEPS = {"propose": "succeeded", "merge": "succeeded", "look-now": "succeeded", "deployed": "unchanged"}


@dataclass(frozen=True)
class Watched:
    """A namespace that a controller of this test's own watches, with its records."""

    namespace: str
    storage: str
    image: str


@pytest.fixture
def watched(images: dict[str, str], tmp_path: Path) -> Iterator[Watched]:
    load = os.environ.get("KUBERNAUT_LOAD_IMAGES")
    if not load or not get("crd", "pipelineruns.tekton.dev", "default"):
        pytest.skip("KUBERNAUT_LOAD_IMAGES names no program that loads images into a cluster with Tekton")
    image = sh(load, images["argocd"]).split()[-1]
    name = f"kubernaut-gitops-{os.getpid()}"
    install()
    with storage_at(tmp_path / "storage") as storage:
        namespace(name, storage=storage)
        options = [f"--watch-namespace={name}", f"--data-storage-url={storage}"]
        kubeconfig = controller_kubeconfig(tmp_path)
        with ControllerProcess(options, tmp_path / "controller.log", kubeconfig):
            yield Watched(name, storage, image)
            kubectl("delete", "wfe", "--all", f"--namespace={name}", "--timeout=60s", check=False)
        remove_namespace(name)


class TestIncidentInGit:
    """An autoscaler at its maximum, which Argo CD deploys from git."""

    def test_it_is_raised_by_a_pull_request(self, deployed: Deployed, run: Run, tmp_path: Path) -> None:
        deployed.push(workload("Deployment", deployed.name), deployed.autoscaler(6))
        ended_well(run(wait_application, **deployed.create(automated={})))
        file, secrets = incident(deployed, tmp_path)
        argv = [sys.executable, "-m", "kubernaut_cli", "run", str(file), f"--data={tmp_path / 'data'}", "-o", "json"]

        ended = subprocess.run([*argv, *secrets], capture_output=True, text=True)

        assert ended.returncode == 0, ended.stdout + ended.stderr
        steps = {row["name"]: row for row in json.loads(ended.stdout)["steps"]}
        assert {name: row["state"] for name, row in steps.items()} == STEPS
        assert deployed.most() == 10
        pull = deployed.forge.pulls()[0]
        assert (pull["number"], pull["state"]) == (steps["propose"]["output"]["number"], "merged")
        app = deployed.argo.read(deployed.name)["status"]
        assert app["sync"]["revision"] == steps["merge"]["output"]["commit"]
        assert (app["sync"]["status"], app["health"]["status"]) == ("Synced", "Healthy")
        told = subprocess.run(
            [sys.executable, "-m", "kubernaut_cli", "history", f"--data={tmp_path / 'data'}", "-o", "json"],
            capture_output=True,
            text=True,
        )
        assert {item["step"]: item["state"] for item in json.loads(told.stdout)} == {
            name: row["state"] for name, row in steps.items()
        }
        assert deployed.gitea.token not in ended.stdout + ended.stderr + told.stdout
        assert deployed.argo.token not in ended.stdout + ended.stderr + told.stdout

    def test_a_protected_branch_is_not_merged_past_its_checks(
        self, deployed: Deployed, run: Run, tmp_path: Path
    ) -> None:
        deployed.push(workload("Deployment", deployed.name), deployed.autoscaler(6))
        deployed.create()
        deployed.forge.require("tests")
        file, secrets = incident(deployed, tmp_path, wait=0)
        argv = [sys.executable, "-m", "kubernaut_cli", "run", str(file), f"--data={tmp_path / 'data'}", "-o", "json"]

        ended = subprocess.run([*argv, *secrets], capture_output=True, text=True)

        steps = {row["name"]: row for row in json.loads(ended.stdout)["steps"]}
        assert {name: row["state"] for name, row in steps.items()} == {
            "propose": "succeeded",
            "merge": "failed",
            "look-now": "skipped",
            "deployed": "skipped",
        }
        assert "tests" in steps["merge"]["error"]["message"]
        assert deployed.forge.pulls()[0]["state"] == "open"

    @pytest.mark.docker
    def test_the_controller_raises_it(self, deployed: Deployed, run: Run, tmp_path: Path, watched: Watched) -> None:
        deployed.push(workload("Deployment", deployed.name), deployed.autoscaler(6))
        ended_well(run(wait_application, **deployed.create(automated={})))
        file, _ = incident(deployed, tmp_path)
        document = yaml.safe_load(file.read_text())
        document["metadata"]["namespace"] = watched.namespace
        for step in document["spec"]["steps"]:
            step["image"] = watched.image
        here = f"--namespace={watched.namespace}"
        for name, token in (("forge", deployed.gitea.token), ("argocd", deployed.argo.token)):
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"token": token}}
            kubectl("create", here, "-f", "-", stdin=secret)
        kubectl("create", "-f", "-", stdin=document)
        name = document["metadata"]["name"]

        ended = until(
            "the workflow's end", lambda: is_closed(found := get("wfe", name, watched.namespace)) and found, 240
        )

        assert (phase_of(ended), states(ended)) == ("Succeeded", STEPS), condition(ended, "Succeeded")
        assert deployed.most() == 10
        assert deployed.forge.pulls()[0]["state"] == "merged"
        stored = records(watched.storage, name)
        assert {step: record["state"] for step, record in stored.items()} == STEPS
        assert stored["deployed"]["target"]["name"] == deployed.name
        commit = stored["merge"]["output"]["commit"]
        assert deployed.argo.read(deployed.name)["status"]["sync"]["revision"] == commit
        body = deployed.forge.pulls()[0]["body"]
        assert stored["propose"]["id"] in body
        assert deployed.gitea.token not in json.dumps([stored, ended])
