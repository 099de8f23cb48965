"""The actions on Applications on a real Argo CD."""

import json
from typing import Any

import pytest
from gitops_world import Deployed, Run, ended_well, refused
from kubectl_cluster import workload
from real_argocd import kubectl

from kubernaut_argocd.applications.autosync import pause_autosync, resume_autosync
from kubernaut_argocd.applications.cluster import ApplicationCluster
from kubernaut_argocd.applications.resourceactions import run_resource_action
from kubernaut_argocd.applications.rollingback import rollback_application
from kubernaut_argocd.applications.syncing import sync_application
from kubernaut_argocd.applications.terminating import terminate_operation
from kubernaut_argocd.applications.watching import refresh_application, wait_application

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def test_an_application_is_synced_rolled_back_and_waited_for(deployed: Deployed, run: Run) -> None:
    first = deployed.push(workload("Deployment", deployed.name), deployed.autoscaler(6))
    name = deployed.create()
    ended_well(run(refresh_application, **name))
    synced = ended_well(run(sync_application, **name))
    assert synced.status == "succeeded"
    assert synced.change is not None
    assert sorted(item["kind"] for item in synced.change.before["resources"]) == [
        "Deployment",
        "HorizontalPodAutoscaler",
    ]
    assert deployed.most() == 6
    assert run(sync_application, **name).status == "unchanged"

    second = deployed.push(deployed.autoscaler(12))
    refreshed = run(refresh_application, **name)
    assert refreshed.output is not None, refreshed.error
    assert (refreshed.output["sync"], refreshed.output["revision"]) == ("OutOfSync", second)
    ended_well(run(sync_application, **name))
    assert deployed.most() == 12
    assert run(wait_application, **name, revision=second[:10]).status == "unchanged"

    history = deployed.argo.read(deployed.name)["status"]["history"]
    assert [entry["revision"] for entry in history] == [first, second]
    assert ended_well(run(rollback_application, **name, history_id=history[0]["id"])).status == "succeeded"
    assert deployed.most() == 6
    assert run(terminate_operation, **name).status == "unchanged"


def test_what_git_has_no_more_is_kept_until_it_is_pruned_and_comes_back_with_an_older_revision(
    deployed: Deployed, run: Run
) -> None:
    first = deployed.push(workload("Deployment", deployed.name), deployed.autoscaler(6))
    name = deployed.create()
    ended_well(run(refresh_application, **name))
    ended_well(run(sync_application, **name))
    (deployed.repository.work / "deploy" / "horizontalpodautoscaler.yaml").unlink()
    second = deployed.push()
    ended_well(run(refresh_application, **name))

    kept = ended_well(run(sync_application, **name))
    assert kept.change is not None
    assert [item["kind"] for item in kept.change.after["kept"]] == ["HorizontalPodAutoscaler"]
    assert kept.status == "unchanged"
    assert deployed.most() == 6
    pruned = ended_well(run(sync_application, **name, prune=True))
    assert pruned.change is not None
    assert [(item["kind"], item["change"]) for item in pruned.change.before["resources"]] == [
        ("HorizontalPodAutoscaler", "delete")
    ]
    with pytest.raises(AssertionError, match="not found"):
        deployed.live("hpa")

    older = ended_well(run(sync_application, **name, revision=first))
    assert older.change is not None
    assert [item["kind"] for item in older.change.before["resources"]] == ["HorizontalPodAutoscaler"]
    assert deployed.most() == 6
    status = deployed.argo.read(deployed.name)["status"]
    assert (status["sync"]["status"], status["sync"]["revision"]) == ("OutOfSync", second)
    assert status["history"][-1]["revision"] == first


def test_an_application_of_two_sources_is_synced_to_revisions_and_rolled_back(deployed: Deployed, run: Run) -> None:
    first = deployed.push(workload("Deployment", deployed.name))
    (deployed.repository.work / "extra").mkdir()
    (deployed.repository.work / "extra" / "hpa.yaml").write_text(json.dumps(deployed.autoscaler(6)))
    deployed.push()
    document = deployed.argo.application(deployed.name, deployed.forge.address)
    source = document["spec"].pop("source")
    document["spec"]["sources"] = [source, {**source, "path": "extra"}]
    kubectl("create", "--filename=-", stdin=document)
    name = {"application": deployed.name}

    ended_well(run(refresh_application, **name))
    ended_well(run(sync_application, **name))
    second = deployed.argo.read(deployed.name)["status"]["sync"]["revisions"][1]
    assert deployed.most() == 6
    (deployed.repository.work / "extra" / "hpa.yaml").write_text(json.dumps(deployed.autoscaler(12)))
    deployed.push()
    ended_well(run(refresh_application, **name))
    ended_well(run(sync_application, **name))
    assert deployed.most() == 12
    assert refused(run(sync_application, **name, revision=first))[0] == 3

    older = ended_well(run(sync_application, **name, revisions=["main", second]))
    assert older.change is not None
    assert [item["kind"] for item in older.change.before["resources"]] == ["HorizontalPodAutoscaler"]
    assert deployed.most() == 6
    ended_well(run(refresh_application, **name))
    ended_well(run(sync_application, **name))
    assert deployed.most() == 12
    history = deployed.argo.read(deployed.name)["status"]["history"]
    ended_well(run(rollback_application, **name, history_id=history[0]["id"]))
    assert deployed.most() == 6


def test_automatic_sync_is_paused_and_resumed(deployed: Deployed, run: Run) -> None:
    deployed.push(workload("Deployment", deployed.name), deployed.autoscaler(6))
    name = deployed.create(automated={"selfHeal": True})
    where = {**name, "namespace": deployed.argo.namespace}
    ended_well(run(wait_application, **name))
    second = deployed.push(deployed.autoscaler(8))
    ended_well(run(refresh_application, **name))
    ended_well(run(wait_application, **name, revision=second))
    code, reason, text = refused(run(rollback_application, **name, history_id=0))
    assert (code, reason) == (3, "AutoSync")
    assert "argocd/pause_autosync" in text

    ended_well(run(pause_autosync, **where))
    paused = {"selfHeal": True, "enabled": False} if deployed.argo.knows_enabled() else None  # since Argo CD 3.1
    assert deployed.argo.read(deployed.name)["spec"]["syncPolicy"].get("automated") == paused
    ended_well(run(rollback_application, **name, history_id=0))
    assert deployed.most() == 6
    ended_well(run(resume_autosync, **where))
    assert deployed.argo.read(deployed.name)["spec"]["syncPolicy"]["automated"] == {"selfHeal": True}
    ended_well(run(wait_application, **name, revision=second))
    assert deployed.most() == 8  # automatic sync deploys what git says


def test_a_policy_that_changes_between_look_and_patch_is_a_conflict_on_a_real_cluster(
    deployed: Deployed, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.push(workload("Deployment", deployed.name))
    name = deployed.create(automated={"selfHeal": True})
    where, patch = {**name, "namespace": deployed.argo.namespace}, ApplicationCluster.patch
    theirs = {"spec": {"syncPolicy": {"automated": {"selfHeal": False, "prune": True}}}}

    def late(self: ApplicationCluster, namespace: str, application: str, operations: Any) -> Any:
        monkeypatch.setattr(ApplicationCluster, "patch", patch)
        deployed.argo.patch(deployed.name, theirs)
        return patch(self, namespace, application, operations)

    monkeypatch.setattr(ApplicationCluster, "patch", late)
    code, reason, _ = refused(run(pause_autosync, **where))
    assert (code, reason) == (75, "Conflict")
    found = deployed.argo.read(deployed.name)
    assert found["spec"]["syncPolicy"]["automated"] == {"selfHeal": False, "prune": True}

    monkeypatch.setattr(ApplicationCluster, "patch", late)
    theirs["spec"]["syncPolicy"]["automated"] = {"selfHeal": True, "prune": True}
    ended_well(run(pause_autosync, **where, retries=1))
    ended_well(run(resume_autosync, **where))
    found = deployed.argo.read(deployed.name)
    assert found["spec"]["syncPolicy"]["automated"] == {"selfHeal": True, "prune": True}


def test_a_workload_is_restarted_by_argo_cds_own_action(deployed: Deployed, run: Run) -> None:
    deployed.push(workload("Deployment", deployed.name))
    name = deployed.create(automated={})
    ended_well(run(wait_application, **name))
    before = deployed.live("deployment")["metadata"]["generation"]

    place = {"namespace": deployed.argo.namespace, "name": deployed.name}
    ended_well(run(run_resource_action, **name, **place, action="restart"))

    after = deployed.live("deployment")
    assert after["metadata"]["generation"] == before + 1
    assert "kubectl.kubernetes.io/restartedAt" in after["spec"]["template"]["metadata"]["annotations"]
    code, reason, _ = refused(run(run_resource_action, **name, **place, action="promote-full"))
    assert (code, reason) == (3, "NotFound")
