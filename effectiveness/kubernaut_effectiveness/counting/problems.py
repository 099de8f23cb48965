"""Problems and their incidents: one alert of one thing, however often its pods restart and its firings repeat."""

import json
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernaut_effectiveness.settings import CountingRules

__all__ = [
    "AlertProblem",
    "Firing",
    "ProblemIncident",
    "find_problems",
    "firing_of_item",
    "problem_key",
    "problem_of",
    "targets_of_labels",
]

_KINDS_OF_LABELS = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "job_name": "Job",
    "cronjob": "CronJob",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler",
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "node": "Node",
}
_WITHOUT_NAMESPACE = frozenset({"Node"})


@dataclass(slots=True)
class Firing:
    """One firing of a signal. `resolved` is None while it fires, or where nobody told of its end.

    Not frozen, which would make it five times as dear: there are as many as records.
    """

    fingerprint: str
    fired: float
    resolved: float | None = None
    name: str | None = None
    severity: str | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True)
class ProblemIncident:
    """A problem from its firing until it was silent for the quiet time.

    Attributes:
        spans: From when to when the problem fired, in order; the last may end at infinity.
    """

    spans: tuple[tuple[float, float], ...]

    @property
    def began(self) -> float:
        """The first firing."""
        return self.spans[0][0]

    @property
    def ended(self) -> float:
        """The last resolution."""
        return self.spans[-1][1]

    def span_at(self, time: float) -> int | None:
        """Return the place of the last span that began at a time or before."""
        place = bisect_right(self.spans, (time, math.inf)) - 1
        return place if place >= 0 else None


@dataclass(frozen=True)
class AlertProblem:
    """An alert's name, and its labels without those that a restart changes.

    Attributes:
        key: The text that identifies it.
        name: The alert's name.
        severity: As the last firing had it.
        cluster: Its label of that name, or empty.
        labels: The labels that stay.
        changing: The names of its firings' other labels, which a restart changes.
        fingerprints: Of all its firings.
        incidents: In order.
    """

    key: str
    name: str | None
    severity: str | None
    cluster: str
    labels: Mapping[str, str]
    changing: frozenset[str]
    fingerprints: frozenset[str]
    incidents: tuple[ProblemIncident, ...]


def targets_of_labels(labels: Mapping[str, str]) -> list[str]:
    """Return the targets that an alert's labels name, as records write them: `shop/Deployment/api`.

    The labels are those of kube-state-metrics. Where a cluster is named, the target of a record may name it or not.
    """
    found = []
    for label, kind in _KINDS_OF_LABELS.items():
        if name := labels.get(label):
            namespace = "" if kind in _WITHOUT_NAMESPACE else labels.get("namespace", "")
            found.append(f"{namespace}/{kind}/{name}" if namespace else f"{kind}/{name}")
    cluster = labels.get("cluster")
    return found + [f"{cluster}:{target}" for target in found if cluster]


def firing_of_item(item: Mapping[str, Any]) -> Firing:
    """Return an item of Data Storage's signals."""
    resolved = item.get("resolved_at")
    return Firing(
        fingerprint=item["fingerprint"],
        fired=datetime.fromisoformat(item["fired_at"]).timestamp(),
        resolved=datetime.fromisoformat(resolved).timestamp() if resolved else None,
        name=item.get("name"),
        severity=item.get("severity"),
        labels=item.get("labels"),
    )


def problem_key(firing: Firing, settings: CountingRules) -> str:
    """Return what identifies a firing's problem. Without labels that is its fingerprint: a new pod is a new problem."""
    if firing.labels is None:
        return f"fingerprint:{firing.fingerprint}"
    return json.dumps(settings.stable_labels(firing.labels), ensure_ascii=False, separators=(",", ":"))


def find_problems(firings: Iterable[Firing], settings: CountingRules, until: float) -> dict[str, AlertProblem]:
    """Return the problems of firings that began before `until`, where the known history ends."""
    grouped: dict[str, list[Firing]] = defaultdict(list)
    for firing in firings:
        if firing.fired <= until:
            grouped[problem_key(firing, settings)].append(firing)
    return {key: problem_of(key, found, settings) for key, found in grouped.items()}


def problem_of(key: str, firings: list[Firing], settings: CountingRules) -> AlertProblem:
    """Return the problem of its firings, of which there is at least one."""
    last = max(firings, key=lambda firing: firing.fired)
    labels = settings.stable_labels(last.labels or {})
    return AlertProblem(
        key=key,
        name=last.name,
        severity=last.severity,
        cluster=labels.get("cluster", ""),
        labels=labels,
        changing=settings.changing_labels.intersection(last.labels or ()),
        fingerprints=frozenset(firing.fingerprint for firing in firings),
        incidents=_incidents(_spans(firings), settings.quiet_time(last.name)),
    )


def _spans(firings: list[Firing]) -> list[tuple[float, float]]:
    """Return from when to when any of the firings lasted, in order and apart.

    A firing whose end nobody told lasts until its fingerprint fires anew: it must have ended before.
    """
    by_fingerprint: dict[str, dict[float, float]] = defaultdict(dict)
    for firing in firings:
        known = by_fingerprint[firing.fingerprint]
        resolved = math.inf if firing.resolved is None else max(firing.resolved, firing.fired)
        known[firing.fired] = min(known.get(firing.fired, math.inf), resolved)
    each: list[tuple[float, float]] = []
    for known in by_fingerprint.values():
        times = sorted(known)
        for time, following in zip(times, [*times[1:], math.inf], strict=True):
            each.append((time, min(known[time], following)))
    each.sort()
    joined: list[tuple[float, float]] = []
    for fired, resolved in each:
        if joined and fired <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], resolved))
        else:
            joined.append((fired, resolved))
    return joined


def _incidents(spans: list[tuple[float, float]], quiet: float) -> tuple[ProblemIncident, ...]:
    grouped: list[list[tuple[float, float]]] = []
    for span in spans:
        if grouped and span[0] - grouped[-1][-1][1] <= quiet:
            grouped[-1].append(span)
        else:
            grouped.append([span])
    return tuple(ProblemIncident(tuple(group)) for group in grouped)
