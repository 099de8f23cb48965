"""The pictures of pages, from the documents that pages are made of."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from kubernaut_effectiveness.service import svg
from kubernaut_effectiveness.service.visible import visible
from kubernaut_effectiveness.statistics.survival import CurvePoint
from kubernaut_effectiveness.verdicts.models import ActionVerdict, BaselineComparison, Share
from kubernaut_effectiveness.verdicts.words import baseline_words, length_words, plural

__all__ = ["LEGEND", "baseline", "lanes", "legend_mark", "outcome_bar", "recurrence", "weeks", "whisker"]

LEGEND = (
    ("firing", "firing"),
    ("recurrence", "fired again within the quiet time"),
    ("succeeded", "succeeded"),
    ("failed", "failed, timed out, cancelled or lost"),
    ("skipped", "anything else"),
    ("deleted", "deleted"),
)
"""The kinds of bars, lines and marks of swimlanes, each in words."""

_TICKS = 6


def outcome_bar(verdict: ActionVerdict) -> Markup:
    """Return the outcomes of an action type."""
    return _markup(svg.outcome_bar(verdict.outcomes))


def whisker(share: Share) -> Markup:
    """Return a share with its interval."""
    return _markup(svg.whisker(share))


def baseline(comparison: BaselineComparison) -> Markup:
    """Return the difference to the baseline, or nothing where there is none."""
    if comparison.difference is None or comparison.lower is None or comparison.upper is None:
        return Markup()
    shown = baseline_words(comparison)
    return _markup(svg.difference(comparison.lower, comparison.difference, comparison.upper, shown))


def weeks(verdict: ActionVerdict) -> Markup:
    """Return the weeks of an action type."""
    return _markup(svg.weeks(verdict.weeks))


def recurrence(document: Mapping[str, Any]) -> Markup:
    """Return the curve of what fired again after a resolution."""
    points = [CurvePoint(*point) for point in document["curve"]]
    at_risk = [(time, followed) for time, followed in document["at_risk"]]
    return _markup(svg.curve(points, 24 * 3600.0, at_risk, document["impossible_seconds"]))


def lanes(document: Mapping[str, Any]) -> Markup:
    """Return a target's swimlanes: a lane for each problem, and one for the actions."""
    known_until = _seconds(document["standing"]["known_until"])
    rows: list[tuple[str, list[svg.LaneSpan], list[svg.Mark]]] = []
    times = [known_until - 3600]
    for problem in document["problems"]:
        spans = []
        before = None
        for firing in problem["firings"]:
            fired = _seconds(firing["fired"])
            if firing["recurrence"] and before is not None:
                spans.append(svg.LaneSpan(before, fired, "recurrence", f"fired again {firing['fired']}"))
            resolved = known_until if firing["resolved"] is None else _seconds(firing["resolved"])
            times.append(fired)
            spans.append(
                svg.LaneSpan(fired, resolved, "firing", f"fired {firing['fired']}, until {firing['resolved'] or 'now'}")
            )
            before = resolved
        rows.append((visible(problem["alert"] or problem["problem"], 80), spans, []))
    marks = []
    for record in document["records"]:
        began = _seconds(record["began"])
        times.append(began)
        took, who = length_words(record["seconds"]), record["requester"] or "nobody named"
        title = f"{record['action_type']} {record['state']} {record['began']}, took {took}, by {who}"
        marks.append(svg.Mark(began, record["state"], visible(title, 200), began + record["seconds"]))
    for text in document["deleted"]:
        times.append(_seconds(text))
        marks.append(svg.Mark(_seconds(text), "deleted", f"the target was deleted {text}"))
    rows.append(("actions", [], marks))
    since = min(times)
    step = (known_until - since) / _TICKS
    ticks = [(since + place * step, f"{_day(since + place * step)}") for place in range(1, _TICKS)]
    firings = sum(len(problem["firings"]) for problem in document["problems"])
    counted = f"{plural(firings, 'firing')}, {plural(len(document['records']), 'record')}"
    title = f"{_day(since)} to {_day(known_until)}: {counted}"
    return _markup(svg.lanes(rows, since, known_until, ticks, title))


def legend_mark(kind: str) -> Markup:
    """Return the small picture beside a word of the legend."""
    if kind == "firing":
        drawn = '<rect class="s-firing" width="12" height="12"/>'
    elif kind == "recurrence":
        drawn = '<line class="s-recurrence" x1="0" y1="6" x2="12" y2="6"/>'
    else:
        drawn = svg.mark_of(kind, 6, 6)
    return _markup(f'<svg width="12" height="12" aria-hidden="true">{drawn}</svg>')


def _markup(text: str) -> Markup:
    return Markup(text)  # noqa: S704 – the functions of `svg` escape what they show


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _day(time: float) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=time)).strftime("%b %d %H:%M")
