"""The judging of a ledger's problems: only what a change concerns, and what time alone may change."""

import math
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from kubernaut_effectiveness.counting.acts import Act, ActKind
from kubernaut_effectiveness.counting.changes import OrderedChanges, TargetChanges
from kubernaut_effectiveness.counting.outcomes import (
    FOLLOWED,
    Evidence,
    JudgedIncident,
    judge_problem,
)
from kubernaut_effectiveness.counting.problems import AlertProblem, problem_of
from kubernaut_effectiveness.counting.watching import Watch
from kubernaut_effectiveness.service.ledger.judgements import Judgement, JudgementWriter
from kubernaut_effectiveness.service.ledger.rows import (
    ACT_COLUMNS,
    FIRING_COLUMNS,
    JUDGED_FIELDS,
    act_of_row,
    firing_of_row,
    row_of_judged,
)
from kubernaut_effectiveness.settings import HOUR, CountingRules

__all__ = ["Judge", "read_problem"]

_MOST_ACTS = 50_000
"""Acts that are kept between problems of the same targets."""
_CHANGED = ActKind.CHANGED
_BEGAN, _ACTION, _TARGET, _OUTCOME, _RETURNED, _CAUSE, _DECISION, _DECIDED_ON = map(
    JUDGED_FIELDS.index, ("began", "action", "target", "outcome", "returned", "cause", "decision", "decided_on")
)
_BY_TARGET = f"""
SELECT coalesce(target, ''), problem, {ACT_COLUMNS} FROM acts LEFT JOIN fingerprints USING (fingerprint) ORDER BY 1
"""  # noqa: S608 – columns
_LAST_TARGETS = """
SELECT problem, max(coalesce(target, '')) FROM acts JOIN fingerprints USING (fingerprint) GROUP BY problem
"""


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


class _ChangesOnDemand(TargetChanges):
    """The acts that changed each target, read when they are asked for."""

    def __init__(self, connection: sqlite3.Connection, known: dict[str, Act]) -> None:
        super().__init__(())
        self._connection, self._known = connection, known

    def _changes_of(self, target: str) -> OrderedChanges:
        return self._of.get(target) or self.put(target, self._read(target))

    def forget_all(self) -> None:
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

    def judge_all(self, watch: Watch, end: float) -> None:
        """Judge all problems for the first time, as of `end`.

        Targets pass by in order, each with all its records: every record is read once. A problem is judged when the
        last of its targets has passed; a target is forgotten when the last of its problems was judged.
        """
        one = self.connection.execute
        keys: dict[int, str] = dict(one("SELECT id, key FROM problems"))
        last_target: dict[int, str] = dict(one(_LAST_TARGETS))
        acts_of: dict[int, list[Act]] = defaultdict(list)
        passing: dict[str, list[str]] = defaultdict(list)
        changes = TargetChanges(())
        evidence = Evidence(changes=changes, watch=watch, settings=self.settings, now=end)
        writer = JudgementWriter(self.connection, end)
        for target, rows in groupby(one(_BY_TARGET), key=itemgetter(0)):
            problems: set[int] = set()
            changed: list[Act] = []
            for row in rows:
                number, act = row[1], act_of_row(row[2:])
                if act.kind is _CHANGED:
                    changed.append(act)
                if number is not None:
                    problems.add(number)
                    acts_of[number].append(act)
            changes.put(target, changed)
            passing[max((last_target[number] for number in problems), default=target)].append(target)
            for number in sorted(problems):
                if last_target[number] == target:
                    writer.add(self._judge(number, keys.pop(number), acts_of.pop(number), evidence))
            for passed in passing.pop(target, ()):
                changes.forget(passed)
        for number, key in keys.items():
            writer.add(self._judge(number, key, (), evidence))
        writer.flush()

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
        changes = _ChangesOnDemand(self.connection, known)
        evidence = Evidence(changes=changes, watch=watch, settings=self.settings, now=end)
        writer = JudgementWriter(self.connection, end)
        started = time.monotonic()
        for number, since in since_of.items():
            if seconds is not None and time.monotonic() - started > seconds:
                writer.flush()
                return False
            writer.add(self._judge_anew(number, since, evidence, known))
            if len(known) > _MOST_ACTS:
                known.clear()
                changes.forget_all()
        writer.flush()
        return True

    def _judge(
        self,
        number: int,
        key: str,
        acts: Sequence[Act],
        evidence: Evidence,
        problem: AlertProblem | None = None,
        cut: float = -math.inf,
    ) -> Judgement:
        """Return what is found of a problem by its acts; of its incidents those that began at `cut` or later."""
        problem = problem or read_problem(self.connection, number, key, self.settings, evidence.now)
        if problem is None:
            told = self.connection.execute("SELECT 1 FROM fingerprints WHERE problem = ? LIMIT 1", (number,)).fetchone()
            return Judgement(number, key, None, (), restless=told is not None)
        judged = [one for one in judge_problem(problem, acts, evidence) if one.began >= cut] if acts else []
        latest = max((act.ended for act in acts), default=0.0)
        restless = max(latest, problem.incidents[-1].ended) > evidence.now - self._reach(problem)
        return Judgement(number, key, problem, judged, restless=restless)

    def _judge_anew(self, number: int, since: float, evidence: Evidence, known: dict[str, Act]) -> Judgement:
        """Return what is found of a problem of which something may be different from a time on."""
        [(key, incidents)] = self.connection.execute("SELECT key, incidents FROM problems WHERE id = ?", (number,))
        problem = read_problem(self.connection, number, key, self.settings, evidence.now)
        cut, acts = -math.inf, []
        if problem is not None:
            cut = self._cut(number, problem, since - self._reach(problem)) if since > 0 else -math.inf
            rows = self.connection.execute(
                f"SELECT {ACT_COLUMNS} FROM fingerprints JOIN acts USING (fingerprint) "  # noqa: S608 – columns
                "WHERE problem = ? AND decided >= ?",
                (number, cut - HOUR),
            )
            acts = [known.get(row[0]) or known.setdefault(row[0], act_of_row(row)) for row in rows]
        found = self._judge(number, key, acts, evidence, problem, cut)
        self.connection.execute("DELETE FROM flapping WHERE problem = ?", (number,))
        if problem is not None and len(problem.incidents) != incidents:
            named = self.connection.execute("SELECT target FROM named_targets WHERE problem = ?", (number,))
            self.targets.update(target for (target,) in named)
        return found if self._forget_changed(number, cut, found.judged) else replace(found, judged=())

    def _reach(self, problem: AlertProblem) -> float:
        """Return for how long after it something may change what is said of an incident."""
        return self.settings.quiet_time(problem.name) + self.settings.resolve + FOLLOWED + HOUR

    def _cut(self, number: int, problem: AlertProblem, since: float) -> float:
        """Return the beginning of the first incident that may be different: the ones before are as they were."""
        began = [incident.began for incident in problem.incidents if incident.ended >= since]
        row = self.connection.execute(
            "SELECT min(began) FROM judged WHERE problem = ? AND (ended >= ? AND ended < 9e99 OR acted >= ? "
            "AND acted < 9e99)",
            (number, since, since),
        ).fetchone()
        return min([*began, *(value for value in row if value is not None)], default=since)

    def _forget_changed(self, number: int, cut: float, judged: Sequence[JudgedIncident]) -> bool:
        """Forget the incidents of a problem from `cut` on, unless all are as they were; return True if any is not.

        Noted are the action types and targets of those that differ. That a silence lasts is no difference: it does for
        each incident of the last day, and verdicts are made anew for it in turn.
        """
        one, place = self.connection.execute, (number, cut)
        before = {row[_BEGAN]: row for row in one("SELECT * FROM judged WHERE problem = ? AND began >= ?", place)}
        after = {incident.began: row_of_judged(number, incident) for incident in judged}
        if before == after:
            return False
        second_lines: dict[float, set[str]] = defaultdict(set)
        for began, action_type in one(
            "SELECT began, action_type FROM second_lines WHERE problem = ? AND began >= ?", place
        ):
            second_lines[began].add(action_type)
        for incident in judged:
            second_lines[incident.began].update(act.action_type for act in incident.second_line)
        for began in before.keys() | after.keys():
            old, new = before.get(began), after.get(began)
            if old is not None and new is not None and _without_silence(old) == _without_silence(new):
                continue
            for row in (old, new):
                if row is not None:
                    self._touch((row[_ACTION], row[_DECISION]), (row[_TARGET], row[_DECIDED_ON]))
            self._touch(second_lines[began], ())
            if new is not None and (old is None or _answer(old) != _answer(new)):
                self._count(*_answer(new))
        one("DELETE FROM judged WHERE problem = ? AND began >= ?", place)
        one("DELETE FROM second_lines WHERE problem = ? AND began >= ?", place)
        return True

    def _count(self, action: str | None, outcome: str | None) -> None:
        if self.counts and action and outcome and outcome != "pending":
            self.outcomes[action, outcome] += 1

    def _touch(self, types: Iterable[str | None], targets: Iterable[str | None]) -> None:
        self.touched.update(filter(None, types))
        self.targets.update(filter(None, targets))


def _answer(row: Sequence[Any]) -> tuple[str | None, str | None]:
    """Return the action type and the outcome in the row of an incident."""
    return row[_ACTION], row[_OUTCOME]


def _without_silence(row: Sequence[Any]) -> Sequence[Any]:
    """Return the row of an incident without the length of a silence that may still last."""
    return (*row[:_RETURNED], *row[_RETURNED + 1 :]) if row[_CAUSE] is None else row
