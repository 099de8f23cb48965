"""The owners of a field: who is found, who is refused, and what is watched where it is done all the same."""

import json
from typing import Any

import pytest
from kubectl_standin import Kubectl, hpa

from kubernaut_kubectl.owners.fields import REPLICAS, TEMPLATE, Field, last_writer, owners_of
from kubernaut_kubectl.workloads.restart import restart_deployment
from kubernaut_kubectl.workloads.rollback import rollback_deployment
from kubernaut_kubectl.workloads.scale import scale_deployment
from kubernaut_sdk.testing import ActionRunner, Ran

GIT = "change it in its git repository (git/update_file)"
FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
TRACKED = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:a/b"}
OPERATOR = {"kind": "Shop", "name": "main", "uid": "o", "controller": True}
RESOURCES: Field = ("spec", "template", "spec", "containers", "app", "resources")


def owned(*managed: tuple[str, Field], **metadata: Any) -> dict[str, Any]:
    """A Deployment whose fields were written by these managers."""
    kubectl = Kubectl(metadata=metadata)
    for manager, field in managed:
        kubectl.write(manager, field)
    return kubectl.found


def applied(**spec: Any) -> dict[str, str]:
    return {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"spec": spec})}


@pytest.mark.parametrize(
    ("found", "field", "names"),
    [
        (owned(), REPLICAS, []),
        (owned(("kubectl-client-side-apply", REPLICAS)), REPLICAS, []),
        (owned(("argocd-controller", REPLICAS), annotations=TRACKED), REPLICAS, ["Argo CD's Application shop"]),
        (owned(("argocd-controller", REPLICAS)), REPLICAS, ["Argo CD"]),
        # what git leaves out is not Argo CD's
        (owned(("argocd-controller", TEMPLATE), annotations=TRACKED), REPLICAS, []),
        (owned(("argocd-controller", TEMPLATE), annotations=TRACKED), TEMPLATE, ["Argo CD's Application shop"]),
        (
            owned(("kubectl", REPLICAS), annotations={**TRACKED, **applied(replicas=3)}),
            REPLICAS,
            ["Argo CD's Application shop"],
        ),
        (owned(annotations=TRACKED), REPLICAS, ["Argo CD's Application shop"]),  # no managers are kept
        (owned(("kustomize-controller", REPLICAS), labels=FLUX), REPLICAS, ["Flux's Kustomization flux-system/apps"]),
        (owned(("kustomize-controller", TEMPLATE), labels=FLUX), REPLICAS, []),
        (
            owned(
                ("kustomize-controller", REPLICAS),
                labels=FLUX,
                annotations={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"},
            ),
            REPLICAS,
            [],
        ),
        (
            owned(
                ("kustomize-controller", REPLICAS),
                labels=FLUX,
                annotations={"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"},
            ),
            REPLICAS,
            [],
        ),
        (
            owned(("helm", REPLICAS), annotations={"meta.helm.sh/release-name": "shop"}),
            REPLICAS,
            ["Helm's release shop"],
        ),
        (owned(("helm", TEMPLATE), annotations={"meta.helm.sh/release-name": "shop"}), REPLICAS, []),
        (owned(ownerReferences=[OPERATOR]), REPLICAS, ["the operator of Shop main"]),
        (owned(ownerReferences=[{**OPERATOR, "controller": False}]), REPLICAS, []),
    ],
)
def test_an_owner_is_known_by_what_the_object_says_of_itself(found: Any, field: Field, names: list[str]) -> None:
    assert [owner.name for owner in owners_of(found, field)] == names


ROUTE: Field = ("spec", "http", "0", "route", "0", "weight")
POOL: Field = ("spec", "nodeSelector", "pool")


@pytest.mark.parametrize(
    ("spec", "managed", "field", "owners"),
    [
        # of a list without keys, the API server notes the writer of the whole
        ({"http": [{"route": [{"weight": 9}]}]}, [("spec", "http")], ROUTE, ["Argo CD"]),
        ({"http": []}, [("spec", "http")], ROUTE, []),
        ({"http": [{"route": [{"weight": 9}]}]}, [("spec", "hosts")], ROUTE, []),
        ({"nodeSelector": {"disk": "ssd"}}, [("spec", "nodeSelector")], POOL, ["Argo CD"]),
        # of a map whose keys have writers of their own, it does not
        ({"nodeSelector": {"disk": "ssd"}}, [("spec", "nodeSelector", "disk")], POOL, []),
        ({"nodeSelector": {}}, [("spec", "nodeSelector")], POOL, []),
    ],
)
def test_who_writes_a_list_or_map_as_a_whole_owns_what_is_in_it(
    spec: Any, managed: list[Field], field: Field, owners: list[str]
) -> None:
    found = {**owned(*(("argocd-controller", one) for one in managed)), "spec": spec}
    assert [owner.name for owner in owners_of(found, field)] == owners


def test_a_list_is_looked_into_as_it_was_applied() -> None:
    marks = {**TRACKED, **applied(http=[{"route": [{"weight": 9}]}])}
    found = owned(("kubectl-client-side-apply", ROUTE), annotations=marks)
    assert [owner.name for owner in owners_of(found, ROUTE)] == ["Argo CD's Application shop"]
    assert owners_of(found, ("spec", "http", "1", "route")) == []


def vpa(mode: str = "Auto", **policies: str) -> dict[str, Any]:
    target = {"kind": "Deployment", "name": "b"}
    modes = [{"containerName": name.replace("every", "*"), "mode": policy} for name, policy in policies.items()]
    spec = {
        "targetRef": target,
        "updatePolicy": {"updateMode": mode},
        "resourcePolicy": {"containerPolicies": modes},
    }
    return {"kind": "VerticalPodAutoscaler", "metadata": {"name": "v"}, "spec": spec}


@pytest.mark.parametrize(
    ("autoscaler", "field", "value", "name"),
    [
        (hpa(), REPLICAS, 6, "HorizontalPodAutoscaler b (2 to 10 replicas)"),
        (hpa(), REPLICAS, 0, None),  # it rests where there are none
        (hpa(low=6, high=6), REPLICAS, 6, None),  # it wants what is asked for
        (hpa("another"), REPLICAS, 6, None),
        (hpa(), TEMPLATE, None, None),
        (hpa(scaled_object="queue"), REPLICAS, 0, "KEDA's ScaledObject queue"),
        (vpa(), RESOURCES, None, "VerticalPodAutoscaler v"),
        (vpa("Off"), RESOURCES, None, None),
        (vpa(), REPLICAS, 6, None),
        # a container that it leaves alone
        (vpa(app="Off"), RESOURCES, None, None),
        (vpa(every="Off"), RESOURCES, None, None),
        (vpa(every="Off", app="Auto"), RESOURCES, None, "VerticalPodAutoscaler v"),
        (vpa(helper="Off"), RESOURCES, None, "VerticalPodAutoscaler v"),
    ],
)
def test_an_autoscaler_owns_what_it_would_choose_otherwise(
    autoscaler: Any, field: Field, value: Any, name: str | None
) -> None:
    owners = owners_of(owned(), field, value, [autoscaler])
    assert [owner.name for owner in owners] == ([name] if name else [])


def test_who_wrote_a_field_last_is_told_by_the_api_servers_own_notes() -> None:
    kubectl = Kubectl()
    kubectl.write("argocd-controller", REPLICAS, time="2026-01-01T00:00:00Z")
    kubectl.write("kube-controller-manager", REPLICAS, time="2026-01-01T00:00:05Z", subresource="scale")
    kubectl.write("kubernaut", REPLICAS, time="2026-01-01T00:00:09Z")
    kubectl.write("somebody", (*TEMPLATE, "containers", "app", "image"), time="2026-01-01T00:00:09Z")

    assert last_writer(kubectl.found, REPLICAS) == "a HorizontalPodAutoscaler"
    assert last_writer(kubectl.found, TEMPLATE) == "the field manager somebody"
    assert last_writer(kubectl.found, RESOURCES) is None


def scaled(kubectl: Kubectl, **inputs: Any) -> Ran:
    given = {"namespace": "a", "deployment": "b", "replicas": 6, **inputs}
    return ActionRunner(scale_deployment, tools={"kubectl": kubectl}).run(given)


def test_a_field_that_its_owner_would_take_back_is_refused_with_what_would_be_right() -> None:
    kubectl = Kubectl(autoscalers=[hpa()])
    ran = scaled(kubectl)

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason, ran.changed, kubectl.patches) == (3, "Owned", False, [])
    assert ran.error.message == (
        "spec.replicas of Deployment a/b belongs to HorizontalPodAutoscaler b (2 to 10 replicas), which would take the "
        "change back; change its minReplicas and maxReplicas (kubernetes/update_hpa), or set when_owned: proceed."
    )


@pytest.mark.parametrize(
    ("action", "field", "inputs"),
    [
        (scale_deployment, REPLICAS, {"replicas": 6}),
        (rollback_deployment, TEMPLATE, {}),
    ],
    ids=repr,
)
def test_every_action_looks_at_the_owner_of_its_own_field(action: Any, field: Field, inputs: dict[str, Any]) -> None:
    kubectl = Kubectl(metadata={"annotations": TRACKED})
    kubectl.write("argocd-controller", field)
    ran = ActionRunner(action, tools={"kubectl": kubectl}).run({"namespace": "a", "deployment": "b", **inputs})

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason, kubectl.patches) == (3, "Owned", [])
    assert f"Argo CD's Application shop, which would take the change back; {GIT}" in ran.error.message


def test_a_restart_is_an_annotation_that_gitops_leaves_alone_and_an_operator_may_not() -> None:
    where = {"namespace": "a", "deployment": "b"}
    synced = Kubectl(metadata={"annotations": TRACKED})
    synced.write("argocd-controller", TEMPLATE)
    operated = Kubectl(metadata={"ownerReferences": [OPERATOR]})

    def restarted(kubectl: Kubectl) -> Ran:
        return ActionRunner(restart_deployment, tools={"kubectl": kubectl}).run(where)

    assert restarted(synced).exit_code == 0
    assert restarted(operated).exit_code == 3


def test_proceeding_is_watched_for_a_minute_and_noted() -> None:
    kubectl = Kubectl(autoscalers=[hpa()])
    ran = scaled(kubectl, when_owned="proceed")

    assert ran.exit_code == 0, ran.error
    assert ran.output is not None
    assert ran.output["note"].startswith("HorizontalPodAutoscaler b (2 to 10 replicas) owns it and may take it back")
    assert kubectl.looks is not None
    assert kubectl.looks > 30


@pytest.mark.parametrize("back_to", [2, 4])
def test_a_revert_within_that_minute_is_told_at_once_with_who(back_to: int) -> None:
    def revert(found: dict[str, Any], looks: int) -> None:
        if looks == 12:
            found["spec"]["replicas"] = back_to
            found["metadata"]["generation"] += 1
            kubectl.write("kube-controller-manager", REPLICAS, subresource="scale")

    kubectl = Kubectl(autoscalers=[hpa()], meanwhile=revert)
    ran = scaled(kubectl, when_owned="proceed")

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason, kubectl.looks) == (4, "TakenBack", 12)
    assert ran.error.message == (
        f"the number of replicas of b was set to 6, and then by a HorizontalPodAutoscaler to {back_to}; it belongs to "
        "HorizontalPodAutoscaler b (2 to 10 replicas)."
    )


def test_helms_field_is_a_note_and_no_refusal() -> None:
    kubectl = Kubectl(metadata={"annotations": {"meta.helm.sh/release-name": "shop"}})
    kubectl.write("helm", REPLICAS)
    ran = scaled(kubectl)

    assert ran.exit_code == 0, ran.error
    assert ran.output == {
        "replicas": 6,
        "note": "Helm's release shop sets it again when it is next released; change the release's values.",
    }


def test_nobodys_field_has_no_note() -> None:
    assert scaled(Kubectl()).output == {"replicas": 6}


def test_autoscalers_that_may_not_be_read_are_not_taken_for_none() -> None:
    may_not = ("horizontalpodautoscalers.autoscaling",)
    refused, proceeded = scaled(Kubectl(forbidden=may_not)), scaled(Kubectl(forbidden=may_not), when_owned="proceed")

    assert refused.error is not None
    assert (refused.exit_code, refused.error.reason) == (3, "Forbidden")
    assert refused.error.message.endswith(
        "; let the ServiceAccount list horizontalpodautoscalers.autoscaling, or set when_owned: proceed."
    )
    assert proceeded.exit_code == 0
    assert "it is not known whether one owns the field" in proceeded.log
