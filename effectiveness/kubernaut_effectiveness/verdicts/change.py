"""Has it changed? The trend, the mark of the week, and the alarm."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from kubernaut_effectiveness.counting.outcomes import JudgedIncident, Outcome
from kubernaut_effectiveness.settings import DAY
from kubernaut_effectiveness.statistics.changepoint import ShareChange, find_change
from kubernaut_effectiveness.statistics.cusum import LIMIT, run_cusum
from kubernaut_effectiveness.statistics.multiplicity import q_values
from kubernaut_effectiveness.statistics.proportions import newcombe_interval
from kubernaut_effectiveness.verdicts.models import AlarmState, MarkedChange, Trend
from kubernaut_effectiveness.verdicts.shares import day_of, share_of, votes_of

__all__ = [
    "MARK_QUALITY",
    "CandidateMark",
    "alarm_of",
    "candidate_mark",
    "find_marks",
    "mark_candidates",
    "start_of_week",
    "thinned",
    "trend_of",
]

MARK_QUALITY = 0.05
"""The false discovery rate of marks, over all action types."""
_TREND_TARGETS = 10
_RECENT = 30 * DAY
_BEFORE = 60 * DAY
_HELD = Outcome.HELD  # looked up once: in Python 3.11 that costs as much as all else that is done with an incident


def thinned(incidents: Sequence[JudgedIncident]) -> list[JudgedIncident]:
    """Return the first incident of each target and day, in the order of time: those of one day are not independent."""
    seen: set[tuple[str, float]] = set()
    kept = []
    for incident in sorted(incidents, key=lambda one: (one.acted, one.problem)):
        place = (incident.target, incident.acted // DAY)  # days of UTC, as those that are shown
        if place not in seen:
            seen.add(place)
            kept.append(incident)
    return kept


def trend_of(counted: Sequence[JudgedIncident], now: float) -> Trend:
    """Return the last 30 days against the 60 before; a difference needs 10 targets on each side."""
    split = now - _RECENT
    known = [one for one in counted if one.acted >= split - _BEFORE]
    sides = [
        votes_of((one.target, one.outcome is _HELD) for one in known if (one.acted >= split) is recent)
        for recent in (False, True)
    ]
    before, recent = sides
    shares = Trend(before=share_of(before), recent=share_of(recent))
    if before is None or recent is None or min(before.targets, recent.targets) < _TREND_TARGETS:
        return shares
    lower, upper = newcombe_interval(recent.rate, recent.effective_n, before.rate, before.effective_n)
    return shares.model_copy(update={"difference": recent.rate - before.rate, "lower": lower, "upper": upper})


def start_of_week(now: float) -> float:
    """Return the last Monday's beginning in UTC: marks are looked for once a week, on what was known then."""
    day = int(now // DAY)
    return (day - (day + 3) % 7) * DAY  # day 0 was a Thursday


@lru_cache(maxsize=1024)
def _change_of(series: bytes) -> ShareChange | None:
    """Return the change of a series, a byte an incident; kept, since it stays the same for a week."""
    return find_change([bool(good) for good in series])


def find_marks(counted: Mapping[str, Sequence[JudgedIncident]], now: float) -> dict[str, MarkedChange]:
    """Return the marked changes of all action types, as of the last Monday."""
    found = {action: candidate_mark(incidents, now) for action, incidents in counted.items()}
    return mark_candidates({action: one for action, one in found.items() if one is not None})


class CandidateMark(NamedTuple):
    """The most likely change of one action type, and how probable so large a one is where nothing changed."""

    mark: MarkedChange
    p_value: float


def candidate_mark(counted: Sequence[JudgedIncident], now: float) -> CandidateMark | None:
    """Return the most likely change of an action type in the 90 days before the last Monday; None for too little."""
    monday = start_of_week(now)
    kept = thinned([one for one in counted if monday - _RECENT - _BEFORE <= one.acted < monday])
    change = _change_of(bytes(one.outcome is _HELD for one in kept))
    return None if change is None else CandidateMark(_mark(kept, counted, change), change.p_value)


def mark_candidates(candidates: Mapping[str, CandidateMark]) -> dict[str, MarkedChange]:
    """Return the candidates that hold among all action types (Benjamini–Hochberg)."""
    found = q_values([one.p_value for one in candidates.values()])
    return {
        action: one.mark.model_copy(update={"q_value": q_value})
        for (action, one), q_value in zip(candidates.items(), found, strict=True)
        if q_value <= MARK_QUALITY
    }


def _mark(series: Sequence[JudgedIncident], counted: Sequence[JudgedIncident], change: ShareChange) -> MarkedChange:
    first, last = series[change.earliest - 1].acted, series[change.latest].acted
    days = (day_of(first), day_of(last))
    came_in: dict[str, float] = {}
    for incident in counted:
        if incident.image is not None:
            came_in[incident.image] = min(came_in.get(incident.image, incident.acted), incident.acted)
    began = min((one.acted for one in counted), default=0.0)
    digests = [
        image
        for image, time in sorted(came_in.items(), key=lambda one: (one[1], one[0]))
        if days[0] <= day_of(time) <= days[1] and time > began
    ]
    return MarkedChange(between=days, before=change.before, after=change.after, q_value=1.0, digests=tuple(digests))


def alarm_of(counted: Sequence[JudgedIncident], now: float) -> AlarmState | None:
    """Return the alarm over the last 30 days, or None where fewer than 50 incidents came before."""
    series = thinned(counted)
    split = now - _RECENT
    earlier = [one for one in series if one.acted < split]
    recent = [one for one in series if one.acted >= split]
    failures = sum(one.outcome is not _HELD for one in earlier)
    state = run_cusum(failures, len(earlier), (one.outcome is not _HELD for one in recent))
    if state is None:
        return None
    since = None
    if state.raised_at is not None:
        since = datetime.fromtimestamp(recent[state.raised_at].acted, UTC).strftime("%Y-%m-%d %H:%M")
    return AlarmState(
        raised=state.raised_at is not None, since=since, expected=state.expected, value=state.value, limit=LIMIT
    )
