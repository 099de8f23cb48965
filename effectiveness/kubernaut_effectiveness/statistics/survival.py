"""Survival analysis with censoring and competing causes.

Used for the probability that a signal fires again within a time, and for the curve of it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["CurvePoint", "SurvivalObservation", "aalen_johansen", "incidence_curve", "numbers_at_risk"]


class SurvivalObservation(NamedTuple):
    """The seconds for which one subject was followed, and the cause that ended it; None if it is censored."""

    duration: float
    cause: str | None


def aalen_johansen(observations: Iterable[SurvivalObservation], at: float) -> dict[str, float] | None:
    """Return the cumulative incidence of each cause by time `at` (inclusive): the probability that it comes first.

    At every time t of an event, cause k's incidence grows by S(t−) d_k(t) / Y(t), and the event-free share S shrinks by
    the factor 1 − d(t) / Y(t), where d counts events and Y those still followed just before t. An observation that
    ends at t without an event is still at risk at t. The incidences and S add up to 1; with one cause, its incidence
    is 1 minus the Kaplan–Meier estimate. (With more causes, 1 − Kaplan–Meier for each would be too high: it
    treats a subject that another cause ended as if the first could still occur.)

    Source: O. O. Aalen, S. Johansen (1978), "An empirical transition matrix for non-homogeneous Markov chains based
    on censored observations", Scandinavian Journal of Statistics 5 (3), 141–150; E. L. Kaplan, P. Meier (1958),
    "Nonparametric estimation from incomplete observations", JASA 53 (282), 457–481.

    Returns:
        The incidence of every cause that occurred by `at` (an absent one is 0); or None when the data do not reach
        that far: the last one followed was censored before `at`, or there is no observation.
    """
    kept = sorted(observations, key=_duration)
    free = 1.0
    incidence: dict[str, float] = {}
    place, number = 0, len(kept)
    while place < number and (time := kept[place].duration) <= at:
        first = place
        while place < number and kept[place].duration == time:
            place += 1
        at_risk = number - first
        events = Counter(one.cause for one in kept[first:place] if one.cause is not None)
        if events:
            for cause, count in sorted(events.items()):
                incidence[cause] = incidence.get(cause, 0.0) + free * count / at_risk
            free *= 1 - events.total() / at_risk
    known = bool(kept) and (kept[-1].duration >= at or free == 0)
    return {cause: min(value, 1.0) for cause, value in incidence.items()} if known else None


def _duration(observation: SurvivalObservation) -> float:
    return observation.duration


class CurvePoint(NamedTuple):
    """A step of a curve: from `time` on, the incidence is `incidence`."""

    time: float
    incidence: float


def incidence_curve(observations: Iterable[SurvivalObservation], cause: str, until: float) -> list[CurvePoint]:
    """Return the steps of one cause's cumulative incidence, from 0 to `until` or to the last one followed."""
    kept = sorted(observations, key=_duration)
    at_risk, free, incidence = len(kept), 1.0, 0.0
    points = [CurvePoint(0.0, 0.0)]
    place = 0
    while place < len(kept) and (time := kept[place].duration) <= until:
        ended = place
        while ended < len(kept) and kept[ended].duration == time:
            ended += 1
        causes = [one.cause for one in kept[place:ended]]
        incidence += free * causes.count(cause) / at_risk
        free *= 1 - sum(one is not None for one in causes) / at_risk
        if causes.count(cause):
            points.append(CurvePoint(time, incidence))
        at_risk -= ended - place
        place = ended
    if kept:
        points.append(CurvePoint(min(until, kept[-1].duration), incidence))
    return points


def numbers_at_risk(observations: Iterable[SurvivalObservation], times: Sequence[float]) -> list[int]:
    """Return how many were still followed just before each time."""
    durations = sorted(one.duration for one in observations)
    return [len(durations) - bisect_left(durations, time) for time in times]
