"""RemediationRequests: each gets its WorkflowExecution, and says what came of it."""

import logging
from datetime import datetime
from typing import Any

from kubernaut_controller.faults import InvalidWorkflow
from kubernaut_controller.operator.api import Api, ApiError
from kubernaut_controller.operator.loop import Loop
from kubernaut_controller.operator.memory import Key, newer, slim
from kubernaut_controller.reconciling.conditions import Fact, merged, timestamp
from kubernaut_controller.reconciling.remediate import CreateWorkflow, DeleteRequest, SetRequestStatus, remediate
from kubernaut_controller.reconciling.shaping import bounded_text
from kubernaut_controller.remediation import read_remediation_request
from kubernaut_controller.status import Phase
from kubernaut_controller.workflow import API_VERSION
from kubernaut_sdk.times import utcnow

__all__ = ["Remediations"]

Json = dict[str, Any]

_MOST_ROUNDS = 6
_MOST_FAILURES = 3

logger = logging.getLogger("kubernaut.controller")


class Remediations:
    """All RemediationRequests of the cluster, or of one namespace.

    Args:
        api: The API server.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[Key, Json] = {}
        self._failures: dict[Key, int] = {}
        self._short: set[str] = set()
        self.loop = Loop("RemediationRequest", self._work)

    def saw(self, type_: str | None, document: Json) -> None:
        """News of a request; whatever it holds, nothing is raised."""
        try:
            self._saw(type_, document)
        except Exception:
            logger.exception("a RemediationRequest cannot be read, and is passed over")

    def _saw(self, type_: str | None, document: Json) -> None:
        metadata = document["metadata"]
        key = metadata["namespace"], metadata["name"]
        if type_ == "DELETED":
            self._known.pop(key, None)
            self._failures.pop(key, None)
            self._short.discard(metadata["uid"])
            self.loop.forget(key)
        elif newer(document, self._known.get(key)):
            self._known[key] = slim(document)
            self.loop.wake(key)

    def changed(self, key: Key) -> None:
        """News of the workflow of a request, which has its name."""
        if key in self._known:
            self.loop.wake(key)

    async def _work(self, key: Key) -> datetime | None:
        try:
            again = await self._carry_out(key)
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
        """Writes the least that a status may say of a request that is refused, once."""
        if document["metadata"]["uid"] in self._short:
            return
        self._short.add(document["metadata"]["uid"])
        now = utcnow()
        message = bounded_text(why, 1000) or ""
        fact = Fact("Succeeded", False, "Refused", message)
        status = {
            "phase": Phase.REFUSED.value,
            "outcome": message,
            "finishedAt": timestamp(now),
            "conditions": merged((), [fact], document["metadata"].get("generation", 1), now),
        }
        try:
            await self._set_status(key, document, status)
        except ApiError as error:
            if error.code not in {400, 413, 422}:
                raise
            logger.warning("%s/%s: the API server takes no status of it: %s", *key, error)

    async def _carry_out(self, key: Key) -> datetime | None:
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
                    if error.code in {400, 413, 422}:
                        await self._refuse(key, document, f"Its WorkflowExecution was not taken: {error.message}")
                    elif error.code != 409:
                        raise
            case SetRequestStatus() if document["metadata"]["uid"] in self._short:
                pass
            case SetRequestStatus(status):
                try:
                    await self._set_status(key, document, status)
                except ApiError as error:
                    if error.code not in {400, 413, 422}:
                        raise
                    await self._refuse(key, document, f"The whole of its status was refused: {error.message}")
            case DeleteRequest():
                await self._api.delete("remediationrequests", *key, document["metadata"]["uid"])
                self._known.pop(key, None)

    async def _set_status(self, key: Key, document: Json, status: Json) -> None:
        whole = {
            "apiVersion": API_VERSION,
            "kind": "RemediationRequest",
            "metadata": {"name": key[1], "resourceVersion": document["metadata"]["resourceVersion"]},
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


def _faults(document: Json) -> tuple[Any, ...]:
    try:
        read_remediation_request(document)
    except InvalidWorkflow as error:
        return error.faults
    return ()
