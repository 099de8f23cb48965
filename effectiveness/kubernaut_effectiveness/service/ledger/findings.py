"""The patterns of a ledger: kept by target, found anew where something changed."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from kubernaut_effectiveness.patterns.flapping import Flapping
from kubernaut_effectiveness.patterns.incidents import (
    FollowCase,
    SideEffectCounts,
    tested_follow_ups,
    tested_side_effects,
)
from kubernaut_effectiveness.patterns.report import Patterns
from kubernaut_effectiveness.patterns.targets import Crowd, Cycle, Growth, find_crowds, find_cycles, find_growth
from kubernaut_effectiveness.service.ledger.judging import read_problem
from kubernaut_effectiveness.service.ledger.rows import ACT_COLUMNS, JUDGED_COLUMNS, act_of_row, judged_of_row
from kubernaut_effectiveness.settings import CountingRules

__all__ = ["find_at_target", "read_flapping", "read_patterns"]

_LISTED = 1_000
"""Findings of one kind that are shown, at most."""


def find_at_target(connection: sqlite3.Connection, target: str, settings: CountingRules, end: float) -> None:
    """Find the patterns of one target anew."""
    acts = [
        act_of_row(row)
        for row in connection.execute(
            f"SELECT {ACT_COLUMNS}, before, after FROM acts WHERE target = ? AND kind = 'changed' "  # noqa: S608
            "ORDER BY began, id",
            (target,),
        )
    ]
    found: list[tuple[str, int, float, Any]] = []
    if acts:
        of = {target: acts}
        found += [("crowd", one.acts, one.until, one) for one in find_crowds(of)]
        found += [("cycle", one.times, one.last, one) for one in find_cycles(of)]
        found += [("growth", len(one.values), one.last, one) for one in find_growth(of)]
    connection.execute("DELETE FROM findings WHERE target = ?", (target,))
    connection.executemany(
        "INSERT INTO findings VALUES (?, ?, ?, ?, ?)",
        [(target, kind, number, last, json.dumps(asdict(one))) for kind, number, last, one in found],
    )
    _count_side_effects(connection, target, settings, end)


def _count_side_effects(connection: sqlite3.Connection, target: str, settings: CountingRules, end: float) -> None:
    connection.execute("DELETE FROM side_effects WHERE target = ?", (target,))
    ids: dict[int, str] = dict(
        connection.execute(
            "SELECT id, key FROM problems WHERE id IN (SELECT problem FROM judged WHERE target = ? "
            "UNION SELECT problem FROM judged WHERE decided_on = ? "
            "UNION SELECT problem FROM named_targets WHERE target = ?)",
            (target, target, target),
        )
    )
    if len(ids) < 2:
        return  # nothing else ever fired here
    rows = connection.execute(
        f"SELECT {JUDGED_COLUMNS} FROM judged JOIN problems ON problems.id = problem "  # noqa: S608 – columns
        "WHERE target = ? OR decided_on = ?",
        (target, target),
    )
    judged = [judged_of_row(row) for row in rows]
    problems = {
        key: problem
        for number, key in ids.items()
        if (problem := read_problem(connection, number, key, settings, end)) is not None
    }
    counts = SideEffectCounts()
    counts.add([one for one in judged if one.problem in problems], problems, on=target)
    connection.executemany(
        "INSERT INTO side_effects VALUES (?, ?, ?, ?, ?)",
        [
            (target, action_type, alert, withheld, cases)
            for (action_type, alert), both in counts.seen.items()
            for withheld, cases in enumerate(both)
            if cases
        ],
    )


def read_patterns(connection: sqlite3.Connection) -> Patterns:
    """Return the patterns of a ledger."""
    return Patterns(
        flapping=read_flapping(connection),
        cycles=[Cycle(**one) for one in _documents(connection, "cycle")],
        crowds=[Crowd(**{**one, "types": tuple(one["types"])}) for one in _documents(connection, "crowd")],
        growth=[Growth(**{**one, "values": tuple(one["values"])}) for one in _documents(connection, "growth")],
        follow_ups=tested_follow_ups(
            FollowCase(*row)
            for row in connection.execute("SELECT name, action, following, target FROM judged WHERE following NOTNULL")
        ),
        side_effects=tested_side_effects(_side_effects(connection)),
    )


def read_flapping(connection: sqlite3.Connection, keys: Iterable[str] | None = None) -> list[Flapping]:
    """Return the problems that flap or did; of some keys, or those that flap most."""
    query = "SELECT key, name, since, until, firings FROM flapping JOIN problems ON problems.id = problem"
    order = "ORDER BY until IS NOT NULL, firings DESC, key"
    if keys is None:
        rows = connection.execute(f"{query} {order} LIMIT ?", (_LISTED,))
    else:
        rows = connection.execute(
            f"{query} WHERE key IN (SELECT value FROM json_each(?)) {order}",  # noqa: S608 – texts of this function
            (json.dumps(list(keys)),),
        )
    return [Flapping(*row) for row in rows]


def _documents(connection: sqlite3.Connection, kind: str) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT document FROM findings WHERE kind = ? ORDER BY number DESC, last DESC LIMIT ?", (kind, _LISTED)
    )
    return [json.loads(text) for (text,) in rows]


def _side_effects(connection: sqlite3.Connection) -> SideEffectCounts:
    counts = SideEffectCounts()
    for action_type, alert, withheld, cases in connection.execute(
        "SELECT action_type, alert, withheld, sum(cases) FROM side_effects GROUP BY 1, 2, 3"
    ):
        counts.seen[action_type, alert][withheld] = cases
    if counts.seen:
        for action_type, withheld, number in connection.execute(
            "SELECT decision, withheld, count(*) FROM judged WHERE decision IS NOT NULL GROUP BY 1, 2"
        ):
            counts.arms[action_type][withheld] = number
    return counts
