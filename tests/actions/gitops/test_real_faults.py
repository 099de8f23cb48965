"""Faults between actions and a real Argo CD: who owns a field, operations at once, windows, retries."""

from collections.abc import Callable

import pytest
from gitops_world import Deployed, Json, Run, ended_well, refused, within
from kubectl_cluster import workload
from real_argocd import kubectl

from kubernaut_argocd.applications.autosync import pause_autosync
from kubernaut_argocd.applications.syncing import sync_application
from kubernaut_argocd.applications.terminating import terminate_operation
from kubernaut_argocd.applications.watching import refresh_application, wait_application
from kubernaut_kubectl.workloads.scale import scale_deployment
from kubernaut_sdk.testing import Ran

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


class TestSelfHeal:
    """Argo CD takes a change of a field that git names back within seconds."""

    @pytest.fixture
    def scale(self, deployed: Deployed, run: Run) -> Callable[..., Ran]:
        deployed.push(workload("Deployment", deployed.name))
        name = deployed.create(automated={"selfHeal": True})
        ended_well(run(wait_application, **name))
        where = {"namespace": deployed.argo.namespace, "deployment": deployed.name}
        return lambda **inputs: run(scale_deployment, **where, replicas=2, **inputs)

    def test_the_change_is_refused(self, deployed: Deployed, scale: Callable[..., Ran]) -> None:
        code, reason, text = refused(scale())

        assert (code, reason) == (3, "Owned")
        assert f"Argo CD's Application {deployed.name}" in text
        assert "git/update_file" in text
        assert deployed.live("deployment")["spec"]["replicas"] == 1

    def test_the_revert_is_told_if_it_is_made_all_the_same(self, deployed: Deployed, scale: Callable[..., Ran]) -> None:
        ran = scale(when_owned="proceed")
        code, reason, text = refused(ran)

        assert (code, reason, ran.changed) == (4, "TakenBack", True)
        assert "Argo CD" in text
        assert within(30, lambda: deployed.live("deployment")["spec"]["replicas"] == 1)


def being_synced_by_alice(deployed: Deployed, run: Run, script: str) -> Json:
    """Start a sync that first waits for a Job, and return the inputs that name the Application."""
    template = workload("Deployment", deployed.name, script=script)["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    hook = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": f"{deployed.name}-", "annotations": {"argocd.argoproj.io/hook": "PreSync"}},
        "spec": {"template": template},
    }
    deployed.push(workload("Deployment", deployed.name), hook)
    name = deployed.create()
    ended_well(run(refresh_application, **name))
    deployed.argo.patch(deployed.name, {"operation": {"initiatedBy": {"username": "alice"}, "sync": {}}})
    within(20, lambda: deployed.argo.read(deployed.name)["status"].get("operationState"))
    return name


def test_a_sync_waits_for_the_one_before(deployed: Deployed, run: Run) -> None:
    name = being_synced_by_alice(deployed, run, script="sleep 8")

    code, reason, text = refused(run(sync_application, **name))
    assert (code, reason) == (75, "OperationInProgress")
    assert "started by alice" in text
    code, reason, text = refused(run(terminate_operation, **name))
    assert (code, reason) == (3, "TooYoung")
    waited = ended_well(run(sync_application, **name, retries=8))
    assert waited.status == "unchanged"  # what alice started has synced it


def test_an_operation_that_hangs_is_ended(deployed: Deployed, run: Run) -> None:
    name = being_synced_by_alice(deployed, run, script="sleep 1000")

    ended = ended_well(run(terminate_operation, **name, min_age=0))

    assert ended.status == "succeeded"
    assert ended.change is not None
    assert ended.change.before["operation"]["by"] == "alice"
    assert deployed.argo.read(deployed.name)["status"]["operationState"]["phase"] == "Failed"


def test_an_operation_that_waits_for_a_retry_has_not_ended(deployed: Deployed, run: Run) -> None:
    broken = workload("Deployment", deployed.name)
    broken["spec"]["selector"] = {"matchLabels": {"app": "other"}}  # the API server refuses it
    deployed.push(broken)
    name = deployed.create()
    ended_well(run(refresh_application, **name))

    code, reason, text = refused(run(sync_application, **name, retry_limit=5, seconds=12))
    assert (code, reason) == (4, "VerifyFailed"), text
    assert "waits to be tried again" in text or "Retrying" in text
    ended_well(run(terminate_operation, **name, min_age=0))

    code, reason, text = refused(run(sync_application, **name, retry_limit=0))
    assert (code, reason) == (4, "OperationFailed")
    assert f"Deployment {deployed.name}" in text


def test_a_sync_window_is_respected(deployed: Deployed, run: Run) -> None:
    deployed.push(workload("Deployment", deployed.name))
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"], "manualSync": False}
    anywhere: Json = {
        "sourceRepos": ["*"],
        "destinations": [{"namespace": "*", "server": "*"}],
        "syncWindows": [window],
    }
    project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "spec": anywhere}
    kubectl(
        "create",
        "--filename=-",
        stdin={**project, "metadata": {"name": deployed.name, "namespace": deployed.argo.namespace}},
    )
    name = deployed.create(project=deployed.name)
    ended_well(run(refresh_application, **name))

    code, reason, text = refused(run(sync_application, **name))

    assert (code, reason) == (3, "SyncWindow")
    assert "deny * * * * * for 1h" in text
    assert "operationState" not in deployed.argo.read(deployed.name)["status"]


def test_an_applicationset_takes_the_policy_of_its_application_back(deployed: Deployed, run: Run) -> None:
    deployed.push(workload("Deployment", deployed.name))
    made = deployed.argo.application("{{name}}", deployed.forge.address, automated={"selfHeal": True})
    generated = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "shops", "namespace": deployed.argo.namespace},
        "spec": {
            "generators": [{"list": {"elements": [{"name": deployed.name}]}}],
            "template": {"metadata": {"name": "{{name}}"}, "spec": made["spec"]},
        },
    }
    kubectl("create", "--filename=-", stdin=generated)
    name = {"application": deployed.name}
    where = {**name, "namespace": deployed.argo.namespace}
    within(60, lambda: deployed.name in kubectl("get", "applications", f"--namespace={deployed.argo.namespace}"))
    ended_well(run(wait_application, **name))

    refusal = refused(run(pause_autosync, **where))
    paused = run(pause_autosync, **where, when_owned="proceed")
    revert = refused(paused)

    assert refusal[:2] == (3, "Owned")
    assert "ApplicationSet shops" in refusal[2]
    assert (*revert[:2], paused.changed) == (4, "Reverted", True)
    assert "most likely by ApplicationSet shops" in revert[2]
    assert deployed.argo.read(deployed.name)["spec"]["syncPolicy"]["automated"] == {"selfHeal": True}
    kubectl("delete", "applicationset", "shops", f"--namespace={deployed.argo.namespace}", "--timeout=60s")


def test_an_application_that_another_one_makes_is_not_paused(deployed: Deployed, run: Run) -> None:
    """Argo CD 3 knows what the parent made by an annotation, Argo CD 2 by a label."""
    child = f"{deployed.name}-child"
    made = deployed.argo.application(child, deployed.forge.address, path="child", automated={"selfHeal": True})
    deployed.push(made)
    name = deployed.create(automated={"selfHeal": True})
    here = f"--namespace={deployed.argo.namespace}"
    within(60, lambda: child in kubectl("get", "applications", here))
    within(30, lambda: deployed.argo.read(deployed.name)["status"].get("resources"))

    code, reason, text = refused(run(pause_autosync, application=child, namespace=deployed.argo.namespace))
    ended_well(run(pause_autosync, **name, namespace=deployed.argo.namespace))

    assert (code, reason) == (3, "Owned")
    assert f"belongs to Application {deployed.name}, which would take the change back" in text
    kubectl("delete", "application", child, here)
