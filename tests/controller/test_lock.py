"""The lock of a target as a Lease: who has it, and what is written to take and to leave it."""

from datetime import timedelta
from typing import Any

import pytest
from objects import NOW, workflow

from kubernaut_controller.reconciling.lock import Lock, freed, holder_of, lock_name, locked_target, read_lock, taken
from kubernaut_controller.workflow import read_workflow_execution
from kubernaut_sdk.records import ObjectRef

TARGET = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}
MADE = read_workflow_execution(workflow(target=TARGET))
ME = holder_of(MADE)
REF = ObjectRef(kind="Deployment", namespace="shop", name="checkout")


def kept(lease: dict[str, Any]) -> dict[str, Any]:
    return {**lease, "metadata": {**lease["metadata"], "resourceVersion": "3", "uid": "lease-1"}}


LEASE = kept(taken(None, REF, "shop/other/u2", NOW))
MINE = kept(taken(None, REF, ME, NOW))
LEFT = kept(freed(LEASE, NOW, timedelta(minutes=5)))


@pytest.mark.parametrize(
    ("lease", "gone", "lock"),
    [
        (None, False, Lock("free")),
        (MINE, False, Lock("ours")),
        (LEASE, False, Lock("busy", by="shop/other")),
        (LEASE, True, Lock("free")),
        (LEFT, False, Lock("cooling", by="shop/other", until=NOW + timedelta(minutes=5))),
    ],
)
def test_what_a_lease_means(lease: Any, gone: bool, lock: Lock) -> None:
    assert read_lock(lease, ME, NOW, holder_gone=gone) == lock


def test_after_the_cooldown_it_is_free() -> None:
    assert read_lock(LEFT, ME, NOW + timedelta(minutes=5)) == Lock("free")


def test_it_is_taken_at_the_version_that_was_read() -> None:
    document = taken(LEFT, REF, ME, NOW)

    assert document["metadata"]["resourceVersion"] == "3"
    assert document["spec"] == {
        "holderIdentity": ME,
        "acquireTime": "2026-01-31T09:05:17.000000Z",
        "leaseTransitions": 1,
    }
    assert "resourceVersion" not in taken(None, REF, ME, NOW)["metadata"]


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
