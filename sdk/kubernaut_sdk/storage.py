"""The HTTP client of Data Storage: posting events, reading records.

It uses the standard library's client: a step makes two or three small requests, and importing a larger client would
cost every step 100 ms or more, against 10 ms for this one. Even that is imported only when a request is made: the other
verbs, and a step without Data Storage, make none.
"""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from kubernaut_sdk.addresses import without_userinfo
from kubernaut_sdk.backoff import backoff

if TYPE_CHECKING:
    from http.client import HTTPConnection

__all__ = ["RECORDS", "WRONG_REQUEST", "StorageClient", "StorageUnavailable", "outcomes_in"]

RECORDS = "/api/v1/action-records"
_SOCKET_PATIENCE = 5.0
_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_MOST_EVENTS = 1_000
_LARGEST_BODY = 4 * 1024 * 1024 - 2
"""The most bytes of events in one request: the store's limit of 4 MiB, less the brackets of the array."""


WRONG_REQUEST = {400, 413, 422}
"""HTTP statuses that say that the request itself is wrong: sent again, it would be refused again."""

_OUTCOMES = {"stored", "merged", "duplicate", "refused"}


def outcomes_in(answer: Any, count: int) -> list[dict[str, Any]] | None:
    """Return the outcomes of posted events, one for each; None if the answer is anything else, such as a proxy's."""
    if not isinstance(answer, list) or len(answer) != count:
        return None
    good = all(isinstance(one, dict) and one.get("outcome") in _OUTCOMES for one in answer)
    return answer if good else None


class StorageUnavailable(Exception):
    """Data Storage did not accept or answer a request in time; the message says the reason.

    Attributes:
        status: The HTTP status of the answer, if there was one.
        by_store: True if the answer was a problem document (RFC 9457) of Data Storage, not a proxy's page.
    """

    def __init__(self, message: str, status: int | None = None, *, by_store: bool = False) -> None:
        super().__init__(message)
        self.status, self.by_store = status, by_store


class StorageClient:
    """A client of one Data Storage Service.

    Args:
        url: Its address, without a query.
        token_file: A file with a bearer token; read anew for each connection and after a 401.
    """

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self.url = without_userinfo(url.rstrip("/"))  # messages contain it; the token authenticates
        self._parts = urlsplit(url.rstrip("/"))
        self._token_file = token_file
        self._connection: HTTPConnection | None = None
        self._headers: dict[str, str] = {}

    def post(self, events: list[dict[str, Any]], within: float) -> list[dict[str, Any]]:
        """Send events; return an outcome for each, after the store has committed them.

        Args:
            events: Events as JSON values; sent in as many requests as the store's limits need.
            within: Seconds for each request, all tries together.

        Raises:
            StorageUnavailable: if the time is over, or the store refuses the request as a whole.
        """
        outcomes: list[dict[str, Any]] = []
        for batch in _batches(events):
            outcomes += self._post(batch, within)
        return [{**outcome, "index": index} for index, outcome in enumerate(outcomes)]

    def _post(self, batch: "list[_Part]", within: float) -> list[dict[str, Any]]:
        """Send one request; if the store refuses it, send it in halves to find the event that is wrong."""
        if len(batch) == 1 and (problem := batch[0].problem) is not None:
            return [{"id": None, "outcome": "refused", "reason": problem}]
        try:
            _, answer = self._request("POST", RECORDS, within, body=b"[" + b",".join(one.text for one in batch) + b"]")
        except StorageUnavailable as error:
            if error.status not in WRONG_REQUEST:
                raise
            if len(batch) == 1 and not error.by_store:
                raise  # the answer is not from Data Storage, so the event must not be given up
            if len(batch) == 1:
                return [{"id": None, "outcome": "refused", "reason": str(error)}]
            middle = len(batch) // 2
            return self._post(batch[:middle], within) + self._post(batch[middle:], within)
        if (outcomes := outcomes_in(answer, len(batch))) is None:
            raise StorageUnavailable(f"{self.url}: the answer has not one outcome for each event")
        return outcomes

    def post_document(self, path: str, document: Any, within: float) -> Any:
        """Send one JSON document; return the JSON answer.

        Raises:
            StorageUnavailable: if the store could not be reached, or refuses it.
        """
        return self._request("POST", path, within, body=json.dumps(document).encode())[1]

    def read(self, record_id: UUID, within: float) -> dict[str, Any] | None:
        """Return one record, or None if the store has none of that id.

        Raises:
            StorageUnavailable: if the store could not be reached.
        """
        status, answer = self._request("GET", f"{RECORDS}/{record_id}", within, absent=404)
        return None if status == 404 else dict(answer)

    def get(self, path: str, query: dict[str, str], within: float) -> Any:
        """Return the JSON answer to a query.

        Raises:
            StorageUnavailable: if the store could not be reached, or refuses the query.
        """
        return self._request("GET", f"{path}?{urlencode(query)}", within)[1]

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(
        self, method: str, path: str, within: float, *, body: bytes | None = None, absent: int | None = None
    ) -> tuple[int, Any]:
        """Send a request until it is answered: again after a broken connection, 5xx or 429; once more after a 401."""
        from http.client import HTTPException  # noqa: PLC0415

        deadline = time.monotonic() + within
        failures, retried_401 = 0, False
        while True:
            try:
                status, text = self._exchange(method, path, body, deadline)
            except (OSError, HTTPException) as error:
                problem = f"{self.url}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
            else:
                if status < 300 or status == absent:
                    return status, _json(text) if status != absent else None
                problem = f"{self.url} answered {status}: {_sentence(text, status)}"
                if status == 401 and not retried_401:
                    retried_401 = True
                    self.close()
                    continue
                if (status < 500 and status != 429) or status == 507:
                    raise StorageUnavailable(problem, status, by_store=_is_problem(text, status))
            self.close()
            failures += 1
            pause = backoff(failures, _PAUSE, _LONGEST_PAUSE, jitter=True)
            if time.monotonic() + pause >= deadline:
                raise StorageUnavailable(problem)
            time.sleep(pause)

    def _exchange(self, method: str, path: str, body: bytes | None, deadline: float) -> tuple[int, bytes]:
        """Send one request and read its whole answer; a server that is too slow is cut off at the deadline."""
        connection = self._connect(deadline)
        connection.request(method, self._parts.path + path, body, self._headers)
        response = connection.getresponse()
        text = b""
        with response:
            while part := response.read1(65536):
                text += part
                if time.monotonic() > deadline:
                    raise TimeoutError("the answer did not come to its end in time")
        return response.status, text

    def _connect(self, deadline: float) -> "HTTPConnection":
        timeout = max(0.05, min(_SOCKET_PATIENCE, deadline - time.monotonic()))
        if self._connection is None:
            self._headers = {"user-agent": "kubernaut-sdk", "content-type": "application/json"}
            if self._token_file is not None:
                try:
                    self._headers["authorization"] = f"Bearer {self._token_file.read_text().strip()}"
                except OSError as error:
                    raise StorageUnavailable(
                        f"the token file {self._token_file} cannot be read: {error.strerror}"
                    ) from None
            # the https client verifies the certificate and the host name by default
            from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415

            kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
            self._connection = kind(self._parts.hostname or "", self._parts.port, timeout=timeout)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        return self._connection


class _Part(NamedTuple):
    """An event as JSON text, or the problem if it is not JSON."""

    text: bytes
    problem: str | None = None


def _part(event: Any) -> _Part:
    try:
        return _Part(json.dumps(event, ensure_ascii=True).encode())
    except (TypeError, ValueError, RecursionError) as error:
        return _Part(b"", f"the event is not JSON: {error}.")


def _batches(events: Iterable[dict[str, Any]]) -> Iterator[list[_Part]]:
    """Yield events in batches that fit into one request each; an event that is not JSON is a batch of its own."""
    batch: list[_Part] = []
    size = 0
    for event in events:
        part = _part(event)
        full = len(batch) == _MOST_EVENTS or size + len(part.text) > _LARGEST_BODY
        if batch and (full or part.problem or batch[-1].problem):
            yield batch
            batch, size = [], 0
        batch.append(part)
        size += len(part.text) + 1
    if batch:
        yield batch


def _is_problem(text: bytes, status: int) -> bool:
    return _problem(text, status) is not None


def _problem(text: bytes, status: int) -> dict[str, Any] | None:
    """Return an answer as a problem document (RFC 9457), or None if it is not one."""
    try:
        problem = json.loads(text)
    except (ValueError, RecursionError):
        return None
    known = isinstance(problem, dict) and problem.get("status") == status and "title" in problem
    return problem if known else None


def _sentence(text: bytes, status: int) -> str:
    """Return what an answer says: the detail of a problem document, or its beginning."""
    problem = _problem(text, status) or {}
    said = problem.get("detail") or problem.get("title")
    return said if isinstance(said, str) else text[:200].decode("utf-8", "replace")


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise StorageUnavailable(f"the answer is not JSON but {text[:100].decode('utf-8', 'replace')}") from None
