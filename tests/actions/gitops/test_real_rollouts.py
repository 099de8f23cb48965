"""The resource actions on a real Argo Rollout (ROLLOUTS_BIN), through a real Argo CD."""

from collections.abc import Iterator
from typing import Any

import pytest
from gitops_world import Deployed, Json, Run, ended_well, refused, within
from programs import program_in
from real_argocd import RealArgo, kubectl
from real_rollouts import a_rollout, rollouts_controller

from kubernaut_argocd.applications.resourceactions import run_resource_action
from kubernaut_argocd.applications.syncing import sync_application
from kubernaut_argocd.applications.watching import refresh_application, wait_application

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

HALF: Json = {"setWeight": 50}
MOST: Json = {"setWeight": 75}
PAUSE: Json = {"pause": {}}


@pytest.fixture(scope="module", autouse=True)
def controller(argo: RealArgo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    program = program_in("ROLLOUTS_BIN", "rollouts-controller")
    with rollouts_controller(program, tmp_path_factory.mktemp("rollouts"), argo.namespace):
        yield


class Canary:
    """A Rollout with these steps, whose first version is deployed."""

    def __init__(self, deployed: Deployed, run: Run, *steps: Json) -> None:
        self.deployed, self.run, self.steps = deployed, run, steps
        deployed.push(a_rollout(deployed.name, 1, *steps))
        self.name = deployed.create()
        ended_well(run(refresh_application, **self.name))
        ended_well(run(sync_application, **self.name))

    def begin_second(self) -> "Canary":
        """Deploy the second version up to its first pause."""
        self.deployed.push(a_rollout(self.deployed.name, 2, *self.steps))
        ended_well(self.run(refresh_application, **self.name))
        ended_well(self.run(sync_application, **self.name, accept_suspended=True))
        within(60, lambda: self.status()["phase"] == "Paused")
        return self

    def status(self) -> Json:
        found: Json = self.deployed.live("rollout")["status"]
        return found

    def act(self, action: str, **more: Any) -> Any:
        place = {"group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout", "name": self.deployed.name}
        return self.run(
            run_resource_action, **self.name, **place, namespace=self.deployed.argo.namespace, action=action, **more
        )

    def fully_promoted(self) -> bool:
        status = self.status()
        return bool(status["phase"] == "Healthy" and status["stableRS"] == status["currentPodHash"])


def test_a_paused_rollout_is_resumed_to_its_next_pause_and_then_to_its_end(deployed: Deployed, run: Run) -> None:
    canary = Canary(deployed, run, HALF, PAUSE, MOST, PAUSE).begin_second()
    assert canary.status()["currentStepIndex"] == 1
    code, reason, text = refused(run(wait_application, **canary.name, seconds=10))
    assert (code, reason) == (4, "VerifyFailed")
    assert f"Application {deployed.name} is Suspended" in text
    assert run(wait_application, **canary.name, accept_suspended=True).status == "unchanged"

    first = ended_well(canary.act("resume"))
    assert first.change is not None
    assert first.change.before["step"] == 1
    assert (canary.status()["phase"], canary.status()["currentStepIndex"]) == ("Paused", 3)
    ended_well(canary.act("resume"))
    assert canary.fully_promoted()
    code, reason, _ = refused(canary.act("resume"))
    assert (code, reason) == (3, "ActionDisabled")


def test_a_rollout_is_promoted_past_all_its_pauses(deployed: Deployed, run: Run) -> None:
    canary = Canary(deployed, run, HALF, PAUSE, MOST, PAUSE).begin_second()

    ended_well(canary.act("promote-full"))

    assert canary.fully_promoted()
    code, reason, _ = refused(canary.act("promote-full"))
    assert (code, reason) == (3, "ActionDisabled")


def test_the_pods_of_a_rollout_are_restarted(deployed: Deployed, run: Run) -> None:
    canary = Canary(deployed, run, HALF, PAUSE)
    here = (f"--namespace={deployed.argo.namespace}", f"--selector=app={deployed.name}", "--output=name")
    before = set(kubectl("get", "pods", *here).split())

    ended_well(canary.act("restart"))

    after = set(kubectl("get", "pods", *here, "--field-selector=status.phase=Running").split())
    assert len(before) == len(after) == 2
    assert not before & after


def test_a_rollout_that_is_aborted_fails_at_once(deployed: Deployed, run: Run) -> None:
    """Its next version never becomes ready, so that its controller gives it up."""
    canary = Canary(deployed, run, HALF, PAUSE, MOST, PAUSE).begin_second()
    broken = a_rollout(deployed.name, 3, HALF, PAUSE, progressDeadlineSeconds=5, progressDeadlineAbort=True)
    broken["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"exec": {"command": ["false"]}}
    deployed.push(broken)
    ended_well(run(refresh_application, **canary.name))
    refused(run(sync_application, **canary.name, seconds=8))

    code, reason, text = refused(canary.act("promote-full"))

    assert (code, reason) == (4, "Aborted")
    assert f"Rollout {deployed.name} was aborted" in text
