"""Kubernetes Events about a workflow, which `kubectl describe` shows."""

import hashlib
import logging

from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.cache import CachedWorkflow
from kubernaut_controller.workflow import API_VERSION
from kubernaut_sdk.times import utcnow

__all__ = ["emit_event"]

logger = logging.getLogger("kubernaut.controller")


async def emit_event(api: Api, entry: CachedWorkflow, type_: str, reason: str, message: str) -> None:
    """Create an Event; log it if the API server takes none, since nothing depends on it.

    Args:
        api: The API server.
        entry: The workflow.
        type_: `Normal` or `Warning`.
        reason: One word in CamelCase.
        message: The sentences for the reader.
    """
    namespace, name = entry.key
    digest = hashlib.sha256(f"{entry.uid}/{reason}/{message}".encode()).hexdigest()[:16]
    now = utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")
    reference = {
        "apiVersion": API_VERSION,
        "kind": "WorkflowExecution",
        "namespace": namespace,
        "name": name,
        "uid": entry.uid,
        "resourceVersion": entry.version,
    }
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        # a digest of the content, so that the API server refuses a repeated Event as a duplicate
        "metadata": {"name": f"{name[:200]}.{digest}"},
        "involvedObject": reference,
        "type": type_,
        "reason": reason,
        "message": message[:1024],
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "source": {"component": "kubernaut-controller"},
        "reportingComponent": "kubernaut-controller",
    }
    try:
        await api.create("events", namespace, event)
    except ApiError as error:
        if error.code != 409:
            logger.warning("%s/%s: no Event %s: %s", *entry.key, reason, error)
