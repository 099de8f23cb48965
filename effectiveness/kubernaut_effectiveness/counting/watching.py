"""The times in which anybody was watching: only then does silence count."""

import json
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernaut_effectiveness.counting.problems import AlertProblem
from kubernaut_effectiveness.settings import MINUTE

__all__ = ["Watch", "WatchSpan", "labels_of_subject", "span_of_item"]

ANY = ""
"""The cluster of a watchdog that names none: it stands for all of which no other is known."""

_ONE_DELETION = 10 * MINUTE
"""Seconds within which two told of one deletion: the record of the action, and who watches the cluster."""


@dataclass(frozen=True)
class WatchSpan:
    """A span in which something was seen of the monitoring; see Data Storage's `WatchKind`."""

    kind: str
    subject: str
    since: float
    until: float


def span_of_item(item: Mapping[str, Any]) -> WatchSpan:
    """Return an item of Data Storage's monitoring."""
    since, until = (datetime.fromisoformat(item[name]).timestamp() for name in ("since", "until"))
    return WatchSpan(item["kind"], item["subject"], since, until)


class Watch:
    """The known facts of the monitoring.

    Args:
        spans: What was seen.
    """

    def __init__(self, spans: Iterable[WatchSpan]) -> None:
        heartbeats: dict[str, list[tuple[float, float]]] = defaultdict(list)
        polled: list[tuple[float, float]] = []
        self._held_back: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        self._held_labels: dict[str | None, list[tuple[float, float, str, dict[str, str]]]] = defaultdict(list)
        self._deleted: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._left_out: list[tuple[float, float, dict[str, str]]] = []
        for span in spans:
            times = (span.since, span.until)
            if span.kind == "heartbeat":
                heartbeats[span.subject].append(times)
            elif span.kind == "polled":
                polled.append(times)
            elif span.kind == "deleted":
                self._deleted[span.subject].append(times)
            elif span.kind == "truncated":
                self._left_out.append((*times, json.loads(span.subject)))
            elif (labels := labels_of_subject(span.subject)) is not None:
                self._held_labels[labels.get("alertname")].append((*times, span.kind, labels))
            else:
                self._held_back[span.subject].append((*times, span.kind))
        self._heartbeats = {cluster: _joined(times) for cluster, times in heartbeats.items()}
        self._polled = _joined(polled)

    @property
    def has_heartbeat(self) -> bool:
        """True if any heartbeat ever came. Without one nothing is watched."""
        return bool(self._heartbeats)

    @property
    def heard_since(self) -> float:
        """The time of the first heartbeat; infinity if none came."""
        return min((spans[0][0] for spans in self._heartbeats.values()), default=math.inf)

    @property
    def silences_known(self) -> list[tuple[float, float]]:
        """The times in which an Alertmanager was asked what it holds back, in order and apart."""
        return self._polled

    @property
    def knows_deletions(self) -> bool:
        """True if any target is known to have been deleted."""
        return bool(self._deleted)

    @property
    def last_heartbeats(self) -> dict[str, float]:
        """The last heartbeat of each cluster."""
        return {cluster: spans[-1][1] for cluster, spans in self._heartbeats.items()}

    def fault(self, problem: AlertProblem, since: float, until: float) -> str | None:
        """Return why a problem was not watched over a time, or None if it was."""
        spans = self._heartbeats.get(problem.cluster) or self._heartbeats.get(ANY, [])
        place = bisect_right(spans, (since, math.inf)) - 1
        if place < 0 or spans[place][1] < until:
            return "the monitoring was not heard"
        held = self._first_unheard(problem, since, until)
        return None if held is None else held[1]

    def _first_unheard(self, problem: AlertProblem, since: float, until: float) -> tuple[float, str] | None:
        """Return the first time in a span of which nobody would have told of a firing, and why; None if there is none.

        An alert was held back, also of a pod of which none was heard before, or may have been left out of a webhook:
        then the labels, or those of the group, are the problem's, but for those that are no part of a problem.
        """
        if not self._held_back and not self._held_labels and not self._left_out:
            return None
        found = [
            (max(first, since), kind)
            for fingerprint in problem.fingerprints
            for first, last, kind in self._held_back.get(fingerprint, ())
            if first <= until and last >= since
        ]
        found += [
            (max(first, since), kind)
            for first, last, kind, labels in self._held_labels.get(problem.name, ())
            if first <= until and last >= since and labels.keys() >= problem.labels.keys() and _is_of(problem, labels)
        ]
        found += [
            (max(first, since), "left out of a webhook")
            for first, last, labels in self._left_out
            if first <= until and last >= since and _is_of(problem, labels)
        ]
        return min(found, default=None)

    def deletions_of(self, target: str) -> list[float]:
        """Return when a target was deleted, as far as anybody told; deletions within 10 minutes are one."""
        found: list[float] = []
        last = -math.inf
        for since, until in sorted(self._deleted.get(target, ())):
            if since > last + _ONE_DELETION:
                found.append(since)
            last = max(last, until)
        return found

    def deleted(self, targets: Iterable[str], since: float, until: float) -> float:
        """Return when any of the targets was first deleted after a time and up to another; infinity if none was."""
        if not self._deleted:
            return math.inf
        times = [
            max(first, since) for target in targets for first, last in self._deleted.get(target, ()) if last > since
        ]
        return min((time for time in times if time <= until), default=math.inf)

    def watched_until(self, problem: AlertProblem, since: float) -> float:
        """Return until when a problem was watched without a gap from a time on; the time itself if it was not."""
        spans = self._heartbeats.get(problem.cluster) or self._heartbeats.get(ANY, [])
        place = bisect_right(spans, (since, math.inf)) - 1
        until = max(since, spans[place][1]) if place >= 0 else since
        unheard = self._first_unheard(problem, since, until)
        return until if unheard is None else unheard[0]


def labels_of_subject(subject: str) -> dict[str, str] | None:
    """Return the labels that are the subject of a span; None for a fingerprint."""
    if not subject.startswith("{"):
        return None
    try:
        labels: dict[str, str] = json.loads(subject)
    except ValueError:  # an odd fingerprint
        return None
    return labels


def _is_of(problem: AlertProblem, labels: Mapping[str, str]) -> bool:
    """Return True if labels are all a problem's, or such as a restart changes."""
    return all(problem.labels.get(name) == text or name in problem.changing for name, text in labels.items())


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for since, until in sorted(spans):
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until))
        else:
            joined.append((since, until))
    return joined
