"""A reconcile loop that decides about one object at a time for each key.

A watch event, a timer or an answer queues a key. A key that is queued while it is being reconciled is reconciled once
more afterwards. A reconcile that fails is retried with an exponential pause.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from kubernaut_controller.operator.api import ApiError
from kubernaut_controller.operator.metrics import RECONCILE_ERRORS, RECONCILE_SECONDS
from kubernaut_controller.operator.priority import StartPriority
from kubernaut_sdk.backoff import backoff
from kubernaut_sdk.times import utcnow

__all__ = ["ReconcileLoop"]

logger = logging.getLogger("kubernaut.controller")

Key = tuple[str, str]

_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_FARTHEST = 86_400.0


class ReconcileLoop:
    """A loop that reconciles objects by key.

    Args:
        kind: For metrics and logs.
        work: Reconciles one object, and returns the time of the next reconcile if nothing happens before.
        starts: Returns True for an object that has something to start, for which others are kept waiting.
    """

    def __init__(
        self,
        kind: str,
        work: Callable[[Key], Awaitable[datetime | None]],
        starts: Callable[[Key], bool] = lambda _key: True,
    ) -> None:
        self.kind, self._work, self._starts = kind, work, starts
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._dirty: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._priority = StartPriority()

    def enqueue(self, key: Key) -> None:
        """Queue a reconcile for the object, at once."""
        if key in self._running:
            self._dirty.add(key)
            return
        self._cancel_timer(key)
        task = asyncio.get_running_loop().create_task(self._reconcile(key))
        self._running[key] = task

    def enqueue_after(self, key: Key, seconds: float) -> None:
        """Queue a reconcile after some seconds, so that further events until then are handled together."""
        timer, loop = self._timers.get(key), asyncio.get_running_loop()
        if key in self._running:
            self._dirty.add(key)
        elif timer is None or timer.when() > loop.time() + seconds:
            self._cancel_timer(key)
            self._timers[key] = loop.call_later(seconds, self._timer_fired, key)

    def enqueue_at(self, key: Key, when: datetime) -> None:
        """Queue a reconcile at a time, unless something queues one before."""
        seconds = max(0.0, min(_FARTHEST, (when - utcnow()).total_seconds()))
        self._cancel_timer(key)
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._timer_fired, key)

    def remove(self, key: Key) -> None:
        """Cancel the timer of an object that is gone."""
        self._cancel_timer(key)
        self._failures.pop(key, None)

    async def close(self) -> None:
        """Wait up to 5 s for running reconciles, and start no more."""
        for key in list(self._timers):
            self._cancel_timer(key)
        self._dirty.clear()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=5)

    async def _reconcile(self, key: Key) -> None:
        try:
            async with self._priority.slot(key[0], starts=self._starts(key)):
                again = await self._try_once(key)
        finally:
            del self._running[key]
        if key in self._dirty:
            self._dirty.discard(key)
            self.enqueue(key)
        elif again is not None:
            self.enqueue_at(key, again)

    async def _try_once(self, key: Key) -> datetime | None:
        start = time.perf_counter()
        try:
            again = await self._work(key)
            self._failures.pop(key, None)
        except Exception as error:
            RECONCILE_ERRORS.labels(self.kind).inc()
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            pause = backoff(failures, _PAUSE, _LONGEST_PAUSE)
            if isinstance(error, ApiError):
                level = logging.INFO if error.code == 409 else logging.WARNING
                logger.log(level, "%s %s/%s: %s; again in %.1f s", self.kind, *key, error, pause)
            else:
                logger.exception("%s %s/%s: again in %.1f s", self.kind, *key, pause)
            return _in(pause)
        finally:
            RECONCILE_SECONDS.labels(self.kind).observe(time.perf_counter() - start)
        return again

    def _timer_fired(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.enqueue(key)

    def _cancel_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()


def _in(seconds: float) -> datetime:
    return utcnow() + timedelta(seconds=seconds)
