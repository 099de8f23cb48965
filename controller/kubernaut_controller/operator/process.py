"""The life of the controller's process: connect, list what exists, watch, until SIGTERM."""

import asyncio
import contextlib
import gc
import logging
from typing import Any

import kopf

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.connection import connect
from kubernaut_controller.operator.recordsclient import RecordsClient
from kubernaut_controller.operator.remediationrequests import RemediationController
from kubernaut_controller.operator.server import serving
from kubernaut_controller.operator.settings import ControllerSettings
from kubernaut_controller.operator.watching import kopf_settings, registry_of
from kubernaut_controller.operator.workflows import WorkflowController

__all__ = ["run"]

logger = logging.getLogger("kubernaut.controller")

_SWEEP_INTERVAL = 600.0
"""Seconds between two sweeps of target locks that no workflow uses any more."""
_IDENTITY: Any = "kubernaut-controller"
"""A fixed identity: kopf derives its default from the user's name, and the user of an image has none.

Any, because kopf's type for it is private."""


async def run(settings: ControllerSettings) -> None:
    """Run the controller until it is stopped."""
    _collect_seldom()
    kopf_options = kopf_settings(whole_cluster=not settings.watched)
    api = Api(lambda: connect(kopf_options))
    records = None
    if settings.data_storage_url:
        records = RecordsClient(settings.data_storage_url, settings.data_storage_token_file)
    remediations = RemediationController(api)
    workflows = WorkflowController(api, records, settings, remediations.on_workflow_change)
    background_tasks = [asyncio.create_task(_sweep(workflows))]
    if records is not None:
        background_tasks.append(asyncio.create_task(records.run()))
    try:
        async with serving(settings.host, settings.port, lambda: workflows.listed):
            await kopf.operator(
                registry=registry_of(workflows, remediations),
                settings=kopf_options,
                standalone=True,  # no kopf peering: a second controller is harmless, since decisions are idempotent
                identity=_IDENTITY,
                clusterwide=not settings.watched,
                namespaces=settings.watched,
            )
    finally:
        # reconciles end first, since they use all that is closed after them
        await workflows.loop.close()
        await remediations.loop.close()
        await workflows.executor.close()
        for task in background_tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if records is not None:
            await records.close()
        await api.close()


def _collect_seldom() -> None:
    """Make garbage collections rare: their pauses would delay starts in a burst."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


async def _sweep(workflows: WorkflowController) -> None:
    """Delete unused target locks from time to time, whatever goes wrong in between."""
    while True:
        try:
            await workflows.executor.target.sweep()
        except ApiError as error:
            logger.warning("locks were not swept: %s; in %.0f s again", error, _SWEEP_INTERVAL)
        except Exception:
            logger.exception("locks were not swept; in %.0f s again", _SWEEP_INTERVAL)
        await asyncio.sleep(_SWEEP_INTERVAL)
