"""Argo CD's actions on resources: on a stand-in, and the progress that they wait for."""

from typing import Any

import pytest
from argocd_runs import ending, message, run
from argocd_standin import ArgoStandin

from kubernaut_argocd.applications.progress import progress_of
from kubernaut_argocd.applications.resourceactions import run_resource_action


@pytest.mark.parametrize("has_v2", [True, False], ids=["3.1 and newer", "2.14"])
def test_a_resource_is_restarted_by_argo_cds_own_action(argo: ArgoStandin, has_v2: bool) -> None:
    argo.has_v2 = has_v2
    ran = run(run_resource_action, argo, action="restart", namespace="shop", name="checkout")

    assert (ran.exit_code, argo.generation) == (0, 4), ran.error


BEFORE = {"generation": 3, "step": 1}


PAUSED = {"observedGeneration": "3", "phase": "Paused", "currentStepIndex": 1, "message": "CanaryPauseStep"}


@pytest.mark.parametrize(
    ("action", "status", "progress"),
    [
        ("resume", PAUSED, "it is Paused (CanaryPauseStep)"),
        ("resume", {**PAUSED, "phase": "Progressing", "message": "more replicas"}, "it is Progressing (more replicas)"),
        ("resume", {**PAUSED, "currentStepIndex": 3}, True),
        ("resume", {**PAUSED, "phase": "Healthy", "stableRS": "a", "currentPodHash": "a"}, True),
        ("resume", {**PAUSED, "observedGeneration": "2"}, "its controller has not seen the resume yet"),
        ("promote-full", {**PAUSED, "currentStepIndex": 3}, "it is Paused (CanaryPauseStep)"),
        ("promote-full", {**PAUSED, "phase": "Healthy", "stableRS": "a", "currentPodHash": "b"}, "it is Healthy"),
        ("promote-full", {**PAUSED, "phase": "Healthy", "stableRS": "a", "currentPodHash": "a"}, True),
        (
            "promote-full",
            {"observedGeneration": "5d8f9c", "phase": "Healthy", "stableRS": "", "currentPodHash": ""},
            "it",
        ),
    ],
)
def test_the_progress_of_a_rollout_is_read_from_its_own_status(action: str, status: Any, progress: Any) -> None:
    rollout = {"kind": "Rollout", "metadata": {"name": "web", "generation": 3}, "spec": {}, "status": status}
    found = progress_of(rollout, action, BEFORE)

    assert found is progress if progress is True else str(found).startswith(progress)


@pytest.mark.parametrize(
    ("status", "progress"),
    [
        ({"restartedAt": "2026-01-01T00:00:00Z", "availableReplicas": 2}, "not all of its pods are new ones yet"),
        ({"restartedAt": "2026-01-02T00:00:00Z", "availableReplicas": 1}, "availableReplicas is 1 of 2"),
        ({"restartedAt": "2026-01-02T00:00:00Z", "availableReplicas": 2}, True),
    ],
)
def test_a_rollout_is_restarted_when_its_controller_says_so(status: Any, progress: Any) -> None:
    """Its updated and ready replicas are what they were, since its template is."""
    spec = {"replicas": 2, "restartAt": "2026-01-02T00:00:00Z"}
    status = {"observedGeneration": "4", "phase": "Healthy", "updatedReplicas": 2, "readyReplicas": 2, **status}
    rollout = {"kind": "Rollout", "metadata": {"name": "web", "generation": 4}, "spec": spec, "status": status}

    assert progress_of(rollout, "restart", BEFORE) == progress


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"abort": True, "message": "RolloutAborted: metric failed"}, "Aborted"),
        ({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}, "GivenUp"),
    ],
)
@pytest.mark.parametrize("kind", ["Rollout", "Deployment"])
def test_a_rollout_that_is_given_up_fails_at_once(argo: ArgoStandin, kind: str, status: Any, reason: str) -> None:
    argo.live = {"kind": kind, "spec": {"replicas": 2}, "status": {"observedGeneration": 4, **status}}
    ran = run(run_resource_action, argo, action="restart", kind=kind, namespace="shop", name="checkout")

    assert ending(ran) == (4, reason, True)
    assert message(ran).startswith(f"{kind} checkout was")


def test_a_workload_that_git_does_not_name_is_restarted_too(argo: ArgoStandin) -> None:
    """An operator made it: Argo CD knows it by its tree, and does not list it among the Application's resources."""
    argo.app()["status"]["resources"] = []

    assert run(run_resource_action, argo, action="restart", namespace="shop", name="checkout").exit_code == 0


@pytest.mark.parametrize(
    ("action", "text"), [("resume", "does not allow resume in its present state"), ("promote-full", "it has restart,")]
)
def test_an_action_that_is_not_offered_is_refused(argo: ArgoStandin, action: str, text: str) -> None:
    ran = run(run_resource_action, argo, action=action, namespace="shop", name="checkout")

    assert (ran.exit_code, ran.changed) == (3, False)
    assert text in message(ran)
