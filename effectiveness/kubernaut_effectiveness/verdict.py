"""The verdict on each type of action: how often it succeeds, and how often that lasts.

Called by whoever shows verdicts to a person or a machine; `verdicts` is the way in.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kubernaut_effectiveness.episode import Episode
from kubernaut_effectiveness.rates import weighted, wilson
from kubernaut_effectiveness.recurrence import Competitors, Followed, Outcome, Signals, ended, follow
from kubernaut_effectiveness.survival import aalen_johansen
from kubernaut_sdk.records import Record, State

__all__ = ["COUNTED", "ENOUGH", "QUIET", "Durable", "Verdict", "verdicts"]

COUNTED = frozenset({State.SUCCEEDED, State.FAILED, State.TIMED_OUT})
"""The states of a real, finished attempt to change the world.

`unchanged` is not among them: nothing was done, so nothing was shown. Nor is `cancelled`, which says something of who
cancelled, nor `lost`, of which the end is unknown.
"""
ENOUGH = 5
"""The fewest outcomes that a rate is given for."""
QUIET = timedelta(minutes=30)
"""How long a signal has to stay silent, unless said otherwise."""

Proportion = Annotated[float, Field(ge=0, le=1)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Durable(_Shape):
    """Whether success lasted: the action succeeded, its signal was resolved and stayed silent, nothing else acted."""

    quiet_seconds: float
    """How long the signal was followed after the action."""
    n: int
    """Attempts whose signal could be followed: the sum of `outcomes`."""
    unknown: int
    """Attempts beside them, without a signal or with one that was not heard to fire."""
    outcomes: dict[Outcome, int]
    """How following them ended; outcomes that did not occur are absent."""
    refusal: str | None = None
    """Why no rate is given."""
    rate: Proportion | None = None
    """The chance that an attempt is a durable success: the event-free share of Aalen–Johansen at `quiet_seconds`."""
    lower: Proportion | None = None
    upper: Proportion | None = None
    recurrence: Proportion | None = None
    """The chance that, after an action that succeeded, its signal fires anew within `quiet_seconds`."""
    recurrence_lower: Proportion | None = None
    recurrence_upper: Proportion | None = None


class Verdict(_Shape):
    """What the records say of one type of action. Estimates are absent where there is too little to say."""

    action_type: str
    n: int
    """Real, finished attempts to change the world."""
    successes: int
    """Those of them that succeeded."""
    excluded: dict[str, int]
    """Records that do not count, by state; dry runs, whatever their state, are under `dry_run`, undos under `undo`."""
    refusal: str | None = None
    """Why no rate is given."""
    rate: Proportion | None = None
    lower: Proportion | None = None
    upper: Proportion | None = None
    effective_n: float | None = None
    """How many outcomes of today would say as much as the weighted ones."""
    weighted_rate: Proportion | None = None
    """The rate with recent outcomes weighing more; absent, too, where `effective_n` is not enough."""
    weighted_lower: Proportion | None = None
    weighted_upper: Proportion | None = None
    durable: Durable | None = None
    """Absent when no attempt's signal could be followed."""


def verdicts(
    records: Iterable[Record],
    episodes: Iterable[Episode],
    *,
    now: datetime,
    known_until: datetime | None = None,
    quiet: timedelta = QUIET,
) -> list[Verdict]:
    """Judge every type of action that has a record, the best first.

    They are ranked by the lower bound of the rate, so that 3 of 3 does not beat 190 of 200; those with not enough data
    come last, the most attempts first. Records without an action type belong to none and are left out.

    Args:
        records: All records of the window, of every type: one type's actions compete with another's on the same
            target, so choose among the verdicts, not among the records.
        episodes: The episodes of the records' signals in the window, and those that were firing when it began.
        now: Ages and the following of signals end here.
        known_until: Until when signals were heard, if that was before `now`.
        quiet: How long a signal has to stay silent for a success to be durable.

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
    signals = Signals(episodes, until=until)
    competitors = Competitors(record for typed in by_type.values() for record in typed)
    judged = []
    for action_type, typed in by_type.items():
        counted: list[Record] = []
        excluded: Counter[str] = Counter()
        for record in typed:
            if (reason := _excluded_as(record)) is None:
                counted.append(record)
            else:
                excluded[reason] += 1
        followed = [
            follow(record, signals=signals, competitors=competitors, until=until, quiet=quiet) for record in counted
        ]
        judged.append(_verdict(action_type, counted, excluded, _durable(followed, quiet), now))
    return sorted(judged, key=_rank)


def _excluded_as(record: Record) -> str | None:
    """Under which name a record does not count, or None when it does."""
    if record.dry_run or record.state is State.PLANNED:
        return "dry_run"
    if record.undoes is not None:
        return "undo"  # it says that the action was not wanted, and nothing of how well it does what it does
    return None if record.state in COUNTED else record.state.value


def _rank(verdict: Verdict) -> tuple[bool, float, int, str]:
    return verdict.lower is None, -(verdict.lower or 0.0), -verdict.n, verdict.action_type


def _verdict(
    action_type: str, counted: list[Record], excluded: Counter[str], durable: Durable | None, now: datetime
) -> Verdict:
    n = len(counted)
    succeeded = [record.state is State.SUCCEEDED for record in counted]
    bare = Verdict(
        action_type=action_type,
        n=n,
        successes=sum(succeeded),
        excluded=dict(sorted(excluded.items())),
        durable=durable,
    )
    if n < ENOUGH:
        return bare.model_copy(update={"refusal": f"not enough data: {n} of at least {ENOUGH} outcomes"})
    rate = bare.successes / n
    recent = weighted((good, now - ended(record)) for good, record in zip(succeeded, counted, strict=True))
    estimates: dict[str, float] = {"rate": rate, "effective_n": recent.effective_n}
    estimates["lower"], estimates["upper"] = wilson(rate, n)
    if recent.effective_n >= ENOUGH:
        estimates["weighted_rate"] = recent.rate
        estimates["weighted_lower"], estimates["weighted_upper"] = wilson(recent.rate, recent.effective_n)
    return bare.model_copy(update=estimates)


def _durable(followed: list[Followed | None], quiet: timedelta) -> Durable | None:
    known = [one for one in followed if one is not None]
    if not known:
        return None
    outcomes = Counter(one.outcome for one in known)
    bare = Durable(
        quiet_seconds=quiet.total_seconds(),
        n=len(known),
        unknown=len(followed) - len(known),
        outcomes={outcome: outcomes[outcome] for outcome in Outcome if outcomes[outcome]},
    )
    estimates: dict[str, float | str] = {}
    if (lasting := _incidence(known, quiet)) is None:
        complete = sum(one.complete for one in known)
        estimates["refusal"] = f"not enough data: {complete} of at least {ENOUGH} attempts followed to the end"
    else:
        incidence, complete = lasting
        rate = max(0.0, 1 - math.fsum(incidence.values()))
        estimates["rate"] = rate
        estimates["lower"], estimates["upper"] = wilson(rate, complete)
    succeeded = [one for one in known if one.outcome is not Outcome.FAILED]
    if (recurring := _incidence(succeeded, quiet)) is not None:
        incidence, complete = recurring
        chance = incidence.get(Outcome.RECURRED, 0.0)
        estimates["recurrence"] = chance
        estimates["recurrence_lower"], estimates["recurrence_upper"] = wilson(chance, complete)
    return bare.model_copy(update=estimates)


def _incidence(followed: list[Followed], quiet: timedelta) -> tuple[dict[str, float], int] | None:
    """The incidences at the end of the quiet time, and how many attempts an interval about them may rest on.

    Those are the attempts whose quiet time has passed. Each of them is one trial of a binomial; what the others add
    narrows the estimate further, so that an interval without them is, if anything, too wide.
    """
    complete = sum(one.complete for one in followed)
    if complete < ENOUGH:
        return None
    incidence = aalen_johansen((one.observation for one in followed), quiet.total_seconds())
    return None if incidence is None else (incidence, complete)
