"""The fleet as it is followed: only what a change concerns is judged again."""

from collections import defaultdict
from collections.abc import Iterable

from kubernaut_effectiveness.counting.acts import Act, ActKind
from kubernaut_effectiveness.counting.outcomes import Evidence, JudgedIncident, TargetChanges, judge_problem
from kubernaut_effectiveness.counting.problems import AlertProblem, Firing, find_problems, problem_key
from kubernaut_effectiveness.counting.watching import Watch, WatchSpan
from kubernaut_effectiveness.settings import DAY, CountingRules
from kubernaut_effectiveness.verdicts.fleet import Fleet

__all__ = ["FleetIndex"]


class FleetIndex:
    """Records, firings and the monitoring, judged anew where they changed.

    The result is that of `judge_fleet` over all of it (a test says so).

    Args:
        settings: The settings of the counting.
    """

    def __init__(self, settings: CountingRules | None = None) -> None:
        self.settings = settings or CountingRules()
        self._acts: dict[str, Act] = {}
        self._firings: dict[str, dict[tuple[str, float], Firing]] = defaultdict(dict)
        self._problem_of: dict[str, str] = {}
        self._acts_of: dict[str, set[str]] = defaultdict(set)
        self._targets: dict[str, set[str]] = defaultdict(set)
        self._spans: dict[tuple[str, str, float], WatchSpan] = {}
        self._watch = Watch(())
        self._problems: dict[str, AlertProblem] = {}
        self._judged: dict[str, list[JudgedIncident]] = {}
        self._dirty: set[str] = set()
        self._restless: set[str] = set()

    def __len__(self) -> int:
        return len(self._acts)

    def put_act(self, act: Act) -> None:
        """Take a record, or its new state."""
        before = self._acts.get(act.id)
        if before == act:
            return
        self._acts[act.id] = act
        for one in (before, act):
            if one is not None and one.target is not None:
                self._touch(one.target)
        if before is not None and before.fingerprint not in {None, act.fingerprint}:
            self._acts_of[before.fingerprint or ""].discard(act.id)
        if act.target is not None:
            self._targets[act.target].add(act.id)
        if act.fingerprint is not None:
            self._acts_of[act.fingerprint].add(act.id)
            if (key := self._problem_of.get(act.fingerprint)) is not None:
                self._dirty.add(key)

    def put_firing(self, firing: Firing) -> bool:
        """Take a firing, or what else was told of it; return True if that is new."""
        key = problem_key(firing, self.settings)
        if self._firings.get(key, {}).get((firing.fingerprint, firing.fired)) == firing:
            return False
        before = self._problem_of.get(firing.fingerprint)
        if before is not None and before != key:  # its labels became known
            for place in [place for place in self._firings[before] if place[0] == firing.fingerprint]:
                del self._firings[before][place]
            self._dirty.add(before)
        self._problem_of[firing.fingerprint] = key
        self._firings[key][firing.fingerprint, firing.fired] = firing
        self._dirty.add(key)
        return True

    def put_spans(self, spans: Iterable[WatchSpan]) -> None:
        """Take what was seen of the monitoring: spans grow."""
        grown = [span for span in spans if self._spans.get((span.kind, span.subject, span.since)) != span]
        for span in grown:
            self._spans[span.kind, span.subject, span.since] = span
            if span.kind in {"silenced", "inhibited"} and (key := self._problem_of.get(span.subject)) is not None:
                self._dirty.add(key)
            elif span.kind == "truncated":
                self._dirty.update(self._problems)
        if grown:
            self._watch = Watch(self._spans.values())

    def refresh(self, now: float) -> Fleet:
        """Return the fleet as of now."""
        settings, end = self.settings, now - self.settings.late
        self._forget(now - settings.window)
        for key in self._dirty | self._restless:
            found = find_problems(self._firings[key].values(), settings, end)
            self._problems.pop(key, None)
            self._problems |= found
        changes = _Changes(self._acts, self._targets)
        evidence = Evidence(changes=changes, watch=self._watch, settings=settings, now=end)
        for key in self._dirty | self._restless:
            self._judge(key, evidence, end)
        self._dirty.clear()
        known = sorted(self._acts.values(), key=lambda act: (act.decided, act.id))
        unknown: dict[str, int] = defaultdict(int)
        for act in known:
            if act.fingerprint is None or self._problem_of.get(act.fingerprint) not in self._problems:
                unknown[act.action_type] += 1
        judged = [one for found in self._judged.values() for one in found]
        judged.sort(key=lambda one: (one.began, one.problem))
        return Fleet(
            now=end,
            settings=settings,
            acts=known,
            problems=dict(self._problems),
            judged=judged,
            unknown=unknown,
            watch=self._watch,
        )

    def _judge(self, key: str, evidence: Evidence, end: float) -> None:
        problem = self._problems.get(key)
        self._judged.pop(key, None)
        self._restless.discard(key)
        if problem is None:
            if any(firing.fired > end for firing in self._firings.get(key, {}).values()):
                self._dirty_later(key)
            return
        acts = [self._acts[one] for fingerprint in problem.fingerprints for one in self._acts_of.get(fingerprint, ())]
        if acts:
            self._judged[key] = judge_problem(problem, acts, evidence)
        latest = max((act.ended for act in acts), default=0.0)
        if max(latest, problem.incidents[-1].ended) > end - 2 * DAY:
            self._dirty_later(key)

    def _dirty_later(self, key: str) -> None:
        """Judge a problem at every refresh: time alone changes what is known of it."""
        self._restless.add(key)

    def _touch(self, target: str) -> None:
        """Judge again the problems for which anything acted on a target."""
        for one in self._targets.get(target, ()):
            fingerprint = self._acts[one].fingerprint
            if fingerprint is not None and (key := self._problem_of.get(fingerprint)) is not None:
                self._dirty.add(key)

    def _forget(self, before: float) -> None:
        """Forget what is older than the window: Data Storage drops it month by month."""
        for one in [act for act in self._acts.values() if act.decided < before]:
            del self._acts[one.id]
            if one.target is not None:
                self._targets[one.target].discard(one.id)
            if one.fingerprint is not None:
                self._acts_of[one.fingerprint].discard(one.id)
                if (key := self._problem_of.get(one.fingerprint)) is not None:
                    self._dirty.add(key)


class _Changes(TargetChanges):
    """The acts that changed each target, sorted when they are asked for."""

    def __init__(self, acts: dict[str, Act], targets: dict[str, set[str]]) -> None:
        super().__init__(())
        self._known, self._ids = acts, targets

    def between(self, targets: Iterable[str], since: float, until: float) -> list[Act]:
        targets = list(targets)
        for target in targets:
            if target not in self._acts:
                found = [self._known[one] for one in self._ids.get(target, ())]
                changed = [act for act in found if act.kind is ActKind.CHANGED]
                self._acts[target] = sorted(changed, key=lambda act: act.began)
        return super().between(targets, since, until)
