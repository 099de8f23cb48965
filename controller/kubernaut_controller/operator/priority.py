"""The order of reconciles under load: those that start a workflow go first, and namespaces take turns.

An incident waits for a start. In a burst, statuses, Events and records of workflows that already run may come later.
Requests about one namespace may hang, with thousands of objects in it; the others' workflows do not wait behind them.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["StartPriority", "TurnLimit"]

_STARTING, _STARTING_OF_ONE = 64, 48
_FOLLOWING, _FOLLOWING_OF_ONE = 16, 8
"""One namespace never holds all places, nor all of the API client's connections."""
_LONGEST_DELAY = 5.0
"""Seconds for which other reconciles wait for starts, so that an endless burst delays them for a bounded time."""


class StartPriority:
    """A limit on concurrent reconciles, with one limit for starts and another for all others."""

    def __init__(self) -> None:
        self._starting = TurnLimit(_STARTING, _STARTING_OF_ONE)
        self._following = TurnLimit(_FOLLOWING, _FOLLOWING_OF_ONE)
        self._starts_waiting = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @asynccontextmanager
    async def slot(self, namespace: str, *, starts: bool) -> AsyncIterator[None]:
        """Wait until this reconcile may run, and hold its place in the block.

        Args:
            namespace: The namespace of the object.
            starts: True if it starts a workflow.
        """
        if not starts:
            async with self._following.place(namespace):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._quiet.wait(), _LONGEST_DELAY)
                yield
            return
        self._starts_waiting += 1
        self._quiet.clear()
        try:
            async with self._starting.place(namespace):
                yield
        finally:
            self._starts_waiting -= 1
            if not self._starts_waiting:
                self._quiet.set()


class TurnLimit:
    """A limit on what runs at once, whose places go to the namespaces in turn.

    Args:
        most: The number of places.
        most_of_one: The number of places that one namespace may hold.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._free, self._most_of_one = most, most_of_one
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, namespace: str) -> AsyncIterator[None]:
        """Wait for the namespace's turn, and hold a place in the block."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(turn)
        self._give_turns()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(namespace, turn)
            else:
                self._give_back(namespace)
            raise
        try:
            yield
        finally:
            self._give_back(namespace)

    def _give_turns(self) -> None:
        """Give the free places to those that wait: one to each namespace, then one more to each."""
        while self._free:
            namespace = next((name for name in self._waiting if self._held[name] < self._most_of_one), None)
            if namespace is None:
                return
            queue = self._waiting.pop(namespace)
            turn = queue.popleft()
            if queue:
                self._waiting[namespace] = queue  # at the end of the namespaces
            if not turn.cancelled():
                self._free -= 1
                self._held[namespace] += 1
                turn.set_result(None)

    def _give_back(self, namespace: str) -> None:
        self._free += 1
        self._held[namespace] -= 1
        if not self._held[namespace]:
            del self._held[namespace]
        self._give_turns()

    def _forget(self, namespace: str, turn: "asyncio.Future[None]") -> None:
        queue = self._waiting.get(namespace)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[namespace]
