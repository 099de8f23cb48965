"""Automatic sync paused and resumed through Kubernetes, on a stand-in."""

from typing import Any

import pytest
from argocd_runs import automated, autosync, ending, message
from argocd_standin import ArgoFault, ArgoStandin, an_application

from kubernaut_argocd.applications.autosync import KEPT, pause_autosync, resume_autosync
from kubernaut_sdk.testing import ActionRunner


@pytest.mark.parametrize("knows_enabled", [True, False], ids=["3.1 and newer", "2.14"])
def test_automatic_sync_is_paused_and_resumed_as_it_was(argo: ArgoStandin, knows_enabled: bool) -> None:
    argo.knows_enabled = knows_enabled
    automated(argo, {"prune": True, "selfHeal": True})
    paused, again = autosync(pause_autosync, argo), autosync(pause_autosync, argo)
    policy = argo.app()["spec"]["syncPolicy"].get("automated")
    resumed = autosync(resume_autosync, argo)

    assert (paused.exit_code, again.status) == (0, "unchanged"), paused.error
    assert paused.output == {"application": "checkout", "autosync": False, "self_heal": True, "prune": True}
    assert policy == ({"prune": True, "selfHeal": True, "enabled": False} if knows_enabled else None)
    assert resumed.exit_code == 0, resumed.error
    assert argo.app()["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert KEPT not in argo.app()["metadata"]["annotations"]


def test_undo_of_a_pause_resumes(argo: ArgoStandin) -> None:
    automated(argo, {"selfHeal": True})
    runner = ActionRunner(pause_autosync)
    ran = runner.run({"application": "checkout"})
    assert ran.change is not None
    undone = runner.undo({"application": "checkout"}, ran.change)

    assert undone.exit_code == 0, undone.error
    assert argo.app()["spec"]["syncPolicy"]["automated"] == {"selfHeal": True}


def test_a_policy_that_somebody_changed_first_is_not_overwritten(argo: ArgoStandin) -> None:
    automated(argo, {"selfHeal": True})
    theirs = {"selfHeal": False, "prune": True}
    argo.before_patch = lambda: argo.app()["spec"]["syncPolicy"].update(automated=dict(theirs))
    ran = autosync(pause_autosync, argo)

    assert ending(ran)[:2] == (75, "Conflict")
    assert argo.app()["spec"]["syncPolicy"]["automated"] == theirs


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"ownerReferences": [{"kind": "ApplicationSet", "name": "shops"}]}, "ApplicationSet shops"),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "root:argoproj.io/Application:argocd/checkout"}},
            "Application root",
        ),
    ],
)
def test_a_policy_of_another_owner_is_refused_and_a_revert_told(argo: ArgoStandin, metadata: Any, owner: str) -> None:
    automated(argo, {"selfHeal": True}, **metadata)
    refused = autosync(pause_autosync, argo)
    looks = argo.answer

    def revert(method: str, path: str, query: Any, sent: Any) -> Any:
        answer = looks(method, path, query, sent)
        if method == "PATCH":  # the owner is there within a moment
            argo.app()["spec"]["syncPolicy"]["automated"] = {"selfHeal": True}
        return answer

    argo.answer = revert  # type: ignore[method-assign]
    reverted = autosync(pause_autosync, argo, when_owned="proceed")

    assert ending(refused) == (3, "Owned", False)
    assert f"belongs to {owner}, which would take the change back" in message(refused)
    assert ending(reverted) == (4, "Reverted", True)
    assert owner in message(reverted)


@pytest.mark.parametrize(("lists_it", "owned"), [(True, True), (False, False), (None, False)])
def test_a_label_names_an_owner_only_if_that_application_makes_this_one(
    argo: ArgoStandin, lists_it: bool | None, owned: bool
) -> None:
    """Argo CD before 3.0 tracks by a label by default; Helm sets the same label to its release."""
    automated(argo, {"selfHeal": True}, labels={"app.kubernetes.io/instance": "root"})
    if lists_it is not None:
        argo.apps["root"] = an_application("root")
        made = {"group": "argoproj.io", "kind": "Application", "namespace": "argocd", "name": "checkout"}
        argo.apps["root"]["status"]["resources"] = [made] if lists_it else []
    ran = autosync(pause_autosync, argo)

    assert ran.exit_code == (3 if owned else 0), ran.error
    if owned:
        assert "belongs to Application root, which would take the change back" in message(ran)


def test_a_copied_annotation_names_no_owner(argo: ArgoStandin) -> None:
    tracking = {"argocd.argoproj.io/tracking-id": "root:argoproj.io/Application:argocd/another"}
    automated(argo, {"selfHeal": True}, annotations=tracking)

    assert autosync(pause_autosync, argo).exit_code == 0


def test_what_was_never_automatic_is_not_resumed(argo: ArgoStandin) -> None:
    assert ending(autosync(resume_autosync, argo)) == (3, "NothingPaused", False)


def test_a_cluster_that_refuses_names_the_kubeconfig_and_not_the_secret(
    argo: ArgoStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(argo, "require_token", lambda header: (_ for _ in ()).throw(ArgoFault(403, 7, "forbidden")))
    text = message(autosync(pause_autosync, argo))

    assert "the user of the kubeconfig" in text
    assert "it needs a Role with applications.argoproj.io: get, patch" in text
    assert "Secret" not in text
