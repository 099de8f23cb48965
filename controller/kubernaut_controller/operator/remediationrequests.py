"""The controller of RemediationRequests: creates the WorkflowExecution of each, and copies its end into the status."""

import logging
from datetime import datetime
from typing import Any

from kubernaut_controller.faults import Fault, InvalidWorkflow
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
"""Decisions of one reconcile. A request needs about three; what is left is decided when the next watch event comes."""
_MOST_FAILURES = 3
"""Reconciles of one request that may fail unexpectedly, one after the other, until it is refused."""

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
        self._refused_uids: set[str] = set()
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
            self._refused_uids.discard(view.uid)
            self.loop.remove(key)
        elif is_newer(document, self._known.get(key)):
            self._known[key] = strip_unused(document)
            self.loop.enqueue(key)

    def on_workflow_change(self, key: Key) -> None:
        """Queue a reconcile for the request whose workflow has changed; both have the same name."""
        if key in self._known:
            self.loop.enqueue(key)

    async def _reconcile_or_refuse(self, key: Key) -> datetime | None:
        """Reconcile a request; refuse one about which no decision can be made, so that it is not tried for ever.

        Returns:
            The time of the next reconcile if nothing happens before; None if only an event calls for one.
        """
        try:
            again = await self._reconcile(key)
        except ApiError:
            raise  # the request is not to blame: the loop tries again, with growing pauses
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
        if view.uid in self._refused_uids:
            return
        self._refused_uids.add(view.uid)
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
            if not error.rejects_object:
                raise
            logger.warning("%s/%s: the API server takes no status of it: %s", *key, error)

    async def _reconcile(self, key: Key) -> datetime | None:
        for _ in range(_MOST_ROUNDS):
            document = self._known.get(key)
            if document is None:
                return None
            workflow = await self._api.read("workflowexecutions", *key)
            created = WorkflowView(workflow) if workflow is not None else None
            decision = remediate(WorkflowView(document), _faults(document), created, utcnow())
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
                    if error.rejects_object:
                        await self._refuse(key, document, f"Its WorkflowExecution was not taken: {error.message}")
                    elif error.code != 409:  # one of this name exists: the next round reads it
                        raise
            case UpdateRequestStatus() if WorkflowView(document).uid in self._refused_uids:
                pass  # its status says why it was refused, and stays
            case UpdateRequestStatus(status):
                try:
                    await self._set_status(key, document, status)
                except ApiError as error:
                    if not error.rejects_object:
                        raise
                    await self._refuse(key, document, f"The whole of its status was refused: {error.message}")
            case DeleteRequest():
                # the uid is a precondition: another request of the same name is not deleted
                await self._api.delete("remediationrequests", *key, WorkflowView(document).uid)
                self._known.pop(key, None)

    async def _set_status(self, key: Key, document: Json, status: Json) -> None:
        """Replace the status; where another process wrote meanwhile, read its version for the next round."""
        replacement = {
            "apiVersion": API_VERSION,
            "kind": "RemediationRequest",
            "metadata": {"name": key[1], "resourceVersion": WorkflowView(document).resource_version},
            "spec": document["spec"],  # not stored, but the API server validates the object as a whole
            "status": status,
        }
        try:
            self._known[key] = strip_unused(
                await self._api.replace("remediationrequests", key[0], replacement, status=True)
            )
        except ApiError as error:
            if error.code not in {404, 409}:
                raise
            found = await self._api.read("remediationrequests", *key)
            if found is None:
                self._known.pop(key, None)
            else:
                self._known[key] = strip_unused(found)


def _faults(document: Json) -> tuple[Fault, ...]:
    """Return the faults of a request's shape; none if it is valid."""
    try:
        read_remediation_request(document)
    except InvalidWorkflow as error:
        return error.faults
    return ()
