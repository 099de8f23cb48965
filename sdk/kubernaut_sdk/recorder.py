"""Sending a step's events from a thread of its own, so that the action does not wait for what need not be waited for.

The runner tells: `tell` returns at once, `confirm` when the event is stored, or safely spooled and logged. Events
keep their order; what waits together is sent together.
"""

import json
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal
from uuid import UUID

from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient, StorageUnavailable

__all__ = ["Delivery", "Recorder", "drain"]

Delivery = Literal["stored", "deferred", "disabled"]

_PATIENCE = 8.0
"""Seconds for one delivery where the policy requires it, and to drain a spool."""
_BRIEF = 2.0
"""Seconds where it does not: an incident does not wait for its record."""
_BRIEFEST = 0.5
"""Seconds after a failed delivery: the service is most likely still away."""
_BATCH = 1_000


class Recorder:
    """Delivers events to Data Storage or, where it is out of reach, to the spool and the log.

    Args:
        client: Where to; None delivers nothing and says `disabled`.
        spool: Where events wait that could not be sent.
        patient: Whether to try for longer, because the policy requires the record.
        log_line: Takes the marked line of an event that was not stored; by default standard error.
    """

    def __init__(
        self,
        client: StorageClient | None,
        spool: Spool,
        *,
        patient: bool = False,
        log_line: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._patient = patient
        self._spool = spool
        self._log_line = log_line or (lambda line: print(line, file=sys.stderr, flush=True))
        self._queue: queue.SimpleQueue[tuple[dict[str, Any] | UUID, Future[Any]] | None] = queue.SimpleQueue()
        self._away = False
        self._drained = False
        self._thread: threading.Thread | None = None

    def tell(self, event: dict[str, Any]) -> "Future[Delivery]":
        """Queues an event."""
        return self._enqueue(event)

    def confirm(self, event: dict[str, Any]) -> Delivery:
        """Queues an event and waits until it, and all before it, are stored or spooled."""
        delivery: Delivery = self._enqueue(event).result()
        return delivery

    def read(self, record_id: UUID) -> dict[str, Any] | None:
        """What the store knows of a record, as JSON, or None.

        Raises:
            StorageUnavailable: if it cannot be asked.
        """
        found: dict[str, Any] | None = self._enqueue(record_id).result()
        return found

    def close(self) -> None:
        """Waits for what is queued and ends the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        if self._client is not None:
            self._client.close()

    def _enqueue(self, what: dict[str, Any] | UUID) -> "Future[Any]":
        future: Future[Any] = Future()
        if self._client is None:
            future.set_result("disabled" if isinstance(what, dict) else None)
            return future
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
            self._thread.start()
        self._queue.put((what, future))
        return future

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            items: list[tuple[dict[str, Any] | UUID, Future[Any]] | None] = [first]
            while not self._queue.empty() and len(items) < _BATCH:
                items.append(self._queue.get())
            events = [item for item in items if item is not None and isinstance(item[0], dict)]
            if events:
                self._deliver([(event, future) for event, future in events if isinstance(event, dict)])
            for item in items:
                if item is not None and isinstance(item[0], UUID):
                    self._answer(item[0], item[1])
            if None in items:
                return

    def _answer(self, record_id: UUID, future: "Future[Any]") -> None:
        assert self._client is not None
        try:
            future.set_result(self._client.read(record_id, self._patience()))
        except Exception as error:
            future.set_exception(error if isinstance(error, StorageUnavailable) else StorageUnavailable(str(error)))

    def _deliver(self, items: "list[tuple[dict[str, Any], Future[Any]]]") -> None:
        assert self._client is not None
        problems: list[str | None]
        try:
            outcomes = self._client.post([event for event, _ in items], self._patience())
            problems = [outcome.get("reason") if outcome["outcome"] == "refused" else None for outcome in outcomes]
            self._away = False
        except Exception as error:
            self._away = True
            problems = [str(error)] * len(items)
        for (event, future), problem in zip(items, problems, strict=True):
            if problem is not None:
                self._keep(event, problem)
            future.set_result("stored" if problem is None else "deferred")
        if not self._away and not self._drained:
            self._drained = True
            drain(self._client, self._spool, most=_BATCH)

    def _keep(self, event: dict[str, Any], problem: str) -> None:
        try:
            self._spool.put(event)
        except OSError as error:
            problem = f"{problem}; and the spool {self._spool.folder} cannot be written: {error}"
        self._log_line(json.dumps({"kubernaut_record": event, "not_stored": problem}, ensure_ascii=False))

    def _patience(self) -> float:
        if self._patient:
            return _PATIENCE
        return _BRIEFEST if self._away else _BRIEF


def drain(client: StorageClient, spool: Spool, most: int | None = None) -> tuple[int, int]:
    """Sends what waits in the spool and removes what was acknowledged. What is refused for good is removed as well.

    Args:
        client: Where to.
        spool: Where from.
        most: At most so many events; all by default.

    Returns:
        How many were stored and how many the store refused.
    """
    stored = refused = 0
    waiting = list(spool.waiting())[:most]
    for start in range(0, len(waiting), _BATCH):
        batch = waiting[start : start + _BATCH]
        try:
            outcomes = client.post([event for _, event in batch], _PATIENCE)
        except StorageUnavailable:
            break
        spool.remove([path for path, _ in batch])
        refused += sum(outcome["outcome"] == "refused" for outcome in outcomes)
        stored += sum(outcome["outcome"] != "refused" for outcome in outcomes)
    return stored, refused
