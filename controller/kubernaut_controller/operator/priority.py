"""The order of reconciles under load: those that start a workflow go first.

An incident waits for a start. In a burst, statuses, Events and records of workflows that already run may come later.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["StartPriority"]

_STARTING = 64
_FOLLOWING = 8
_LONGEST_DELAY = 5.0
"""Seconds for which other reconciles wait for starts, so that an endless burst delays them for a bounded time."""


class StartPriority:
    """A limit on concurrent reconciles, with one limit for starts and another for all others."""

    def __init__(self) -> None:
        self._starting, self._following = asyncio.Semaphore(_STARTING), asyncio.Semaphore(_FOLLOWING)
        self._starts_waiting = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @asynccontextmanager
    async def slot(self, *, starts: bool) -> AsyncIterator[None]:
        """Wait until this reconcile may run, and hold its place in the block.

        Args:
            starts: True if it starts a workflow.
        """
        if not starts:
            async with self._following:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._quiet.wait(), _LONGEST_DELAY)
                yield
            return
        self._starts_waiting += 1
        self._quiet.clear()
        try:
            async with self._starting:
                yield
        finally:
            self._starts_waiting -= 1
            if not self._starts_waiting:
                self._quiet.set()
