"""Tools that run beside an action, each line of which is a sign that it may be worth looking again.

A watch only ends a wait early. What it prints is not read: the action looks at the state as it does without one, and
looks from time to time although nothing was printed. So a watch that is refused, late or cut off costs time, and never
the truth.
"""

import contextlib
import logging
import os
import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from subprocess import Popen
from typing import IO

from kubernaut_sdk.backoff import backoff
from kubernaut_sdk.errors import ActionError
from kubernaut_sdk.interrupts import Interrupts
from kubernaut_sdk.logs import logger
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.tools import kill_tool, start_tool

__all__ = ["Watches"]

_QUIET = 0.1
"""Seconds to wait after a line, since changes come in bursts: many lines are one reason to look."""
_FIRST_REST, _LONGEST_REST = 2.0, 60.0
"""Seconds until a watch that has ended is started again; they double while it ends soon."""
_SOON = 5.0
"""Seconds of life below which a watch does not work: kubectl prints an object before it is refused."""
_CHUNK = 65536
_KEPT = 2000
"""The bytes of its error output that are kept for the log."""


@dataclass
class _Watch:
    """One tool, running or to be started again.

    Attributes:
        argv: The tool and its arguments.
        process: The running tool, or None.
        started_at: The clock's `monotonic()` at its start.
        complaint: The end of its error output.
        failures: How often in a row it has ended soon after its start.
        due: The clock's `monotonic()` before which it is not started again.
    """

    argv: tuple[str, ...]
    process: "Popen[str] | None" = None
    started_at: float = 0.0
    complaint: bytes = b""
    failures: int = 0
    due: float = 0.0


class Watches:
    """The watches of one part of an execution, such as its `verify`; `close` ends them.

    Args:
        interrupts: The clock, and the cancel that ends a wait.
        mask: Hides secrets in a tool's error output.
    """

    def __init__(self, interrupts: Interrupts, mask: Callable[[str], str]) -> None:
        self._interrupts, self._mask = interrupts, mask
        self._watches: dict[tuple[str, ...], _Watch] = {}
        self._limit = inf

    def add(self, argv: Sequence[str]) -> None:
        """Watch with a tool from the next wait on; nothing happens if it is among the watches already."""
        self._watches.setdefault(tuple(argv), _Watch(tuple(argv)))

    def start(self) -> bool:
        """Start the tools that do not run and are due; return True if one runs."""
        now = self._interrupts.clock.monotonic()
        for watch in self._watches.values():
            if watch.process is None and watch.due <= now:
                self._start(watch)
        return any(watch.process is not None for watch in self._watches.values())

    def limit(self, seconds: float) -> None:
        """Let the next wait end after so many seconds at most."""
        self._limit = min(self._limit, max(0.0, seconds))

    def wait(self, longest: float, shortest: float = 0.0) -> float | None:
        """Wait until a running tool prints something or ends; return after how many seconds it did, or None.

        Args:
            longest: The seconds after which the wait is over in any case.
            shortest: The seconds for which it lasts although something was printed.

        Raises:
            Cancelled: if the step was told to stop.
            DeadlineExceeded: if the action's time is over.
        """
        self._interrupts.check()
        clock, first = self._interrupts.clock, None
        began = clock.monotonic()
        end = began + min(longest, self._limit, self._interrupts.remaining())
        self._limit = inf
        while (left := end - clock.monotonic()) > 0:
            if self._listen(left) and first is None:
                first = clock.monotonic() - began
                end = min(end, began + max(shortest, first + _QUIET))
        self._interrupts.sleep(0)
        return first

    def close(self) -> None:
        """Kill all tools: they only read. An interrupt waits for it, so that none is left."""
        with self._interrupts.delayed():
            for watch in self._watches.values():
                self._kill(watch)
            self._watches.clear()
            self._limit = inf

    def _start(self, watch: _Watch) -> None:
        watch.started_at, watch.complaint = self._interrupts.clock.monotonic(), b""
        with self._interrupts.delayed():  # between the start and the assignment, nobody could kill it
            try:
                watch.process = start_tool(watch.argv)
            except ActionError as problem:
                watch.complaint = problem.message.encode()
                self._rest(watch)

    def _listen(self, seconds: float) -> bool:
        """Wait for a line, or the end, of a tool; return True if one came, False after so many seconds or sooner."""
        streams: dict[IO[str], _Watch] = {}
        for watch in self._watches.values():
            if watch.process is not None and watch.process.stdout is not None and watch.process.stderr is not None:
                streams |= {watch.process.stdout: watch, watch.process.stderr: watch}
        if not streams:
            self._interrupts.clock.sleep(seconds)
            return False
        ready, _, _ = select.select(list(streams), [], [], seconds)
        heard = [self._read(streams[stream], stream) for stream in ready]  # each is read
        return any(heard)

    def _read(self, watch: _Watch, stream: IO[str]) -> bool:
        if watch.process is None:  # its end was seen at its other stream
            return False
        chunk = os.read(stream.fileno(), _CHUNK)
        if not chunk:
            self._end(watch)
            return True
        if stream is watch.process.stderr:
            watch.complaint = (watch.complaint + chunk)[-_KEPT:]
            return False
        return b"\n" in chunk

    def _end(self, watch: _Watch) -> None:
        assert watch.process is not None
        errors = watch.process.stderr
        if errors is not None and select.select([errors], [], [], 0)[0]:
            watch.complaint = (watch.complaint + os.read(errors.fileno(), _CHUNK))[-_KEPT:]
        self._kill(watch)
        self._rest(watch)

    def _kill(self, watch: _Watch) -> None:
        if watch.process is not None:
            with contextlib.suppress(OSError):
                kill_tool(watch.process)
            watch.process = None

    def _rest(self, watch: _Watch) -> None:
        """Let a watch that has ended rest for a while, and log why it ended."""
        now = self._interrupts.clock.monotonic()
        watch.failures = watch.failures + 1 if now - watch.started_at < _SOON else 0
        watch.due = now + backoff(max(1, watch.failures), _FIRST_REST, _LONGEST_REST)
        logger.log(
            logging.INFO if watch.failures == 1 else logging.DEBUG,
            "not watched, and looked at every few seconds instead: %s",
            self._complaint(watch),
        )

    def _complaint(self, watch: _Watch) -> str:
        lines = self._mask(watch.complaint.decode(errors="replace").strip()).splitlines()
        return shorten(lines[-1], 400) if lines else f"{watch.argv[0]} has ended"
