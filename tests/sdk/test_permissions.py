"""Permissions of Kubernetes, as actions declare them."""

import pytest

from kubernaut_sdk import Action
from kubernaut_sdk.catalog import action_entry
from kubernaut_sdk.permissions import Permission, parse_permission


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pods: list", ("", "pods", "", ("list",))),
        ("pods/log: get", ("", "pods", "log", ("get",))),
        ("pods/eviction: create", ("", "pods", "eviction", ("create",))),
        ("apps/deployments: get, patch", ("apps", "deployments", "", ("get", "patch"))),
        ("apps/deployments/scale: get", ("apps", "deployments", "scale", ("get",))),
        ("metrics.k8s.io/pods: list", ("metrics.k8s.io", "pods", "", ("list",))),
        ("nodes: list", ("", "nodes", "", ("list",))),
    ],
)
def test_what_a_permission_names(text: str, expected: tuple[str, str, str, tuple[str, ...]]) -> None:
    assert parse_permission(text) == Permission(text.partition(":")[0], *expected)


@pytest.mark.parametrize(
    "text",
    [
        *("ec2:RebootInstances", "push to the repository", "pods", "pods: ", "a/b/c/d: get"),
        *("flags: read, write", "flags: get, write"),  # a verb that Kubernetes does not have
    ],
)
def test_what_is_no_permission_of_kubernetes(text: str) -> None:
    assert parse_permission(text) is None


def test_a_role_cannot_grant_what_belongs_to_no_namespace() -> None:
    found = [parse_permission(text) for text in ("nodes: list", "pods: list")]
    assert [permission.cluster_wide for permission in found if permission] == [True, False]


def test_a_permission_may_say_what_it_is_for() -> None:
    reasons = {"nodes: list": "to count those that are ready", "pods: list": "the pods"}
    with_reasons, without = (
        Action("probe/count_nodes", permissions=reasons),
        Action("probe/count_pods", permissions=[*reasons]),
    )

    for action, expected in ((with_reasons, reasons), (without, {})):
        entry = action_entry(action)
        assert entry["permissions"] == ["nodes: list", "pods: list"]
        assert entry["permission_reasons"] == expected
