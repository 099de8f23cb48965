"""SIGTERM and the soft deadline, as exceptions in the main thread, at moments where they do no harm.

The runner owns one `Interrupts`. Signal handlers raise `Cancelled` or `DeadlineExceeded` where the code stands;
with three exceptions: inside `shielded()` (results and records are being written) they wait for its end; inside
`applying()` a cancel lets the running tool or call finish for up to 15 s, and no new one starts; and only
the first that comes is raised, although whatever is tried after it is refused with it as well.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from kubernaut_sdk.errors import ActionError, Cancelled, DeadlineExceeded

__all__ = ["GRACE", "Clock", "Interrupts"]

GRACE = 15.0
"""Seconds that a running tool may still take after SIGTERM."""


class Clock(Protocol):
    """What the module `time` is to a waiting action."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""

    def sleep(self, seconds: float, /) -> None:
        """Waits."""


class Interrupts:
    """Turns SIGTERM, SIGINT and the deadline's SIGALRM into exceptions.

    Args:
        deadline: The clock's `monotonic()` at which the action's time is over.
        clock: What tells the time, and sleeps.
    """

    def __init__(self, deadline: float, clock: Clock = time) -> None:
        self.deadline = deadline
        self.clock = clock
        self._pending: ActionError | None = None
        self._closed = False
        self._shields = 0
        self._applying = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While this lasts, signals are heard; they are raised from `open` on."""
        self._shields += 1
        handlers = {
            number: signal.signal(number, handler)
            for number, handler in (
                (signal.SIGTERM, self._terminate),
                (signal.SIGINT, self._terminate),
                (signal.SIGALRM, self._alarm),
            )
        }
        self._arm(self.deadline)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # what came before is heard now
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def open(self) -> None:
        """From now on there is somebody to catch what is raised; what came before comes now."""
        self._shields -= 1
        self.check()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """While this lasts, interrupts wait; what came meanwhile is raised at its end."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self.check()

    @contextmanager
    def applying(self) -> Iterator[None]:
        """While this lasts, a cancel lets what runs finish."""
        self._applying = True
        try:
            yield
        finally:
            self._applying = False

    def close(self) -> None:
        """From now on the end is known: nothing is raised any more."""
        self._closed = True

    def check(self) -> None:
        """Raises what came, even if it was raised before and swallowed. Called before anything new is started."""
        if self._pending is not None and not self._closed and not self._shields:
            raise self._pending

    def remaining(self) -> float:
        """Seconds until the action's time is over, never below zero."""
        return max(0.0, self.deadline - self.clock.monotonic())

    def sleep(self, seconds: float) -> None:
        """Waits; a cancel or the deadline ends the wait."""
        self.check()
        self.clock.sleep(min(seconds, self.remaining()))
        if not self.remaining():
            self._alarm()
        self.check()

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        if self._pending is not None:
            return
        self._pending = Cancelled("cancelled: the step was told to stop (SIGTERM).", reason="Interrupted")
        if self._applying:
            self._arm(time.monotonic() + GRACE)
        else:
            self.check()

    def _alarm(self, _number: int = signal.SIGALRM, _frame: FrameType | None = None) -> None:
        if self._pending is None:
            self._pending = DeadlineExceeded("the action's time (ACTION_TIMEOUT) is over.")
        self.check()

    @staticmethod
    def _arm(when: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, max(0.001, when - time.monotonic()))
