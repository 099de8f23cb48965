"""A client of the API server for single requests: create, replace, patch, read, list, delete. Watches are kopf's."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import kopf

from kubernaut_controller.operator.boundedjson import read_json
from kubernaut_controller.operator.metrics import API_REQUESTS
from kubernaut_controller.views import object_of, objects_of, text_of

__all__ = ["Api", "ApiError", "Kind"]

Json = dict[str, Any]

_PATIENCE = aiohttp.ClientTimeout(total=30)
_MOST_RETRIES = 5
_LONGEST_PAUSE = 30.0
_CHUNK = 500


class ApiError(Exception):
    """A refusal by the API server, or no answer from it.

    Attributes:
        code: The HTTP status; 0 where there was no answer.
        reason: The Status object's, such as AlreadyExists.
        message: The Status object's.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code, self.reason, self.message = code, reason, message

    @property
    def rejects_object(self) -> bool:
        """True if the object itself is rejected (too large, or invalid): sent again, it would be rejected again."""
        return self.code in {400, 413, 422}


Kind = Literal[
    "workflowexecutions",
    "remediationrequests",
    "pipelineruns",
    "taskruns",
    "pods",
    "events",
    "leases",
    "subjectaccessreviews",
]
_GROUPS: dict[Kind, str] = {
    "workflowexecutions": "apis/kubernaut.io/v1alpha1",
    "remediationrequests": "apis/kubernaut.io/v1alpha1",
    "pipelineruns": "apis/tekton.dev/v1",
    "taskruns": "apis/tekton.dev/v1",
    "pods": "api/v1",
    "events": "api/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "subjectaccessreviews": "apis/authorization.k8s.io/v1",
}


class Api:
    """A client of one API server.

    Args:
        login: Gives the credentials that are valid now.
    """

    def __init__(self, login: Callable[[], kopf.ConnectionInfo]) -> None:
        self._login = login
        self._session: aiohttp.ClientSession | None = None
        self._server = ""

    async def create(self, kind: Kind, namespace: str | None, document: Json) -> Json:
        """Create an object and return it as it was stored."""
        return dict(await self._call("POST", kind, _path(kind, namespace), document))

    async def replace(self, kind: Kind, namespace: str, document: Json, *, status: bool = False) -> Json:
        """Replace an object, or its status, at the resourceVersion that the document names."""
        path = _path(kind, namespace, document["metadata"]["name"], "status" if status else None)
        return dict(await self._call("PUT", kind, path, document))

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """Apply a JSON merge patch (RFC 7396) to an object and return the result."""
        return dict(await self._call("PATCH", kind, _path(kind, namespace, name), patch))

    async def read(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Return an object, or None where it does not exist."""
        try:
            return dict(await self._call("GET", kind, _path(kind, namespace, name)))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str, *, version: str | None = None) -> None:
        """Delete the object of this uid (and version); do nothing where it is gone or is another object."""
        only = {"uid": uid} | ({"resourceVersion": version} if version else {})
        options = {"preconditions": only, "propagationPolicy": "Background"}
        try:
            await self._call("DELETE", kind, _path(kind, namespace, name), options)
        except ApiError as error:
            if error.code not in {404, 409}:
                raise

    async def items(self, kind: Kind, namespace: str | None, selector: str | None = None) -> AsyncIterator[Json]:
        """Yield the objects of a kind, fetched in chunks."""
        query = {"limit": str(_CHUNK)} | ({"labelSelector": selector} if selector else {})
        while True:
            answer = await self._call("GET", kind, _path(kind, namespace), query=query)
            for item in objects_of(object_of(answer).get("items")):
                yield dict(item)
            following = text_of(object_of(answer, "metadata").get("continue"))
            del answer
            if not following:
                return
            query["continue"] = following

    async def log(self, namespace: str, pod: str, container: str) -> str:
        """Return the end of a container's log: at most 2,000 lines and 4 MiB."""
        query = {"container": container, "tailLines": "2000", "limitBytes": str(4 * 1024 * 1024)}
        return str(await self._call("GET", "pods", _path("pods", namespace, pod, "log"), query=query, text=True))

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self,
        method: str,
        kind: Kind,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, str] | None = None,
        text: bool = False,
    ) -> Any:
        """Send one request and return its answer; retry after 429, and once with new credentials after 401.

        Raises:
            ApiError: for any status that is not 2xx, and where there is no answer.
        """
        renewed_login = False
        for attempt in range(_MOST_RETRIES + 1):
            code, answer, retry_after = await self._exchange(method, path, body, query)
            API_REQUESTS.labels(method, kind, str(code)).inc()
            if 200 <= code < 300:
                return answer.decode("utf-8", "replace") if text else _value(answer)
            if code == 401 and not renewed_login:
                renewed_login = True
                await self.close()
            elif code == 429 and attempt < _MOST_RETRIES:
                await asyncio.sleep(min(retry_after, _LONGEST_PAUSE))
            else:
                raise _refusal(code, answer)
        raise _refusal(429, b"")

    async def _exchange(
        self, method: str, path: str, body: Json | None, query: Mapping[str, str] | None
    ) -> tuple[int, bytes, float]:
        session = self._connected()
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"content-type": kind}
        try:
            async with session.request(
                method, f"{self._server}/{path}", params=query, data=data, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await response.read(), _seconds(response.headers.get("retry-after"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, "NoAnswer", f"{method} {path}: {error or type(error).__name__}") from None

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            login = self._login()
            self._server = login.server.rstrip("/")
            connector = aiohttp.TCPConnector(limit=64, ssl=login.as_ssl_context())
            headers = {"user-agent": "kubernaut-controller", **login.as_http_headers()}
            self._session = aiohttp.ClientSession(connector=connector, timeout=_PATIENCE, headers=headers)
        return self._session


def _path(kind: Kind, namespace: str | None, name: str | None = None, part: str | None = None) -> str:
    parts = [_GROUPS[kind], *(["namespaces", namespace] if namespace else []), kind, name, part]
    return "/".join(quote(part, safe="/") for part in parts if part)


def _seconds(text: str | None) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 1.0


def _value(answer: bytes) -> Any:
    try:
        return read_json(answer)
    except ValueError as error:
        raise ApiError(0, "NoJson", f"an answer that is no JSON: {error}") from None


def _refusal(code: int, answer: bytes) -> ApiError:
    try:
        status = read_json(answer)
        return ApiError(code, status.get("reason") or "", status.get("message") or "")
    except (ValueError, AttributeError):
        return ApiError(code, "", answer[:500].decode("utf-8", "replace"))
