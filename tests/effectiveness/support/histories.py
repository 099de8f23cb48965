"""Histories that tests tell: minutes from a beginning, problems by name, and a monitoring that is alive."""

import math
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from kubernaut_effectiveness import Act, CountingRules, Firing, Fleet, JudgedIncident, Watch, WatchSpan, judge_fleet
from kubernaut_sdk.states import State

MINUTE = 60.0
BEGINNING = 1_750_000_000.0


@dataclass
class Story:
    """A history in minutes. `watched` is the span of heartbeats; `now` the time of judging."""

    watched: list[tuple[float, float]] = field(default_factory=lambda: [(-1e6, 1e6)])
    now: float = 3000
    settings: CountingRules = field(default_factory=CountingRules)
    acts: list[Act] = field(default_factory=list)
    firings: list[Firing] = field(default_factory=list)
    spans: list[WatchSpan] = field(default_factory=list)
    _ids: Any = field(default_factory=count)

    def fires(self, fired: float, resolved: float | None, pod: str = "p", name: str = "Slow", app: str = "api") -> str:
        """Add a firing; return its fingerprint, which differs by pod, as Alertmanager's does."""
        labels = {"alertname": name, "app": app, "pod": pod}
        fingerprint = f"{name}/{app}/{pod}"
        self.firings.append(
            Firing(
                fingerprint=fingerprint,
                fired=at(fired),
                resolved=None if resolved is None else at(resolved),
                name=name,
                severity="critical",
                labels=labels,
            )
        )
        return fingerprint

    def acts_on(
        self,
        fingerprint: str | None,
        began: float,
        ended: float | None = None,
        action: str = "kubernetes/restart_pod",
        state: State = State.SUCCEEDED,
        target: str = "shop/Deployment/api",
        fired: float | None = None,
        **more: Any,
    ) -> Act:
        """Add a record."""
        act = Act(
            id=f"{next(self._ids):08}",
            action_type=action,
            state=state,
            target=target,
            decided=at(began),
            began=at(began),
            ended=at(began + 1 if ended is None else ended),
            fingerprint=fingerprint,
            fired=None if fired is None else at(fired),
            **more,
        )
        self.acts.append(act)
        return act

    def fleet(self) -> Fleet:
        """Judge all of it."""
        beats = [WatchSpan("heartbeat", "", at(first), at(last)) for first, last in self.watched]
        return judge_fleet(
            self.acts, self.firings, Watch([*beats, *self.spans]), now=at(self.now), settings=self.settings
        )

    def judged(self) -> JudgedIncident:
        """Return the only incident in which something was done."""
        [only] = self.fleet().judged
        return only


def at(minutes: float) -> float:
    """Return the time of a minute of the story."""
    return BEGINNING + minutes * MINUTE if math.isfinite(minutes) else minutes
