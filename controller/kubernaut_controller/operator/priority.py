"""The order of reconciles under load: those that start a workflow go first.

An incident waits for a start. In a burst, statuses, Events and records of workflows that already run may come later.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["StartPriority"]

_STARTING = 64
"""Reconciles that may start workflows at once. Each mostly waits for the API server."""
_FOLLOWING = 8
"""Other reconciles that may run at once: few, so that they leave most of the API server's answers to starts."""
_LONGEST_DELAY = 5.0
"""Seconds for which other reconciles wait for starts, so that an endless burst delays them for a bounded time."""


class StartPriority:
    """A limit on concurrent reconciles, with one limit for starts and another for all others."""

    def __init__(self) -> None:
        self._starting, self._following = asyncio.Semaphore(_STARTING), asyncio.Semaphore(_FOLLOWING)
        self._starts = 0
        self._no_starts = asyncio.Event()  # set while no start waits or runs
        self._no_starts.set()

    @asynccontextmanager
    async def slot(self, *, starts: bool) -> AsyncIterator[None]:
        """Wait until this reconcile may run, and hold its place in the block.

        Args:
            starts: True if it starts a workflow.
        """
        if not starts:
            async with self._following:
                # waits with its place taken, so that after a burst only a few begin together
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._no_starts.wait(), _LONGEST_DELAY)
                yield
            return
        self._starts += 1
        self._no_starts.clear()
        try:
            async with self._starting:
                yield
        finally:
            self._starts -= 1
            if not self._starts:
                self._no_starts.set()
