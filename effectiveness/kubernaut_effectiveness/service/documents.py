"""The documents of the pages: what a page shows, as JSON, made from a view."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from kubernaut_effectiveness.documents import act_document, incident_document, target_document, time_text
from kubernaut_effectiveness.service.following import View
from kubernaut_effectiveness.settings import HOUR
from kubernaut_effectiveness.statistics.survival import CurvePoint, incidence_curve, numbers_at_risk
from kubernaut_effectiveness.targets import history_of_target
from kubernaut_effectiveness.verdicts.comparison import compare_counts
from kubernaut_effectiveness.verdicts.words import silence_words

__all__ = [
    "action_page",
    "events_of",
    "front_page",
    "patterns_page",
    "signal_page",
    "signals_page",
    "standing",
    "target_page",
    "targets_page",
]

Document = dict[str, Any]
_FOLLOWED = 24 * HOUR
_LISTED = 200
_STEPS = 300


def standing(view: View) -> Document:
    """Return how old a page is, and what its numbers rest on."""
    watch = view.watch
    return {
        "as_of": time_text(view.read_at),
        "known_until": time_text(view.now),
        "fault": view.fault,
        "records": view.records,
        "heartbeats": {name or "any cluster": time_text(at) for name, at in sorted(watch.last_heartbeats.items())},
        "silences_known": bool(watch.silences_known),
        "silences": silence_words(watch, view.now - view.settings.window, view.now),
        "simulated": view.simulated,
    }


def front_page(view: View) -> Document:
    """Return the document of `/`: is it helping?"""
    return {
        "standing": standing(view),
        "last_day": dict(view.last_day),
        "given_up": [
            {"target": act.target, "action_type": act.action_type, "at": time_text(act.decided)}
            for act in view.given_up
        ],
        "most_remediated": [
            {"target": target, "incidents": incidents} for target, incidents in view.most_remediated[:10]
        ],
        "recent": [act_document(act) for act in view.recent],
        "actions": list(view.verdict_documents),
    }


def targets_page(view: View) -> Document:
    """Return the targets, those with the most incidents first."""
    return {
        "standing": standing(view),
        "targets": [{"target": target, "incidents": incidents} for target, incidents in view.most_remediated[:_LISTED]],
    }


def target_page(view: View, name: str) -> Document | None:
    """Return the document of one target, or None if no record names it."""
    fleet = view.questions.target(name, view.now, view.watch) if view.questions else None
    history = history_of_target(fleet, name) if fleet is not None else None
    if view.questions is None or history is None:
        return None
    flapping = [asdict(one) for one in view.questions.flapping(problem.key for problem in history.problems)]
    return {"standing": standing(view), **target_document(history), "flapping": flapping}


def signals_page(view: View) -> Document:
    """Return the signals, those with the most incidents first."""
    return {
        "standing": standing(view),
        "signals": [
            {"signal": name, "incidents": number}
            for name, number in (view.questions.signals(_LISTED) if view.questions else ())
        ],
    }


def signal_page(view: View, name: str) -> Document | None:
    """Return the document of one signal, or None if it is not known."""
    found = view.questions.signal(name) if view.questions else None
    if found is None:
        return None
    return {"standing": standing(view), **compare_counts(name, found).model_dump(mode="json")}


def action_page(view: View, name: str) -> Document | None:
    """Return the document of one action type, or None if no record is of it."""
    verdict = next((one for one in view.verdicts if one.action_type == name), None)
    if verdict is None or view.questions is None:
        return None
    returned = view.questions.returned(name)
    times = [0.0, 6 * HOUR, 12 * HOUR, 18 * HOUR, 24 * HOUR]
    pending = [view.settings.pending_for.get(signal, 0.0) for signal in verdict.signals]
    lengths = view.questions.lengths(name)
    return {
        "standing": standing(view),
        "verdict": verdict.model_dump(mode="json"),
        "curve": [list(point) for point in thinned_curve(incidence_curve(returned, "recurred", _FOLLOWED))],
        "at_risk": [list(item) for item in zip(times, numbers_at_risk(returned, times), strict=True)],
        "impossible_seconds": min(pending, default=0.0),
        "seconds_p50": _quantile(lengths, 0.5),
        "seconds_p95": _quantile(lengths, 0.95),
        "incidents": [incident_document(one) for one in view.questions.action_incidents(name, 50)],
    }


def events_of(record: Mapping[str, Any]) -> list[Document]:
    """Return what happened to a record in order, and who said it.

    A record keeps when it was intended, which only a controller says; when each attempt began and ended, which its
    container says; and when Data Storage recorded it. The rest is said by the record's source.
    """
    source = record.get("source") or "unknown"
    events: list[Document] = []

    def add(at: str | None, what: str, who: str) -> None:
        if at is not None:
            events.append({"at": at, "what": what, "who": who})

    add(record.get("intended_at"), "intended", "controller")
    add(record.get("started_at"), "started", source)
    for one in record.get("attempts", ()):
        add(one.get("started"), f"attempt {one['number']} began", source)
        reason = f": {one['error']['reason']}" if one.get("error") else ""
        add(one.get("ended"), f"attempt {one['number']} ended{reason}", source)
    add(record.get("finished_at"), f"finished: {record['state']}", source)
    add(record.get("recorded_at"), "recorded", "Data Storage")
    return sorted(events, key=lambda event: str(event["at"]))


def thinned_curve(points: Sequence[CurvePoint], most: int = _STEPS) -> list[CurvePoint]:
    """Return a curve of at most so many steps, which no eye tells from all of them."""
    if len(points) <= most:
        return list(points)
    step = len(points) / most
    return [*(points[int(place * step)] for place in range(most)), points[-1]]


def patterns_page(view: View) -> Document:
    """Return the patterns."""
    return {"standing": standing(view), **asdict(view.patterns)}


def _quantile(ordered: list[float], share: float) -> float | None:
    """Return the smallest value that at least this share does not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
