"""The verdicts of a ledger: each made anew where something changed, and else in turn, as time allows."""

import sqlite3
import time
from collections.abc import Iterable

from kubernaut_effectiveness.counting.acts import ActKind
from kubernaut_effectiveness.counting.outcomes import JudgedIncident
from kubernaut_effectiveness.counting.watching import Watch
from kubernaut_effectiveness.service.ledger.rows import JUDGED_COLUMNS, judged_of_row
from kubernaut_effectiveness.settings import HOUR, CountingRules
from kubernaut_effectiveness.verdicts.change import CandidateMark, candidate_mark, mark_candidates, start_of_week
from kubernaut_effectiveness.verdicts.fleet import (
    ActionHistory,
    ActTally,
    Fleet,
    counted_incidents,
    ranking,
    verdict_of,
)
from kubernaut_effectiveness.verdicts.models import ActionVerdict
from kubernaut_sdk.states import State

__all__ = ["VerdictKeeper", "read_incidents"]

_FAILED = frozenset({"lost", "failed", "cancelled", "timed_out"})
_NAMED_IN = (("acts", "action_type"), ("judged", "action"), ("judged", "decision"), ("second_lines", "action_type"))
_NAMES = """
WITH RECURSIVE found (name) AS (
  SELECT min({column}) FROM {table} WHERE {column} NOTNULL
  UNION ALL
  SELECT (SELECT min({column}) FROM {table} WHERE {column} > found.name) FROM found WHERE found.name NOTNULL)
SELECT found.name FROM found WHERE found.name NOTNULL
"""
"""The names in a column, each found by one look into its index: a fleet has few types and many records."""
_INCIDENTS = f"SELECT {JUDGED_COLUMNS} FROM judged JOIN problems ON problems.id = problem"  # noqa: S608 – columns


def read_incidents(connection: sqlite3.Connection, action: str) -> list[JudgedIncident]:
    """Return the incidents that an action type was first in or decided about, in the order of time, without records."""
    rows = connection.execute(
        f"{_INCIDENTS} WHERE action = ?1 UNION ALL {_INCIDENTS} WHERE decision = ?1 AND action IS NOT ?1", (action,)
    )
    return sorted(map(judged_of_row, rows), key=_began)


def _began(one: JudgedIncident) -> tuple[float, str]:
    return one.began, one.problem


class VerdictKeeper:
    """Keeps a verdict on each action type. Marks are looked for once a week, on what is known then.

    Args:
        connection: The ledger.
        settings: The settings.

    Attributes:
        behind: True while this week's marks have not been looked for everywhere.
    """

    behind = False

    def __init__(self, connection: sqlite3.Connection, settings: CountingRules) -> None:
        self._connection, self._settings = connection, settings
        self._verdicts: dict[str, ActionVerdict] = {}
        self._candidates: dict[str, tuple[float, CandidateMark | None]] = {}
        self._made: dict[str, float] = {}

    def update(
        self, touched: Iterable[str], end: float, seconds: float | None, marking: float | None
    ) -> tuple[ActionVerdict, ...]:
        """Make anew what was touched, and of the rest the oldest ones as time allows.

        Args:
            touched: The action types of which something changed.
            end: The end of the known history.
            seconds: The time for the rest; None for all of them.
            marking: The time for the marks of this week that have not been looked for; None for all of them.

        Returns:
            All verdicts, that with the most unsolved incidents first.
        """
        names = {
            name
            for table, column in _NAMED_IN
            for (name,) in self._connection.execute(_NAMES.format(table=table, column=column))
        }
        for gone in self._verdicts.keys() - names:
            for kept in (self._verdicts, self._candidates, self._made):
                kept.pop(gone, None)
        wanted = (set(touched) | (names - self._verdicts.keys())) & names
        for name in sorted(wanted):
            self._make(name, end)
        started = time.monotonic()
        for name in sorted(names - wanted, key=lambda name: self._made[name]):
            if seconds is not None and time.monotonic() - started >= seconds:
                break
            self._make(name, end)
        monday = start_of_week(end)
        late = [name for name in sorted(names) if self._candidates.get(name, (0.0, None))[0] < monday]
        started = time.monotonic()
        while late and (marking is None or time.monotonic() - started < marking):
            name = late.pop(0)
            counted = counted_incidents(one for one in read_incidents(self._connection, name) if one.action == name)
            self._candidates[name] = monday, candidate_mark(counted, end)
        self.behind = bool(late)
        known = {name: one for name, (_, one) in sorted(self._candidates.items()) if one is not None}
        marks = mark_candidates(known)
        return tuple(
            sorted(
                (
                    one if one.mark == marks.get(name) else one.model_copy(update={"mark": marks.get(name)})
                    for name, one in self._verdicts.items()
                ),
                key=ranking,
            )
        )

    def _make(self, name: str, end: float) -> None:
        history = self.history(name)
        fleet = Fleet(
            now=end,
            settings=self._settings,
            acts=(),
            problems={},
            judged=(),
            unknown={name: self._unknown(name)},
            watch=Watch(()),
        )
        self._verdicts[name] = verdict_of(name, history, fleet)
        self._made[name] = time.monotonic()

    def history(self, name: str) -> ActionHistory:
        """Return the history of an action type."""
        one = self._connection.execute
        [(undone,)] = one(
            "SELECT count(DISTINCT acts.id) FROM acts AS undo JOIN acts ON acts.id = undo.undoes "
            "WHERE undo.undoes IS NOT NULL AND undo.state = ? AND NOT undo.dry_run AND acts.action_type = ?",
            (State.SUCCEEDED.value, name),
        )
        [(second,)] = one("SELECT count(*) FROM second_lines WHERE action_type = ?", (name,))
        [(touched,)] = one(
            "SELECT count(*) FROM judged WHERE action = ? AND EXISTS (SELECT 1 FROM acts WHERE target = judged.target "
            "AND fingerprint IS NULL AND requester IS NOT NULL AND kind = 'changed' "
            "AND began > judged.ended AND began <= judged.ended + ?)",
            (name, HOUR),
        )
        incidents = read_incidents(self._connection, name)
        return ActionHistory(
            tally=self._tally(name),
            incidents=[one for one in incidents if one.action == name],
            decided=[one for one in incidents if one.decision is not None and one.decision.action_type == name],
            undone=undone,
            second_line=second,
            touched=touched,
        )

    def _tally(self, name: str) -> ActTally:
        tally = ActTally()
        for kind, state, reason, dry_run, undo, number in self._connection.execute(
            "SELECT kind, state, reason, dry_run, undoes IS NOT NULL, count(*) FROM acts WHERE action_type = ? "
            "GROUP BY 1, 2, 3, 4, 5",
            (name,),
        ):
            failed = state in _FAILED
            tally.add(
                ActKind(kind), state, reason, failed=failed, dry_run=bool(dry_run), undo=bool(undo), number=number
            )
        return tally

    def _unknown(self, name: str) -> int:
        [(number,)] = self._connection.execute(
            "SELECT count(*) FROM acts LEFT JOIN fingerprints USING (fingerprint) "
            "LEFT JOIN problems ON problems.id = problem WHERE action_type = ? AND coalesce(incidents, 0) = 0",
            (name,),
        )
        return int(number)
