"""A Deployment in a repository on a real Gitea, which a real Argo CD deploys; and what tests ask of an action's end."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from forge_world import GiteaWorld, RealGitea
from real_argocd import RealArgo, kubectl

from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import Ran

__all__ = ["Deployed", "Json", "Run", "ended_well", "incident", "refused", "within"]

INCIDENT = Path(__file__).parents[3] / "examples" / "incidents" / "hpa-at-maximum-in-git.yaml"
Run = Callable[..., Ran]
Json = dict[str, Any]


class Deployed:
    """A private repository on Gitea, with a Deployment and perhaps its autoscaler, and an Application that deploys it.

    Attributes:
        name: The name of all of them.
    """

    def __init__(self, argo: RealArgo, gitea: RealGitea, repository: Any) -> None:
        self.argo, self.gitea, self.repository = argo, gitea, repository
        self.name = f"app-{mint().hex[-8:]}"
        self.forge = GiteaWorld(gitea, self.name, repository)
        argo.know(self.name, self.forge.address, gitea.token)

    def push(self, *documents: Json) -> str:
        """Put these objects into the repository's folder `deploy`, and return the commit."""
        folder = self.repository.work / "deploy"
        folder.mkdir(exist_ok=True)
        for document in documents:
            (folder / f"{document['kind'].lower()}.yaml").write_text(yaml.safe_dump(document))
        self.repository.push()
        return str(self.repository.git("rev-parse", "HEAD")).strip()

    def create(self, **policy: Any) -> Json:
        """Create the Application, and return the inputs that name it."""
        kubectl("create", "--filename=-", stdin=self.argo.application(self.name, self.forge.address, **policy))
        return {"application": self.name}

    def autoscaler(self, most: int) -> Json:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name}
        return {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": self.name},
            "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": most},
        }

    def live(self, kind: str) -> Json:
        words = ("get", kind, self.name, f"--namespace={self.argo.namespace}", "--output=json")
        found: Json = json.loads(kubectl(*words))
        return found

    def most(self) -> int:
        """The autoscaler's maximum on the cluster."""
        return int(self.live("hpa")["spec"]["maxReplicas"])


def ended_well(ran: Ran) -> Ran:
    assert ran.exit_code == 0, ran.error
    return ran


def refused(ran: Ran) -> tuple[int, str, str]:
    assert ran.error is not None, ran.status
    return ran.exit_code, str(ran.error.reason), ran.error.message


def within(seconds: float, look: Callable[[], Any]) -> Any:
    """Return what a look finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing came within {seconds} s"
        time.sleep(0.2)
    return found


def incident(deployed: Deployed, folder: Path, **merging: Any) -> tuple[Path, list[str]]:
    """Write the incident's workflow for this repository and Application, and return it with its Secrets."""
    document = yaml.safe_load(INCIDENT.read_text())
    document["spec"]["target"] |= {"namespace": deployed.argo.namespace, "name": deployed.name}
    for step in document["spec"]["steps"]:
        inputs = step["inputs"]
        if "repository" in inputs:
            inputs |= deployed.forge.inputs
        else:
            inputs |= {"server": deployed.argo.url, "application": deployed.name}
        if step["name"] == "propose":
            inputs["edits"][0]["path"] = "deploy/horizontalpodautoscaler.yaml"
        if step["name"] == "merge":
            inputs |= merging
    file = folder / "workflow.yaml"
    file.write_text(yaml.safe_dump(document))
    secrets = []
    for name, token in (("forge", deployed.gitea.token), ("argocd", deployed.argo.token)):
        (folder / name).mkdir()
        (folder / name / "token").write_text(token)
        secrets.append(f"--secret={name}={folder / name}")
    return file, secrets
