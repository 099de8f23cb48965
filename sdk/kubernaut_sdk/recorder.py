"""Sending a step's events from a thread of its own, so that an action waits for Data Storage only where it must.

`send` returns at once; `confirm` returns when the event is stored, or safely spooled and logged. Events keep their
order; those that wait at the same time are sent in one request. Every wait is bounded: if the thread does not answer
in time, or ended, the waiting thread itself writes the undelivered events to the spool and the log.
"""

import json
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from typing import Any, Literal, NamedTuple
from uuid import UUID

from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient, StorageUnavailable

__all__ = ["Delivery", "NotKept", "Recorder", "drain"]

Delivery = Literal["stored", "deferred", "disabled"]

_PATIENCE = 8.0
"""Seconds for a required delivery, and for each request that drains a spool."""
_BRIEF = 2.0
"""Seconds for any other delivery: an incident does not wait for its record."""
_BRIEF_AFTER_FAILURE = 0.5
"""Seconds for a delivery after one that failed: the service is most likely still away."""
_SLACK = 10.0
"""Seconds in addition, for operations that the sending thread cannot bound: DNS, a socket's last operation, earlier
events in the queue."""
_BATCH = 1_000
_DRAINED = 100
"""The most spooled events of earlier steps that a step sends; `kubernaut records flush` sends all."""


class NotKept(Exception):
    """An event was neither stored nor spooled; the message says the reason."""


class Recorder:
    """The sender of one process's events: to Data Storage or, if it is out of reach, to the spool and the log.

    Args:
        client: The client of Data Storage; None sends nothing, and every delivery is `disabled`.
        spool: Where events wait that could not be sent, each for the service that it was meant for.
        log_line: Writes the line of an event that was not stored; by default to standard error.
    """

    def __init__(
        self,
        client: StorageClient | None,
        spool: Spool,
        *,
        log_line: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._folder = spool.folder
        self._spool = spool if client is None else spool.to(client.url)
        self._log_line = log_line or partial(print, file=sys.stderr, flush=True)
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._outstanding: list[_Item] = []
        self._away = False
        self._drained = False
        self._given_up = False
        self._thread: threading.Thread | None = None

    def send(self, event: dict[str, Any]) -> "Future[Any]":
        """Queue an event."""
        return self._enqueue(event)

    def confirm(self, event: dict[str, Any], *, required: bool = False) -> Delivery:
        """Queue an event and wait until it, and all before it, are stored or spooled.

        Args:
            event: The event.
            required: If True, try for longer, since the step cannot go on without it.
        """
        try:
            return self.keep(event, required=required)
        except NotKept:
            return "deferred"  # to the log; the controller completes the record from the step's results

    def keep(self, event: dict[str, Any], *, required: bool = False) -> Delivery:
        """Queue an event and wait like `confirm`, but raise an error if the event is not safe.

        Args:
            event: The event.
            required: See `confirm`.

        Raises:
            NotKept: if it is neither stored nor on the spool's disk.
        """
        future = self._enqueue(event, required=required)
        try:
            kept = future.result(self._longest(required=required))
        except FutureTimeout:
            self._give_up("the sending thread did not answer in time")
            kept = future.result(0)
        if kept.problem is not None:
            raise NotKept(kept.problem)
        delivery: Delivery = kept.delivery
        return delivery

    def read(self, record_id: UUID, *, required: bool = False) -> dict[str, Any] | None:
        """Return a record as JSON, or None if the store has none of that id.

        Args:
            record_id: The id of the record.
            required: See `confirm`.

        Raises:
            StorageUnavailable: if the store cannot be reached.
        """
        future = self._enqueue(record_id, required=required)
        try:
            found: dict[str, Any] | None = future.result(self._longest(required=required))
        except FutureTimeout:
            self._give_up("the sending thread did not answer in time")
            raise StorageUnavailable("it did not answer in time") from None
        return found

    def close(self) -> None:
        """Wait for the queued events, for a bounded time, and end the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(self._longest(required=True))
            if self._thread.is_alive() or self._outstanding:
                self._give_up("the sending thread did not come to its end")
                return  # the connection may be in use
            self._thread = None
        if self._client is not None:
            self._client.close()

    def _enqueue(self, content: dict[str, Any] | UUID, *, required: bool = False) -> "Future[Any]":
        future: Future[Any] = Future()
        item = _Item(content, future, required)
        if self._client is None:
            future.set_result(_Kept("disabled") if isinstance(content, dict) else None)
        elif self._given_up:
            self._spool_item(item, "the sending thread was given up")
        else:
            self._outstanding.append(item)
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="recorder", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the container may have no more of them
                    self._give_up(str(error))
                    return future
                self._thread = thread
            self._queue.put(item)
        return future

    @staticmethod
    def _longest(*, required: bool) -> float:
        return (_PATIENCE if required else _BRIEF) + _SLACK

    def _work(self) -> None:
        try:
            while self._round():
                pass
        except BaseException as error:  # nobody would hear of it, and somebody waits
            self._give_up(f"the sending thread failed: {type(error).__name__}")

    def _round(self) -> bool:
        """Deliver everything in the queue; return False at its end."""
        if (first := self._queue.get()) is None:
            return False
        items: list[_Item | None] = [first]
        while not self._queue.empty() and len(items) < _BATCH:
            items.append(self._queue.get())
        if events := [item for item in items if item is not None and isinstance(item.content, dict)]:
            self._deliver(events)
        for item in items:
            if item is not None and isinstance(item.content, UUID):
                self._answer(item.content, item)
        return None not in items

    def _answer(self, record_id: UUID, item: "_Item") -> None:
        assert self._client is not None
        try:
            self._settle(item, self._client.read(record_id, self._patience([item])))
        except Exception as error:
            self._settle(item, error if isinstance(error, StorageUnavailable) else StorageUnavailable(str(error)))

    def _deliver(self, items: "list[_Item]") -> None:
        assert self._client is not None
        problems: list[str | None]
        try:
            outcomes = self._client.post([item.content for item in items], self._patience(items))
            problems = [_refusal(outcome) for outcome in outcomes]
            if len(problems) != len(items):
                raise StorageUnavailable(f"{len(items)} events were sent, and {len(problems)} answered")  # noqa: TRY301
            self._away = False
        except Exception as error:
            self._away = True
            problems = [str(error) or type(error).__name__] * len(items)
        for item, problem in zip(items, problems, strict=True):
            self._settle(item, _Kept("stored") if problem is None else self._to_spool(item.content, problem))
        if not self._away and not self._drained:
            self._drained = True
            with suppress(Exception):  # what cannot be sent now stays where it is
                drain(self._client, self._spool, most=_DRAINED)

    def _to_spool(self, event: dict[str, Any], problem: str) -> "_Kept":
        """Keep an event that was not stored: in the spool, and as a line of the log."""
        unsafe = None
        try:
            self._spool.put(event)
            self._spool.note_problem(problem)
        except Exception as error:
            unsafe = problem = f"{problem}; and the spool {self._folder} cannot be written: {error}"
        self._mark(event, problem)
        return _Kept("deferred", unsafe)

    def _mark(self, event: dict[str, Any], problem: str) -> None:
        with suppress(Exception):  # a log that is full or closed
            self._log_line(json.dumps({"kubernaut_record": event, "not_stored": problem}, ensure_ascii=False))

    def _spool_item(self, item: "_Item", problem: str) -> None:
        if isinstance(item.content, UUID):
            self._settle(item, StorageUnavailable(problem))
        else:
            self._settle(item, self._to_spool(item.content, problem))

    def _give_up(self, problem: str) -> None:
        """Stop using the thread and spool all undelivered events. If the thread stores some too, no harm is done."""
        self._given_up = True
        for item in list(self._outstanding):
            self._spool_item(item, problem)

    def _settle(self, item: "_Item", result: Any) -> None:
        """Set the result of an item's future, once."""
        with suppress(ValueError):
            self._outstanding.remove(item)
        with suppress(Exception):  # the other thread was first
            if isinstance(result, Exception):
                item.future.set_exception(result)
            else:
                item.future.set_result(result)

    def _patience(self, items: "list[_Item]") -> float:
        if any(item.required for item in items):
            return _PATIENCE
        return _BRIEF_AFTER_FAILURE if self._away else _BRIEF


class _Kept(NamedTuple):
    """The delivery of an event, and the problem if it is not safe."""

    delivery: Delivery
    problem: str | None = None


class _Item(NamedTuple):
    """An item of the queue: an event to send, or the id of a record to read."""

    content: Any
    future: "Future[Any]"
    required: bool


def _refusal(outcome: dict[str, Any]) -> str | None:
    if outcome["outcome"] != "refused":
        return None
    return outcome.get("reason") or "it was refused"


def drain(client: StorageClient, spool: Spool, most: int | None = None) -> tuple[int, int]:
    """Send the events in a spool to the service that they are meant for, and remove those that it stored.

    Events for another service stay in the spool. Refused events are kept as `*.refused` files.

    Args:
        client: The client of the service.
        spool: The spool. If its own folder names no destination, events directly in it are sent too: the caller named
            that folder.
        most: The most events to send; all by default.

    Returns:
        The number of events that were stored, and of those that the store refused.
    """
    own = spool.to(client.url)
    spools = [spool, own] if spool is not own and spool.destination is None else [own]
    stored = refused = 0
    waiting = islice(chain.from_iterable(one.waiting() for one in spools), most)
    while batch := list(islice(waiting, _BATCH)):
        try:
            outcomes = client.post([event for _, event in batch], _PATIENCE)
        except StorageUnavailable as error:
            for one in spools:
                one.note_problem(str(error))
            break
        ends = list(zip((path for path, _ in batch), outcomes, strict=True))
        kept = [path for path, outcome in ends if _refusal(outcome) is not None]
        spool.set_aside(kept)
        spool.remove([path for path, outcome in ends if _refusal(outcome) is None])
        refused += len(kept)
        stored += len(ends) - len(kept)
    return stored, refused
