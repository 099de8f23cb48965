"""The follow-up of a record's signal after its action: was it resolved, and did it stay silent?

Used by `verdict`, once for every attempt that counts. Three things are followed from the end of the action until the
quiet time has passed or the known history ends:

* The episode that was firing is the one the action answers. It is no recurrence, but it must be resolved by the end
  of the quiet time. Alerts resolve minutes late, so only that end counts.
* An episode of the same fingerprint that begins after the action's end is a recurrence.
* If an action of another type acts on the same target in that time, nobody can know which of the two helped. That
  competes with the recurrence, and ends the follow-up. Only an action that may have changed something counts: no dry
  run, no `unchanged`, no failure before the change was applied.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

from kubernaut_effectiveness.episode import Episode
from kubernaut_effectiveness.survival import SurvivalObservation
from kubernaut_sdk.records import ObjectRef, Record, State

__all__ = ["Competitors", "EpisodeHistory", "FollowUp", "SignalOutcome", "end_time", "follow"]

NEVER = datetime.max.replace(tzinfo=UTC)


class SignalOutcome(StrEnum):
    """The result of following the signal of one attempt."""

    HELD = "held"
    """The action succeeded, its signal was resolved and stayed silent, and nothing else acted: durable success."""
    FAILED = "failed"
    """The action itself failed or timed out."""
    RECURRED = "recurred"
    """The signal fired again."""
    UNRESOLVED = "unresolved"
    """The signal was still firing at the end of the quiet time."""
    SUPERSEDED = "superseded"
    """An action of another type acted on the same target first."""
    CENSORED = "censored"
    """The known history ends before the quiet time does."""


class FollowUp(NamedTuple):
    """The follow-up of one attempt."""

    outcome: SignalOutcome
    elapsed: timedelta
    """The time from the action's end to the outcome."""
    complete: bool
    """True if the whole quiet time has passed."""

    @property
    def survival_observation(self) -> SurvivalObservation:
        """The input of survival analysis. An attempt that held is censored at the end of the quiet time."""
        eventless = self.outcome in {SignalOutcome.HELD, SignalOutcome.CENSORED}
        return SurvivalObservation(self.elapsed.total_seconds(), None if eventless else self.outcome.value)


def end_time(record: Record) -> datetime:
    """Return the time at which a record's action ended; for one that has not, the time of its last event."""
    return record.finished_at or record.at


class EpisodeHistory:
    """The episodes of every signal, in the order in which they fired."""

    def __init__(self, episodes: Iterable[Episode], *, until: datetime) -> None:
        known: dict[str, dict[datetime, datetime]] = defaultdict(dict)
        for episode in episodes:
            if episode.fired_at <= until:
                times = known[episode.fingerprint]
                # reported once as firing and once as resolved, it is one episode, and resolved
                times[episode.fired_at] = min(times.get(episode.fired_at, NEVER), episode.resolved_at or NEVER)
        self._known = {fingerprint: sorted(times.items()) for fingerprint, times in known.items()}

    def answered_and_next(self, fingerprint: str, end: datetime) -> tuple[datetime, datetime] | None:
        """Return when the episode that an action answers was resolved, and when the next one fired.

        Only the last episode before `end` matters: an earlier one must have ended before the signal could fire again,
        even if it was never reported as resolved. A time that has not come is `NEVER`.

        Returns:
            None if no episode is known that began before `end`: a source that missed this firing may miss the next.
        """
        times = self._known.get(fingerprint, [])
        following = bisect_right(times, end, key=lambda time: time[0])
        if not following:
            return None
        return times[following - 1][1], times[following][0] if following < len(times) else NEVER


class Competitors:
    """The times at which each type of action acted on each target."""

    def __init__(self, records: Iterable[Record]) -> None:
        spans: dict[ObjectRef | str, dict[str, list[tuple[datetime, datetime]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for record in records:
            if record.target is not None and record.action_type is not None and _may_have_changed(record):
                start = record.started_at or record.at
                spans[record.target][record.action_type].append((start, end_time(record)))
        self._spans = {
            target: {action_type: _latest_ends(times) for action_type, times in by_type.items()}
            for target, by_type in spans.items()
        }

    def first_action_after(self, record: Record) -> datetime:
        """Return when an action of another type first acted on the target, at or after the end of `record`'s action."""
        if record.target is None:
            return NEVER
        end = end_time(record)
        times: list[datetime] = []
        for action_type, (starts, ends) in self._spans.get(record.target, {}).items():
            if action_type == record.action_type:
                continue
            following = bisect_right(starts, end)
            if following and ends[following - 1] > end:
                times.append(end)
            elif following < len(starts):
                times.append(starts[following])
        return min(times, default=NEVER)


def _may_have_changed(record: Record) -> bool:
    """Return True if an action may have changed its target. It has not before its change is on record."""
    if record.dry_run:
        return False
    if record.state in {State.SUCCEEDED, State.APPLYING}:
        return True
    interrupted = record.state in {State.LOST, State.FAILED, State.CANCELLED, State.TIMED_OUT}
    return interrupted and record.change is not None and not record.change.empty


def _latest_ends(times: list[tuple[datetime, datetime]]) -> tuple[list[datetime], list[datetime]]:
    """Return the starts in order, and for each the latest end of all that started by then."""
    ordered = sorted(times)
    return [start for start, _ in ordered], list(accumulate((end for _, end in ordered), max))


def follow(
    record: Record, *, history: EpisodeHistory, competitors: Competitors, until: datetime, quiet: timedelta
) -> FollowUp | None:
    """Follow an attempt's signal for `quiet` after its end, but not beyond `until`, where the known history ends.

    An event exactly at the end of the quiet time still counts. A recurrence at the same moment as another action is a
    recurrence.

    Returns:
        None if the record names no signal, or one that is not known to have fired before the action ended.
    """
    end = end_time(record)
    episodes = history.answered_and_next(record.signal.fingerprint, end) if record.signal else None
    if episodes is None:
        return None
    resolved, fired = episodes
    deadline = end + quiet
    complete = deadline <= until
    if record.state is not State.SUCCEEDED:
        return FollowUp(SignalOutcome.FAILED, timedelta(0), complete)
    last = deadline if complete else max(end, until)
    superseded = competitors.first_action_after(record)
    first, outcome = min(
        (fired, SignalOutcome.RECURRED), (superseded, SignalOutcome.SUPERSEDED), key=lambda event: event[0]
    )
    if first <= last:
        return FollowUp(outcome, first - end, complete)
    if not complete:
        return FollowUp(SignalOutcome.CENSORED, last - end, complete)
    return FollowUp(SignalOutcome.UNRESOLVED if resolved > deadline else SignalOutcome.HELD, quiet, complete)
