"""RemediationRequests: each gets its WorkflowExecution, and says what came of it."""

from datetime import datetime
from typing import Any

from kubernaut_controller.faults import InvalidWorkflow
from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.loop import Loop
from kubernaut_controller.operator.memory import Key, newer, slim
from kubernaut_controller.reconciling.remediate import CreateWorkflow, DeleteRequest, SetRequestStatus, remediate
from kubernaut_controller.remediation import read_remediation_request
from kubernaut_controller.workflow import API_VERSION
from kubernaut_sdk.times import utcnow

__all__ = ["Remediations"]

Json = dict[str, Any]

_MOST_ROUNDS = 6


class Remediations:
    """All RemediationRequests of the cluster, or of one namespace.

    Args:
        api: The API server.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[Key, Json] = {}
        self.loop = Loop("RemediationRequest", self._work)

    def saw(self, type_: str | None, document: Json) -> None:
        """News of a request."""
        metadata = document["metadata"]
        key = metadata["namespace"], metadata["name"]
        if type_ == "DELETED":
            self._known.pop(key, None)
            self.loop.forget(key)
        elif newer(document, self._known.get(key)):
            self._known[key] = slim(document)
            self.loop.wake(key)

    def changed(self, key: Key) -> None:
        """News of the workflow of a request, which has its name."""
        if key in self._known:
            self.loop.wake(key)

    async def _work(self, key: Key) -> datetime | None:
        for _ in range(_MOST_ROUNDS):
            document = self._known.get(key)
            if document is None:
                return None
            workflow = await self._api.read("workflowexecutions", *key)
            remedy = remediate(document, _faults(document), workflow, utcnow())
            for act in remedy.acts:
                await self._do(key, document, act)
            if not remedy.acts:
                return remedy.again
        return None

    async def _do(self, key: Key, document: Json, act: CreateWorkflow | SetRequestStatus | DeleteRequest) -> None:
        match act:
            case CreateWorkflow(workflow):
                try:
                    await self._api.create("workflowexecutions", key[0], workflow)
                except ApiError as error:
                    if error.code != 409:
                        raise
            case SetRequestStatus(status):
                metadata = {"name": key[1], "resourceVersion": document["metadata"]["resourceVersion"]}
                whole = {
                    "apiVersion": API_VERSION,
                    "kind": "RemediationRequest",
                    "metadata": metadata,
                    "spec": document["spec"],
                    "status": status,
                }
                try:
                    self._known[key] = slim(await self._api.replace("remediationrequests", key[0], whole, status=True))
                except ApiError as error:
                    if error.code not in {404, 409}:
                        raise
                    found = await self._api.read("remediationrequests", *key)
                    if found is None:
                        self._known.pop(key, None)
                    else:
                        self._known[key] = slim(found)
            case DeleteRequest():
                await self._api.delete("remediationrequests", *key, document["metadata"]["uid"])
                self._known.pop(key, None)


def _faults(document: Json) -> tuple[Any, ...]:
    try:
        read_remediation_request(document)
    except InvalidWorkflow as error:
        return error.faults
    return ()
