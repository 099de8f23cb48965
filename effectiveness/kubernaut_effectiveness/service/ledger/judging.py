"""The judging of a ledger's problems: only what a change concerns, and what time alone may change."""

import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from kubernaut_effectiveness.counting.acts import Act
from kubernaut_effectiveness.counting.outcomes import (
    FOLLOWED,
    Evidence,
    JudgedIncident,
    OrderedChanges,
    TargetChanges,
    judge_problem,
)
from kubernaut_effectiveness.counting.problems import AlertProblem, problem_of
from kubernaut_effectiveness.counting.watching import Watch
from kubernaut_effectiveness.patterns.flapping import flapping_of
from kubernaut_effectiveness.service.ledger.rows import (
    ACT_COLUMNS,
    FIRING_COLUMNS,
    act_of_row,
    firing_of_row,
    row_of_judged,
)
from kubernaut_effectiveness.settings import HOUR, CountingRules

__all__ = ["Judge", "read_problem"]

_MOST_ACTS = 50_000
"""Acts that are kept between problems of the same targets."""


def read_problem(
    connection: sqlite3.Connection, number: int, key: str, settings: CountingRules, until: float
) -> AlertProblem | None:
    """Return a problem from its firings, or None if none began yet."""
    labels: dict[str, Mapping[str, str] | None] = {}
    rows = connection.execute(
        f"SELECT {FIRING_COLUMNS} FROM fingerprints JOIN firings USING (fingerprint) "  # noqa: S608 – columns
        "WHERE problem = ? AND fired <= ?",
        (number, until),
    )
    firings = [firing_of_row(row, labels) for row in rows]
    return problem_of(key, firings, settings) if firings else None


class _Changes(TargetChanges):
    """The acts that changed each target, read when they are asked for."""

    def __init__(self, connection: sqlite3.Connection, known: dict[str, Act]) -> None:
        super().__init__(())
        self._connection, self._known = connection, known

    def _changes_of(self, target: str) -> OrderedChanges:
        changes = self._of.get(target)
        if changes is None:
            changes = self._of[target] = OrderedChanges(self._read(target))
        return changes

    def forget(self) -> None:
        """Forget what was read."""
        self._of.clear()

    def _read(self, target: str) -> list[Act]:
        rows = self._connection.execute(
            f"SELECT {ACT_COLUMNS} FROM acts WHERE target = ? AND kind = 'changed' ORDER BY began",  # noqa: S608
            (target,),
        )
        return [self._known.get(row[0]) or self._known.setdefault(row[0], act_of_row(row)) for row in rows]


@dataclass
class Judge:
    """Judges problems of a ledger.

    Attributes:
        connection: The ledger.
        settings: The settings.
        counts: True to count outcomes that are new: what was there at the beginning is not.
        outcomes: How often each outcome came of each action, since the beginning.
        touched: The action types whose verdicts may have changed.
        targets: The targets of which patterns may have changed.
    """

    connection: sqlite3.Connection
    settings: CountingRules
    counts: bool = False
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    touched: set[str] = field(default_factory=set)
    targets: set[str] = field(default_factory=set)

    def judge(self, since_of: Mapping[int, float], watch: Watch, end: float, seconds: float | None = None) -> bool:
        """Judge problems as of `end`, each from a time on.

        Args:
            since_of: From when on something may be different, by problem.
            watch: When anybody was watching.
            end: The end of the known history.
            seconds: Stop after so long, if given.

        Returns:
            True if all were judged.
        """
        known: dict[str, Act] = {}
        changes = _Changes(self.connection, known)
        evidence = Evidence(changes=changes, watch=watch, settings=self.settings, now=end)
        started = time.monotonic()
        for number, since in since_of.items():
            if seconds is not None and time.monotonic() - started > seconds:
                return False
            self._judge(number, since, evidence, known)
            if len(known) > _MOST_ACTS:
                known.clear()
                changes.forget()
        return True

    def _judge(self, number: int, since: float, evidence: Evidence, known: dict[str, Act]) -> None:
        connection, settings, end = self.connection, self.settings, evidence.now
        [(key,)] = connection.execute("SELECT key FROM problems WHERE id = ?", (number,))
        problem = read_problem(connection, number, key, settings, end)
        if problem is None:
            told = connection.execute("SELECT 1 FROM fingerprints WHERE problem = ? LIMIT 1", (number,)).fetchone()
            self._store(number, float("-inf"), [])
            connection.execute(
                "UPDATE problems SET dirty = NULL, incidents = 0, restless = ?, judged_at = ? WHERE id = ?",
                (told is not None, end, number),
            )
            return
        reach = settings.quiet_time(problem.name) + settings.resolve + FOLLOWED + HOUR
        cut = self._cut(number, problem, since - reach) if since > 0 else float("-inf")
        rows = connection.execute(
            f"SELECT {ACT_COLUMNS} FROM fingerprints JOIN acts USING (fingerprint) "  # noqa: S608 – columns
            "WHERE problem = ? AND decided >= ?",
            (number, cut - HOUR),
        )
        acts = [known.get(row[0]) or known.setdefault(row[0], act_of_row(row)) for row in rows]
        judged = [one for one in judge_problem(problem, acts, evidence) if one.began >= cut] if acts else []
        self._store(number, cut, judged)
        times = [fired for incident in problem.incidents for fired, _ in incident.spans]
        connection.execute("DELETE FROM flapping WHERE problem = ?", (number,))
        connection.executemany(
            "INSERT INTO flapping VALUES (?, ?, ?, ?)", [(number, *found) for found in flapping_of(times, end)]
        )
        latest = max((act.ended for act in acts), default=0.0)
        connection.execute(
            "UPDATE problems SET dirty = NULL, name = ?, incidents = ?, restless = ?, judged_at = ? WHERE id = ?",
            (
                problem.name or key,
                len(problem.incidents),
                max(latest, problem.incidents[-1].ended) > end - reach,
                end,
                number,
            ),
        )

    def _cut(self, number: int, problem: AlertProblem, since: float) -> float:
        """Return the beginning of the first incident that may be different: the ones before are as they were."""
        began = [incident.began for incident in problem.incidents if incident.ended >= since]
        row = self.connection.execute(
            "SELECT min(began) FROM judged WHERE problem = ? AND (ended >= ? AND ended < 9e99 OR acted >= ? "
            "AND acted < 9e99)",
            (number, since, since),
        ).fetchone()
        return min([*began, *(value for value in row if value is not None)], default=since)

    def _store(self, number: int, cut: float, judged: list[JudgedIncident]) -> None:
        connection = self.connection
        before: dict[float, tuple[str | None, str | None]] = {}
        for began, action, outcome, target, decision, on in connection.execute(
            "SELECT began, action, outcome, target, decision, decided_on FROM judged WHERE problem = ? AND began >= ?",
            (number, cut),
        ):
            before[began] = (action, outcome)
            self.touched.update(name for name in (action, decision) if name)
            self.targets.update(name for name in (target, on) if name)
        if before:
            connection.execute("DELETE FROM judged WHERE problem = ? AND began >= ?", (number, cut))
            for (action_type,) in connection.execute(
                "DELETE FROM second_lines WHERE problem = ? AND began >= ? RETURNING action_type", (number, cut)
            ):
                self.touched.add(action_type)
        connection.executemany(
            f"INSERT INTO judged VALUES ({', '.join('?' * 22)})",  # noqa: S608 – a number of places
            [row_of_judged(number, one) for one in judged],
        )
        for one in judged:
            self.touched.update(name for name in (one.action, one.decision and one.decision.action_type) if name)
            self.targets.update(name for name in (one.target, one.decision and one.decision.target) if name)
            for act in one.second_line:
                self.touched.add(act.action_type)
                connection.execute("INSERT INTO second_lines VALUES (?, ?, ?)", (number, one.began, act.action_type))
            outcome = one.outcome.value if one.outcome else None
            new = before.get(one.began) != (one.action, outcome)
            if self.counts and new and one.action and outcome and outcome != "pending":
                self.outcomes[one.action, outcome] += 1
