"""The lock of a target is a Lease: its holder, and the documents written to acquire and to release it."""

from datetime import timedelta
from typing import Any

import pytest
from objects import NOW, workflow

from kubernaut_controller.reconciling.lock import (
    Grant,
    LockState,
    acquired_lease,
    grant_of,
    holder_of,
    lock_name,
    lock_scope,
    locked_target,
    read_lock,
    released_lease,
)
from kubernaut_controller.workflow import read_workflow_execution
from kubernaut_sdk.records import ObjectRef

TARGET = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}
MADE = read_workflow_execution(workflow(target=TARGET))
ME = holder_of(MADE)
REF = ObjectRef(kind="Deployment", namespace="shop", name="checkout")


def kept(lease: dict[str, Any]) -> dict[str, Any]:
    return {**lease, "metadata": {**lease["metadata"], "resourceVersion": "3", "uid": "lease-1"}}


LEASE = kept(acquired_lease(None, REF, "shop/other/u2", NOW))
MINE = kept(acquired_lease(None, REF, ME, NOW))
LEFT = kept(released_lease(LEASE, NOW, timedelta(minutes=5)))


@pytest.mark.parametrize(
    ("lease", "gone", "lock"),
    [
        (None, False, LockState("free")),
        (MINE, False, LockState("ours")),
        (LEASE, False, LockState("busy", by="shop/other")),
        (LEASE, True, LockState("free")),
        (LEFT, False, LockState("cooling", by="shop/other", until=NOW + timedelta(minutes=5))),
    ],
)
def test_what_a_lease_means(lease: Any, gone: bool, lock: LockState) -> None:
    assert read_lock(lease, ME, NOW, holder_gone=gone) == lock


def test_after_the_cooldown_it_is_free() -> None:
    assert read_lock(LEFT, ME, NOW + timedelta(minutes=5)) == LockState("free")


def test_it_is_taken_at_the_version_that_was_read() -> None:
    document = acquired_lease(LEFT, REF, ME, NOW)

    assert document["metadata"]["resourceVersion"] == "3"
    assert document["spec"] == {
        "holderIdentity": ME,
        "acquireTime": "2026-01-31T09:05:17.000000Z",
        "leaseTransitions": 1,
    }
    assert "resourceVersion" not in acquired_lease(None, REF, ME, NOW)["metadata"]


def test_targets_have_locks_of_their_own() -> None:
    others = [
        ObjectRef(kind="Deployment", namespace="shop", name="cart"),
        ObjectRef(kind="StatefulSet", namespace="shop", name="checkout"),
        ObjectRef(kind="Deployment", namespace="other", name="checkout"),
        ObjectRef(kind="Deployment", namespace="shop", name="checkout", cluster="b"),
    ]

    assert len({lock_name(other) for other in [REF, *others]}) == 5
    assert locked_target(MADE) == REF
    assert locked_target(read_workflow_execution(workflow(target=TARGET, dryRun=True))) is None
    assert locked_target(read_workflow_execution(workflow())) is None


@pytest.mark.parametrize(
    "spelling",
    [
        {"kind": "deployment"},
        {"kind": "DEPLOYMENT"},
        {"kind": "deployments"},
        {"kind": "deploy"},
        {"kind": "deployments.apps"},
        {"kind": "Deployment.v1.apps"},
        {"kind": "apps/v1/Deployment"},
        {"cluster": "local"},
        {"cluster": "Local"},
        {"cluster": ""},
        {"namespace": "SHOP"},
        {"namespace": None},
        {"name": " checkout "},
    ],
)
def test_a_target_has_one_lock_however_it_is_spelt(spelling: dict[str, Any]) -> None:
    fields = {"kind": "Deployment", "namespace": "shop", "name": "checkout", **spelling}

    assert lock_name(ObjectRef(**fields), "shop") == lock_name(REF, "shop")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("networkpolicies.networking.k8s.io", "NetworkPolicy"),
        ("ingresses", "Ingress"),
        ("ing", "Ingress"),
        ("endpoints", "Endpoints"),
        ("databases.example.com", "Database"),
        ("Gateway.gateway.networking.k8s.io", "gateways"),
        ("no", "Node"),
    ],
)
def test_plurals_short_names_and_groups_are_spellings(one: str, other: str) -> None:
    assert lock_name(ObjectRef(kind=one, name="x"), "shop") == lock_name(ObjectRef(kind=other, name="x"), "shop")


@pytest.mark.parametrize(
    ("target", "grant"),
    [
        ({"kind": "Deployment", "namespace": "shop"}, None),
        ({"kind": "Deployment"}, None),
        ({"kind": "Deployment", "namespace": "prod"}, Grant("system:serviceaccounts:shop", "prod", "deployment")),
        ({"kind": "nodes"}, Grant("system:serviceaccounts:shop", None, "node")),
        ({"kind": "Node", "namespace": "shop"}, Grant("system:serviceaccounts:shop", None, "node")),
        ({"kind": "Widget"}, Grant("system:serviceaccounts:shop", None, "widget")),
        (
            {"kind": "Deployment", "namespace": "shop", "cluster": "b"},
            Grant("system:serviceaccounts:shop", None, "deployment"),
        ),
    ],
)
def test_what_a_workflow_needs_for_a_target_that_is_not_its_own(target: dict[str, str], grant: Grant | None) -> None:
    made = read_workflow_execution(workflow(target={"name": "x", **target}))

    assert grant_of(made) == grant
    assert lock_scope(made, granted=True) == ""
    assert lock_scope(made, granted=False) == ("shop" if grant else "")


def test_a_grant_is_rbacs() -> None:
    assert Grant("system:serviceaccounts:dev", "prod", "deployment").review()["spec"] == {
        "groups": ["system:serviceaccounts:dev"],
        "resourceAttributes": {
            "namespace": "prod",
            "group": "kubernaut.io",
            "resource": "targets",
            "verb": "lock",
            "name": "deployment",
        },
    }


def test_without_a_grant_the_lock_is_another_than_that_of_the_targets_own_namespace() -> None:
    assert lock_name(REF, "dev", "dev") != lock_name(REF, "shop")
    assert lock_name(REF, "dev", "dev") != lock_name(REF, "ops", "ops")
