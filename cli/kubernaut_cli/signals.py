"""The signals that ask a command to end, from its first moment to its last."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopSignals"]

_ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Hands SIGINT, SIGTERM and SIGHUP (a terminal that went away) to whoever can end well.

    Before anyone can, the first waits, and a second one ends the command; afterwards, while it puts its things away,
    they are passed over. A SIGHUP that was ignored when the command began (`nohup`) stays so.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._act: Callable[[signal.Signals], None] = lambda _number: None
        self._early: signal.Signals | None = None
        self._over = False

    @contextmanager
    def installed(self) -> Iterator["StopSignals"]:
        """Take the signals for as long as the block lasts."""
        before = {number: signal.getsignal(number) for number in _ASKED}
        taken = [number for number in _ASKED if before[number] is not signal.SIG_IGN or number is signal.SIGINT]
        for number in taken:
            signal.signal(number, self._came)
        try:
            yield self
        finally:
            for number in taken:
                signal.signal(number, before[number] if before[number] is not None else signal.SIG_DFL)

    def handle_with(self, act: Callable[[signal.Signals], None]) -> None:
        """Have a function called within the running loop when a signal comes, and at once where one came already."""
        self._loop, self._act = asyncio.get_running_loop(), act
        if self._early is not None:
            act(self._early)

    def ignore(self) -> None:
        """Pass signals over from now on."""
        self._loop, self._over = None, True

    def _came(self, number: int, _frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._act, signal.Signals(number))
        elif not self._over:
            if self._early is not None and number is not signal.SIGHUP:
                sys.exit(128 + number)
            self._early = signal.Signals(number)
