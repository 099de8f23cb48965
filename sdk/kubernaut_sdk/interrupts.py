"""SIGTERM and the soft deadline, raised as exceptions in the main thread at moments where they do no harm.

A signal handler raises `Cancelled` or `DeadlineExceeded` at once, except: inside `shielded()` (results and records are
being written) it is raised at the end of the block; inside `applying()` a cancel lets the running tool or call finish
for up to 15 s, and no new one starts. Only the first signal counts; `check` raises it again for everything that is
started later.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from kubernaut_sdk.errors import ActionError, Cancelled, DeadlineExceeded

__all__ = ["GRACE", "Interrupts", "WaitingClock"]

GRACE = 15.0
"""Seconds that a running tool may take to finish after SIGTERM."""


class WaitingClock(Protocol):
    """The functions of the module `time` that waiting needs; tests pass their own."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class Interrupts:
    """The signal handlers of one execution: SIGTERM, SIGINT and the deadline's SIGALRM become exceptions.

    Args:
        deadline: The clock's `monotonic()` at which the action's time is over.
        clock: The clock.
    """

    def __init__(self, deadline: float, clock: WaitingClock = time) -> None:
        self.deadline = deadline
        self.clock = clock
        self._pending: ActionError | None = None
        self._closed = False
        self._shields = 0
        self._applying = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Install the signal handlers for the block. They raise only after `open`."""
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
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # a signal that came before is handled now
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def open(self) -> None:
        """Raise from now on; a signal that came before is raised now."""
        self._shields -= 1
        self.check()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Delay interrupts until the end of the block, and raise there."""
        with self.delayed():
            yield
        self.check()

    @contextmanager
    def delayed(self) -> Iterator[None]:
        """Delay interrupts beyond the end of the block, until the next `check`."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1

    @contextmanager
    def applying(self) -> Iterator[None]:
        """Let the work in the block finish after a cancel, for up to `GRACE` seconds."""
        self._applying = True
        try:
            yield
        finally:
            self._applying = False

    def close(self) -> None:
        """Raise nothing from now on: the outcome is known."""
        self._closed = True

    def check(self) -> None:
        """Raise the interrupt that came, even if it was raised and caught before. Call it before anything new."""
        if self._pending is not None and not self._closed and not self._shields:
            raise self._pending

    def remaining(self) -> float:
        """Return the seconds until the action's time is over, never below zero."""
        return max(0.0, self.deadline - self.clock.monotonic())

    def sleep(self, seconds: float) -> None:
        """Wait. A cancel or the deadline ends the wait with its exception."""
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
