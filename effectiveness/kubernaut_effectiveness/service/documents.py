"""The documents of the pages: what a page shows, as JSON, made from a view."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from kubernaut_effectiveness.counting.acts import ActKind
from kubernaut_effectiveness.demodata import REQUESTER
from kubernaut_effectiveness.documents import act_document, incident_document, target_document, time_text
from kubernaut_effectiveness.service.following import View
from kubernaut_effectiveness.settings import DAY, HOUR
from kubernaut_effectiveness.statistics.survival import incidence_curve, numbers_at_risk
from kubernaut_effectiveness.targets import history_of_target, targets_by_incidents
from kubernaut_effectiveness.verdicts.comparison import compare_actions
from kubernaut_effectiveness.verdicts.fleet import histories_of

__all__ = [
    "action_page",
    "front_page",
    "patterns_page",
    "signal_page",
    "signals_page",
    "standing",
    "target_page",
    "targets_page",
]

Document = dict[str, Any]
_RECENT = 15
_FOLLOWED = 24 * HOUR
_LISTED = 200


def standing(view: View) -> Document:
    """Return how old a page is, and what its numbers rest on."""
    watch = view.fleet.watch
    return {
        "as_of": time_text(view.read_at),
        "known_until": time_text(view.fleet.now),
        "fault": view.fault,
        "records": len(view.fleet.acts),
        "heartbeats": {name or "any cluster": time_text(at) for name, at in sorted(watch.last_heartbeats.items())},
        "silences_known": watch.knows_silences,
        "simulated": any(act.requester == REQUESTER for act in view.fleet.acts[-1:]),
    }


def front_page(view: View) -> Document:
    """Return the document of `/`: is it helping?"""
    fleet = view.fleet
    last_day = [act for act in fleet.acts if act.began >= fleet.now - DAY]
    given_up = [act for act in fleet.acts if act.kind is ActKind.HELD_UP and act.reason == "GivenUp"]
    newest = sorted(last_day, key=lambda act: -act.ended)[:_RECENT]
    return {
        "standing": standing(view),
        "last_day": dict(Counter(act.state.value for act in last_day).most_common()),
        "given_up": [
            {"target": act.target, "action_type": act.action_type, "at": time_text(act.decided)} for act in given_up
        ],
        "most_remediated": [
            {"target": target, "incidents": incidents} for target, incidents in targets_by_incidents(fleet)
        ],
        "recent": [act_document(act) for act in newest],
        "actions": [verdict.model_dump(mode="json") for verdict in view.verdicts],
    }


def targets_page(view: View) -> Document:
    """Return the targets, those with the most incidents first."""
    return {
        "standing": standing(view),
        "targets": [
            {"target": target, "incidents": incidents}
            for target, incidents in targets_by_incidents(view.fleet, _LISTED)
        ],
    }


def target_page(view: View, name: str) -> Document | None:
    """Return the document of one target, or None if no record names it."""
    history = history_of_target(view.fleet, name)
    if history is None:
        return None
    keys = {problem.key for problem in history.problems}
    flapping = [asdict(one) for one in view.patterns.flapping if one.problem in keys]
    return {"standing": standing(view), **target_document(history), "flapping": flapping}


def signals_page(view: View) -> Document:
    """Return the signals, those with the most incidents first."""
    counted: Counter[str] = Counter()
    for problem in view.fleet.problems.values():
        counted[problem.name or problem.key] += len(problem.incidents)
    return {
        "standing": standing(view),
        "signals": [{"signal": name, "incidents": number} for name, number in counted.most_common(_LISTED)],
    }


def signal_page(view: View, name: str) -> Document | None:
    """Return the document of one signal, or None if it is not known."""
    fleet = view.fleet
    problems = [problem for problem in fleet.problems.values() if (problem.name or problem.key) == name]
    if not problems:
        return None
    keys = {problem.key for problem in problems}
    judged = [one for one in fleet.judged if one.problem in keys]
    verdict = compare_actions(name, judged, sum(len(problem.incidents) for problem in problems))
    return {"standing": standing(view), **verdict.model_dump(mode="json")}


def action_page(view: View, name: str) -> Document | None:
    """Return the document of one action type, or None if no record is of it."""
    verdict = next((one for one in view.verdicts if one.action_type == name), None)
    if verdict is None:
        return None
    history = histories_of(view.fleet)[name]
    returned = [one.returned for one in history.incidents if one.returned is not None]
    times = [0.0, 0.5 * HOUR, 6 * HOUR, 12 * HOUR, 18 * HOUR, 24 * HOUR]
    pending = [view.fleet.settings.pending_for.get(signal, 0.0) for signal in verdict.signals]
    lengths = sorted(act.ended - act.began for act in history.acts if act.kind is ActKind.CHANGED)
    return {
        "standing": standing(view),
        "verdict": verdict.model_dump(mode="json"),
        "curve": [list(point) for point in incidence_curve(returned, "recurred", _FOLLOWED)],
        "at_risk": [list(item) for item in zip(times, numbers_at_risk(returned, times), strict=True)],
        "impossible_seconds": min(pending, default=0.0),
        "seconds_p50": _quantile(lengths, 0.5),
        "seconds_p95": _quantile(lengths, 0.95),
        "incidents": [incident_document(one) for one in reversed(history.incidents[-50:])],
    }


def patterns_page(view: View) -> Document:
    """Return the patterns."""
    return {"standing": standing(view), **asdict(view.patterns)}


def _quantile(ordered: list[float], share: float) -> float | None:
    """Return the smallest value that at least this share does not exceed."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
