"""The service's metrics for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from kubernaut_sdk.records import Event

__all__ = ["Metrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The upper ends of the histograms' buckets, in seconds."""
_METHODS = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"}
"""The methods that become labels. A client may invent others, and each label's value is a time series for ever."""
_ROUTES = {
    "/api/v1/action-records",
    "/api/v1/action-records/summary",
    "/api/v1/checkpoint",
    "/api/v1/monitoring",
    "/api/v1/signals",
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/readyz",
}
"""The paths that become labels as they are."""


class Metrics:
    """The service's metrics, in a registry of its own: tests run several services in one process.

    Attributes:
        events: Events by outcome.
        refused: Events that were refused, by the field that was wrong.
        rejected: Requests that `gate.py` did not let in, by reason.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "kubernaut_data_storage"
        self._requests = Histogram(
            f"{name}_request_seconds",
            "Time from a request's headers to the end of its answer.",
            ["method", "route", "status"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.events = Counter(f"{name}_events", "Events by what became of them.", ["outcome"], registry=self.registry)
        self.refused = Counter(
            f"{name}_refused", "Refused events by the field that was wrong.", ["reason"], registry=self.registry
        )
        self._alerts = Counter(
            f"{name}_alerts", "Alerts of webhooks by what became of them.", ["outcome"], registry=self.registry
        )
        self.rejected = Counter(
            f"{name}_turned_away", "Requests that were not let in, by reason.", ["reason"], registry=self.registry
        )
        self._batch = Histogram(
            f"{name}_batch_events",
            "Events committed together.",
            registry=self.registry,
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000),
        )
        self._commit = Histogram(
            f"{name}_commit_seconds", "Time of a commit.", registry=self.registry, buckets=_SECONDS
        )
        self._polls = Counter(
            f"{name}_alertmanager_polls", "Questions to Alertmanager by outcome.", ["outcome"], registry=self.registry
        )
        self._waiting = Gauge(f"{name}_waiting_events", "Events that wait to be written.", registry=self.registry)

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Set the function that returns the number of waiting events."""
        self._waiting.set_function(waiting)

    def count_commit(self, events: int, seconds: float) -> None:
        """Count a commit, which has no events if it only stores signals or drops a month."""
        if events:
            self._batch.observe(events)
        self._commit.observe(seconds)

    def count_events(self, outcome: str, reason: str | None, events: int = 1) -> None:
        """Count events by outcome, and refused ones by the first field of their reason."""
        self.events.labels(outcome).inc(events)
        if reason is not None:
            # a reason is a sentence that begins with the field's path, such as "target.name: …"
            field = reason.partition(":")[0].partition(".")[0]
            self.refused.labels(field if field in Event.model_fields else "other").inc(events)

    def count_alerts(self, stored: int, refused: int) -> None:
        """Count the alerts of a webhook."""
        self._alerts.labels("stored").inc(stored)
        self._alerts.labels("refused").inc(refused)

    def count_poll(self, answered: bool) -> None:
        """Count a question to Alertmanager about what it holds back."""
        self._polls.labels("answered" if answered else "failed").inc()

    def count_response(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a response. Paths that a client can invent do not become labels."""
        route = path if path in _ROUTES else "other"
        if route == "other" and path.startswith("/api/v1/action-records/"):
            route = "/api/v1/action-records/{id}/proof" if path.endswith("/proof") else "/api/v1/action-records/{id}"
        self._requests.labels(method if method in _METHODS else "other", route, status).observe(seconds)

    def render(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
