"""Problems that fire again and again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kubernaut_effectiveness.counting.problems import AlertProblem
from kubernaut_effectiveness.settings import HOUR

__all__ = ["Flapping", "find_flapping", "flapping_of"]

WINDOW = 6 * HOUR
BEGINS_AT = 5
ENDS_AT = 1


@dataclass(frozen=True)
class Flapping:
    """A time in which a problem flapped; `until` is None while it does."""

    problem: str
    name: str | None
    since: float
    until: float | None
    firings: int


def flapping_of(times: Sequence[float], now: float) -> list[tuple[float, float | None, int]]:
    """Return from when to when firings were many: it begins at 5 within 6 h, and ends at 1 or fewer.

    The distance between the two keeps one firing more or less from beginning it anew. Nagios' flap detection has two
    thresholds for the same reason.

    Args:
        times: When it fired, in order.
        now: The end of the known history.

    Returns:
        The first firing of the five, when it ended (None if it has not), and the number of firings.
    """
    found: list[tuple[float, float | None, int]] = []
    place = 0
    while place + BEGINS_AT <= len(times):
        if times[place + BEGINS_AT - 1] - times[place] > WINDOW:
            place += 1
            continue
        last = place + BEGINS_AT - 1
        # it goes on while the window before each moment holds more than one firing
        while last + 1 < len(times) and times[last + 1] - times[last - 1] < WINDOW:
            last += 1
        over = times[last - 1] + WINDOW  # then only the last firing is within the window
        found.append((times[place], over if over <= now else None, last - place + 1))
        place = last + 1
    return found


def find_flapping(problems: Iterable[AlertProblem], now: float) -> list[Flapping]:
    """Return the problems that flap now or did, the most firings first."""
    found = []
    for problem in problems:
        times = [fired for incident in problem.incidents for fired, _ in incident.spans]
        for since, until, firings in flapping_of(times, now):
            found.append(Flapping(problem.key, problem.name, since, until, firings))
    return sorted(found, key=lambda one: (one.until is not None, -one.firings, one.problem))
