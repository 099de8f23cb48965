"""The client of Data Storage: sends events in batches and reads records, and retries until each is answered.

Nothing is kept here that could be lost: the events follow from the cluster's objects, and are sent until they were
answered. The events of one record keep their order, and no record waits for another. Where a batch fails, smaller ones
are tried, down to single records, to find an event that cannot be stored. Such an event is dropped once Data Storage
has refused it, or has stored other events between enough of its failures.
"""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from kubernaut_controller.operator.boundedjson import read_json
from kubernaut_controller.operator.metrics import RECORDS_SENT
from kubernaut_sdk.addresses import without_userinfo
from kubernaut_sdk.backoff import backoff
from kubernaut_sdk.storage import RECORDS, WRONG_REQUEST, outcomes_in

__all__ = ["RecordsClient"]

logger = logging.getLogger(__name__)

Json = dict[str, Any]

_PATIENCE = aiohttp.ClientTimeout(total=15)
_MOST = 500
_LARGEST = 2 * 1024 * 1024
_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
_LONGEST_RECORD_PAUSE = 60.0
_FAILURES = 8
"""The number of failures of one event, with others stored in between, after which it is dropped."""


@dataclass
class _QueuedEvent:
    """An event to send, and the callback for its answer."""

    body: bytes
    on_answer: Callable[[str | None], None]


@dataclass
class _RecordQueue:
    """The queue of one record's events, in order.

    Attributes:
        events: The events; the first is sent first.
        suspect: True if its first event failed alone; that event is sent alone until it is stored or dropped.
        not_before: The time of the next attempt (monotonic seconds).
        failures: The number of its failures between which other events were stored.
        stored_before: The number of all stored events at its last failure.
    """

    events: deque[_QueuedEvent] = field(default_factory=deque)
    suspect: bool = False
    not_before: float = 0.0
    failures: int = 0
    stored_before: int = -1


_Batch = list[tuple[str, list[_QueuedEvent]]]
"""The record ids of one request, each with its events."""


class RecordsClient:
    """A client of one Data Storage.

    Args:
        url: The address of Data Storage.
        token_file: The file with the bearer token, which is read for every request: tokens rotate.
    """

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._records: dict[str, _RecordQueue] = {}
        self._queued = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._most = _MOST
        self._stored = 0
        self._others_sent = False
        self.last_error: str | None = None

    def send(self, event: Json, on_answer: Callable[[str | None], None]) -> None:
        """Queue an event.

        Args:
            event: The event.
            on_answer: Called with None once the event is stored, or with the reason why it was refused or dropped.
        """
        try:
            body = json.dumps(event, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            reason = f"it is not JSON: {error}"
            asyncio.get_running_loop().call_soon(self._report, _QueuedEvent(b"", on_answer), "dropped", reason)
            return
        self._records.setdefault(str(event.get("id")), _RecordQueue()).events.append(_QueuedEvent(body, on_answer))
        self._queued.set()

    async def run(self) -> None:
        """Send queued events until cancelled."""
        failures = 0
        while True:
            self._queued.clear()
            batch = self._batch()
            if not batch:
                await self._wait()
                continue
            if await self._send(batch):
                failures = 0
            else:
                failures += 1
                await asyncio.sleep(backoff(failures, 2 * _PAUSE, _LONGEST_PAUSE))

    async def read(self, record_id: str) -> Json | None:
        """Return a record, or None where there is none; retry until Data Storage answers."""
        failures = 0
        while True:
            try:
                status, answer = await self._exchange("GET", f"{RECORDS}/{record_id}")
                if status == 200 and isinstance(answer, dict):
                    return answer
                if status == 404:
                    return None
                self.last_error = f"it answered {status}"
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TypeError) as error:
                self.last_error = without_userinfo(str(error)) or type(error).__name__
            failures += 1
            await asyncio.sleep(backoff(failures, 2 * _PAUSE, _LONGEST_PAUSE))

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _batch(self) -> _Batch:
        """Return what to send now: a suspect's first event alone, or as many others as one request takes."""
        now = time.monotonic()
        ready = [(record_id, one) for record_id, one in self._records.items() if one.not_before <= now]
        suspects = [(record_id, [one.events[0]]) for record_id, one in ready if one.suspect]
        others = [(record_id, one) for record_id, one in ready if not one.suspect]
        if suspects and (self._others_sent or not others):
            self._others_sent = False  # suspects and others take turns
            return suspects[:1]
        self._others_sent = True
        batch: _Batch = []
        events = size = 0
        for record_id, record in others[: self._most]:
            chosen: list[_QueuedEvent] = []
            for event in record.events:
                if events and (events == _MOST or size + len(event.body) > _LARGEST):
                    break
                chosen.append(event)
                events, size = events + 1, size + len(event.body)
            if not chosen:
                break
            batch.append((record_id, chosen))
        return batch

    async def _wait(self) -> None:
        """Wait for another event, or until a record may be sent again."""
        times = [record.not_before for record in self._records.values()]
        within = max(0.01, min(times) - time.monotonic()) if times else None
        try:
            await asyncio.wait_for(self._queued.wait(), within)
        except TimeoutError:
            return

    async def _send(self, batch: _Batch) -> bool:
        """Send a batch, and return True if the next may follow without a pause."""
        events = [event for _, chosen in batch for event in chosen]
        status = 0
        try:
            status, answer = await self._exchange("POST", RECORDS, b"[" + b",".join(one.body for one in events) + b"]")
            if status == 200 and (outcomes := outcomes_in(answer, len(events))) is not None:
                self._apply_answers(batch, outcomes)
                return True
            self.last_error = f"it answered {status}: {str(answer)[:200]}"
        except aiohttp.ClientConnectorError as error:
            self.last_error = str(error)
            return False  # Data Storage is away, which no event has caused
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self.last_error = str(error) or type(error).__name__
        if len(events) == 1:
            self._apply_failure(batch[0][0], status)
        elif len(batch) == 1:
            self._records[batch[0][0]].suspect = True
        else:
            self._most = max(1, len(batch) // 2)
        return status in WRONG_REQUEST

    def _apply_answers(self, batch: _Batch, outcomes: list[Json]) -> None:
        self.last_error = None
        self._most = min(_MOST, self._most * 2)
        answers = iter(outcomes)
        for record_id, chosen in batch:
            for event in chosen:
                answer = next(answers)
                outcome, reason = answer["outcome"], answer.get("reason")
                self._stored += outcome != "refused"
                self._remove(record_id)
                self._report(event, outcome, reason)

    def _apply_failure(self, record_id: str, status: int) -> None:
        """Record that one event failed alone, and drop it where the event itself is the cause."""
        record = self._records[record_id]
        record.failures += self._stored != record.stored_before
        record.stored_before, record.suspect = self._stored, True
        if status in WRONG_REQUEST or record.failures > _FAILURES:
            event = record.events[0]
            self._remove(record_id)
            self._report(event, "dropped", f"it cannot be stored: {self.last_error}")
            return
        record.not_before = time.monotonic() + backoff(record.failures + 1, _PAUSE, _LONGEST_RECORD_PAUSE)
        self._records[record_id] = self._records.pop(record_id)  # behind the others

    def _remove(self, record_id: str) -> None:
        """Remove the first event of a record from the queue."""
        record = self._records[record_id]
        record.events.popleft()
        record.suspect, record.not_before, record.failures, record.stored_before = False, 0.0, 0, -1
        if not record.events:
            del self._records[record_id]

    def _report(self, event: _QueuedEvent, outcome: str, reason: str | None) -> None:
        RECORDS_SENT.labels(outcome).inc()
        refused = outcome in {"refused", "dropped"}
        if outcome == "dropped":
            logger.error("an event is dropped: %s", reason)
        try:
            event.on_answer((reason or outcome) if refused else None)
        except Exception:  # a failing callback must not stop other events
            logger.exception("the callback of an event failed")

    async def _exchange(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        if self._session is None:
            # one connection for events, and some for reading records
            self._session = aiohttp.ClientSession(
                timeout=_PATIENCE,
                connector=aiohttp.TCPConnector(limit=4),
                headers={"user-agent": "kubernaut-controller"},
            )
        headers = {"content-type": "application/json"}
        if self._token_file is not None:
            headers["authorization"] = f"Bearer {self._token_file.read_text(encoding='utf-8').strip()}"
        # redirects are not followed: the token is for this address alone
        async with self._session.request(
            method, self._url + path, data=body, headers=headers, allow_redirects=False
        ) as response:
            text = await response.read()
            try:
                return response.status, read_json(text) if text else None
            except ValueError:
                return response.status, text[:200].decode("utf-8", "replace")
