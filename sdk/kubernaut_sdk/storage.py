"""Talking to Data Storage over HTTP: posting events, reading a record. httpx is imported on the first call only."""

import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    import httpx

__all__ = ["StorageClient", "StorageUnavailable"]

RECORDS = "/api/v1/action-records"


class StorageUnavailable(Exception):
    """Data Storage did not take or answer a request in time; the message says why."""


class StorageClient:
    """One Data Storage Service.

    Args:
        url: Its address, without a path.
        token_file: A file with a bearer token; read anew for each connection and after a 401.
    """

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._token_file = token_file
        self._client: httpx.Client | None = None

    def post(self, events: list[dict[str, Any]], within: float) -> list[dict[str, Any]]:
        """Sends events and returns an outcome for each, after the store has committed them.

        Args:
            events: 1 to 1,000 events as JSON values.
            within: Seconds for all tries together.

        Raises:
            StorageUnavailable: if it could not be done within that time, or the store refuses the request as such.
        """
        outcomes = self._request("POST", RECORDS, within, json=events).json()
        return list(outcomes)

    def read(self, record_id: UUID, within: float) -> dict[str, Any] | None:
        """One record, or None where the store has none of that id.

        Raises:
            StorageUnavailable: if the store could not be asked.
        """
        response = self._request("GET", f"{RECORDS}/{record_id}", within, absent=404)
        return None if response.status_code == 404 else dict(response.json())

    def get(self, path: str, query: dict[str, str], within: float) -> Any:
        """The JSON answer to a query.

        Raises:
            StorageUnavailable: if the store could not be asked, or refuses the query.
        """
        return self._request("GET", path, within, query=query).json()

    def close(self) -> None:
        """Closes the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _request(
        self, method: str, path: str, within: float, *, json: Any = None, query: Any = None, absent: int | None = None
    ) -> "httpx.Response":
        """Tries until it is answered: again after a broken connection, 5xx or 429; once more after a 401."""
        import httpx  # noqa: PLC0415 – 60 ms or more that an action without Data Storage need not pay

        deadline = time.monotonic() + within
        pause, told_401 = 0.05, False
        while True:
            left = deadline - time.monotonic()
            try:
                response = self._connected().request(
                    method, path, json=json, params=query, timeout=max(0.05, min(5.0, left))
                )
            except httpx.HTTPError as error:
                problem = f"{self.url}: {error or type(error).__name__}"
            else:
                if response.is_success or response.status_code == absent:
                    return response
                problem = f"{self.url} answered {response.status_code}: {response.text[:200]}"
                if response.status_code == 401 and not told_401:
                    told_401 = True
                    self.close()
                    continue
                if response.status_code < 500 and response.status_code != 429:
                    raise StorageUnavailable(problem)
            self.close()
            pause = min(1.0, pause * 2)
            delay = pause * random.uniform(0.5, 1)  # noqa: S311 – jitter, no secret
            if time.monotonic() + delay >= deadline:
                raise StorageUnavailable(problem)
            time.sleep(delay)

    def _connected(self) -> "httpx.Client":
        if self._client is None:
            import httpx  # noqa: PLC0415

            headers = {"user-agent": "kubernaut-sdk"}
            if self._token_file is not None:
                try:
                    headers["authorization"] = f"Bearer {self._token_file.read_text().strip()}"
                except OSError as error:
                    raise StorageUnavailable(f"the token file {self._token_file} cannot be read: {error}") from None
            # Without TLS there is nothing to verify; loading the certificates would cost 20 ms.
            self._client = httpx.Client(
                base_url=self.url, headers=headers, trust_env=False, verify=self.url.startswith("https://")
            )
        return self._client
