"""The incident "an autoscaler at its maximum" on a real Argo CD and Gitea: by `kubernaut run` and by the controller."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from gitops_world import Deployed, Json, Run, ended_well, incident
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
from kubernaut_effectiveness import alone_words, read_fleet, verdicts_of
from kubernaut_sdk.history import DataStorage
from kubernaut_sdk.times import rfc3339, utcnow

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


class FiringAlert:
    """The alert of the incident, as an Alertmanager tells Data Storage of it, with its watchdog beside it."""

    def __init__(self, storage: str, autoscaler: str, namespace: str) -> None:
        self.storage, self.fired = storage, utcnow()
        self.labels = {
            "alertname": "KubeHpaMaxedOut",
            "severity": "warning",
            "namespace": namespace,
            "horizontalpodautoscaler": autoscaler,
        }
        self.signal = {"fingerprint": f"maxed-{autoscaler}", "name": "KubeHpaMaxedOut", "severity": "warning"}
        self._tell("firing", "0001-01-01T00:00:00Z")

    def resolve(self) -> None:
        self._tell("resolved", rfc3339(utcnow()))

    def _tell(self, status: str, ends: str) -> None:
        told = [
            self._alert(self.labels, self.signal["fingerprint"], status, ends),
            self._alert({"alertname": "Watchdog"}, "watchdog", "firing", "0001-01-01T00:00:00Z"),
        ]
        body = {"version": "4", "status": status, "receiver": "kubernaut", "truncatedAlerts": 0, "alerts": told}
        httpx.post(f"{self.storage}/api/v1/signals", json=body, trust_env=False).raise_for_status()

    def _alert(self, labels: Json, fingerprint: str, status: str, ends: str) -> Json:
        times = {"startsAt": rfc3339(self.fired), "endsAt": ends}
        return {"status": status, "labels": labels, "annotations": {}, "fingerprint": fingerprint, **times}


def verdict_at(storage: str, time: datetime) -> tuple[str, dict[str, int], str]:
    """Return the first line, its outcomes and words, as the Monitor judges at a time until which heartbeats go on."""
    since = utcnow() - timedelta(days=1)
    with DataStorage(storage) as client:
        history, signals = list(client.get_action_history()), client.get_signals(since)
        watched = client.get_monitoring(since)
    beats = [{**span, "until": rfc3339(time)} if span["kind"] == "heartbeat" else span for span in watched]
    fleet = read_fleet(history, signals, beats, now=time)
    (verdict,) = (one for one in verdicts_of(fleet) if one.outcomes)
    return verdict.action_type, verdict.outcomes, alone_words(verdict.alone)


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
        alert = FiringAlert(watched.storage, deployed.name, deployed.argo.namespace)
        request = self.remediation(deployed, tmp_path, watched, alert)
        name = request["metadata"]["name"]
        kubectl("create", "-f", "-", stdin=request)

        ended = until(
            "the workflow's end", lambda: is_closed(found := get("wfe", name, watched.namespace)) and found, 240
        )

        assert (phase_of(ended), states(ended)) == ("Succeeded", STEPS), condition(ended, "Succeeded")
        until("the outcome", lambda: phase_of(get("rr", name, watched.namespace)) == "Succeeded")
        assert deployed.most() == 10
        assert deployed.forge.pulls()[0]["state"] == "merged"
        stored = records(watched.storage, name)
        assert {step: record["state"] for step, record in stored.items()} == STEPS
        assert stored["deployed"]["target"]["name"] == deployed.name
        commit = stored["merge"]["output"]["commit"]
        assert deployed.argo.read(deployed.name)["status"]["sync"]["revision"] == commit
        body = deployed.forge.pulls()[0]["body"]
        assert stored["propose"]["id"] in body
        assert alert.signal["name"] in body
        assert deployed.gitea.token not in json.dumps([stored, ended])
        self.is_judged(alert)

    def remediation(self, deployed: Deployed, folder: Path, watched: Watched, alert: FiringAlert) -> Json:
        """Return the request that answers the alert by the incident's workflow, once the Secrets are there."""
        file, _ = incident(deployed, folder)
        workflow = yaml.safe_load(file.read_text())
        for step in workflow["spec"]["steps"]:
            step["image"] = watched.image
        for name, token in (("forge", deployed.gitea.token), ("argocd", deployed.argo.token)):
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"token": token}}
            kubectl("create", f"--namespace={watched.namespace}", "-f", "-", stdin=secret)
        return {
            "apiVersion": "kubernaut.io/v1alpha1",
            "kind": "RemediationRequest",
            "metadata": {"name": workflow["metadata"]["name"], "namespace": watched.namespace},
            "spec": {
                "signal": {**alert.signal, "firedAt": rfc3339(alert.fired)},
                "target": workflow["spec"].pop("target"),
                "workflow": workflow["spec"],
            },
        }

    def is_judged(self, alert: FiringAlert) -> None:
        """Assert the verdict of the Monitor: none while the alert may come back, and that it held two hours later."""
        alert.resolve()
        together, outcomes, _ = verdict_at(alert.storage, utcnow() + timedelta(minutes=20))
        assert set(together.split(" + ")) >= {"git/open_pull_request", "git/merge_pull_request"}
        assert outcomes == {"pending": 1}

        assert verdict_at(alert.storage, utcnow() + timedelta(hours=2)) == (together, {"held": 1}, "1 of 1 on 1 target")
