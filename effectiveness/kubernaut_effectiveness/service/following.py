"""Following Data Storage: what is known, how old it is, and that it is right again by itself after a bad day."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from time import time as unix_time

from kubernaut_effectiveness.patterns.report import Patterns, find_patterns
from kubernaut_effectiveness.service.index import FleetIndex
from kubernaut_effectiveness.service.reading import StorageFault, StorageReader, act_of_narrow
from kubernaut_effectiveness.settings import MINUTE, CountingRules
from kubernaut_effectiveness.verdicts.fleet import Fleet, verdicts_of
from kubernaut_effectiveness.verdicts.models import ActionVerdict
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.times import rfc3339

__all__ = ["Follower", "View"]

logger = logging.getLogger(__name__)

_EVERY = 1.0
"""Seconds between two questions while there is nothing new."""
_AT_LEAST = 30.0
"""Seconds after which time alone makes a new view."""
_OVERLAP = 2 * MINUTE
"""Seconds for which signals are read again: two replicas' clocks differ."""


@dataclass(frozen=True)
class View:
    """All that pages show, as of one moment.

    Attributes:
        fleet: The fleet.
        verdicts: One for each action type.
        read_at: When Data Storage last answered, in Unix seconds; None before the first time.
        fault: Why it does not answer now, or None if it does.
    """

    fleet: Fleet
    verdicts: tuple[ActionVerdict, ...]
    read_at: float | None
    fault: str | None

    @cached_property
    def patterns(self) -> Patterns:
        """The patterns, found when somebody asks."""
        return find_patterns(self.fleet)


class Follower:
    """Follows Data Storage in a thread, and keeps the newest view.

    Args:
        reader: The reader.
        settings: The settings of the counting.
        clock: Returns the time in Unix seconds.
    """

    def __init__(
        self, reader: StorageReader, settings: CountingRules | None = None, clock: Callable[[], float] = unix_time
    ) -> None:
        self._reader, self._settings, self._clock = reader, settings or CountingRules(), clock
        self._index = FleetIndex(self._settings)
        self._seq = 0
        self._heard = 0.0
        self._read_at: float | None = None
        self._refreshed = float("-inf")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        fleet = self._index.refresh(clock())
        self.view = View(fleet, (), None, "Data Storage has not answered yet")

    @property
    def settings(self) -> CountingRules:
        """The settings of the counting."""
        return self._settings

    @property
    def reader(self) -> StorageReader:
        """The reader of Data Storage."""
        return self._reader

    def start(self) -> None:
        """Begin to follow; harmless if it has begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="follow-data-storage", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, and close the connections."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._reader.close()

    def step(self) -> None:
        """Ask once, and make a new view where anything changed or time has passed."""
        fault: str | None = None
        changed = False
        try:
            changed = self._read()
            self._read_at = self._clock()
        except StorageFault as error:
            fault = str(error)
        if fault != self.view.fault:
            logger.warning("%s", shorten(fault) if fault else "Data Storage answers")
        now = self._clock()
        if changed or now - self._refreshed >= _AT_LEAST or self.view.read_at is None:
            fleet = self._index.refresh(now)
            self._refreshed = now
            self.view = View(fleet, tuple(verdicts_of(fleet)), self._read_at, fault)
        else:
            self.view = _renewed(self.view, self._read_at, fault)

    def _read(self) -> bool:
        """Read what is new; return True if there was anything."""
        if self._reader.last_seq() < self._seq:
            # another store, or one that was restored from a backup
            self._index = FleetIndex(self._settings)
            self._seq, self._heard = 0, 0.0
        changed = False
        self._index.put_spans(self._reader.spans(rfc3339_of(max(0.0, self._heard - _OVERLAP))))
        started = self._clock()
        cursor: str | None = None
        while True:
            firings, following = self._reader.firings(rfc3339_of(max(0.0, self._heard - _OVERLAP)), cursor)
            for firing in firings:
                changed = self._index.put_firing(firing) or changed
            if following is None or following == cursor:
                break
            cursor = following
        self._heard = max(self._heard, started - _OVERLAP)
        for record in self._reader.records(self._seq):
            if (act := act_of_narrow(record)) is not None:
                self._index.put_act(act)
            self._seq = max(self._seq, record.seq)
            changed = True
        return changed

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step()
            except Exception:
                logger.exception("the monitor failed in a way that nobody foresaw; it goes on")
            self._stop.wait(_EVERY)


def rfc3339_of(time: float) -> str:
    """Return Unix seconds in the spelling of records."""
    return rfc3339(datetime.fromtimestamp(time, UTC))


def _renewed(view: View, read_at: float | None, fault: str | None) -> View:
    """Return the view with another age; what it has found stays found."""
    renewed = View(view.fleet, view.verdicts, read_at, fault)
    if "patterns" in view.__dict__:
        renewed.__dict__["patterns"] = view.patterns
    return renewed
