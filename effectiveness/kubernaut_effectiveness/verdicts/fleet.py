"""The whole fleet: its problems judged, and a verdict on each action type."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kubernaut_effectiveness.counting.acts import Act, ActKind
from kubernaut_effectiveness.counting.changes import TargetChanges
from kubernaut_effectiveness.counting.outcomes import (
    Evidence,
    JudgedIncident,
    Outcome,
    by_fingerprint,
    judge_problem,
)
from kubernaut_effectiveness.counting.problems import AlertProblem, Firing, find_problems
from kubernaut_effectiveness.counting.watching import Watch
from kubernaut_effectiveness.settings import DAY, HOUR, MINUTE, CountingRules
from kubernaut_effectiveness.statistics.survival import aalen_johansen
from kubernaut_effectiveness.verdicts.baseline import compare_with_baseline
from kubernaut_effectiveness.verdicts.change import alarm_of, find_marks, trend_of
from kubernaut_effectiveness.verdicts.models import (
    ActionVerdict,
    ComeBack,
    DigestShare,
    MarkedChange,
    WeekShare,
)
from kubernaut_effectiveness.verdicts.shares import ENOUGH_TARGETS, day_of, share_of, votes_of
from kubernaut_sdk.states import State

__all__ = [
    "ActTally",
    "ActionHistory",
    "Fleet",
    "counted_incidents",
    "histories_of",
    "judge_fleet",
    "ranking",
    "verdict_of",
    "verdicts_of",
]

_WEEKS = 13
_HELD = Outcome.HELD  # looked up once: in Python 3.11 that costs as much as all else that is done with an incident
_UNWATCHED = Outcome.UNWATCHED


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """All that is known, judged.

    Attributes:
        now: The end of the known history: Alertmanager delivers late.
        settings: The settings.
        acts: The records, in the order of decision.
        problems: By key.
        judged: The incidents in which something was done or decided.
        unknown: Records that name a signal which is not known to have fired, by action type.
        watch: When anybody was watching.
    """

    now: float
    settings: CountingRules
    acts: Sequence[Act]
    problems: Mapping[str, AlertProblem]
    judged: Sequence[JudgedIncident]
    unknown: Mapping[str, int]
    watch: Watch


def judge_fleet(
    acts: Iterable[Act], firings: Iterable[Firing], watch: Watch, *, now: float, settings: CountingRules | None = None
) -> Fleet:
    """Return the fleet, judged as of now."""
    settings = settings or CountingRules()
    end = now - settings.late
    known = sorted((act for act in acts if act.decided >= now - settings.window), key=lambda act: (act.decided, act.id))
    problems = find_problems(firings, settings, end)
    of = by_fingerprint(problems)
    by_problem: dict[str, list[Act]] = defaultdict(list)
    unknown: Counter[str] = Counter()
    for act in known:
        if act.fingerprint is not None and (key := of.get(act.fingerprint)) is not None:
            by_problem[key].append(act)
        else:
            unknown[act.action_type] += 1
    evidence = Evidence(changes=TargetChanges(known), watch=watch, settings=settings, now=end)
    judged: list[JudgedIncident] = []
    for key, found in by_problem.items():
        judged += judge_problem(problems[key], found, evidence)
    judged.sort(key=lambda one: (one.began, one.problem))
    return Fleet(now=end, settings=settings, acts=known, problems=problems, judged=judged, unknown=unknown, watch=watch)


@dataclass(kw_only=True)
class ActTally:
    """The counts of an action type's records.

    Attributes:
        records: All of them.
        ran: Those that ran.
        errors: Those of them that ended badly, by reason.
        not_counted: Those that are no part of any rate, by why.
    """

    records: int = 0
    ran: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    not_counted: Counter[str] = field(default_factory=Counter)

    def add(
        self, kind: ActKind, state: str, reason: str | None, *, failed: bool, dry_run: bool, undo: bool, number: int = 1
    ) -> None:
        """Count records that are alike."""
        self.records += number
        if undo:
            self.not_counted["undo"] += number
        elif kind in {ActKind.CHANGED, ActKind.UNCHANGED}:
            self.ran += number
            if failed:
                self.errors[reason or state] += number
        elif kind is ActKind.WITHHELD:
            self.not_counted["dry run" if dry_run or reason is None else reason] += number
        elif kind is ActKind.HELD_UP:
            self.not_counted[reason or ""] += number
        else:
            self.not_counted[state] += number

    def add_act(self, act: Act) -> None:
        """Count a record."""
        undo = act.undoes is not None
        self.add(act.kind, act.state.value, act.reason, failed=act.failed, dry_run=act.dry_run, undo=undo)


@dataclass(kw_only=True)
class ActionHistory:
    """The history of one action type.

    Attributes:
        tally: The counts of its records.
        incidents: The incidents whose first line it was.
        decided: The incidents whose first decision was about it.
        mark: The change that was marked this week.
        undone: The number of its records that were undone.
        second_line: How often it came later.
        touched: The incidents after which a person acted on the target within an hour.
    """

    tally: ActTally = field(default_factory=ActTally)
    incidents: list[JudgedIncident] = field(default_factory=list)
    decided: list[JudgedIncident] = field(default_factory=list)
    mark: MarkedChange | None = None
    undone: int = 0
    second_line: int = 0
    touched: int = 0


def histories_of(fleet: Fleet) -> dict[str, ActionHistory]:
    """Return what is known of each action type, marks apart."""
    histories: dict[str, ActionHistory] = defaultdict(ActionHistory)
    types: dict[str, str] = {}
    for act in fleet.acts:
        histories[act.action_type].tally.add_act(act)
        types[act.id] = act.action_type
    by_people = _times_of_people(fleet.acts)
    for one in fleet.judged:
        if one.action is not None:
            histories[one.action].incidents.append(one)
            histories[one.action].touched += _any_within(by_people.get(one.target, ()), one.ended, one.ended + HOUR)
        if one.decision is not None:
            histories[one.decision.action_type].decided.append(one)
        for act in one.second_line:
            histories[act.action_type].second_line += 1
    undone = {act.undoes for act in fleet.acts if act.state is State.SUCCEEDED and not act.dry_run}
    for act_id, action_type in types.items():
        histories[action_type].undone += act_id in undone
    return dict(histories)


def _times_of_people(acts: Iterable[Act]) -> dict[str, list[float]]:
    """Return when somebody acted on each target without a signal: a person did, as far as records tell."""
    times: dict[str, list[float]] = defaultdict(list)
    for act in acts:
        if act.fingerprint is None and act.target is not None and act.requester and act.kind is ActKind.CHANGED:
            times[act.target].append(act.began)
    return {target: sorted(found) for target, found in times.items()}


def _any_within(times: Sequence[float], since: float, until: float) -> bool:
    return bisect_right(times, until) > bisect_right(times, since)


def verdicts_of(fleet: Fleet) -> list[ActionVerdict]:
    """Return a verdict on each action type, that with the most unsolved incidents first."""
    histories = histories_of(fleet)
    counted = {action: counted_incidents(history.incidents) for action, history in histories.items()}
    for action, mark in find_marks(counted, fleet.now).items():
        histories[action].mark = mark
    verdicts = [verdict_of(action, history, fleet) for action, history in histories.items()]
    return sorted(verdicts, key=ranking)


def ranking(verdict: ActionVerdict) -> tuple[int, int, str]:
    """Return the place of a verdict among others: the most unsolved incidents first."""
    return -verdict.unsolved, -verdict.alone.incidents, verdict.action_type


def verdict_of(action: str, history: ActionHistory, fleet: Fleet) -> ActionVerdict:
    """Return the verdict on one action type, or on several that are steps of one workflow."""
    tally, incidents = history.tally, history.incidents
    counted = counted_incidents(incidents)
    outcomes = Counter(one.outcome._value_ for one in incidents if one.outcome is not None)
    unwatched = [one for one in incidents if one.outcome is _UNWATCHED]
    alone = votes_of(_held(counted))
    lowest, highest = (
        (votes_of([*_held(counted), *((one.target, good) for one in unwatched)]) for good in (False, True))
        if unwatched
        else (alone, alone)
    )
    enough = lowest is not None and highest is not None and lowest.targets >= ENOUGH_TARGETS
    unknown = fleet.unknown.get(action, 0)
    signals = Counter(one.name for one in incidents if one.name is not None)
    impossible = min((fleet.settings.pending_for.get(name, 0.0) for name in signals), default=0.0)
    return ActionVerdict(
        action_type=action,
        alone=share_of(alone),
        outcomes={outcome: outcomes[outcome] for outcome in map(str, Outcome) if outcomes[outcome]},
        unwatched=dict(Counter(one.why or "" for one in unwatched)),
        if_unwatched_held=highest.rate if enough and highest and unwatched else None,
        if_unwatched_not=lowest.rate if enough and lowest and unwatched else None,
        baseline=compare_with_baseline(history.decided),
        came_back=[_came_back(incidents, seconds, impossible) for seconds in (30 * MINUTE, 24 * HOUR)],
        records=tally.records,
        ran=tally.ran,
        errors=tally.errors.total(),
        error_reasons=dict(tally.errors.most_common()),
        not_counted={**tally.not_counted, **({"signal not known": unknown} if unknown else {})},
        undone=history.undone,
        second_line=history.second_line,
        touched_by_people=history.touched,
        signals=[name for name, _ in signals.most_common()],
        weeks=_weeks(counted, fleet.now),
        digests=_digests(counted),
        trend=trend_of(counted, fleet.now),
        mark=history.mark,
        alarm=alarm_of(counted, fleet.now),
        for_known=bool(signals) and all(name in fleet.settings.pending_for for name in signals),
    )


def counted_incidents(incidents: Iterable[JudgedIncident]) -> list[JudgedIncident]:
    """Return the incidents that count in rates."""
    return [one for one in incidents if one.outcome is not None and one.outcome.counts]


def _held(incidents: Iterable[JudgedIncident]) -> Iterable[tuple[str, bool]]:
    return ((one.target, one.outcome is _HELD) for one in incidents)


def _came_back(incidents: Iterable[JudgedIncident], seconds: float, impossible: float) -> ComeBack:
    """Return the share that fired again; within `impossible` seconds, the least `for` of the rules, none could."""
    followed = [one.returned for one in incidents if one.returned is not None]
    incidence = aalen_johansen(followed, seconds) if len(followed) >= ENOUGH_TARGETS and seconds > impossible else None
    share = None if incidence is None else incidence.get("recurred", 0.0)
    return ComeBack(within_seconds=seconds, followed=len(followed), share=share)


def _weeks(counted: Sequence[JudgedIncident], now: float) -> list[WeekShare]:
    """Return the last 13 weeks that end now, oldest first."""
    edges = [now - number * 7 * DAY for number in range(_WEEKS, -1, -1)]
    incidents, held = Counter[int](), Counter[int]()
    for one in counted:
        place = bisect_right(edges, one.acted) - 1
        incidents[place] += 1
        held[place] += one.outcome is _HELD
    return [
        WeekShare(week=day_of(edges[place]), good=held[place], incidents=incidents[place]) for place in range(_WEEKS)
    ]


def _digests(counted: Sequence[JudgedIncident]) -> list[DigestShare]:
    by_image: dict[str, list[JudgedIncident]] = defaultdict(list)
    for one in counted:
        if one.image is not None:
            by_image[one.image].append(one)
    shares = [
        DigestShare(image=image, first=day_of(min(one.acted for one in found)), share=share_of(votes_of(_held(found))))
        for image, found in by_image.items()
    ]
    return sorted(shares, key=lambda one: (one.first, one.image))
