"""The monitor's metrics for Prometheus, as OpenMetrics.

Counters are since the process's start; what is of the window of 90 days is a gauge. Labels are action types, outcomes
and states: never targets or alerts, of which there is no end.
"""

from collections import Counter as Count
from collections.abc import Iterator
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from kubernaut_effectiveness.service.following import View
from kubernaut_effectiveness.settings import DAY
from kubernaut_effectiveness.verdicts.models import ActionVerdict

__all__ = ["MonitorMetrics"]

_MOST_GIVEN_UP = 10_000
_MOST_TYPES = 200
"""Action types that have labels of their own. Of those beyond, records and incidents are counted as `other`."""


class MonitorMetrics:
    """The metrics, made from the newest view at each scrape."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._actions = Counter(
            "kubernaut_actions", "Records that ended, by state.", ["action_type", "state"], registry=self._registry
        )
        self._incidents = Counter(
            "kubernaut_incidents", "Incidents by outcome.", ["action_type", "outcome"], registry=self._registry
        )
        self._recurrences = Counter(
            "kubernaut_recurrences", "Incidents that fired again.", ["action_type"], registry=self._registry
        )
        self._read = Gauge(
            "kubernaut_monitor_last_read_timestamp_seconds",
            "When Data Storage last answered.",
            registry=self._registry,
        )
        self._records = Gauge("kubernaut_monitor_records", "Records of the window.", registry=self._registry)
        self._given_up = Gauge(
            "kubernaut_targets_given_up", "Targets given up in the last 24 h.", registry=self._registry
        )
        self._pending = Gauge("kubernaut_actions_pending", "Records that have not ended.", registry=self._registry)
        self._oldest = Gauge(
            "kubernaut_actions_pending_oldest_seconds", "Age of the oldest of those.", registry=self._registry
        )
        self._heartbeat = Gauge(
            "kubernaut_heartbeat_timestamp_seconds",
            "The last heartbeat of the monitoring.",
            ["cluster"],
            registry=self._registry,
        )
        self._window = _WindowCollector()
        self._registry.register(self._window)
        self._counted: dict[tuple[str, ...], int] = {}
        self._named: set[str] = set()
        self._lock = Lock()

    def render(self, view: View) -> tuple[bytes, str]:
        """Return the metrics of a view, and their media type."""
        with self._lock:  # two scrapes at once would count what is new twice
            if view.read_at is not None:
                self._count(view)
                self._read.set(view.read_at)
            self._window.verdicts = tuple(one for one in view.verdicts if one.action_type in self._named)
            return generate_latest(self._registry), CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]

    def _count(self, view: View) -> None:
        """Count what is new since the scrape before; what was there at the start is not."""
        for one in view.verdicts:
            if len(self._named) < _MOST_TYPES:
                self._named.add(one.action_type)
        for (action, state), number in view.ended.items():
            self._raise(self._actions.labels(self._name(action), state), ("ended", action, state), number)
        for (action, outcome), number in view.outcomes.items():
            self._raise(self._incidents.labels(self._name(action), outcome), ("outcome", action, outcome), number)
            if outcome == "recurred":
                self._raise(self._recurrences.labels(self._name(action)), ("recurred", action), number)
        self._records.set(view.records)
        if view.questions is not None:
            given_up = view.questions.given_up(_MOST_GIVEN_UP, view.judged_at - DAY)
            self._given_up.set(len({act.target for act in given_up}))
            pending = view.questions.pending()
            self._pending.set(pending.number)
            self._oldest.set(0.0 if pending.oldest is None else max(0.0, view.judged_at - pending.oldest))
        for cluster, at in view.watch.last_heartbeats.items():
            self._heartbeat.labels(cluster).set(at)

    def _name(self, action: str) -> str:
        """Return the label of an action type; the first ones have their own, for as long as the process lasts."""
        return action if action in self._named else "other"

    def _raise(self, counter: Counter, place: tuple[str, ...], number: int) -> None:
        """Bring a counter to a number; a ledger that was built anew begins at 0, which is no step back."""
        before = self._counted.get(place, 0)
        counter.inc(number - before if number >= before else number)
        self._counted[place] = number


class _WindowCollector:
    """The gauges of the window: an action type that is gone has none."""

    def __init__(self) -> None:
        self.verdicts: tuple[ActionVerdict, ...] = ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics."""
        incidents = GaugeMetricFamily(
            "kubernaut_window_incidents", "Incidents of 90 days.", labels=["action_type", "outcome"]
        )
        targets = GaugeMetricFamily("kubernaut_window_targets", "Targets of 90 days.", labels=["action_type"])
        alone = GaugeMetricFamily(
            "kubernaut_window_alone_ratio", "The share in which it alone was enough.", labels=["action_type", "bound"]
        )
        baseline = GaugeMetricFamily(
            "kubernaut_window_baseline_difference",
            "The share resolved in 30 min less that of the baseline.",
            labels=["action_type", "bound"],
        )
        alarm = GaugeMetricFamily(
            "kubernaut_failure_alarm",
            "1 if the alarm on failures was raised in the last 30 days.",
            labels=["action_type"],
        )
        for one in self.verdicts:
            for outcome, count in Count(one.outcomes).items():
                incidents.add_metric([one.action_type, outcome], count)
            targets.add_metric([one.action_type], one.alone.targets)
            share, against = one.alone, one.baseline
            for bound, value in (("lower", share.lower), ("rate", share.rate), ("upper", share.upper)):
                if value is not None:
                    alone.add_metric([one.action_type, bound], value)
            for bound, value in (
                ("lower", against.lower),
                ("difference", against.difference),
                ("upper", against.upper),
            ):
                if value is not None:
                    baseline.add_metric([one.action_type, bound], value)
            if one.alarm is not None:
                alarm.add_metric([one.action_type], one.alarm.raised)
        yield from (incidents, targets, alone, baseline, alarm)
