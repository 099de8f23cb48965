"""Patterns of what was done to one target: many actions at once, circles, and growth."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from kubernaut_effectiveness.counting.acts import Act, ActKind, canonical_text
from kubernaut_effectiveness.settings import DAY, HOUR
from kubernaut_sdk.quantities import parse_quantity

__all__ = ["Crowd", "Cycle", "Growth", "changes_by_target", "find_crowds", "find_cycles", "find_growth"]

CROWD = 3
CROWD_WINDOW = 2 * HOUR
CYCLE_WINDOW = DAY


@dataclass(frozen=True)
class Crowd:
    """Three or more actions on one target within two hours."""

    target: str
    since: float
    until: float
    acts: int
    types: tuple[str, ...]


@dataclass(frozen=True)
class Cycle:
    """A changed something, B put back what A had changed, and A changed it again."""

    target: str
    first: str
    back: str
    times: int
    last: float


@dataclass(frozen=True)
class Growth:
    """One field that was raised again by what it was raised to."""

    target: str
    action_type: str
    path: str
    values: tuple[str, ...]
    last: float


def changes_by_target(acts: Iterable[Act]) -> dict[str, list[Act]]:
    """Return the acts that changed each target, in order."""
    by_target: dict[str, list[Act]] = defaultdict(list)
    for act in acts:
        if act.target is not None and act.kind is ActKind.CHANGED:
            by_target[act.target].append(act)
    for found in by_target.values():
        found.sort(key=lambda act: (act.began, act.id))
    return dict(by_target)


def find_crowds(by_target: Mapping[str, Sequence[Act]]) -> list[Crowd]:
    """Return the times at which three or more actions changed one target within two hours: counts, not findings."""
    found = []
    for target, acts in by_target.items():
        groups: list[tuple[int, int]] = []
        for place in range(len(acts) - CROWD + 1):
            last = place + CROWD - 1
            if acts[last].began - acts[place].began <= CROWD_WINDOW:
                first = groups.pop()[0] if groups and place <= groups[-1][1] else place
                groups.append((first, last))
        for first, last in groups:
            within = acts[first : last + 1]
            types = tuple(dict.fromkeys(act.action_type for act in within))
            found.append(Crowd(target, within[0].began, within[-1].began, len(within), types))
    return sorted(found, key=lambda one: (-one.acts, -one.until))


def find_cycles(by_target: Mapping[str, Sequence[Act]]) -> list[Cycle]:
    """Return the circles A→B→A within 24 h, read from the values of the changes; what else changed matters not."""
    counted: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for target, acts in by_target.items():
        changed = [act for act in acts if act.changes]
        places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, act in enumerate(changed):
            places[_values(act)].append(place)
        for (before, after), ways in list(places.items()):
            backs = places.get((after, before), [])
            for place, again in pairwise(ways):
                one, three = changed[place], changed[again]
                if one.action_type != three.action_type or three.began - one.began > CYCLE_WINDOW:
                    continue
                back = bisect_right(backs, place)
                if back < len(backs) and backs[back] < again:
                    counted[target, one.action_type, changed[backs[back]].action_type].append(three.began)
    cycles = [Cycle(*place, len(times), max(times)) for place, times in counted.items()]
    return sorted(cycles, key=lambda one: (-one.times, -one.last, one.target))


def find_growth(by_target: Mapping[str, Sequence[Act]]) -> list[Growth]:
    """Return the chains in which one field was raised, at least twice, each time from what it was raised to."""
    found: list[Growth] = []
    for target, acts in by_target.items():
        chains: dict[tuple[str, str], list[tuple[_Size, float]]] = {}
        for act in acts:
            for path, before, after in _raised(act.before, act.after, ""):
                place = (act.action_type, path)
                chain = chains.get(place)
                if chain is None or chain[-1][0].number != before.number:
                    found += _grown(target, place, chain or ())
                    chain = chains[place] = [(before, act.began)]
                chain.append((after, act.began))
        for place, chain in chains.items():
            found += _grown(target, place, chain)
    return sorted(found, key=lambda one: (-len(one.values), -one.last, one.target))


class _Size(NamedTuple):
    """A quantity: as it is written, and its number."""

    text: str
    number: float


def _grown(target: str, place: tuple[str, str], chain: Sequence[tuple[_Size, float]]) -> Iterator[Growth]:
    if len(chain) >= 3:
        yield Growth(target, *place, tuple(size.text for size, _ in chain), chain[-1][1])


def _raised(before: Any, after: Any, path: str) -> Iterator[tuple[str, _Size, _Size]]:
    """Yield each field that is a quantity on both sides and was raised."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() & after.keys(), key=str):
            yield from _raised(before[name], after[name], f"{path}.{name}" if path else str(name))
        return
    one, other = parse_quantity(before), parse_quantity(after)
    if one is not None and other is not None and other > one > 0:
        yield path or "value", _Size(str(before), float(one)), _Size(str(after), float(other))


def _values(act: Act) -> tuple[str, str]:
    return canonical_text(act.before), canonical_text(act.after)
