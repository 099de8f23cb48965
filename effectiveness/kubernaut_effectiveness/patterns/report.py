"""All patterns of a fleet, and the sentences that say them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from kubernaut_effectiveness.patterns.flapping import Flapping, find_flapping
from kubernaut_effectiveness.patterns.incidents import FollowUp, SideEffect, find_follow_ups, find_side_effects
from kubernaut_effectiveness.patterns.targets import (
    Crowd,
    Cycle,
    Growth,
    changes_by_target,
    find_crowds,
    find_cycles,
    find_growth,
)
from kubernaut_effectiveness.verdicts.fleet import Fleet
from kubernaut_effectiveness.verdicts.words import plural

__all__ = ["Patterns", "find_patterns", "minute_of", "pattern_sections"]


@dataclass(frozen=True)
class Patterns:
    """The patterns of a fleet."""

    flapping: list[Flapping]
    cycles: list[Cycle]
    crowds: list[Crowd]
    growth: list[Growth]
    follow_ups: list[FollowUp]
    side_effects: list[SideEffect]


def find_patterns(fleet: Fleet) -> Patterns:
    """Return the patterns of a fleet."""
    by_target = changes_by_target(fleet.acts)
    return Patterns(
        flapping=find_flapping(fleet.problems.values(), fleet.now),
        cycles=find_cycles(by_target),
        crowds=find_crowds(by_target),
        growth=find_growth(by_target),
        follow_ups=find_follow_ups(fleet.judged),
        side_effects=find_side_effects(fleet.judged, fleet.problems),
    )


def minute_of(time: float) -> str:
    """Return a time to the minute, in UTC: `2026-01-31 09:05`."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")


def pattern_sections(patterns: Patterns) -> Iterator[tuple[str, list[str]]]:
    """Yield the headings of the patterns, each with its sentences."""
    yield (
        "Flapping: 5 firings in 6 hours",
        [
            f"{one.name or one.problem}: {plural(one.firings, 'firing')} since {minute_of(one.since)}"
            + (" and still" if one.until is None else f" until {minute_of(one.until)}")
            for one in patterns.flapping
        ],
    )
    yield (
        "Circles: B put back what A had changed, and A changed it again",
        [
            f"{one.target}: {one.first} → {one.back} → {one.first}, {plural(one.times, 'time')}, "
            f"last {minute_of(one.last)}"
            for one in patterns.cycles
        ],
    )
    yield (
        "Growth: raised again by what it was raised to",
        [
            f"{one.target}: {one.action_type} {one.path} {' → '.join(one.values)}, last {minute_of(one.last)}"
            for one in patterns.growth
        ],
    )
    yield (
        "Three or more actions on one target in two hours (a count, not a finding)",
        [
            f"{one.target}: {one.acts} from {minute_of(one.since)} to {minute_of(one.until)} ({', '.join(one.types)})"
            for one in patterns.crowds
        ],
    )
    yield (
        "Follow-ups: acts next within an incident more often than by chance",
        [
            f"{one.first} then {one.following}: {plural(one.cases, 'case')} on {plural(one.targets, 'target')}, "
            f"{one.lift:.1f} times as often ({one.lower:.1f}–{one.upper:.1f}), q = {one.q_value:.2g}"
            for one in patterns.follow_ups
        ],
    )
    yield (
        "Side effects: another problem on the target within 30 min",
        [_side_effect(one) for one in patterns.side_effects if one.shown or one.otherwise == 0],
    )


def _side_effect(one: SideEffect) -> str:
    seen = f"{one.alert} after {one.action_type}: {one.cases} of {one.acted}"
    if not one.shown:
        return f"{seen} (seen after; there is no baseline)"
    return f"{seen}, otherwise {one.otherwise_cases} of {one.otherwise}, q = {one.q_value:.2g}"
