"""The ledger: what is known of records, firings and the monitoring, and the newest verdicts on it."""

import json
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from kubernaut_effectiveness.counting.acts import Act
from kubernaut_effectiveness.counting.problems import Firing, problem_key, targets_of_labels
from kubernaut_effectiveness.counting.watching import Watch, WatchSpan, labels_of_subject
from kubernaut_effectiveness.service.ledger.findings import find_at_target
from kubernaut_effectiveness.service.ledger.judging import Judge
from kubernaut_effectiveness.service.ledger.rows import row_of_act
from kubernaut_effectiveness.service.ledger.schema import VERSION, connect, create_indexes, create_tables
from kubernaut_effectiveness.service.ledger.verdicts import VerdictKeeper
from kubernaut_effectiveness.settings import DAY, HOUR, CountingRules
from kubernaut_effectiveness.verdicts.models import ActionVerdict
from kubernaut_sdk.states import State

__all__ = ["Ledger"]

_BATCH = 5_000
_MOST_FINGERPRINTS = 100_000
_ACT_PLACES = ", ".join("?" * 20)
_ROUND = 30.0
"""Seconds after which time alone may change a verdict."""
_SECONDS = 2.0
"""Seconds of each round for what only time changes, and for patterns: a large fleet's turn comes later."""
_GOES_ON = frozenset({"heartbeat", "polled"})
"""Spans that grow with every minute; what they may change is judged in turn."""
_ANALYSED = 1_000
"""Rows of an index that SQLite looks at, to plan its queries."""
_SPARE = 7 * DAY
"""Firings are kept so much longer than records, which may answer them late."""


class Ledger:
    """A ledger in a file, which one thread writes.

    Everything is read into a new one before it is judged, without a journal; from then on readers see whole changes.

    Args:
        settings: The settings of the counting.
        path: The file; one that was kept is read on from. None for a file that goes with the ledger.

    Attributes:
        built: True once all that was there has been judged.
        behind: True while patterns or marks have not been looked for everywhere since the last change.
    """

    def __init__(self, settings: CountingRules | None = None, path: Path | None = None) -> None:
        self.settings = settings or CountingRules()
        self._folder = tempfile.TemporaryDirectory(prefix="kubernaut-monitor-") if path is None else None
        self.path = Path(self._folder.name) / "ledger.db" if self._folder else path or Path()
        self.built = path is not None and _is_kept(path, self.settings)
        if not self.built:
            for name in ("", "-wal", "-shm", "-journal"):
                Path(f"{self.path}{name}").unlink(missing_ok=True)
        self._connection = connect(self.path)
        if not self.built:
            create_tables(self._connection)
            self._connection.execute("BEGIN")
            self.set_meta("settings", _settings_text(self.settings))
        else:
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("BEGIN")
        self._judge = Judge(self._connection, self.settings, counts=self.built)
        self._keeper = VerdictKeeper(self._connection, self.settings)
        self._problems: dict[str, tuple[Any, int]] = {}
        self._ended: Counter[tuple[str, str]] = Counter()
        self._turned = float("-inf")
        self.behind = False
        self._forgotten = float("-inf")
        self.watch = Watch(WatchSpan(*row) for row in self._connection.execute("SELECT * FROM spans"))

    @property
    def ended(self) -> Counter[tuple[str, str]]:
        """The number of records that ended, by action type and state, since the ledger was built or opened."""
        return self._ended

    @property
    def outcomes(self) -> Counter[tuple[str, str]]:
        """The number of incidents by action and outcome, since the ledger was built or opened."""
        return self._judge.outcomes

    def meta(self, name: str) -> str | None:
        """Return a fact that is kept beside the rows."""
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        """Keep a fact beside the rows."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Close the file; one that was given stays."""
        self._connection.close()
        if self._folder is not None:
            self._folder.cleanup()

    def put_act(self, act: Act) -> None:
        """Take a record, or its new state."""
        self.put_rows([row_of_act(act)])

    def put_rows(self, rows: Iterable[tuple[Any, ...]]) -> int:
        """Take rows of records; return their number."""
        number = 0
        if not self.built:
            rows = iter(rows)
            while batch := list(islice(rows, _BATCH)):
                self._connection.executemany(f"INSERT OR REPLACE INTO acts VALUES ({_ACT_PLACES})", batch)  # noqa: S608
                number += len(batch)
            return number
        for row in rows:
            self._put_row(row)
            number += 1
        return number

    def _put_row(self, row: tuple[Any, ...]) -> None:
        known = self._connection.execute("SELECT * FROM acts WHERE id = ?", (row[0],)).fetchone()
        if known == row:
            return
        self._connection.execute(f"INSERT OR REPLACE INTO acts VALUES ({_ACT_PLACES})", row)  # noqa: S608
        ended = State(row[2]).terminal
        if ended and (known is None or known[2] != row[2]):
            self._ended[row[1], row[2]] += 1
        for one in (known, row):
            if one is None:
                continue
            _, action_type, _, decided, began, _, target, fingerprint, fired, _, undone = one[:11]
            self._judge.touched.add(action_type)
            since = min(decided, began, began if fired is None else fired)
            self._mark_dirty("SELECT problem FROM fingerprints WHERE fingerprint = ?", fingerprint, since)
            if target is not None:
                self._mark_stale([target])
                self._mark_dirty(
                    "SELECT problem FROM acts JOIN fingerprints USING (fingerprint) WHERE target = ?", target, since
                )
            if undone is not None:
                types = self._connection.execute("SELECT action_type FROM acts WHERE id = ?", (undone,)).fetchone()
                self._judge.touched.update(types or ())

    def _mark_dirty(self, problems: str, subject: str | int | None, since: float) -> None:
        """Mark problems, which a query of one subject selects, to be judged anew from a time on."""
        if subject is not None:
            self._connection.execute(
                f"UPDATE problems SET dirty = min(coalesce(dirty, 9e99), ?) WHERE id IN ({problems})",  # noqa: S608
                (since, subject),
            )

    def _mark_stale(self, targets: Iterable[str]) -> None:
        """Mark targets whose patterns are to be sought anew."""
        self._connection.executemany("INSERT OR IGNORE INTO stale_targets VALUES (?)", [(one,) for one in targets])

    def put_firings(self, firings: Iterable[Firing]) -> bool:
        """Take firings, or what else was told of them; return True if anything is new."""
        if self.built:
            return sum(self.put_firing(firing) for firing in firings) > 0
        rows = []
        for one in firings:
            self._problem(one)
            rows.append((one.fingerprint, one.fired, one.resolved, one.name, one.severity))
        self._connection.executemany("INSERT OR REPLACE INTO firings VALUES (?, ?, ?, ?, ?)", rows)
        return bool(rows)

    def put_firing(self, firing: Firing) -> bool:
        """Take a firing, or what else was told of it; return True if that is new."""
        problem = self._problem(firing)
        row = (firing.fingerprint, firing.fired, firing.resolved, firing.name, firing.severity)
        if self.built:
            known = self._connection.execute(
                "SELECT * FROM firings WHERE fingerprint = ? AND fired = ?", (firing.fingerprint, firing.fired)
            ).fetchone()
            if known == row:
                return False
            self._mark_dirty("SELECT ?", problem, firing.fired)
            self._connection.execute(
                "INSERT OR IGNORE INTO stale_targets SELECT target FROM named_targets WHERE problem = ?", (problem,)
            )
        self._connection.execute("INSERT OR REPLACE INTO firings VALUES (?, ?, ?, ?, ?)", row)
        return True

    def _problem(self, firing: Firing) -> int:
        """Return the number of a firing's problem; its fingerprint may have been another's before its labels came."""
        known = self._problems.get(firing.fingerprint)
        if known is not None and known[0] == firing.labels:
            return known[1]
        one = self._connection.execute
        key = problem_key(firing, self.settings)
        is_new = one("INSERT OR IGNORE INTO problems (key, dirty) VALUES (?, 0)", (key,)).rowcount
        [(number,)] = one("SELECT id FROM problems WHERE key = ?", (key,))
        if is_new:
            for target in targets_of_labels(self.settings.stable_labels(firing.labels or {})):
                one("INSERT INTO named_targets VALUES (?, ?)", (target, number))
        before = one("SELECT problem FROM fingerprints WHERE fingerprint = ?", (firing.fingerprint,)).fetchone()
        if before is None or before[0] != number:
            labels = None if firing.labels is None else json.dumps(dict(firing.labels), ensure_ascii=False)
            one("INSERT OR REPLACE INTO fingerprints VALUES (?, ?, ?)", (firing.fingerprint, number, labels))
            one("UPDATE problems SET dirty = 0 WHERE id IN (?, ?)", (number, before[0] if before else number))
            if self.built:  # acts whose signal was not known
                self._judge.touched.update(
                    name for (name,) in one("SELECT action_type FROM acts WHERE fingerprint = ?", (firing.fingerprint,))
                )
        if len(self._problems) >= _MOST_FINGERPRINTS:
            self._problems.clear()
        self._problems[firing.fingerprint] = (firing.labels, number)
        return int(number)

    def put_spans(self, spans: Iterable[WatchSpan]) -> bool:
        """Take what was seen of the monitoring: spans grow. Return True if more than that it goes on was told."""
        grown = told = False
        for span in spans:
            place = (span.kind, span.subject, span.since)
            known = self._connection.execute(
                "SELECT until FROM spans WHERE kind = ? AND subject = ? AND since = ?", place
            ).fetchone()
            if known is not None and known[0] == span.until:
                continue
            grown = True
            told = told or span.kind not in _GOES_ON
            self._connection.execute("INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?)", (*place, span.until))
            if self.built and span.kind in {"silenced", "inhibited"}:
                if (labels := labels_of_subject(span.subject)) is not None:
                    key = problem_key(Firing("", span.since, labels=labels), self.settings)
                    self._mark_dirty("SELECT id FROM problems WHERE key = ?", key, span.since)
                self._mark_dirty("SELECT problem FROM fingerprints WHERE fingerprint = ?", span.subject, span.since)
            elif self.built and span.kind == "deleted":
                self._mark_dirty(
                    "SELECT problem FROM acts JOIN fingerprints USING (fingerprint) WHERE target = ?",
                    span.subject,
                    span.since,
                )
            elif self.built and span.kind == "truncated":
                self._connection.execute("UPDATE problems SET dirty = min(coalesce(dirty, 9e99), ?)", (span.since,))
        if grown:
            self.watch = Watch(WatchSpan(*row) for row in self._connection.execute("SELECT * FROM spans"))
        return told

    def refresh(self, now: float, *, everything: bool = True) -> tuple[ActionVerdict, ...]:
        """Judge what changed, and return the verdicts as of now.

        Args:
            now: The time.
            everything: True to judge also all that time alone may change; False to do that in turn.
        """
        end = now - self.settings.late
        first = not self.built
        if first:
            self._finish(now, end)
        if now - self._forgotten >= HOUR:
            self._forget(now - self.settings.window)
            self._forgotten = now
        dirty = dict(self._connection.execute("SELECT id, dirty FROM problems WHERE dirty IS NOT NULL"))
        self._judge.judge(dirty, self.watch, end)
        turn = everything or time.monotonic() - self._turned >= _ROUND
        seconds = None if everything else 0.0 if first else _SECONDS
        if turn:
            self._turned = time.monotonic()
            restless = dict(
                self._connection.execute(
                    "SELECT id, judged_at FROM problems WHERE restless AND judged_at < ? ORDER BY judged_at", (end,)
                )
            )
            self._judge.judge(restless, self.watch, end, seconds)
        self._mark_stale(self._judge.targets)
        self._judge.targets.clear()
        if everything or not first:
            self._find(end, seconds)
        verdicts = self._keeper.update(self._judge.touched, end, seconds if turn else 0.0, seconds)
        self._judge.touched.clear()
        [(stale,)] = self._connection.execute("SELECT count(*) FROM stale_targets")
        self.behind = stale > 0 or self._keeper.behind
        self._commit()
        return verdicts

    def _finish(self, now: float, end: float) -> None:
        """Judge a ledger for the first time, and let readers in."""
        one = self._connection.execute
        one("DELETE FROM acts WHERE decided < ?", (now - self.settings.window,))
        self._judge.judge_all(self.watch, end)
        create_indexes(self._connection)
        one("INSERT INTO stale_targets SELECT DISTINCT target FROM acts WHERE target IS NOT NULL")
        one("COMMIT")
        one("PRAGMA journal_mode = WAL")
        one("PRAGMA synchronous = NORMAL")
        one(f"PRAGMA analysis_limit = {_ANALYSED}")
        one("ANALYZE")
        one("BEGIN")
        self.built, self._judge.counts, self._forgotten = True, True, now

    def _find(self, end: float, seconds: float | None) -> None:
        """Find the patterns of stale targets anew."""
        started = time.monotonic()
        for (target,) in self._connection.execute("SELECT target FROM stale_targets").fetchall():
            if seconds is not None and time.monotonic() - started > seconds:
                return
            find_at_target(self._connection, target, self.settings, end)
            self._connection.execute("DELETE FROM stale_targets WHERE target = ?", (target,))

    def _forget(self, before: float) -> None:
        """Forget what is older than the window: Data Storage drops it month by month."""
        one = self._connection.execute
        gone = one("DELETE FROM acts WHERE decided < ? RETURNING action_type, target", (before,)).fetchall()
        self._judge.touched.update(action_type for action_type, _ in gone)
        self._mark_stale({target for _, target in gone if target is not None})
        one("DELETE FROM judged WHERE CASE WHEN ended < 9e99 THEN ended ELSE began END < ?", (before,))
        one("DELETE FROM second_lines WHERE began < ?", (before - _SPARE,))
        one("DELETE FROM firings WHERE coalesce(resolved, fired) < ?", (before - _SPARE,))
        one("DELETE FROM spans WHERE until < ?", (before - _SPARE,))

    def _commit(self) -> None:
        self.set_meta("version", str(VERSION))
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")


def _settings_text(settings: CountingRules) -> str:
    return json.dumps(
        {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in sorted(vars(settings).items())
        },
        default=dict,
        sort_keys=True,
    )


def _is_kept(path: Path, settings: CountingRules) -> bool:
    """Return True if a file is a whole ledger of this version and these settings."""
    if not path.is_file():
        return False
    try:
        with closing(connect(path, readonly=True)) as connection:
            facts = dict(connection.execute("SELECT name, value FROM meta"))
    except sqlite3.DatabaseError:
        return False
    return facts.get("version") == str(VERSION) and facts.get("settings") == _settings_text(settings)
