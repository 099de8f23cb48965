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
from functools import partial
from itertools import islice
from typing import Any, Literal, NamedTuple
from uuid import UUID

from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient, StorageUnavailable

__all__ = ["Delivery", "Recorder", "drain"]

Delivery = Literal["stored", "deferred", "disabled"]

_PATIENCE = 8.0
"""Seconds for a delivery without which nothing goes on, and to drain a spool."""
_BRIEF = 2.0
"""Seconds for any other: an incident does not wait for its record."""
_BRIEFEST = 0.5
"""Seconds after a failed delivery: the service is most likely still away."""
_BATCH = 1_000


class Recorder:
    """Delivers events to Data Storage or, where it is out of reach, to the spool and the log.

    Args:
        client: Where to; None delivers nothing and says `disabled`.
        spool: Where events wait that could not be sent.
        log_line: Takes the marked line of an event that was not stored; by default standard error.
    """

    def __init__(
        self,
        client: StorageClient | None,
        spool: Spool,
        *,
        log_line: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._spool = spool
        self._log_line = log_line or partial(print, file=sys.stderr, flush=True)
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._away = False
        self._drained = False
        self._thread: threading.Thread | None = None

    def tell(self, event: dict[str, Any]) -> "Future[Delivery]":
        """Queues an event."""
        return self._enqueue(event)

    def confirm(self, event: dict[str, Any], *, required: bool = False) -> Delivery:
        """Queues an event and waits until it, and all before it, are stored or spooled.

        Args:
            event: What is told.
            required: Whether to try for longer, since nothing goes on without it.
        """
        delivery: Delivery = self._enqueue(event, required=required).result()
        return delivery

    def read(self, record_id: UUID, *, required: bool = False) -> dict[str, Any] | None:
        """What the store knows of a record, as JSON, or None.

        Args:
            record_id: Which.
            required: As for `confirm`.

        Raises:
            StorageUnavailable: if it cannot be asked.
        """
        found: dict[str, Any] | None = self._enqueue(record_id, required=required).result()
        return found

    def close(self) -> None:
        """Waits for what is queued and ends the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        if self._client is not None:
            self._client.close()

    def _enqueue(self, what: dict[str, Any] | UUID, *, required: bool = False) -> "Future[Any]":
        future: Future[Any] = Future()
        if self._client is None:
            future.set_result("disabled" if isinstance(what, dict) else None)
            return future
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
            self._thread.start()
        self._queue.put(_Item(what, future, required))
        return future

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            items: list[_Item | None] = [first]
            while not self._queue.empty() and len(items) < _BATCH:
                items.append(self._queue.get())
            if events := [item for item in items if item is not None and isinstance(item.what, dict)]:
                self._deliver(events)
            for item in items:
                if item is not None and isinstance(item.what, UUID):
                    self._answer(item.what, item)
            if None in items:
                return

    def _answer(self, record_id: UUID, item: "_Item") -> None:
        assert self._client is not None
        try:
            item.future.set_result(self._client.read(record_id, self._patience([item])))
        except Exception as error:
            item.future.set_exception(
                error if isinstance(error, StorageUnavailable) else StorageUnavailable(str(error))
            )

    def _deliver(self, items: "list[_Item]") -> None:
        assert self._client is not None
        problems: list[str | None]
        try:
            outcomes = self._client.post([item.what for item in items], self._patience(items))
            problems = [outcome.get("reason") if outcome["outcome"] == "refused" else None for outcome in outcomes]
            self._away = False
        except Exception as error:
            self._away = True
            problems = [str(error)] * len(items)
        for item, problem in zip(items, problems, strict=True):
            if problem is not None:
                self._keep(item.what, problem)
            item.future.set_result("stored" if problem is None else "deferred")
        if not self._away and not self._drained:
            self._drained = True
            drain(self._client, self._spool, most=_BATCH)

    def _keep(self, event: dict[str, Any], problem: str) -> None:
        try:
            self._spool.put(event)
        except OSError as error:
            problem = f"{problem}; and the spool {self._spool.folder} cannot be written: {error}"
        self._log_line(json.dumps({"kubernaut_record": event, "not_stored": problem}, ensure_ascii=False))

    def _patience(self, items: "list[_Item]") -> float:
        if any(item.required for item in items):
            return _PATIENCE
        return _BRIEFEST if self._away else _BRIEF


class _Item(NamedTuple):
    """What waits for the thread: an event, or the id of a record that is asked for."""

    what: Any
    future: "Future[Any]"
    required: bool


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
    waiting = islice(spool.waiting(), most)
    while batch := list(islice(waiting, _BATCH)):
        try:
            outcomes = client.post([event for _, event in batch], _PATIENCE)
        except StorageUnavailable:
            break
        spool.remove([path for path, _ in batch])
        refused += sum(outcome["outcome"] == "refused" for outcome in outcomes)
        stored += sum(outcome["outcome"] != "refused" for outcome in outcomes)
    return stored, refused
