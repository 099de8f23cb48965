"""An action that keeps the contract, and the ways to break it."""

import subprocess
from pathlib import Path

import pytest

from kubernaut_conformance.checks import ACTION_CHECKS, IMAGE_CHECKS, CheckResult
from kubernaut_conformance.scenario import Scenario, read_scenarios

BROKEN = Path(__file__).parent / "broken"
IMAGE_CHECK_NAMES = [check.name for check in IMAGE_CHECKS if not check.advice]
ACTION_CHECK_NAMES = [check.name for check in ACTION_CHECKS]
MORE_WAYS = ["results-complete:none-at-0", "stdout-one-object:failure", "stdout-one-object:plan"]
"""Further ways to break a check: its name and a word."""


def scenarios(broken: str) -> list[Scenario]:
    """Return the action's scenario, run so that it breaks one check; the empty name breaks none."""
    found = read_scenarios(BROKEN / "conformance.yaml")
    return [scenario.model_copy(update={"env": {**scenario.env, "BROKEN": broken}}) for scenario in found]


def messages(judgements: list[CheckResult], outcome: str) -> dict[str, str]:
    """Return check → message for the checks with this outcome."""
    return {judgement.check.name: judgement.message for judgement in judgements if judgement.outcome == outcome}


@pytest.fixture
def cluster() -> None:
    """Skip unless the cluster of the kubeconfig answers."""
    try:
        subprocess.run(["kubectl", "--request-timeout=3s", "get", "--raw", "/readyz"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no kubeconfig answers: `kubectl get --raw /readyz` failed")
