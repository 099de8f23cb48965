"""Following Data Storage: what is known, how old it is, and that it is right again by itself after a bad day."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from time import time as unix_time
from typing import Any

from kubernaut_effectiveness.counting.acts import Act
from kubernaut_effectiveness.counting.watching import Watch, WatchSpan
from kubernaut_effectiveness.patterns.report import Patterns
from kubernaut_effectiveness.service.ledger.ledger import Ledger
from kubernaut_effectiveness.service.ledger.questions import LedgerQuestions
from kubernaut_effectiveness.service.reading import (
    StorageFault,
    StorageReader,
    deletions_of_narrow,
    row_of_narrow,
)
from kubernaut_effectiveness.settings import DAY, MINUTE, CountingRules
from kubernaut_effectiveness.verdicts.models import ActionVerdict
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.times import rfc3339

__all__ = ["Follower", "View"]

logger = logging.getLogger(__name__)

_EVERY = 1.0
"""Seconds between two questions while there is nothing new."""
_AT_LEAST = 30.0
"""Seconds after which time alone makes a new view."""
_MOST_TARGETS = 200
_RECENT = 15
"""Records that `/` lists."""
_LISTED = 200
_OVERLAP = 2 * MINUTE
"""Seconds for which signals are read again: two replicas' clocks differ."""


@dataclass(frozen=True, kw_only=True)
class View:
    """All that pages show, as of one moment.

    Attributes:
        now: The end of the known history: Alertmanager delivers late.
        settings: The settings of the counting.
        watch: When anybody was watching.
        verdicts: One for each action type.
        questions: What else pages ask; None before all is read for the first time.
        records: The number of records.
        simulated: True if any record is of a simulation.
        most_remediated: The targets that were remediated most, with the number of their incidents.
        last_day: The numbers of records by state that began in the last 24 hours.
        recent: The records that ended last, of those.
        given_up: The records of targets that were given up.
        verdict_documents: The verdicts as JSON has them.
        read_at: When Data Storage last answered, in Unix seconds; None before the first time.
        fault: Why it does not answer now, or None if it does.
        ended: How many records ended since the start, by action type and state.
        outcomes: How many incidents came to an outcome since the start, by action and outcome.
    """

    now: float
    settings: CountingRules
    watch: Watch = field(default_factory=lambda: Watch(()))
    verdicts: tuple[ActionVerdict, ...] = ()
    questions: LedgerQuestions | None = None
    records: int = 0
    simulated: bool = False
    most_remediated: tuple[tuple[str, int], ...] = ()
    last_day: Mapping[str, int] = field(default_factory=dict)
    recent: tuple[Act, ...] = ()
    given_up: tuple[Act, ...] = ()
    verdict_documents: tuple[Mapping[str, Any], ...] = ()
    read_at: float | None = None
    fault: str | None = None
    ended: Mapping[tuple[str, str], int] = field(default_factory=dict)
    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def judged_at(self) -> float:
        """The time at which it was made, in Unix seconds."""
        return self.now + self.settings.late

    @cached_property
    def patterns(self) -> Patterns:
        """The patterns, found when somebody asks."""
        return self.questions.patterns() if self.questions is not None else Patterns([], [], [], [], [], [])


class Follower:
    """Follows Data Storage in a thread, and keeps the newest view.

    Args:
        reader: The reader.
        settings: The settings of the counting.
        clock: Returns the time in Unix seconds.
        state: The folder in which what was read is kept over a restart; None to keep nothing.
    """

    def __init__(
        self,
        reader: StorageReader,
        settings: CountingRules | None = None,
        clock: Callable[[], float] = unix_time,
        state: Path | None = None,
    ) -> None:
        self._reader, self._settings, self._clock, self._state = reader, settings or CountingRules(), clock, state
        self._ledger: Ledger | None = None
        self._questions: LedgerQuestions | None = None
        self._documents: dict[str, tuple[ActionVerdict, Mapping[str, Any]]] = {}
        self._seq = 0
        self._heard = 0.0
        self._read_at: float | None = None
        self._refreshed = self._counted = float("-inf")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.view = View(
            now=clock() - self._settings.late, settings=self._settings, fault="Data Storage has not answered yet"
        )

    @property
    def settings(self) -> CountingRules:
        """The settings of the counting."""
        return self._settings

    @property
    def reader(self) -> StorageReader:
        """The reader of Data Storage."""
        return self._reader

    @property
    def behind(self) -> bool:
        """True while patterns or marks have not been looked for everywhere."""
        return self._ledger is not None and self._ledger.behind

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
        self._drop()

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
        if self._ledger is not None and (fault is None or self._ledger.built) and self._is_due(now, changed=changed):
            self._refresh(self._ledger, now, fault)
        else:
            self.view = _renewed(self.view, self._read_at, fault)

    def _is_due(self, now: float, *, changed: bool) -> bool:
        behind = self._ledger is not None and self._ledger.behind
        return changed or behind or now - self._refreshed >= _AT_LEAST or self.view.questions is None

    def _refresh(self, ledger: Ledger, now: float, fault: str | None) -> None:
        ledger.set_meta("seq", str(self._seq))
        ledger.set_meta("heard", repr(self._heard))
        verdicts = ledger.refresh(now, everything=False)
        self._refreshed = now
        if self._questions is None:
            self._questions = LedgerQuestions(ledger.path, self._settings)
        most = self.view.most_remediated
        if not most or now - self._counted >= _AT_LEAST:
            most, self._counted = tuple(self._questions.most_remediated(_MOST_TARGETS)), now
        self.view = View(
            now=now - self._settings.late,
            settings=self._settings,
            watch=ledger.watch,
            verdicts=verdicts,
            verdict_documents=tuple(map(self._document_of, verdicts)),
            last_day=self._questions.states_since(now - DAY),
            recent=tuple(self._questions.recent(now - DAY, _RECENT)),
            given_up=tuple(self._questions.given_up(_LISTED)),
            questions=self._questions,
            records=self._questions.count(),
            simulated=self._questions.has_simulated(),
            most_remediated=most,
            read_at=self._read_at,
            fault=fault,
            ended=dict(ledger.ended),
            outcomes=dict(ledger.outcomes),
        )

    def _document_of(self, verdict: ActionVerdict) -> Mapping[str, Any]:
        """Return a verdict as JSON has it; that of one that is as it was is kept."""
        known = self._documents.get(verdict.action_type)
        if known is None or known[0] != verdict:
            known = self._documents[verdict.action_type] = (verdict, verdict.model_dump(mode="json"))
        return known[1]

    def _read(self) -> bool:
        """Read what is new; return True if there was anything."""
        last = self._reader.last_seq()
        if self._ledger is None:
            self._open()
        if last < self._seq or self._ledger is None:
            # another store, or one that was restored from a backup
            self._drop(anew=True)
            self._open()
        ledger = self._ledger
        if ledger is None:
            raise AssertionError("a ledger was opened")
        spans = self._reader.spans(rfc3339_of(max(0.0, self._heard - DAY)))  # a deletion may be told late
        changed = ledger.put_spans(spans)
        changed = self._read_firings(ledger) or changed
        return self._read_records(ledger) or changed

    def _read_records(self, ledger: Ledger) -> bool:
        """Read what changed; where Data Storage goes away within an answer, all of it is read again."""
        newest = self._seq
        deletions: list[WatchSpan] = []

        def rows() -> Iterator[tuple[Any, ...]]:
            nonlocal newest
            for record in self._reader.records(self._seq):
                newest = max(newest, record.seq)
                deletions.extend(deletions_of_narrow(record))
                if (row := row_of_narrow(record)) is not None:
                    yield row

        changed = ledger.put_rows(rows()) > 0
        told = ledger.put_spans(deletions)
        self._seq = newest
        return changed or told

    def _read_firings(self, ledger: Ledger) -> bool:
        changed = False
        started = self._clock()
        for firings in self._reader.all_firings(rfc3339_of(max(0.0, self._heard - _OVERLAP))):
            changed = ledger.put_firings(firings) or changed
        self._heard = max(self._heard, started - _OVERLAP)
        return changed

    def _open(self) -> None:
        """Open the ledger: the one that was kept, if it fits, or a new one."""
        path = None
        if self._state is not None:
            self._state.mkdir(parents=True, exist_ok=True)
            path = self._state / "ledger.db"
        self._ledger = Ledger(self._settings, path)
        self._seq = int(self._ledger.meta("seq") or 0)
        self._heard = float(self._ledger.meta("heard") or 0.0)

    def _drop(self, *, anew: bool = False) -> None:
        """Close the ledger; with `anew`, remove its file too."""
        if self._questions is not None:
            self._questions.close()
        if self._ledger is not None:
            path = self._ledger.path
            self._ledger.close()
            if anew:
                path.unlink(missing_ok=True)
        self._ledger = self._questions = None

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
    renewed = replace(view, read_at=read_at, fault=fault)
    if "patterns" in view.__dict__:
        renewed.__dict__["patterns"] = view.patterns
    return renewed
