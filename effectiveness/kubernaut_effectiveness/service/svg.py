"""Pictures as SVG, written by small functions. Colours and sizes of text are classes of the style sheet.

Every picture has a title, which is its name for a screen reader. Text is escaped; numbers are written by `number`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from kubernaut_effectiveness.statistics.survival import CurvePoint
from kubernaut_effectiveness.verdicts.models import Share, WeekShare
from kubernaut_effectiveness.verdicts.words import percent

__all__ = [
    "LaneSpan",
    "Mark",
    "curve",
    "difference",
    "lanes",
    "mark_of",
    "number",
    "outcome_bar",
    "standalone",
    "weeks",
    "whisker",
]

_OUTCOMES = ("held", "recurred", "unresolved", "failed", "superseded", "unwatched", "gone", "pending")
_STYLE = Path(__file__).parent / "static" / "pictures.css"
_BAD_ENDS = frozenset({"failed", "timed_out", "lost", "cancelled"})
_MARK, _SEEN = 4.5, 6.0
"""Half the width of a mark, and the length from which a line is seen beside it."""
_FEW = 5
"""Incidents below which a week is a dot."""


@dataclass(frozen=True)
class LaneSpan:
    """A bar of a lane, from one time to another; one of the kind `recurrence` is a line between two bars."""

    since: float
    until: float
    kind: str
    title: str


@dataclass(frozen=True)
class Mark:
    """A mark of a lane at a time, with a line for its length where that can be seen."""

    at: float
    kind: str
    title: str
    until: float | None = None


def number(value: float) -> str:
    """Return a number with at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def outcome_bar(outcomes: Mapping[str, int], width: float = 180) -> str:
    """Return all incidents of an action type as one bar, a part for each outcome."""
    total = sum(outcomes.values())
    said = ", ".join(f"{outcomes[name]} {name}" for name in _OUTCOMES if outcomes.get(name)) or "no incident"
    parts, place = [], 0.0
    for name in _OUTCOMES:
        if count := outcomes.get(name, 0):
            size = width * count / total
            parts.append(
                f'<rect class="o-{name}" x="{number(place)}" y="0" width="{number(size)}" height="14">'
                f"<title>{count} {name}</title></rect>"
            )
            place += size
    return _picture(width, 14, f"Outcomes: {said}", parts)


def whisker(share: Share, width: float = 160) -> str:
    """Return a share as a dot with its interval, on an axis from 0 to 100 %."""
    axis = f'<line class="axis" x1="0" y1="12" x2="{number(width)}" y2="12"/>'
    if share.rate is None or share.lower is None or share.upper is None:
        return _picture(width, 18, f"No rate: {share.refusal}", [axis])
    low, middle, high = (width * value for value in (share.lower, share.rate, share.upper))
    said = f"{percent(share.rate)}, interval {share.lower * 100:.0f} to {share.upper * 100:.0f} %"
    return _picture(
        width,
        18,
        said,
        [
            axis,
            f'<line class="whisker" x1="{number(low)}" y1="8" x2="{number(high)}" y2="8"/>',
            f'<circle class="dot" cx="{number(middle)}" cy="8" r="4"/>',
        ],
    )


def difference(lower: float, value: float, upper: float, shown: str, width: float = 160) -> str:
    """Return a difference with its interval, on an axis from −100 to +100 points; green only above 0."""
    low, middle, high = (width * (one + 1) / 2 for one in (lower, value, upper))
    kind = "helped" if lower > 0 else "worse" if upper < 0 else "open"
    return _picture(
        width,
        18,
        shown,
        [
            f'<line class="axis" x1="0" y1="12" x2="{number(width)}" y2="12"/>',
            f'<line class="zero" x1="{number(width / 2)}" y1="1" x2="{number(width / 2)}" y2="17"/>',
            f'<line class="whisker {kind}" x1="{number(low)}" y1="8" x2="{number(high)}" y2="8"/>',
            f'<circle class="dot {kind}" cx="{number(middle)}" cy="8" r="4"/>',
        ],
    )


def weeks(bins: Sequence[WeekShare], width: float = 170, height: float = 36) -> str:
    """Return the share that held week by week, on a fixed axis from 0 to 100 %; dots where fewer than 5."""
    step = width / max(1, len(bins))
    parts = [
        f'<line class="axis" x1="0" y1="{number(place)}" x2="{number(width)}" y2="{number(place)}"/>'
        for place in (0.5, height - 0.5)
    ]
    said = []
    for place, week in enumerate(bins):
        if not week.incidents:
            continue
        share = week.good / week.incidents
        top = 2 + (height - 4) * (1 - share)
        middle = (place + 0.5) * step
        title = f"<title>week of {escape(week.week)}: {week.good} of {week.incidents}</title>"
        said.append(f"{week.good} of {week.incidents}")
        if week.incidents < _FEW:
            parts.append(f'<circle class="few" cx="{number(middle)}" cy="{number(top)}" r="2.5">{title}</circle>')
        else:
            x, size = number(place * step + 1), number(height - 2 - top + 2)
            parts.append(
                f'<rect class="week" x="{x}" y="{number(top - 1)}" width="{number(step - 2)}" height="{size}">'
                f"{title}</rect>"
            )
    return _picture(width, height, f"Held by week: {'; '.join(said) or 'no incident'}", parts)


def curve(
    points: Sequence[CurvePoint],
    until: float,
    at_risk: Sequence[tuple[float, int]],
    impossible: float = 0.0,
    width: float = 560,
    height: float = 220,
) -> str:
    """Return the share that fired again over time, as a step curve with the numbers at risk below it.

    Args:
        points: The steps.
        until: The end of the axis in seconds.
        at_risk: How many were still followed at some times.
        impossible: Seconds in which the rule's `for` makes a recurrence impossible: shaded.
        width: Of the picture.
        height: Of the picture.
    """
    left, bottom, right = 44.0, height - 46, width - 12
    scale = (right - left) / until

    def x(time: float) -> str:
        return number(left + min(time, until) * scale)

    def y(share: float) -> str:
        return number(8 + (bottom - 8) * (1 - share))

    parts = []
    if impossible > 0:
        parts.append(
            f'<rect class="impossible" x="{x(0)}" y="8" width="{number(min(impossible, until) * scale)}" '
            f'height="{number(bottom - 8)}"><title>within the rule\'s for nothing can fire</title></rect>'
        )
    for share in (0.0, 0.5, 1.0):
        parts.append(f'<line class="axis" x1="{number(left)}" y1="{y(share)}" x2="{number(right)}" y2="{y(share)}"/>')
        parts.append(f'<text class="label end" x="{number(left - 6)}" y="{y(share)}" dy="4">{share:.0%}</text>')
    if points:
        path = [f"M{x(points[0].time)} {y(points[0].incidence)}"]
        path += [f"H{x(point.time)}V{y(point.incidence)}" for point in points[1:]]
        parts.append(f'<path class="curve" d="{"".join(path)}"/>')
    for time, followed in at_risk:
        hours = f"{number(time / 3600)} h"
        parts.append(f'<text class="label mid" x="{x(time)}" y="{number(bottom + 16)}">{hours}</text>')
        parts.append(f'<text class="label mid" x="{x(time)}" y="{number(bottom + 34)}">{followed}</text>')
    last = points[-1].incidence if points else 0.0
    return _picture(width, height, f"Fired again: {percent(last)} by the end; numbers at risk below the axis", parts)


def lanes(
    rows: Iterable[tuple[str, Sequence[LaneSpan], Sequence[Mark]]],
    since: float,
    until: float,
    ticks: Sequence[tuple[float, str]],
    title: str,
    width: float = 1100,
) -> str:
    """Return swimlanes over time: bars and marks, a lane for each row, with its name above it."""
    rows = list(rows)
    scale = width / max(1.0, until - since)
    lane, top = 34.0, 4.0

    def x(time: float) -> float:
        return (min(max(time, since), until) - since) * scale

    parts = []
    for place, (name, spans, marks) in enumerate(rows):
        y = top + place * lane
        parts.append(f'<text class="label" x="0" y="{number(y + 10)}">{escape(name)}</text>')
        parts.append(f'<line class="axis" x1="0" y1="{number(y + 22)}" x2="{number(width)}" y2="{number(y + 22)}"/>')
        for one in spans:
            size = max(1.5, x(one.until) - x(one.since))
            if one.kind == "recurrence":
                parts.append(
                    f'<line class="s-recurrence" x1="{number(x(one.since))}" y1="{number(y + 22)}" '
                    f'x2="{number(x(one.until))}" y2="{number(y + 22)}"><title>{escape(one.title)}</title></line>'
                )
                continue
            parts.append(
                f'<rect class="s-{escape(one.kind)}" x="{number(x(one.since))}" y="{number(y + 16)}" '
                f'width="{number(size)}" height="12"><title>{escape(one.title)}</title></rect>'
            )
        for mark in marks:
            if mark.until is not None and x(mark.until) - x(mark.at) > _SEEN:
                parts.append(
                    f'<line class="m-length" x1="{number(x(mark.at))}" y1="{number(y + 22)}" '
                    f'x2="{number(x(mark.until))}" y2="{number(y + 22)}"/>'
                )
            parts.append(mark_of(mark.kind, x(mark.at), y + 22, mark.title))
    height = top + len(rows) * lane + 18
    for time, text in ticks:
        parts.append(f'<text class="label mid" x="{number(x(time))}" y="{number(height - 4)}">{escape(text)}</text>')
    return _picture(width, height, title, parts)


def mark_of(kind: str, x: float, y: float, title: str = "") -> str:
    """Return a mark, told by its form too: a dot, a diamond for a bad end, a cross for a deletion, else a ring."""
    left, right, top, bottom = (number(value) for value in (x - _MARK, x + _MARK, y - _MARK, y + _MARK))
    named = f"<title>{escape(title)}</title>" if title else ""
    css = f'class="m-{escape(kind)}"'
    if kind in _BAD_ENDS:
        middle = number(x), number(y)
        form = f"M{left} {middle[1]}L{middle[0]} {top}L{right} {middle[1]}L{middle[0]} {bottom}Z"
        return f'<path {css} d="{form}">{named}</path>'
    if kind == "deleted":
        return f'<path {css} d="M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}">{named}</path>'
    ring = "" if kind == "succeeded" else " ring"
    return f'<circle class="m-{escape(kind)}{ring}" cx="{number(x)}" cy="{number(y)}" r="4">{named}</circle>'


def standalone(picture: str) -> str:
    """Return a picture with its colours and background, for a file or a notebook, where no style sheet is beside it."""
    style = f"{_STYLE.read_text()}svg {{ background: var(--page); }}"
    opened, _, rest = picture.removeprefix("<svg").partition(">")
    return f'<svg xmlns="http://www.w3.org/2000/svg"{opened}><style>{style}</style>{rest}'


def _picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    size = f'viewBox="0 0 {number(width)} {number(height)}" width="{number(width)}" height="{number(height)}"'
    return f'<svg {size} role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
