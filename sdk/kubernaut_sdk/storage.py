"""Talking to Data Storage over HTTP: posting events, reading a record.

Over the standard library's client: a step makes two or three small requests, and importing a larger client would cost
every step 100 ms or more, against 10 for this one, and that in the thread that sends.
"""

import json
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from kubernaut_sdk.addresses import without_userinfo

if TYPE_CHECKING:
    from http.client import HTTPConnection

__all__ = ["StorageClient", "StorageUnavailable"]

RECORDS = "/api/v1/action-records"
_SOCKET_PATIENCE = 5.0
_MOST_EVENTS = 1_000
_LARGEST_BODY = 4 * 1024 * 1024 - 2
"""What the store takes in one request (records.md), less the brackets."""


class StorageUnavailable(Exception):
    """Data Storage did not take or answer a request in time; the message says why."""


class StorageClient:
    """One Data Storage Service.

    Args:
        url: Its address, without a query.
        token_file: A file with a bearer token; read anew for each connection and after a 401.
    """

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self.url = without_userinfo(url.rstrip("/"))  # it stands in messages; the token is what authenticates
        self._parts = urlsplit(url.rstrip("/"))
        self._token_file = token_file
        self._connection: HTTPConnection | None = None
        self._headers: dict[str, str] = {}

    def post(self, events: list[dict[str, Any]], within: float) -> list[dict[str, Any]]:
        """Sends events and returns an outcome for each, after the store has committed them.

        Args:
            events: As JSON values; in as many requests as the store's limits ask for.
            within: Seconds for each request, all tries together.

        Raises:
            StorageUnavailable: if it could not be done within that time, or the store refuses the request as such.
        """
        outcomes: list[dict[str, Any]] = []
        for body in _bodies(events):
            _, answer = self._request("POST", RECORDS, within, body=body)
            start = len(outcomes)
            outcomes += [{**outcome, "index": start + outcome["index"]} for outcome in answer]
        return outcomes

    def read(self, record_id: UUID, within: float) -> dict[str, Any] | None:
        """One record, or None where the store has none of that id.

        Raises:
            StorageUnavailable: if the store could not be asked.
        """
        status, answer = self._request("GET", f"{RECORDS}/{record_id}", within, absent=404)
        return None if status == 404 else dict(answer)

    def get(self, path: str, query: dict[str, str], within: float) -> Any:
        """The JSON answer to a query.

        Raises:
            StorageUnavailable: if the store could not be asked, or refuses the query.
        """
        return self._request("GET", f"{path}?{urlencode(query)}", within)[1]

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(
        self, method: str, path: str, within: float, *, body: bytes | None = None, absent: int | None = None
    ) -> tuple[int, Any]:
        """Tries until it is answered: again after a broken connection, 5xx or 429; once more after a 401."""
        from http.client import HTTPException  # noqa: PLC0415

        deadline = time.monotonic() + within
        pause, told_401 = 0.05, False
        while True:
            try:
                status, text = self._exchange(method, path, body, deadline)
            except (OSError, HTTPException) as error:
                problem = f"{self.url}: {error or type(error).__name__}"
            else:
                if status < 300 or status == absent:
                    return status, _json(text) if status != absent else None
                problem = f"{self.url} answered {status}: {text[:200].decode('utf-8', 'replace')}"
                if status == 401 and not told_401:
                    told_401 = True
                    self.close()
                    continue
                if (status < 500 and status != 429) or status == 507:
                    raise StorageUnavailable(problem)
            self.close()
            pause = min(1.0, pause * 2)
            delay = pause * random.uniform(0.5, 1)  # noqa: S311 – jitter, no secret
            if time.monotonic() + delay >= deadline:
                raise StorageUnavailable(problem)
            time.sleep(delay)

    def _exchange(self, method: str, path: str, body: bytes | None, deadline: float) -> tuple[int, bytes]:
        """One request and its whole answer; a server that trickles bytes is cut off at the deadline."""
        connection = self._connected(deadline)
        connection.request(method, self._parts.path + path, body, self._headers)
        response = connection.getresponse()
        text = b""
        with response:
            while part := response.read1(65536):
                text += part
                if time.monotonic() > deadline:
                    raise TimeoutError("the answer did not come to its end in time")
        return response.status, text

    def _connected(self, deadline: float) -> "HTTPConnection":
        timeout = max(0.05, min(_SOCKET_PATIENCE, deadline - time.monotonic()))
        if self._connection is None:
            self._headers = {"user-agent": "kubernaut-sdk", "content-type": "application/json"}
            if self._token_file is not None:
                try:
                    self._headers["authorization"] = f"Bearer {self._token_file.read_text().strip()}"
                except OSError as error:
                    raise StorageUnavailable(f"the token file {self._token_file} cannot be read: {error}") from None
            # of https, the client verifies the certificate and the host's name by default
            from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415

            kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
            self._connection = kind(self._parts.hostname or "", self._parts.port, timeout=timeout)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        return self._connection


def _bodies(events: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Arrays of events, each within what the store takes in one request."""
    parts: list[bytes] = []
    size = 0
    for event in events:
        part = json.dumps(event, ensure_ascii=True).encode()
        if parts and (len(parts) == _MOST_EVENTS or size + len(part) > _LARGEST_BODY):
            yield b"[" + b",".join(parts) + b"]"
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield b"[" + b",".join(parts) + b"]"


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise StorageUnavailable(f"the answer is not JSON but {text[:100].decode('utf-8', 'replace')}") from None
