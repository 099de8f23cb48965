"""All patterns of a fleet, and the sentences that say them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

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
from kubernaut_effectiveness.verdicts.words import minute_of, plural

__all__ = [
    "PATTERN_MEANINGS",
    "FoundPattern",
    "Patterns",
    "find_patterns",
    "found_patterns",
    "pattern_sections",
]


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


PATTERN_MEANINGS = {
    "flapping": "Flapping: 5 firings in 6 hours",
    "circle": "Circles: B put back what A had changed, and A changed it again",
    "growth": "Growth: raised again by what it was raised to",
    "crowd": "Three or more actions on one target in two hours (a count, not a finding)",
    "follow-up": "Follow-ups: acts next within an incident more often than by chance",
    "side effect": "Side effects: another problem on the target within 30 min",
}
"""The kinds of patterns in the order of reports, each with its meaning."""


@dataclass(frozen=True)
class FoundPattern:
    """A pattern in words.

    Attributes:
        kind: A key of `PATTERN_MEANINGS`.
        subject: The problem, target or type of action that it is about.
        sentence: The rest of the sentence about the subject.
        pattern: The pattern itself.
    """

    kind: str
    subject: str
    sentence: str
    pattern: Flapping | Cycle | Growth | Crowd | FollowUp | SideEffect

    def __str__(self) -> str:
        return f"{self.subject}: {self.sentence}"

    @property
    def target(self) -> str | None:
        """The target that it is about, if it is about one."""
        return self.pattern.target if isinstance(self.pattern, Cycle | Growth | Crowd) else None


def found_patterns(patterns: Patterns) -> Iterator[FoundPattern]:
    """Yield the patterns worth a sentence, kind by kind."""
    for flapping in patterns.flapping:
        end = " and still" if flapping.until is None else f" until {minute_of(flapping.until)}"
        sentence = f"{plural(flapping.firings, 'firing')} since {minute_of(flapping.since)}{end}{_labels(flapping)}"
        yield FoundPattern("flapping", flapping.name or flapping.problem, sentence, flapping)
    for cycle in patterns.cycles:
        chain = f"{cycle.first} → {cycle.back} → {cycle.first}"
        sentence = f"{chain}, {plural(cycle.times, 'time')}, last {minute_of(cycle.last)}"
        yield FoundPattern("circle", cycle.target, sentence, cycle)
    for growth in patterns.growth:
        sentence = f"{growth.action_type} {growth.path} {' → '.join(growth.values)}, last {minute_of(growth.last)}"
        yield FoundPattern("growth", growth.target, sentence, growth)
    for crowd in patterns.crowds:
        period = f"from {minute_of(crowd.since)} to {minute_of(crowd.until)}"
        yield FoundPattern("crowd", crowd.target, f"{crowd.acts} actions {period} ({', '.join(crowd.types)})", crowd)
    for one in patterns.follow_ups:
        seen = f"{plural(one.cases, 'case')} on {plural(one.targets, 'target')}"
        often = f"{one.lift:.1f} times as often ({one.lower:.1f}–{one.upper:.1f}), q = {one.q_value:.2g}"
        yield FoundPattern("follow-up", f"{one.first} then {one.following}", f"{seen}, {often}", one)
    for effect in patterns.side_effects:
        if effect.shown or effect.otherwise == 0:
            yield FoundPattern(
                "side effect", f"{effect.alert} after {effect.action_type}", _side_effect(effect), effect
            )


def pattern_sections(patterns: Patterns) -> Iterator[tuple[str, list[FoundPattern]]]:
    """Yield the meanings of the patterns, each with what was found."""
    found = list(found_patterns(patterns))
    for kind, meaning in PATTERN_MEANINGS.items():
        yield meaning, [one for one in found if one.kind == kind]


def _labels(flapping: Flapping) -> str:
    """Return the labels by which a problem differs from others of its name, in brackets."""
    try:
        labels = json.loads(flapping.problem)
    except ValueError:
        return ""  # its labels are not known
    shown = [f"{name}={text}" for name, text in labels.items() if name != "alertname"]
    return f" ({', '.join(shown)})" if shown else ""


def _side_effect(one: SideEffect) -> str:
    seen = f"{one.cases} of {one.acted}"
    if not one.shown:
        return f"{seen} (seen after; there is no baseline)"
    return f"{seen}, otherwise {one.otherwise_cases} of {one.otherwise}, q = {one.q_value:.2g}"
