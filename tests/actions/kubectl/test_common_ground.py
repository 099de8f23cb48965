"""The common ground of the kubectl actions, each module by itself."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_kubectl.cluster import patches
from kubernaut_kubectl.cluster.limits import require_at_most, require_factor, require_some
from kubernaut_kubectl.cluster.pointers import field_path, value_at
from kubernaut_kubectl.cluster.quantities import parse_quantity, quantity_text, same_quantity
from kubernaut_kubectl.cluster.selectors import matches, selected_keys, selector_text
from kubernaut_kubectl.configuration.configmap import uses_until_restart
from kubernaut_kubectl.disruption.budgets import budget_text, covers
from kubernaut_kubectl.owners.guarded import require_free_field, require_free_kind, require_readable_kind
from kubernaut_kubectl.rollouts.progress import rollout_shortfall, rolls_out
from kubernaut_kubectl.rollouts.revisions import ConfigReference, named_by
from kubernaut_kubectl.workloads.daemons import max_unavailable
from kubernaut_sdk import PreconditionFailed

Json = dict[str, Any]


# Patches


def apply(document: Any, operations: list[Json]) -> Any:
    """A JSON patch as RFC 6902 has it; None if a test fails."""
    document = json.loads(json.dumps(document))
    for operation in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        at = document
        for part in way:
            at = at[int(part)] if isinstance(at, list) else at[part]
        match operation["op"]:
            case "test":
                if at.get(last) != operation["value"]:
                    return None
            case "remove":
                del at[last]
            case "replace":
                assert last in at
                at[last] = operation["value"]
            case _:
                at[last] = operation["value"]
    return document


@given(st.text(min_size=1), st.none() | st.text(), st.none() | st.text())
def test_a_swap_sets_any_field_only_from_the_value_that_was_read(
    key: str, before: str | None, after: str | None
) -> None:
    document = {"data": {} if before is None else {key: before}}
    operations = patches.swap(patches.pointer("data", key), before, after)

    assert apply(document, operations) == {"data": {} if after is None else {key: after}}
    assert apply({"data": {key: f"{before}, by somebody else"}}, operations) is None


@pytest.mark.parametrize(
    "template",
    [{}, {"metadata": {}}, {"metadata": {"annotations": {}}}, {"metadata": {"annotations": {"other/key": "1"}}}],
)
def test_an_annotation_is_set_and_removed_wherever_it_is_missing(template: Json) -> None:
    found = {"spec": {"template": template}}
    changed = apply(found, patches.annotate(found, "a/b~c", "x", "spec", "template"))
    assert changed["spec"]["template"]["metadata"]["annotations"]["a/b~c"] == "x"
    back = apply(changed, patches.annotate(changed, "a/b~c", None, "spec", "template"))
    assert "a/b~c" not in back["spec"]["template"]["metadata"]["annotations"]
    # what somebody else has annotated since is never overwritten
    metadata = {"annotations": {**template.get("metadata", {}).get("annotations", {}), "a/b~c": "theirs"}}
    theirs = {"spec": {"template": {"metadata": metadata}}}
    assert apply(theirs, patches.annotate(found, "a/b~c", "x", "spec", "template")) is None
    assert apply(theirs, patches.annotate(changed, "a/b~c", None, "spec", "template")) is None


# Quantities


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1Gi", "1024Mi", True),
        ("1", "1000m", True),
        ("0.5", "500m", True),
        ("1e3", "1k", True),
        ("1E", "1000P", True),
        (".5Gi", "512Mi", True),
        ("1G", "1Gi", False),
        ("100m", "100", False),
        (1, "1", True),
        (None, None, True),
        (None, "0", False),
    ],
)
def test_quantities_are_compared_by_value(one: Any, other: Any, equal: bool) -> None:
    assert same_quantity(one, other) is equal


@pytest.mark.parametrize("text", ["", "1 Gi", "1gi", "Gi", "1KiB", "--1", "1e", "1e9999", "é"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity; write one such as"):
        parse_quantity(text)


@given(st.integers(0, 10**15), st.sampled_from(["Ki", "Mi", "Gi", "Ti"]))
def test_a_binary_suffix_is_a_power_of_1024(number: int, suffix: str) -> None:
    power = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4}[suffix]
    assert parse_quantity(f"{number}{suffix}") == Fraction(number * 1024**power)


@pytest.mark.parametrize("text", ["5Gi", "1500m", "1", "0", "1023Mi", "7", "2560Ki", "3Ei", "1001"])
def test_a_quantity_is_written_as_people_do(text: str) -> None:
    assert quantity_text(parse_quantity(text)) == text


@given(st.fractions(min_value=0, max_denominator=1000))
def test_a_quantity_that_is_written_is_never_less(value: Fraction) -> None:
    assert 0 <= parse_quantity(quantity_text(value)) - value < Fraction(1, 1000)


# Selectors


RULES = [
    {"key": "tier", "operator": "In", "values": ["web", "api"]},
    {"key": "canary", "operator": "DoesNotExist"},
    {"key": "app", "operator": "Exists"},
    {"key": "zone", "operator": "NotIn", "values": ["b"]},
]


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({"matchLabels": {"app": "a"}}, {"app": "a", "x": "y"}, True),
        ({"matchLabels": {"app": "a"}}, {"app": "b"}, False),
        ({}, {}, True),
        (None, {"app": "a"}, False),
        ({"matchExpressions": RULES}, {"app": "a", "tier": "web"}, True),
        ({"matchExpressions": RULES}, {"app": "a", "tier": "db"}, False),
        ({"matchExpressions": RULES}, {"app": "a", "tier": "web", "canary": ""}, False),
        ({"matchExpressions": RULES}, {"tier": "web"}, False),
        ({"matchExpressions": RULES}, {"app": "a", "tier": "web", "zone": "b"}, False),
    ],
)
def test_a_selector_matches_as_the_api_server_does(selector: Any, labels: dict[str, str], expected: bool) -> None:
    assert matches(selector, labels) is expected


def test_a_selector_in_the_words_of_kubectl() -> None:
    selector = {"matchLabels": {"app": "a"}, "matchExpressions": RULES}
    assert selector_text(selector) == "app=a,tier in (web,api),!canary,app,zone notin (b)"
    assert selected_keys(selector) == {"app", "tier", "canary", "zone"}


# Limits


def test_limits_say_their_name_their_value_and_what_was_found() -> None:
    with pytest.raises(PreconditionFailed, match=r"^there are no failed pods in shop; nothing is done\.$"):
        require_some([], "failed pods in shop")
    with pytest.raises(
        PreconditionFailed, match="51 failed pods in shop are more than max_pods 50; narrow the selection"
    ):
        require_at_most(51, 50, "max_pods", "failed pods in shop")
    with pytest.raises(PreconditionFailed, match=r"from 2 to 9 is a factor of 4\.5, more than max_factor 2;"):
        require_factor(2, 9, 2.0, "maxReplicas from 2 to 9")
    require_factor(4, 2, 2.0, "shrinking")
    with pytest.raises(PreconditionFailed, match="is a factor of 4"):
        require_factor(4, 1, 2.0, "shrinking")


# Rollouts


def stateful(replicas: int = 3, *, strategy: Json | None = None, **status: Any) -> Json:
    whole = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
    spec = {"replicas": replicas, "updateStrategy": strategy or {"type": "RollingUpdate"}}
    return {
        "kind": "StatefulSet",
        "metadata": {"generation": 2},
        "spec": spec,
        "status": {"observedGeneration": 2, **whole, **status},
    }


def daemon(nodes: int = 3, **status: Any) -> Json:
    names = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    return {
        "kind": "DaemonSet",
        "metadata": {"generation": 2},
        "spec": {"updateStrategy": {"type": "RollingUpdate"}},
        "status": {"observedGeneration": 2, **dict.fromkeys(names, nodes), **status},
    }


@pytest.mark.parametrize(
    ("found", "shortfall"),
    [
        (stateful(), None),
        (stateful(observedGeneration=1), "the StatefulSet controller has not seen the change yet."),
        (stateful(updatedReplicas=1), "1 of 3 replicas are of the newest template, 2 of an older one."),
        (stateful(updatedReplicas=1, strategy={"type": "OnDelete"}), None),
        (stateful(availableReplicas=2), "2 of 3 replicas are available."),
        (stateful(0), None),
        (daemon(), None),
        (daemon(updatedNumberScheduled=2), "2 of 3 replicas are of the newest template, 1 of an older one."),
        (daemon(numberAvailable=1), "1 of 3 replicas are available."),
    ],
)
def test_what_a_rollout_of_the_other_kinds_lacks(found: Json, shortfall: str | None) -> None:
    assert rollout_shortfall(found) == shortfall


def test_a_partition_keeps_pods_at_the_earlier_template() -> None:
    assert rolls_out(stateful())
    assert not rolls_out(stateful(strategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}))


@pytest.mark.parametrize(
    ("rolling", "expected"),
    [
        ({}, 1),
        ({"maxUnavailable": 2}, 2),
        ({"maxUnavailable": "34%"}, 4),
        ({"maxSurge": 1, "maxUnavailable": 0}, 10),
        ({"maxSurge": "10%", "maxUnavailable": "0%"}, 10),
    ],
)
def test_how_many_pods_of_a_daemon_set_may_be_missing(rolling: Json, expected: int) -> None:
    found = {**daemon(10), "spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}
    assert max_unavailable(found) == expected


def test_the_config_maps_and_secrets_that_a_template_cannot_do_without() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b", "optional": True}}],
        "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k"}}}, {"name": "Y", "value": "1"}],
    }
    volumes = [
        {"name": "v", "configMap": {"name": "d"}},
        {"name": "w", "secret": {"secretName": "e"}},
        {"name": "p", "projected": {"sources": [{"configMap": {"name": "f"}}, {"serviceAccountToken": {}}]}},
        {"name": "n", "emptyDir": {}},
    ]
    template = {"spec": {"containers": [container], "volumes": volumes}}
    expected = {("ConfigMap", "a"), ("Secret", "c"), ("ConfigMap", "d"), ("Secret", "e"), ("ConfigMap", "f")}
    assert named_by(template) == {ConfigReference(*pair) for pair in expected}


# Budgets


def test_a_budget_in_words() -> None:
    budget = {
        "metadata": {"name": "b"},
        "spec": {"maxUnavailable": "10%", "selector": {"matchLabels": {"app": "a"}}},
        "status": {"currentHealthy": 2, "expectedPods": 3, "desiredHealthy": 3},
    }
    assert budget_text(budget) == (
        "PodDisruptionBudget b (maxUnavailable 10%; 2 of 3 pods are healthy, 3 must stay so)"
    )
    assert covers(budget, {"metadata": {"labels": {"app": "a"}}})
    assert not covers(budget, {"metadata": {}})


# Fields


def test_a_pointer_leads_to_a_value_and_to_the_path_of_its_field_manager() -> None:
    found = {"spec": {"list": [{"name": "app", "a/b": 1}], "none": None}}
    assert value_at(found, "/spec/list/0/a~1b") == 1
    assert value_at(found, "/spec/none") is None
    assert field_path(found, "/spec/list/0/a~1b") == ("spec", "list", "app", "a/b")
    for missing in ("/spec/list/1", "/spec/list/-", "/spec/list/00", "/spec/none/x", "/nothing"):
        with pytest.raises(KeyError):
            value_at(found, missing)


@pytest.mark.parametrize(
    "kind", ["secret", "Secrets", "secret.v1", "ROLE", "clusterrolebindings", "crds", "serviceaccount"]
)
def test_kinds_that_no_action_changes(kind: str) -> None:
    with pytest.raises(PreconditionFailed, match="is a kind that no action changes"):
        require_free_kind(kind)


def test_an_alias_cannot_hide_what_an_object_is() -> None:
    with pytest.raises(PreconditionFailed):
        require_free_kind("Secret", "v1")
    with pytest.raises(PreconditionFailed):
        require_free_kind("Anything", "rbac.authorization.k8s.io/v1")
    for kind, version in (("RoleBinding", "authorization"), ("SecurityContextConstraints", "security")):  # OpenShift's
        with pytest.raises(PreconditionFailed):
            require_free_kind(kind, f"{version}.openshift.io/v1")
    with pytest.raises(PreconditionFailed):
        require_readable_kind("Secret", "v1")
    require_free_kind("Role", "database.example.com/v1")  # another's kind of the same name
    require_free_kind("role.database.example.com")
    require_readable_kind("configmap")


@pytest.mark.parametrize(
    "pointer",
    ["/status/x", "/metadata/name", "/metadata/labels", "/metadata/finalizers/0", "/spec", "/kind", "/apiVersion"],
)
def test_fields_that_are_not_for_people_to_set(pointer: str) -> None:
    with pytest.raises(PreconditionFailed):
        require_free_field(pointer)


def test_uses_of_a_config_map_that_only_a_restart_renews() -> None:
    mounts = [{"name": "v", "mountPath": "/a", "subPath": "x"}, {"name": "w", "mountPath": "/b"}]
    spec = {
        "containers": [
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c"}}}], "volumeMounts": mounts}
        ],
        "volumes": [{"name": "v", "configMap": {"name": "c"}}, {"name": "w", "configMap": {"name": "other"}}],
    }
    assert sorted(uses_until_restart(spec, "c")) == ["env", "subPath"]
    assert list(uses_until_restart(spec, "other")) == []
