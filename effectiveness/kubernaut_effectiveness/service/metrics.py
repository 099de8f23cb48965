"""The monitor's metrics for Prometheus, as OpenMetrics.

Counters are since the process's start; what is of the window of 90 days is a gauge. Labels are action types, outcomes
and states: never targets or alerts, of which there is no end.
"""

from collections import Counter as Count
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from kubernaut_effectiveness.counting.acts import ActKind
from kubernaut_effectiveness.service.following import View
from kubernaut_effectiveness.verdicts.models import ActionVerdict

__all__ = ["MonitorMetrics"]

_MOST_TYPES = 200
"""Action types that have labels of their own; what is beyond is `other`."""


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
        self._seen: dict[str, str] = {}
        self._outcomes: dict[tuple[str, float], str] = {}
        self._started = False

    def render(self, view: View) -> tuple[bytes, str]:
        """Return the metrics of a view, and their media type."""
        if view.read_at is not None:
            self._count(view)
            self._read.set(view.read_at)
        self._window.verdicts = view.verdicts[:_MOST_TYPES]
        return generate_latest(self._registry), CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]

    def _count(self, view: View) -> None:
        """Count what is new since the scrape before; at the first one, nothing is."""
        fleet = view.fleet
        states = {act.id: act.state.value for act in fleet.acts if act.state.terminal}
        outcomes: dict[tuple[str, float], str] = {}
        for act in fleet.acts:
            if self._started and act.id in states and self._seen.get(act.id) != states[act.id]:
                self._actions.labels(act.action_type, states[act.id]).inc()
        for one in fleet.judged:
            if one.action is not None and one.outcome is not None and one.outcome.value != "pending":
                place = (one.problem, one.began)
                outcomes[place] = one.outcome.value
                if self._started and self._outcomes.get(place) != one.outcome.value:
                    self._incidents.labels(one.action, one.outcome.value).inc()
                    if one.outcome.value == "recurred":
                        self._recurrences.labels(one.action).inc()
        self._seen, self._outcomes, self._started = states, outcomes, True
        recent = fleet.now - 24 * 3600
        given_up = {act.target for act in fleet.acts if act.reason == "GivenUp" and act.decided >= recent}
        pending = [act for act in fleet.acts if act.kind is ActKind.PENDING]
        self._records.set(len(fleet.acts))
        self._given_up.set(len(given_up))
        self._pending.set(len(pending))
        self._oldest.set(max((fleet.now - act.decided for act in pending), default=0.0))
        for cluster, at in fleet.watch.last_heartbeats.items():
            self._heartbeat.labels(cluster).set(at)


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
            "kubernaut_failure_alarm", "1 while failures are more than usual.", labels=["action_type"]
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
