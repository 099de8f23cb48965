"""The trend and the mark: of which days they are, whatever the window of the history."""

from dataclasses import replace

import pytest

from kubernaut_effectiveness import JudgedIncident, Outcome
from kubernaut_effectiveness.settings import DAY
from kubernaut_effectiveness.verdicts.change import find_marks, start_of_week, trend_of

NOW = 1_780_000_000.0


def incidents(days_ago: range, outcome: Outcome) -> list[JudgedIncident]:
    """Return an incident a day on each of 12 targets."""
    return [
        JudgedIncident("p", "Slow", None, acted, "a/b", f"t{target}", acted, acted, outcome=outcome)
        for day in days_ago
        for target in range(12)
        for acted in [NOW - day * DAY + target * 60]
    ]


def test_a_trend_is_against_the_60_days_before_also_of_a_longer_history() -> None:
    known = [*incidents(range(1, 30), Outcome.HELD), *incidents(range(31, 90), Outcome.HELD)]
    longer = [*incidents(range(91, 180), Outcome.UNRESOLVED), *known]

    trend = trend_of(longer, NOW)
    assert trend == trend_of(known, NOW)
    assert trend.difference == pytest.approx(0)


def test_a_change_of_more_than_90_days_ago_is_not_marked() -> None:
    known = incidents(range(1, 110), Outcome.HELD)
    longer = [*incidents(range(110, 180), Outcome.UNRESOLVED), *known]

    assert find_marks({"a/b": longer}, NOW) == {}


def test_a_change_within_90_days_is_marked_between_its_days() -> None:
    changed = start_of_week(NOW) - 40 * DAY
    known = [
        replace(one, outcome=Outcome.HELD if one.acted < changed else Outcome.UNRESOLVED)
        for one in incidents(range(1, 85), Outcome.HELD)
    ]
    [mark] = find_marks({"a/b": known}, NOW).values()

    assert (mark.before, mark.after) == (1.0, 0.0)
    assert mark.q_value <= 0.05
