"""The effects of a decision: two that are carried out at once both end, whatever becomes of either."""

import asyncio
from typing import Any

import pytest
from realcluster import step, workflow

from kubernaut_controller.operator.api import ApiError
from kubernaut_controller.operator.cache import WorkflowCache
from kubernaut_controller.operator.executor import EffectExecutor
from kubernaut_controller.operator.settings import ControllerSettings
from kubernaut_controller.reconciling.admission import admit
from kubernaut_controller.reconciling.effects import AcquireLock, AddFinalizer
from kubernaut_controller.reconciling.lock import LockState
from kubernaut_controller.reconciling.policy import Policy

IMAGE = "ghcr.io/kubernaut/actions/probe@sha256:" + "0" * 64


class ConflictingApi:
    """An API server at which the workflow has changed, and whose Leases are slow."""

    async def patch(self, *_: Any) -> Any:
        raise ApiError(409, "Conflict", "the object has been modified")

    async def create(self, _kind: str, _namespace: str, document: Any) -> Any:
        await asyncio.sleep(0.05)
        return {**document, "metadata": {**document["metadata"], "uid": "l", "resourceVersion": "1"}}


def test_a_lock_is_known_as_acquired_where_the_finalizer_beside_it_is_refused() -> None:
    document = workflow("w", "shop", step("a", IMAGE), target={"kind": "Deployment", "name": "web"})
    document["metadata"] |= {"uid": "u", "resourceVersion": "1", "creationTimestamp": "2026-11-29T00:00:00Z"}
    parsed, faults = admit(document, Policy())
    assert parsed is not None, faults

    async def execute() -> LockState:
        api: Any = ConflictingApi()
        cache = WorkflowCache()
        entry = cache.add(("shop", "w"), document, parsed, (), 0.0)
        executor = EffectExecutor(api, None, cache, ControllerSettings(), lambda _key: None)
        with pytest.raises(ApiError, match="Conflict"):
            await executor.execute(entry, (AddFinalizer(), AcquireLock()))
        return entry.lock

    assert asyncio.run(execute()).state == "ours"
