"""The handling of the signals that ask a command to end."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopSignals"]

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """A handler of SIGINT, SIGTERM and SIGHUP (the terminal was closed) that lets a command end in order.

    Until `handle_with` is called, the first signal is kept for it, and a second one ends the command. After `ignore`,
    while the command cleans up, signals have no effect. A SIGHUP that was ignored when the command began (`nohup`)
    stays ignored.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handler: Callable[[signal.Signals], None] = lambda _number: None
        self._early: signal.Signals | None = None
        self._ignored = False

    @contextmanager
    def installed(self) -> Iterator["StopSignals"]:
        """Handle the signals within the block."""
        before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
        handled = [
            number for number in _STOP_SIGNALS if before[number] is not signal.SIG_IGN or number is signal.SIGINT
        ]
        for number in handled:
            signal.signal(number, self._on_signal)
        try:
            yield self
        finally:
            for number in handled:
                signal.signal(number, before[number] if before[number] is not None else signal.SIG_DFL)

    def handle_with(self, handler: Callable[[signal.Signals], None]) -> None:
        """Call a function in the running loop for each signal, and at once for one that has come already."""
        self._loop, self._handler = asyncio.get_running_loop(), handler
        if self._early is not None:
            handler(self._early)

    def ignore(self) -> None:
        """Ignore signals from now on."""
        self._loop, self._ignored = None, True

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._handler, signal.Signals(number))
        elif not self._ignored:
            if self._early is not None and number is not signal.SIGHUP:
                sys.exit(128 + number)
            self._early = signal.Signals(number)
