"""Sending a step's events from a thread of its own, so that the action does not wait for what need not be waited for.

The runner tells: `tell` returns at once, `confirm` when the event is stored, or safely spooled and logged. Events
keep their order; what waits together is sent together. Every wait has an end: where the thread does not answer in
time, or ended, what it had not delivered goes to the spool and the log from the thread that waits.
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
"""Seconds for a delivery without which nothing goes on, and to drain a spool."""
_BRIEF = 2.0
"""Seconds for any other: an incident does not wait for its record."""
_BRIEFEST = 0.5
"""Seconds after a failed delivery: the service is most likely still away."""
_SLACK = 10.0
"""Seconds beyond that for what the sending thread cannot bound itself: a name that is looked up, a socket's last
operation, what was queued before."""
_BATCH = 1_000
_DRAINED = 100
"""Events of earlier steps that a step sends; `kubernaut records flush` sends all."""


class NotKept(Exception):
    """An event was neither stored nor spooled; the message says why."""


class Recorder:
    """Delivers events to Data Storage or, where it is out of reach, to the spool and the log.

    Args:
        client: Where to; None delivers nothing and says `disabled`.
        spool: Where events wait that could not be sent, each for the service that it was meant for.
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
            event: What is told.
            required: Whether to try for longer, since nothing goes on without it.
        """
        try:
            return self.keep(event, required=required)
        except NotKept:
            return "deferred"  # to the log; the controller completes the record from the step's results

    def keep(self, event: dict[str, Any], *, required: bool = False) -> Delivery:
        """Do as `confirm`, and refuse to go on where the event is not safe.

        Args:
            event: What is told.
            required: As for `confirm`.

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
        """What the store knows of a record, as JSON, or None.

        Args:
            record_id: Which.
            required: As for `confirm`.

        Raises:
            StorageUnavailable: if it cannot be asked.
        """
        future = self._enqueue(record_id, required=required)
        try:
            found: dict[str, Any] | None = future.result(self._longest(required=required))
        except FutureTimeout:
            self._give_up("the sending thread did not answer in time")
            raise StorageUnavailable("it did not answer in time") from None
        return found

    def close(self) -> None:
        """Wait for what is queued, not for ever, and end the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(self._longest(required=True))
            if self._thread.is_alive() or self._outstanding:
                self._give_up("the sending thread did not come to its end")
                return  # the connection may be in use
            self._thread = None
        if self._client is not None:
            self._client.close()

    def _enqueue(self, what: dict[str, Any] | UUID, *, required: bool = False) -> "Future[Any]":
        future: Future[Any] = Future()
        item = _Item(what, future, required)
        if self._client is None:
            future.set_result(_Kept("disabled") if isinstance(what, dict) else None)
        elif self._given_up:
            self._leave(item, "the sending thread was given up")
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
        """Deliver what waits; False at the end."""
        if (first := self._queue.get()) is None:
            return False
        items: list[_Item | None] = [first]
        while not self._queue.empty() and len(items) < _BATCH:
            items.append(self._queue.get())
        if events := [item for item in items if item is not None and isinstance(item.what, dict)]:
            self._deliver(events)
        for item in items:
            if item is not None and isinstance(item.what, UUID):
                self._answer(item.what, item)
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
            outcomes = self._client.post([item.what for item in items], self._patience(items))
            problems = [_refusal(outcome) for outcome in outcomes]
            if len(problems) != len(items):
                raise StorageUnavailable(f"{len(items)} events were sent, and {len(problems)} answered")  # noqa: TRY301
            self._away = False
        except Exception as error:
            self._away = True
            problems = [str(error) or type(error).__name__] * len(items)
        for item, problem in zip(items, problems, strict=True):
            self._settle(item, _Kept("stored") if problem is None else self._spooled(item.what, problem))
        if not self._away and not self._drained:
            self._drained = True
            with suppress(Exception):  # what cannot be sent now stays where it is
                drain(self._client, self._spool, most=_DRAINED)

    def _spooled(self, event: dict[str, Any], problem: str) -> "_Kept":
        """Keep an event that was not stored: in the spool, and as a marked line of the log."""
        unsafe = None
        try:
            self._spool.put(event)
        except Exception as error:
            unsafe = problem = f"{problem}; and the spool {self._folder} cannot be written: {error}"
        self._mark(event, problem)
        return _Kept("deferred", unsafe)

    def _mark(self, event: dict[str, Any], problem: str) -> None:
        with suppress(Exception):  # a log that is full or closed
            self._log_line(json.dumps({"kubernaut_record": event, "not_stored": problem}, ensure_ascii=False))

    def _leave(self, item: "_Item", problem: str) -> None:
        if isinstance(item.what, UUID):
            self._settle(item, StorageUnavailable(problem))
        else:
            self._settle(item, self._spooled(item.what, problem))

    def _give_up(self, problem: str) -> None:
        """Go on without the thread: what it had not delivered is spooled. It may yet be stored as well; no harm."""
        self._given_up = True
        for item in list(self._outstanding):
            self._leave(item, problem)

    def _settle(self, item: "_Item", result: Any) -> None:
        """Answer whoever waits, once."""
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
        return _BRIEFEST if self._away else _BRIEF


class _Kept(NamedTuple):
    """Where an event is, and why it is not safe there."""

    delivery: Delivery
    problem: str | None = None


class _Item(NamedTuple):
    """What waits for the thread: an event, or the id of a record that is asked for."""

    what: Any
    future: "Future[Any]"
    required: bool


def _refusal(outcome: dict[str, Any]) -> str | None:
    if outcome["outcome"] != "refused":
        return None
    return outcome.get("reason") or "it was refused"


def drain(client: StorageClient, spool: Spool, most: int | None = None) -> tuple[int, int]:
    """Send what waits in the spool and remove what was acknowledged. What is refused for good is set aside.

    What another service was meant to have stays where it is.

    Args:
        client: Where to.
        spool: Where from: the part of it that is for this service and, of a folder that nobody named a destination
            for, the events in it, since whoever names such a folder means them.
        most: At most so many events; all by default.

    Returns:
        How many were stored and how many the store refused.
    """
    own = spool.to(client.url)
    spools = [spool, own] if spool is not own and spool.destination is None else [own]
    stored = refused = 0
    waiting = islice(chain.from_iterable(one.waiting() for one in spools), most)
    while batch := list(islice(waiting, _BATCH)):
        try:
            outcomes = client.post([event for _, event in batch], _PATIENCE)
        except StorageUnavailable:
            break
        ends = list(zip((path for path, _ in batch), outcomes, strict=True))
        kept = [path for path, outcome in ends if _refusal(outcome) is not None]
        spool.set_aside(kept)
        spool.remove([path for path, outcome in ends if _refusal(outcome) is None])
        refused += len(kept)
        stored += len(ends) - len(kept)
    return stored, refused
