"""Data Storage, from the controller: events in batches, records one by one; what is not taken is tried again.

Nothing is kept here that could be lost: what is to be told follows from the cluster's objects, and is told until it was
taken.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from kubernaut_controller.operator.boundedjson import read_json
from kubernaut_controller.operator.metrics import RECORDS_SENT

__all__ = ["Records"]

Json = dict[str, Any]

_RECORDS = "/api/v1/action-records"
_PATIENCE = aiohttp.ClientTimeout(total=15)
_MOST = 500
_LARGEST = 2 * 1024 * 1024
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class _Told:
    """An event, and who wants to know that it was taken."""

    event: Json
    size: int
    taken: Callable[[str | None], None]


class Records:
    """Sends to one Data Storage, in order, until it has taken all.

    Args:
        url: Its address.
        token_file: Its bearer token, read anew for every request: tokens rotate.
    """

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._queue: asyncio.Queue[_Told] = asyncio.Queue()
        self._session: aiohttp.ClientSession | None = None
        self.trouble: str | None = None

    def tell(self, event: Json, taken: Callable[[str | None], None]) -> None:
        """Queues an event.

        Args:
            event: What is told.
            taken: Is called when Data Storage has answered, with its reason where it refused the event for good.
        """
        try:
            size = len(json.dumps(event, allow_nan=False))
        except (ValueError, TypeError, RecursionError) as error:  # this event's fault: others do not wait behind it
            reason = f"it cannot be written as JSON ({type(error).__name__}: {error})"
            asyncio.get_running_loop().call_soon(taken, reason)
            return
        self._queue.put_nowait(_Told(event, size, taken))

    async def run(self) -> None:
        """Sends what is queued, for ever."""
        while True:
            batch = [await self._queue.get()]
            size = batch[0].size
            while not self._queue.empty() and len(batch) < _MOST and size < _LARGEST:
                batch.append(self._queue.get_nowait())
                size += batch[-1].size
            outcomes = await self._delivered([told.event for told in batch])
            for told, outcome in zip(batch, outcomes, strict=True):
                RECORDS_SENT.labels(outcome["outcome"]).inc()
                told.taken((outcome.get("reason") or "refused") if outcome["outcome"] == "refused" else None)

    async def read(self, record_id: str) -> Json | None:
        """What it knows of a record, or None; asked until it answers."""
        while True:
            try:
                status, answer = await self._exchange("GET", f"{_RECORDS}/{record_id}")
                if status == 200 and isinstance(answer, dict):
                    return answer
                if status == 404:
                    return None
                self.trouble = f"it answered {status}"
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self.trouble = str(error) or type(error).__name__
            await asyncio.sleep(2)

    async def close(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()

    async def _delivered(self, events: list[Json]) -> list[Json]:
        pause = 0.25
        while True:
            try:
                status, answer = await self._exchange("POST", _RECORDS, events)
                if status == 200 and _are_outcomes(answer, len(events)):
                    self.trouble = None
                    return list(answer)
                if status in {400, 413, 422} and len(events) > 1:
                    # one bad event harms no other
                    return [outcome for event in events for outcome in await self._delivered([event])]
                if status in {400, 413, 422}:
                    return [{"outcome": "refused", "reason": f"{status}: {str(answer)[:500]}"}]
                self.trouble = f"it answered {status}: {str(answer)[:200]}"
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self.trouble = str(error) or type(error).__name__
            pause = min(_LONGEST_PAUSE, pause * 2)
            await asyncio.sleep(pause)

    async def _exchange(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if self._session is None:
            # one connection for what is sent, and a few for what is asked
            self._session = aiohttp.ClientSession(
                timeout=_PATIENCE,
                connector=aiohttp.TCPConnector(limit=4),
                headers={"user-agent": "kubernaut-controller"},
            )
        headers = {"content-type": "application/json"}
        if self._token_file is not None:
            headers["authorization"] = f"Bearer {self._token_file.read_text(encoding='utf-8').strip()}"
        data = None if body is None else json.dumps(body).encode()
        async with self._session.request(method, self._url + path, data=data, headers=headers) as response:
            text = await response.read()
            return response.status, read_json(text) if text else None


def _are_outcomes(answer: Any, count: int) -> bool:
    return (
        isinstance(answer, list)
        and len(answer) == count
        and all(isinstance(item, dict) and isinstance(item.get("outcome"), str) for item in answer)
    )
