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

_SWEEP = 600.0
_IDENTITY: Any = "kubernaut-controller"
"""A fixed identity: kopf derives its default from the user's name, and the user of an image has none."""


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
                standalone=True,
                identity=_IDENTITY,
                clusterwide=not settings.watched,
                namespaces=settings.watched,
            )
    finally:
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
    """Delete unused target locks every ten minutes."""
    while True:
        try:
            await workflows.executor.target.sweep()
        except ApiError as error:
            logger.warning("locks were not swept: %s; in %.0f s again", error, _SWEEP)
        except Exception:
            logger.exception("locks were not swept; in %.0f s again", _SWEEP)
        await asyncio.sleep(_SWEEP)
