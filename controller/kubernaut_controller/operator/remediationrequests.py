"""The controller of RemediationRequests: creates the WorkflowExecution of each, and copies its end into the status."""

import logging
from datetime import datetime
from typing import Any

from kubernaut_controller.faults import InvalidWorkflow
from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.cache import Key, is_newer, strip_unused
from kubernaut_controller.operator.loop import ReconcileLoop
from kubernaut_controller.reconciling.conditions import ConditionUpdate, merge_conditions, timestamp
from kubernaut_controller.reconciling.remediation import (
    CreateWorkflow,
    DeleteRequest,
    UpdateRequestStatus,
    remediate,
)
from kubernaut_controller.reconciling.sanitizing import bounded_text
from kubernaut_controller.remediation import read_remediation_request
from kubernaut_controller.status import Phase
from kubernaut_controller.views import WorkflowView
from kubernaut_controller.workflow import API_VERSION
from kubernaut_sdk.times import utcnow

__all__ = ["RemediationController"]

Json = dict[str, Any]

_MOST_ROUNDS = 6
_MOST_FAILURES = 3

logger = logging.getLogger("kubernaut.controller")


class RemediationController:
    """A controller of all RemediationRequests of the cluster, or of the watched namespaces.

    Args:
        api: The API server.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[Key, Json] = {}
        self._failures: dict[Key, int] = {}
        self._refused: set[str] = set()
        self.loop = ReconcileLoop("RemediationRequest", self._reconcile_or_refuse)

    def on_event(self, type_: str | None, document: Json) -> None:
        """Handle a watch event of a request. Nothing is raised, whatever the request contains."""
        try:
            self._on_event(type_, document)
        except Exception:
            logger.exception("a RemediationRequest cannot be read, and is passed over")

    def _on_event(self, type_: str | None, document: Json) -> None:
        view = WorkflowView(document)
        key = view.namespace, view.name
        if type_ == "DELETED":
            self._known.pop(key, None)
            self._failures.pop(key, None)
            self._refused.discard(view.uid)
            self.loop.remove(key)
        elif is_newer(document, self._known.get(key)):
            self._known[key] = strip_unused(document)
            self.loop.enqueue(key)

    def on_workflow_change(self, key: Key) -> None:
        """Queue a reconcile for the request whose workflow has changed; both have the same name."""
        if key in self._known:
            self.loop.enqueue(key)

    async def _reconcile_or_refuse(self, key: Key) -> datetime | None:
        try:
            again = await self._reconcile(key)
        except ApiError:
            raise
        except Exception as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            document = self._known.get(key)
            if failures < _MOST_FAILURES or document is None:
                raise
            logger.exception("%s/%s: cannot be decided about, and is refused", *key)
            await self._refuse(key, document, f"The controller cannot go on with it ({type(error).__name__}: {error}).")
            return None
        self._failures.pop(key, None)
        return again

    async def _refuse(self, key: Key, document: Json, why: str) -> None:
        """Write a minimal status that refuses a request, once."""
        view = WorkflowView(document)
        if view.uid in self._refused:
            return
        self._refused.add(view.uid)
        now = utcnow()
        message = bounded_text(why, 1000) or ""
        refused = ConditionUpdate("Succeeded", False, "Refused", message)
        status = {
            "phase": Phase.REFUSED.value,
            "outcome": message,
            "finishedAt": timestamp(now),
            "conditions": merge_conditions((), [refused], view.generation, now),
        }
        try:
            await self._set_status(key, document, status)
        except ApiError as error:
            if error.code not in {400, 413, 422}:
                raise
            logger.warning("%s/%s: the API server takes no status of it: %s", *key, error)

    async def _reconcile(self, key: Key) -> datetime | None:
        for _ in range(_MOST_ROUNDS):
            document = self._known.get(key)
            if document is None:
                return None
            workflow = await self._api.read("workflowexecutions", *key)
            made = WorkflowView(workflow) if workflow is not None else None
            decision = remediate(WorkflowView(document), _faults(document), made, utcnow())
            for effect in decision.effects:
                await self._execute(key, document, effect)
            if not decision.effects:
                return decision.again
        return None

    async def _execute(
        self, key: Key, document: Json, effect: CreateWorkflow | UpdateRequestStatus | DeleteRequest
    ) -> None:
        match effect:
            case CreateWorkflow(workflow):
                try:
                    await self._api.create("workflowexecutions", key[0], workflow)
                except ApiError as error:
                    if error.code in {400, 413, 422}:
                        await self._refuse(key, document, f"Its WorkflowExecution was not taken: {error.message}")
                    elif error.code != 409:
                        raise
            case UpdateRequestStatus() if WorkflowView(document).uid in self._refused:
                pass
            case UpdateRequestStatus(status):
                try:
                    await self._set_status(key, document, status)
                except ApiError as error:
                    if error.code not in {400, 413, 422}:
                        raise
                    await self._refuse(key, document, f"The whole of its status was refused: {error.message}")
            case DeleteRequest():
                await self._api.delete("remediationrequests", *key, WorkflowView(document).uid)
                self._known.pop(key, None)

    async def _set_status(self, key: Key, document: Json, status: Json) -> None:
        whole = {
            "apiVersion": API_VERSION,
            "kind": "RemediationRequest",
            "metadata": {"name": key[1], "resourceVersion": WorkflowView(document).resource_version},
            "spec": document["spec"],
            "status": status,
        }
        try:
            self._known[key] = strip_unused(await self._api.replace("remediationrequests", key[0], whole, status=True))
        except ApiError as error:
            if error.code not in {404, 409}:
                raise
            found = await self._api.read("remediationrequests", *key)
            if found is None:
                self._known.pop(key, None)
            else:
                self._known[key] = strip_unused(found)


def _faults(document: Json) -> tuple[Any, ...]:
    try:
        read_remediation_request(document)
    except InvalidWorkflow as error:
        return error.faults
    return ()
