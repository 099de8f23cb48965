"""The questions of pages to a ledger: each reads what it needs, as of one change."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from kubernaut_effectiveness.counting.acts import Act
from kubernaut_effectiveness.counting.outcomes import JudgedIncident
from kubernaut_effectiveness.counting.problems import AlertProblem
from kubernaut_effectiveness.counting.watching import Watch
from kubernaut_effectiveness.demodata import REQUESTER
from kubernaut_effectiveness.patterns.flapping import Flapping
from kubernaut_effectiveness.patterns.report import Patterns
from kubernaut_effectiveness.service.ledger.findings import read_flapping, read_patterns
from kubernaut_effectiveness.service.ledger.judging import read_problem
from kubernaut_effectiveness.service.ledger.rows import (
    ACT_COLUMNS,
    JUDGED_COLUMNS,
    LINE_COLUMNS,
    act_of_row,
    judged_of_row,
)
from kubernaut_effectiveness.service.ledger.schema import connect
from kubernaut_effectiveness.settings import CountingRules
from kubernaut_effectiveness.statistics.survival import SurvivalObservation
from kubernaut_effectiveness.verdicts.comparison import SignalCounts
from kubernaut_effectiveness.verdicts.fleet import Fleet

__all__ = ["LedgerQuestions", "PendingActs"]

_MOST_ACTS = 2_000
"""Records of one target that its page reads, the newest."""
_FIRST_LINE = """
SELECT action, severity, target, sum(outcome = 'held'), sum(outcome NOT IN ('unwatched', 'gone', 'pending')), count(*)
FROM judged WHERE {where} AND action IS NOT NULL GROUP BY action, severity, target
"""
_WITHHELD = """
SELECT decided_on, sum(resolved_soon), count(*) FROM judged WHERE {where} AND withheld GROUP BY decided_on
"""
_SECOND_LINE = """
SELECT action_type, count(*) FROM problems JOIN second_lines ON problem = problems.id WHERE name = ? GROUP BY 1
"""


@dataclass(frozen=True)
class PendingActs:
    """The records that have not ended: their number, and when the first of them was decided."""

    number: int
    oldest: float | None


class LedgerQuestions:
    """Questions to a ledger, from any thread.

    Args:
        path: Its file.
        settings: The settings of the counting.
    """

    def __init__(self, path: Path, settings: CountingRules) -> None:
        self._connection = connect(path, readonly=True)
        self._settings, self._lock = settings, Lock()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def count(self) -> int:
        """Return the number of records."""
        with self._reading() as connection:
            [(number,)] = connection.execute("SELECT count(*) FROM acts")
        return int(number)

    def newest(self) -> Act | None:
        """Return the newest record, if any."""
        with self._reading() as connection:
            return next(_acts(connection, "ORDER BY began DESC LIMIT 1", ()), None)

    def has_simulated(self) -> bool:
        """Return True if any record is of a simulation."""
        with self._reading() as connection:
            [(found,)] = connection.execute(f"SELECT EXISTS (SELECT 1 FROM acts WHERE requester = '{REQUESTER}')")  # noqa: S608 – a literal, by which SQLite finds the index
        return bool(found)

    def states_since(self, time: float) -> dict[str, int]:
        """Return the numbers of records by state that began since a time, the most first."""
        with self._reading() as connection:
            return dict(
                connection.execute(
                    "SELECT state, count(*) FROM acts WHERE began >= ? GROUP BY 1 ORDER BY 2 DESC", (time,)
                )
            )

    def recent(self, time: float, limit: int) -> list[Act]:
        """Return the records that ended last, of those that began since a time."""
        with self._reading() as connection:
            return list(_acts(connection, "WHERE began >= ? ORDER BY ended DESC LIMIT ?", (time, limit)))

    def given_up(self, limit: int, since: float = 0.0) -> list[Act]:
        """Return the records of targets that were given up, the newest first."""
        with self._reading() as connection:
            where = "WHERE reason = 'GivenUp' AND kind = 'held_up' AND decided >= ? ORDER BY decided DESC LIMIT ?"
            return list(_acts(connection, where, (since, limit)))

    def pending(self) -> PendingActs:
        """Return how many records have not ended."""
        with self._reading() as connection:
            [row] = connection.execute("SELECT count(*), min(decided) FROM acts WHERE kind = 'pending'")
        return PendingActs(*row)

    def most_remediated(self, limit: int) -> list[tuple[str, int]]:
        """Return the targets that were remediated most, with the number of their incidents."""
        with self._reading() as connection:
            return list(
                connection.execute(
                    "SELECT target, count(*) FROM judged WHERE target != '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
                    (limit,),
                )
            )

    def signals(self, limit: int) -> list[tuple[str, int]]:
        """Return the alerts with the most incidents."""
        with self._reading() as connection:
            return list(
                connection.execute(
                    "SELECT name, sum(incidents) FROM problems WHERE incidents GROUP BY 1 ORDER BY 2 DESC LIMIT ?",
                    (limit,),
                )
            )

    def target(self, name: str, end: float, watch: Watch) -> Fleet | None:
        """Return what is known of one target, or None if no record names it."""
        with self._reading() as connection:
            acts = list(_acts(connection, "WHERE target = ? ORDER BY began DESC LIMIT ?", (name, _MOST_ACTS)))
            if not acts:
                return None
            fingerprints = json.dumps(sorted({act.fingerprint for act in acts if act.fingerprint is not None}))
            numbers = connection.execute(
                "SELECT id, key FROM problems WHERE id IN (SELECT problem FROM fingerprints "
                "WHERE fingerprint IN (SELECT value FROM json_each(?)))",
                (fingerprints,),
            ).fetchall()
            problems = self._problems(connection, numbers, end)
            judged = _judged(connection, [number for number, _ in numbers])
        return self._fleet(sorted(acts, key=lambda act: (act.decided, act.id)), problems, judged, end, watch)

    def signal(self, name: str) -> SignalCounts | None:
        """Return the counts of an alert's incidents, or None if it is not known."""
        with self._reading() as connection:
            one = connection.execute
            [(number,)] = one("SELECT sum(incidents) FROM problems WHERE name = ?", (name,))
            if number is None:
                return None
            counts = SignalCounts(incidents=number)
            unnamed = one("SELECT 1 FROM problems WHERE name = ? AND key = name", (name,)).fetchone()
            where = "name = ?" if unnamed is None else "problem IN (SELECT id FROM problems WHERE name = ?)"
            for action, severity, target, good, counted, acted in one(_FIRST_LINE.format(where=where), (name,)):
                counts.acted += acted
                if counted:
                    counts.add_first_line(action, severity, target, good, counted)
            for row in one(_WITHHELD.format(where=where), (name,)):
                counts.add_withheld(*row)
            counts.second_line = dict(one(_SECOND_LINE, (name,)).fetchall())
            return counts

    def action_incidents(self, name: str, limit: int) -> list[JudgedIncident]:
        """Return the newest incidents whose first line was an action type, the newest first."""
        with self._reading() as connection:
            query = (
                f"SELECT {JUDGED_COLUMNS}, {LINE_COLUMNS} FROM judged JOIN problems ON problems.id = problem "  # noqa: S608 – columns
                "WHERE action = ? ORDER BY acted DESC LIMIT ?"
            )
            return _with_acts(connection, connection.execute(query, (name, limit)).fetchall())

    def returned(self, name: str) -> list[SurvivalObservation]:
        """Return how long the problems of an action type stayed silent."""
        with self._reading() as connection:
            query = "SELECT returned, cause FROM judged WHERE action = ? AND returned IS NOT NULL"
            return [SurvivalObservation(*row) for row in connection.execute(query, (name,))]

    def lengths(self, name: str) -> list[float]:
        """Return how long the records of an action type took that changed something, in order; see `act_document`."""
        with self._reading() as connection:
            query = "SELECT max(0.0, ended - began) FROM acts WHERE action_type = ? AND kind = 'changed' ORDER BY 1"
            return [length for (length,) in connection.execute(query, (name,))]

    def patterns(self) -> Patterns:
        """Return the patterns."""
        with self._reading() as connection:
            return read_patterns(connection)

    def flapping(self, keys: Iterable[str]) -> list[Flapping]:
        """Return which of some problems flap or did."""
        with self._reading() as connection:
            return read_flapping(connection, keys)

    def fleet(self, end: float, watch: Watch) -> Fleet:
        """Return all of it, for what is small."""
        with self._reading() as connection:
            acts = list(_acts(connection, "ORDER BY decided, id", ()))
            numbers = connection.execute("SELECT id, key FROM problems").fetchall()
            problems = self._problems(connection, numbers, end)
            judged = _judged(connection, [number for number, _ in numbers])
        return self._fleet(acts, problems, judged, end, watch)

    def _problems(
        self, connection: sqlite3.Connection, numbers: Iterable[tuple[int, str]], end: float
    ) -> dict[str, AlertProblem]:
        found = ((key, read_problem(connection, number, key, self._settings, end)) for number, key in numbers)
        return {key: problem for key, problem in found if problem is not None}

    def _fleet(
        self,
        acts: list[Act],
        problems: dict[str, AlertProblem],
        judged: list[JudgedIncident],
        end: float,
        watch: Watch | None = None,
    ) -> Fleet:
        of = {fingerprint for problem in problems.values() for fingerprint in problem.fingerprints}
        unknown: dict[str, int] = {}
        for act in acts:
            if act.fingerprint not in of:
                unknown[act.action_type] = unknown.get(act.action_type, 0) + 1
        return Fleet(
            now=end,
            settings=self._settings,
            acts=acts,
            problems=problems,
            judged=judged,
            unknown=unknown,
            watch=watch or Watch(()),
        )


def _acts(connection: sqlite3.Connection, rest: str, values: tuple[Any, ...]) -> Iterator[Act]:
    query = f"SELECT {ACT_COLUMNS}, before, after FROM acts {rest}"  # noqa: S608 – texts of this file
    return map(act_of_row, connection.execute(query, values))


def _judged(connection: sqlite3.Connection, numbers: list[int]) -> list[JudgedIncident]:
    """Return the incidents of problems in the order of time, with their records."""
    rows = connection.execute(
        f"SELECT {JUDGED_COLUMNS}, {LINE_COLUMNS} FROM judged JOIN problems ON problems.id = problem "  # noqa: S608 – columns
        "WHERE problem IN (SELECT value FROM json_each(?)) ORDER BY began, problems.key",
        (json.dumps(numbers),),
    )
    return _with_acts(connection, rows.fetchall())


def _with_acts(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> list[JudgedIncident]:
    ids = json.dumps([one for row in rows for text in row[-2:] for one in text.split()])
    acts = {act.id: act for act in _acts(connection, "WHERE id IN (SELECT value FROM json_each(?))", (ids,))}
    return [judged_of_row(row, acts) for row in rows]
