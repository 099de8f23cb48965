"""The verdict on each type of action: how often it succeeds, and how often that lasts.

`verdicts` is the entry point.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kubernaut_effectiveness.episode import Episode
from kubernaut_effectiveness.rates import weighted_rate, wilson_interval
from kubernaut_effectiveness.recurrence import Competitors, EpisodeHistory, FollowUp, SignalOutcome, end_time, follow
from kubernaut_effectiveness.survival import aalen_johansen
from kubernaut_sdk.records import Record, State

__all__ = ["COUNTED", "ENOUGH", "QUIET", "DurableSuccess", "EffectivenessVerdict", "verdicts"]

COUNTED = frozenset({State.SUCCEEDED, State.FAILED, State.TIMED_OUT})
"""The states of a real, finished attempt to change the world.

Not among them: `unchanged` (nothing was done), `cancelled` (it says nothing about the action) and `lost` (its end is
unknown).
"""
ENOUGH = 5
"""The smallest number of outcomes for which a rate is given."""
QUIET = timedelta(minutes=30)
"""The default time for which a signal has to stay silent."""

Proportion = Annotated[float, Field(ge=0, le=1)]


class _FrozenModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DurableSuccess(_FrozenModel):
    """The durable success of one action type: the action succeeded, its signal stayed silent, nothing else acted."""

    quiet_seconds: float
    """The time for which the signal was followed after the action."""
    n: int
    """The number of attempts whose signal could be followed: the sum of `outcomes`."""
    unknown: int
    """The number of other attempts: without a signal, or with one that is not known to have fired."""
    outcomes: dict[SignalOutcome, int]
    """The number of attempts by outcome; an outcome that did not occur is absent."""
    refusal: str | None = None
    """The reason why no rate is given."""
    rate: Proportion | None = None
    """The probability that an attempt is a durable success: Aalen–Johansen's event-free share at `quiet_seconds`."""
    lower: Proportion | None = None
    upper: Proportion | None = None
    recurrence: Proportion | None = None
    """The probability that a signal fires again within `quiet_seconds` after an action that succeeded."""
    recurrence_lower: Proportion | None = None
    recurrence_upper: Proportion | None = None


class EffectivenessVerdict(_FrozenModel):
    """The effectiveness of one action type. Estimates are absent where there are too few outcomes."""

    action_type: str
    n: int
    """The number of real, finished attempts to change something."""
    successes: int
    """The number of attempts that succeeded."""
    excluded: dict[str, int]
    """The number of records that do not count, by state; all dry runs are under `dry_run`, undos under `undo`."""
    refusal: str | None = None
    """The reason why no rate is given."""
    rate: Proportion | None = None
    lower: Proportion | None = None
    upper: Proportion | None = None
    effective_n: float | None = None
    """The number of equally weighted outcomes that carry as much information as the weighted ones."""
    weighted_rate: Proportion | None = None
    """The rate with more weight for recent outcomes; also absent where `effective_n` is too small."""
    weighted_lower: Proportion | None = None
    weighted_upper: Proportion | None = None
    durable: DurableSuccess | None = None
    """None if no attempt's signal could be followed."""


def verdicts(
    records: Iterable[Record],
    episodes: Iterable[Episode],
    *,
    now: datetime,
    known_until: datetime | None = None,
    quiet: timedelta = QUIET,
) -> list[EffectivenessVerdict]:
    """Return a verdict on each action type that has a record, the best first.

    They are ranked by the lower bound of the rate, so that 3 of 3 does not beat 190 of 200; those with not enough data
    come last, the most attempts first. Records without an action type belong to none and are left out.

    Args:
        records: All records of the window, of every type: one type's actions compete with another's on the same
            target, so choose among the verdicts, not among the records.
        episodes: The episodes of the records' signals in the window, and those that were firing when it began.
        now: The time from which ages are counted, and at which following ends.
        known_until: The end of the known history of signals, if that is before `now`.
        quiet: The time for which a signal has to stay silent for a success to be durable.

    Raises:
        ValueError: a time has no zone, or `quiet` is not positive.
    """
    for time in (now, known_until):
        if time is not None and time.tzinfo is None:
            raise ValueError(f"a time needs its zone, such as 2026-01-31T09:05:07Z; {time.isoformat()} has none")
    if quiet <= timedelta(0):
        raise ValueError(f"a quiet time is positive, not {quiet}")
    until = now if known_until is None else min(now, known_until)
    by_type: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.action_type is not None:
            by_type[record.action_type].append(record)
    history = EpisodeHistory(episodes, until=until)
    competitors = Competitors(record for typed in by_type.values() for record in typed)
    judged = []
    for action_type, typed in by_type.items():
        counted: list[Record] = []
        excluded: Counter[str] = Counter()
        for record in typed:
            if (reason := _exclusion_reason(record)) is None:
                counted.append(record)
            else:
                excluded[reason] += 1
        followed = [
            follow(record, history=history, competitors=competitors, until=until, quiet=quiet) for record in counted
        ]
        judged.append(_verdict(action_type, counted, excluded, _durable_success(followed, quiet), now))
    return sorted(judged, key=_ranking_key)


def _exclusion_reason(record: Record) -> str | None:
    """Return the name under which a record is excluded, or None if it counts."""
    if record.dry_run or record.state is State.PLANNED:
        return "dry_run"
    if record.undoes is not None:
        return "undo"  # it says that the action was not wanted, not how well it works
    return None if record.state in COUNTED else record.state.value


def _ranking_key(verdict: EffectivenessVerdict) -> tuple[bool, float, int, str]:
    return verdict.lower is None, -(verdict.lower or 0.0), -verdict.n, verdict.action_type


def _verdict(
    action_type: str, counted: list[Record], excluded: Counter[str], durable: DurableSuccess | None, now: datetime
) -> EffectivenessVerdict:
    n = len(counted)
    succeeded = [record.state is State.SUCCEEDED for record in counted]
    bare = EffectivenessVerdict(
        action_type=action_type,
        n=n,
        successes=sum(succeeded),
        excluded=dict(sorted(excluded.items())),
        durable=durable,
    )
    if n < ENOUGH:
        return bare.model_copy(update={"refusal": f"not enough data: {n} of at least {ENOUGH} outcomes"})
    rate = bare.successes / n
    recent = weighted_rate((good, now - end_time(record)) for good, record in zip(succeeded, counted, strict=True))
    estimates: dict[str, float] = {"rate": rate, "effective_n": recent.effective_n}
    estimates["lower"], estimates["upper"] = wilson_interval(rate, n)
    if recent.effective_n >= ENOUGH:
        estimates["weighted_rate"] = recent.rate
        estimates["weighted_lower"], estimates["weighted_upper"] = wilson_interval(recent.rate, recent.effective_n)
    return bare.model_copy(update=estimates)


def _durable_success(followed: list[FollowUp | None], quiet: timedelta) -> DurableSuccess | None:
    known = [one for one in followed if one is not None]
    if not known:
        return None
    outcomes = Counter(one.outcome for one in known)
    bare = DurableSuccess(
        quiet_seconds=quiet.total_seconds(),
        n=len(known),
        unknown=len(followed) - len(known),
        outcomes={outcome: outcomes[outcome] for outcome in SignalOutcome if outcomes[outcome]},
    )
    estimates: dict[str, float | str] = {}
    if (lasting := _incidence(known, quiet)) is None:
        complete = sum(one.complete for one in known)
        estimates["refusal"] = f"not enough data: {complete} of at least {ENOUGH} attempts followed to the end"
    else:
        incidence, complete = lasting
        rate = max(0.0, 1 - math.fsum(incidence.values()))
        estimates["rate"] = rate
        estimates["lower"], estimates["upper"] = wilson_interval(rate, complete)
    succeeded = [one for one in known if one.outcome is not SignalOutcome.FAILED]
    if (recurring := _incidence(succeeded, quiet)) is not None:
        incidence, complete = recurring
        chance = incidence.get(SignalOutcome.RECURRED, 0.0)
        estimates["recurrence"] = chance
        estimates["recurrence_lower"], estimates["recurrence_upper"] = wilson_interval(chance, complete)
    return bare.model_copy(update=estimates)


def _incidence(followed: list[FollowUp], quiet: timedelta) -> tuple[dict[str, float], int] | None:
    """Return the incidences at the end of the quiet time, and the number of attempts for their confidence interval.

    That number counts the attempts whose quiet time has passed, each one trial of a binomial. The others make the
    estimate more precise still, so an interval without them is, if anything, too wide.

    Returns:
        None if fewer than `ENOUGH` attempts count, or the data do not reach to the end of the quiet time.
    """
    complete = sum(one.complete for one in followed)
    if complete < ENOUGH:
        return None
    incidence = aalen_johansen((one.survival_observation for one in followed), quiet.total_seconds())
    return None if incidence is None else (incidence, complete)
