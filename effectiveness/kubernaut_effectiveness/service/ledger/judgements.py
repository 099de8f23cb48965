"""The results of judging, as the ledger keeps them: written many at once."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubernaut_effectiveness.counting.outcomes import JudgedIncident
from kubernaut_effectiveness.counting.problems import AlertProblem
from kubernaut_effectiveness.patterns.flapping import flapping_of
from kubernaut_effectiveness.service.ledger.rows import JUDGED_FIELDS, row_of_judged

__all__ = ["Judgement", "JudgementWriter"]

_ROWS = 5_000
_INSERT_JUDGED = f"INSERT INTO judged VALUES ({', '.join('?' * len(JUDGED_FIELDS))})"  # noqa: S608 – a number of places
_INSERT_SECOND_LINES = "INSERT INTO second_lines VALUES (?, ?, ?)"
_INSERT_FLAPPING = "INSERT INTO flapping VALUES (?, ?, ?, ?)"
_UPDATE_PROBLEM = "UPDATE problems SET dirty = NULL, name = ?, incidents = ?, restless = ?, judged_at = ? WHERE id = ?"


@dataclass(frozen=True)
class Judgement:
    """The findings about one problem.

    Attributes:
        number: Its number.
        key: Its key.
        problem: The problem, or None if none of its firings began yet.
        judged: Its incidents that are new, or judged anew.
        restless: True if time alone may change what was found.
    """

    number: int
    key: str
    problem: AlertProblem | None
    judged: Sequence[JudgedIncident]
    restless: bool


class JudgementWriter:
    """Writes judgements, many at once.

    Args:
        connection: The ledger.
        end: The end of the known history.
    """

    def __init__(self, connection: sqlite3.Connection, end: float) -> None:
        self._connection, self._end = connection, end
        self._judged: list[tuple[Any, ...]] = []
        self._second_lines: list[tuple[Any, ...]] = []
        self._flapping: list[tuple[Any, ...]] = []
        self._problems: list[tuple[Any, ...]] = []

    def add(self, one: Judgement) -> None:
        """Take a judgement, and write it soon."""
        incidents = () if one.problem is None else one.problem.incidents
        self._judged += [row_of_judged(one.number, incident) for incident in one.judged]
        self._second_lines += [
            (one.number, incident.began, act.action_type) for incident in one.judged for act in incident.second_line
        ]
        times = [fired for incident in incidents for fired, _ in incident.spans]
        self._flapping += [(one.number, *found) for found in flapping_of(times, self._end)]
        name = one.problem.name if one.problem is not None else None
        self._problems.append((name or one.key, len(incidents), one.restless, self._end, one.number))
        if len(self._judged) + len(self._problems) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for statement, rows in (
            (_INSERT_JUDGED, self._judged),
            (_INSERT_SECOND_LINES, self._second_lines),
            (_INSERT_FLAPPING, self._flapping),
            (_UPDATE_PROBLEM, self._problems),
        ):
            self._connection.executemany(statement, rows)
            rows.clear()
