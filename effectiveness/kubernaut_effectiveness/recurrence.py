"""What became of a record's signal after its action: did it fall silent, and did it stay so?

Called by `verdict`, once for every attempt that counts. Three things are followed from the moment the action ended,
for as long as the quiet time asks and knowledge reaches:

* The episode that was firing is the one the action answers, so it is no recurrence; but it has to be resolved by the
  end of the quiet time. Alerts resolve minutes late, so before that end nothing is held against the action.
* An episode of the same fingerprint that begins after the end is a recurrence.
* A different action on the same target that acts meanwhile makes it unknowable which of the two helped. It competes
  with the recurrence; what comes after it is not looked at. Only what may have changed the world counts: no dry
  run, nothing that found all in place, nothing that failed before it began to apply.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

from kubernaut_effectiveness.episode import Episode
from kubernaut_effectiveness.survival import Observation
from kubernaut_sdk.records import ObjectRef, Record, State

__all__ = ["Competitors", "Followed", "Outcome", "Signals", "ended", "follow"]

NEVER = datetime.max.replace(tzinfo=UTC)


class Outcome(StrEnum):
    """How following one attempt ended."""

    HELD = "held"
    """The action succeeded, its signal was resolved and stayed silent, and nothing else acted: durable success."""
    FAILED = "failed"
    """The action itself failed or timed out."""
    RECURRED = "recurred"
    """The signal fired anew."""
    UNRESOLVED = "unresolved"
    """The signal was still firing at the end of the quiet time."""
    SUPERSEDED = "superseded"
    """A different action acted on the same target first."""
    CENSORED = "censored"
    """Knowledge ends before the quiet time does."""


class Followed(NamedTuple):
    """One attempt, followed."""

    outcome: Outcome
    elapsed: timedelta
    """From the action's end to the outcome."""
    complete: bool
    """Whether the whole quiet time has passed, whatever happened in it."""

    @property
    def observation(self) -> Observation:
        """As survival analysis takes it: holding out to the end, too, is the end of the following, not an event."""
        eventless = self.outcome in {Outcome.HELD, Outcome.CENSORED}
        return Observation(self.elapsed.total_seconds(), None if eventless else self.outcome.value)


def ended(record: Record) -> datetime:
    """When a record's action ended; for one that has not, the last that is known of it."""
    return record.finished_at or record.at


class Signals:
    """The episodes of every signal, in order of firing."""

    def __init__(self, episodes: Iterable[Episode], *, until: datetime) -> None:
        known: dict[str, dict[datetime, datetime]] = defaultdict(dict)
        for episode in episodes:
            if episode.fired_at <= until:
                times = known[episode.fingerprint]
                # Told twice, once as firing and once as resolved, it is one episode, and resolved.
                times[episode.fired_at] = min(times.get(episode.fired_at, NEVER), episode.resolved_at or NEVER)
        self._known = {fingerprint: sorted(times.items()) for fingerprint, times in known.items()}

    def around(self, fingerprint: str, end: datetime) -> tuple[datetime, datetime] | None:
        """When the episode that an action answers was resolved, and when the next one fired.

        Only the last episode before `end` matters: an earlier one that nobody has called resolved ended when the signal
        could fire again. None when no episode that began by then is known: whoever did not hear the signal fire cannot
        be trusted to hear it fire again. What has not happened is at the end of time.
        """
        times = self._known.get(fingerprint, [])
        following = bisect_right(times, end, key=lambda time: time[0])
        if not following:
            return None
        return times[following - 1][1], times[following][0] if following < len(times) else NEVER


class Competitors:
    """When which type of action acted on which target."""

    def __init__(self, records: Iterable[Record]) -> None:
        spans: dict[ObjectRef | str, dict[str, list[tuple[datetime, datetime]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for record in records:
            if record.target is not None and record.action_type is not None and _acted(record):
                start = record.started_at or record.at
                spans[record.target][record.action_type].append((start, ended(record)))
        self._spans = {
            target: {action_type: _running_ends(times) for action_type, times in by_type.items()}
            for target, by_type in spans.items()
        }

    def first(self, record: Record) -> datetime:
        """When, at or after the end of `record`'s action, an action of another type first acted on its target."""
        if record.target is None:
            return NEVER
        end = ended(record)
        found: list[datetime] = []
        for action_type, (starts, ends) in self._spans.get(record.target, {}).items():
            if action_type == record.action_type:
                continue
            following = bisect_right(starts, end)
            if following and ends[following - 1] > end:
                found.append(end)
            elif following < len(starts):
                found.append(starts[following])
        return min(found, default=NEVER)


def _acted(record: Record) -> bool:
    """Whether an action may have changed the world. Before its change is on record, it has not."""
    if record.dry_run:
        return False
    if record.state in {State.SUCCEEDED, State.APPLYING}:
        return True
    interrupted = record.state in {State.LOST, State.FAILED, State.CANCELLED, State.TIMED_OUT}
    return interrupted and record.change is not None and not record.change.empty


def _running_ends(times: list[tuple[datetime, datetime]]) -> tuple[list[datetime], list[datetime]]:
    """The starts in order, and beside each the latest end of all that started by then."""
    ordered = sorted(times)
    return [start for start, _ in ordered], list(accumulate((end for _, end in ordered), max))


def follow(
    record: Record, *, signals: Signals, competitors: Competitors, until: datetime, quiet: timedelta
) -> Followed | None:
    """Follow an attempt's signal for `quiet` after its end, as far as `until`, where knowledge ends.

    What happens exactly at the end of the quiet time still counts. A recurrence at the very moment at which another
    action acts is a recurrence.

    Returns:
        None when the record names no signal, or one that nobody heard fire before the action ended: unknown, not quiet.
    """
    end = ended(record)
    around = signals.around(record.signal.fingerprint, end) if record.signal else None
    if around is None:
        return None
    resolved, fired = around
    deadline = end + quiet
    complete = deadline <= until
    if record.state is not State.SUCCEEDED:
        return Followed(Outcome.FAILED, timedelta(0), complete)
    last = deadline if complete else max(end, until)
    superseded = competitors.first(record)
    first, outcome = min((fired, Outcome.RECURRED), (superseded, Outcome.SUPERSEDED), key=lambda event: event[0])
    if first <= last:
        return Followed(outcome, first - end, complete)
    if not complete:
        return Followed(Outcome.CENSORED, last - end, complete)
    return Followed(Outcome.UNRESOLVED if resolved > deadline else Outcome.HELD, quiet, complete)
