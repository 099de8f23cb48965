"""The actions on Argo CD's Applications, against a stand-in that is held to Argo CD's own description."""

import json
from datetime import timedelta
from typing import Any

import pytest
from argocd_runs import automated, ending, message, run
from argocd_standin import NEW, OLD, TOKEN, ArgoStandin, an_application

from kubernaut_argocd.applications.rollingback import rollback_application
from kubernaut_argocd.applications.syncing import sync_application
from kubernaut_argocd.applications.terminating import terminate_operation
from kubernaut_argocd.applications.watching import refresh_application, wait_application
from kubernaut_sdk import Action
from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import ActionRunner
from kubernaut_sdk.times import rfc3339, utcnow


def test_a_sync_shows_what_it_applies_and_ends_with_its_own_operation(argo: ArgoStandin) -> None:
    ran = run(sync_application, argo)

    assert (ran.exit_code, ran.status) == (0, "succeeded"), ran.error
    assert ran.change is not None
    assert ran.change.before["resources"] == [
        {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "checkout", "change": "apply"}
    ]
    assert ran.change.before["sources"] == [
        {
            "repoURL": "https://git.example.com/shop.git",
            "path": "checkout",
            "targetRevision": "main",
            "helm": {"replicas": "6"},
        }
    ]
    assert ran.output == {"application": "checkout", "revision": NEW, "resources": 1}
    state = argo.app()["status"]["operationState"]
    assert state["operation"]["info"] == [{"name": "kubernaut.io/record", "value": str(ran.record_id)}]
    assert TOKEN not in ran.log + str(ran.results) + str(ran.events)


def test_what_is_synced_already_is_left_alone(argo: ArgoStandin) -> None:
    first, second = run(sync_application, argo), run(sync_application, argo)

    assert (first.status, second.status) == ("succeeded", "unchanged")
    assert [call.template for call in argo.calls].count("/api/v1/applications/{name}/sync") == 1


def test_the_same_step_again_waits_for_its_own_operation(argo: ArgoStandin) -> None:
    record = mint()
    argo.start("checkout", {"sync": {"revision": NEW}, "info": [{"name": "kubernaut.io/record", "value": str(record)}]})
    ran = run(sync_application, argo, record)

    assert ran.exit_code == 0, ran.error
    assert "/api/v1/applications/{name}/sync" not in [call.template for call in argo.calls]


def test_two_syncs_at_once_are_one_after_the_other(argo: ArgoStandin) -> None:
    argo.script = ["Running", "Succeeded"]
    argo.start("checkout", {"sync": {"revision": OLD}, "initiatedBy": {"username": "alice"}})
    at_once, later = run(sync_application, argo), run(sync_application, argo, retries=3)

    assert ending(at_once) == (75, "OperationInProgress", False)
    assert "started by alice" in message(at_once)
    assert later.exit_code == 0, later.error


def test_an_operation_that_waits_for_a_retry_has_not_ended(argo: ArgoStandin) -> None:
    argo.script = ["Running", "Waiting", "Waiting", "Running", "Succeeded"]
    ran = run(sync_application, argo)

    assert (ran.exit_code, ran.status) == (0, "succeeded"), ran.error


@pytest.mark.slow
def test_an_operation_that_waits_too_long_is_told(argo: ArgoStandin) -> None:
    argo.script = ["Running"] + ["Waiting"] * 500
    ran = run(sync_application, argo)

    assert ending(ran) == (4, "VerifyFailed", True)
    assert "the operation waits to be tried again: one failed. Retrying attempt #1" in message(ran)


def test_a_failed_sync_names_the_resource_at_once(argo: ArgoStandin) -> None:
    argo.script = ["Running", "Failed"]
    ran = run(sync_application, argo)

    assert ending(ran) == (4, "OperationFailed", True)
    assert "Deployment checkout: it is immutable" in message(ran)


@pytest.mark.slow
def test_a_sync_that_leaves_it_degraded_fails(argo: ArgoStandin) -> None:
    argo.app()["status"]["health"] = {"status": "Degraded"}
    argo.app()["status"]["resources"][1]["health"] = {"status": "Degraded", "message": "no pod is ready"}
    ran = run(sync_application, argo)

    assert ending(ran) == (4, "VerifyFailed", True)
    assert "Application checkout is Degraded: Deployment checkout is Degraded (no pod is ready)" in message(ran)


def test_a_sync_window_is_respected(argo: ArgoStandin) -> None:
    argo.can_sync = False
    ran = run(sync_application, argo)

    assert ending(ran) == (3, "SyncWindow", False)
    assert "deny 0 22 * * * for 8h" in message(ran)


@pytest.mark.parametrize(
    ("spec", "inputs", "text"),
    [
        ({}, {"prune": True, "max_resources": 1}, "would change 2 resources, and max_resources is 1"),
        ({"syncPolicy": {"automated": {}}}, {"revision": OLD}, "would deploy main again; pause it first"),
        (
            {"source": None, "sources": [{"repoURL": "a"}, {"repoURL": "b"}]},
            {"revision": OLD},
            "has 2 sources; name a revision for each",
        ),
        ({}, {"revisions": [OLD, NEW]}, "has 1 sources, and revisions names 2"),
    ],
)
def test_a_sync_that_is_not_meant_is_refused(argo: ArgoStandin, spec: Any, inputs: Any, text: str) -> None:
    argo.apps["checkout"] = an_application(**spec)
    ran = run(sync_application, argo, **inputs)

    assert (ran.exit_code, ran.changed) == (3, False)
    assert text in message(ran)


@pytest.mark.parametrize(
    ("token", "application", "reason", "text"),
    [
        ("wrong", "checkout", "TokenRefused", "is not valid, or has expired"),
        (TOKEN, "nothing", "AccessDenied", "Argo CD answers so, too, if there is no such Application"),
    ],
)
def test_a_refusal_of_argo_cd_says_what_to_do(
    argo: ArgoStandin, token: str, application: str, reason: str, text: str
) -> None:
    runner = ActionRunner(sync_application, secrets={"token": token})
    ran = runner.run({"server": argo.url, "application": application})

    assert ending(ran) == (3, reason, False)
    assert text in message(ran)


def test_a_plan_asks_argo_cd_for_no_comparison(argo: ArgoStandin) -> None:
    """It would write to the Application, before the record says that anything is applied."""
    assert run(sync_application, argo).exit_code == 0
    assert not any(call.query.get("refresh") for call in argo.calls)


@pytest.mark.parametrize("prune", [False, True])
def test_what_git_has_no_more_stays_unless_it_is_to_be_pruned(argo: ArgoStandin, prune: bool) -> None:
    ran = run(sync_application, argo, prune=prune)
    again = run(sync_application, argo, prune=prune)

    assert (ran.exit_code, again.status) == (0, "unchanged"), ran.error
    assert ran.change is not None
    old = {"kind": "Service", "namespace": "shop", "name": "old", "change": "delete"}
    assert ran.change.after.get("kept") == (None if prune else [old])
    assert (old in ran.change.before["resources"]) is prune
    assert argo.app()["status"]["sync"]["status"] == ("Synced" if prune else "OutOfSync")


def manifest(kind: str, name: str, api_version: str = "v1", **more: Any) -> str:
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **more}})


def test_another_revision_shows_what_differs_there_and_is_out_of_sync_afterwards(argo: ArgoStandin) -> None:
    hook = {"annotations": {"argocd.argoproj.io/hook": "PreSync"}}
    kept = manifest("ConfigMap", "settings")
    argo.manifests = {
        NEW: [kept, manifest("Deployment", "checkout", "apps/v1", labels={"a": "1"}), manifest("Service", "added")],
        OLD: [kept, manifest("Deployment", "checkout", "apps/v1"), manifest("Job", "migrate", "batch/v1", **hook)],
    }
    refused = run(sync_application, argo, revision=OLD, prune=True, max_resources=1)
    ran = run(sync_application, argo, revision=OLD)

    assert ending(refused) == (3, "TooMany", False)
    assert "would change 3 resources" in message(refused)  # the Deployment; Services old and added are deleted
    assert ran.exit_code == 0, ran.error
    assert ran.change is not None
    assert ran.change.before["resources"] == [
        {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "checkout", "change": "apply"}
    ]
    assert (ran.change.after["sync"], ran.change.after["revisions"]) == ("OutOfSync", [OLD])
    assert argo.app()["status"]["history"][-1]["revision"] == OLD


def test_the_own_revision_by_name_or_id_is_no_other_one(argo: ArgoStandin) -> None:
    assert run(sync_application, argo, revision="main").exit_code == 0
    assert run(sync_application, argo, revision=NEW[:8]).status == "unchanged"


def test_only_the_resources_that_are_named_are_synced(argo: ArgoStandin) -> None:
    service = {"kind": "Service", "namespace": "shop", "name": "web", "status": "OutOfSync"}
    argo.app()["status"]["resources"].append(service)
    ran = run(sync_application, argo, resources=[{"group": "apps", "kind": "Deployment", "name": "checkout"}])

    assert ran.exit_code == 0, ran.error
    assert ran.output is not None
    assert ran.output["resources"] == 1
    assert service["status"] == "OutOfSync"


@pytest.mark.parametrize(
    ("resource", "text"),
    [
        (
            {"kind": "Deployment", "name": "checkout"},
            "has no resource Deployment checkout of group (core); it has Deployment checkout of group apps.",
        ),
        ({"kind": "Service", "name": "old", "namespace": "other"}, "of group (core) in other; it has Service old."),
        ({"kind": "Secret", "name": "nothing"}, "it has ConfigMap settings, Deployment checkout of group apps"),
    ],
)
def test_a_resource_that_the_application_has_not_is_refused(argo: ArgoStandin, resource: Any, text: str) -> None:
    ran = run(sync_application, argo, resources=[resource])

    assert ending(ran) == (3, "NoSuchResource", False)
    assert text in message(ran)


def test_what_argo_cd_cannot_compare_is_not_synced(argo: ArgoStandin) -> None:
    broken = {"type": "ComparisonError", "message": "rpc error: deploy: app path does not exist"}
    argo.app()["status"] |= {"conditions": [broken, {"type": "OrphanedResourceWarning", "message": "3"}]}
    argo.app()["status"]["sync"]["status"] = "Unknown"
    ran = run(sync_application, argo)

    assert ending(ran) == (3, "ComparisonFailed", False)
    assert message(ran).endswith("so it cannot be synced: ComparisonError: rpc error: deploy: app path does not exist.")


@pytest.mark.parametrize(("action", "inputs"), [(sync_application, {}), (rollback_application, {"history_id": 1})])
def test_an_application_that_is_being_deleted_is_left_alone(argo: ArgoStandin, action: Action, inputs: Any) -> None:
    argo.app()["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert ending(run(action, argo, **inputs)) == (3, "BeingDeleted", False)


@pytest.mark.parametrize(
    ("action", "inputs"),
    [(sync_application, {}), (rollback_application, {"history_id": 1}), (wait_application, {"synced": False})],
)
def test_suspended_is_healthy_only_if_that_is_said(argo: ArgoStandin, action: Action, inputs: Any) -> None:
    argo.app()["status"]["health"] = {"status": "Suspended"}
    runner = ActionRunner(action, secrets={"token": TOKEN}, timeout=timedelta(seconds=20))
    inputs = {"server": argo.url, "application": "checkout", **inputs}
    accepted = runner.run({**inputs, "accept_suspended": True})
    argo.apps["checkout"] = an_application()
    argo.app()["status"]["health"] = {"status": "Suspended"}
    refused = runner.run(inputs)

    assert accepted.exit_code == 0, accepted.error
    assert ending(refused)[:2] == (4, "VerifyFailed")
    assert "Application checkout is Suspended" in message(refused)


def test_deployments_that_differ_in_nothing_but_their_values_are_told_apart(argo: ArgoStandin) -> None:
    first, last = argo.app()["status"]["history"]
    first["revision"] = last["revision"]
    first["source"] = {**last["source"], "helm": {"values": "replicas: 2\n"}}
    last["source"] = {**last["source"], "helm": {"values": "replicas: 6\n"}}
    ran = run(rollback_application, argo, history_id=1)

    assert (ran.exit_code, ran.status) == (0, "succeeded"), ran.error
    assert argo.app()["status"]["history"][-1]["source"] == first["source"]
    assert "replicas" not in json.dumps(ran.events)


def test_a_sync_window_forbids_a_rollback_too(argo: ArgoStandin) -> None:
    argo.can_sync = False

    assert ending(run(rollback_application, argo, history_id=1)) == (3, "SyncWindow", False)


def test_a_rollback_deploys_an_entry_of_the_history_and_undo_the_one_before(argo: ArgoStandin) -> None:
    runner = ActionRunner(rollback_application, secrets={"token": TOKEN})
    inputs = {"server": argo.url, "application": "checkout", "history_id": 1}
    first, second = runner.run(inputs), runner.run(inputs)
    assert first.change is not None
    assert (first.exit_code, second.status) == (0, "unchanged"), first.error
    assert argo.app()["status"]["history"][-1]["revision"] == "9" * 40
    undone = runner.undo(inputs, first.change)
    for _ in range(2):
        argo.step(argo.app())

    assert undone.exit_code == 0, undone.error
    assert argo.app()["status"]["history"][-1]["revision"] == OLD


def test_a_rollback_is_refused_while_automatic_sync_is_on(argo: ArgoStandin) -> None:
    automated(argo, {"selfHeal": True})
    ran = run(rollback_application, argo, history_id=1)

    assert ending(ran) == (3, "AutoSync", False)
    assert "argocd/pause_autosync" in message(ran)


def test_a_rollback_to_nothing_names_what_there_is(argo: ArgoStandin) -> None:
    assert "has no deployment 7; it has 1, 2." in message(run(rollback_application, argo, history_id=7))


def test_only_an_old_operation_is_terminated(argo: ArgoStandin) -> None:
    argo.script = ["Running"] * 20
    argo.start("checkout", {"sync": {"revision": OLD}, "initiatedBy": {"username": "alice"}})
    argo.step(argo.app())
    state = argo.app()["status"]["operationState"]
    state["startedAt"] = rfc3339(utcnow())
    argo.hold = True
    young = run(terminate_operation, argo)
    state["startedAt"] = "2026-01-01T00:00:00Z"
    argo.hold = False
    old, nothing = run(terminate_operation, argo), run(terminate_operation, argo)

    assert ending(young) == (3, "TooYoung", False)
    assert "started by alice" in message(young)
    assert old.exit_code == 0, old.error
    assert nothing.status == "unchanged"


def test_an_operation_that_goes_on_is_asked_to_end_again(argo: ArgoStandin) -> None:
    argo.script, argo.overwrites = ["Waiting"] * 50, 2
    argo.start("checkout", {"sync": {"revision": OLD}, "initiatedBy": {"username": "alice"}})
    argo.step(argo.app())
    ran = run(terminate_operation, argo)

    assert ran.exit_code == 0, ran.error
    assert [call.method for call in argo.calls].count("DELETE") == 3
    assert argo.app()["status"]["operationState"]["phase"] == "Failed"


def test_an_operation_that_ends_just_before_the_request_is_ended(argo: ArgoStandin) -> None:
    argo.script = ["Running"] * 20
    argo.start("checkout", {"sync": {"revision": OLD}, "initiatedBy": {"username": "alice"}})
    argo.step(argo.app())
    answers = argo.answer

    def end_first(method: str, path: str, query: Any, sent: Any) -> Any:
        if method == "DELETE":
            argo.app().pop("operation")
            argo.app()["status"]["operationState"]["phase"] = "Succeeded"
        return answers(method, path, query, sent)

    argo.answer = end_first  # type: ignore[method-assign]
    ran = run(terminate_operation, argo)

    assert (ran.exit_code, ran.status) == (0, "succeeded"), ran.error
    assert argo.app()["status"]["operationState"]["phase"] == "Succeeded"


def test_a_refresh_ends_with_the_comparison(argo: ArgoStandin) -> None:
    ran = run(refresh_application, argo)

    assert ran.exit_code == 0, ran.error
    assert ran.output == {"sync": "OutOfSync", "health": "Healthy", "revision": NEW}
    assert [call.query.get("refresh") for call in argo.calls].count("hard") == 1


@pytest.mark.slow
def test_a_wait_ends_when_the_commit_is_deployed(argo: ArgoStandin) -> None:
    late = run(wait_application, argo)
    argo.app()["status"]["sync"]["status"] = "Synced"
    other, done = run(wait_application, argo, revision=OLD), run(wait_application, argo, revision=NEW[:8])

    assert ending(late) == (4, "VerifyFailed", False)
    assert "Application checkout is OutOfSync: Deployment checkout" in message(late)
    assert f"is at {NEW}, not {OLD}" in message(other)
    assert (done.exit_code, done.status) == (0, "unchanged")
