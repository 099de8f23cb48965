"""A workflow's status, written to the API server; where it is refused, a minimal one that still closes the workflow."""

import logging
from typing import Any

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.cache import CachedWorkflow
from kubernaut_controller.reconciling.unprocessable import minimal_status
from kubernaut_controller.status import Phase
from kubernaut_controller.views import objects_of
from kubernaut_controller.workflow import API_VERSION
from kubernaut_sdk.times import utcnow

__all__ = ["write_status"]

logger = logging.getLogger("kubernaut.controller")

Json = dict[str, Any]


async def write_status(api: Api, entry: CachedWorkflow, status: Json) -> None:
    """Replace the status, or write a minimal one if the API server rejects it.

    Raises:
        ApiError: if it refused for another reason, such as a newer version, or did not answer.
    """
    try:
        await _replace(api, entry, status)
    except ApiError as error:
        if not error.rejects_object:
            raise
        await _write_minimal(api, entry, status, error)


async def _replace(api: Api, entry: CachedWorkflow, status: Json) -> None:
    document = {
        "apiVersion": API_VERSION,
        "kind": "WorkflowExecution",
        "metadata": {"name": entry.key[1], "resourceVersion": entry.version},
        "spec": entry.document["spec"],  # not stored, but the API server validates the object as a whole
        "status": status,
    }
    entry.update_document(await api.replace("workflowexecutions", entry.key[0], document, status=True))


async def _write_minimal(api: Api, entry: CachedWorkflow, status: Json, refusal: ApiError) -> None:
    logger.warning("%s/%s: the API server refuses its status, so it says less: %s", *entry.key, refusal)
    phase = Phase(status["phase"])
    reason = f"The whole of its status was refused ({refusal.message[:300]}); its records and its TaskRuns say more."
    less = minimal_status(entry.view, phase, reason, utcnow())
    less |= {name: status[name] for name in ("finishedAt", "pipelineRunRef") if name in status}
    if phase.ended:
        stored = [item for item in objects_of(status.get("conditions")) if item["type"] == "RecordsStored"]
        less["conditions"] = [item for item in less["conditions"] if item["type"] != "RecordsStored"] + stored
    else:
        less = {name: value for name, value in less.items() if name not in {"conditions", "finishedAt"}}
    try:
        await _replace(api, entry, less)
    except ApiError as error:
        if not error.rejects_object:
            raise
        logger.warning("%s/%s: nor does it take the least: %s", *entry.key, error)
        # so that the remaining effects of the decision are still carried out
        entry.document = {**entry.document, "status": status}
