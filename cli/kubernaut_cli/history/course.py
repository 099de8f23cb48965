"""The course of a signal around what was changed, and the verdict that follows from it. A function of plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kubernaut_sdk.records import Record

__all__ = ["Course", "course_of", "duration_text"]

QUIET = timedelta(minutes=30)
"""The time within which a signal must be resolved, and for which it must then stay silent."""


@dataclass(frozen=True)
class Course:
    """The course of one signal.

    Attributes:
        verdict: One word: `held`, `open` (too early to tell), `unresolved`, `recurred`, `gone`, `unchanged`, `unknown`.
        sentence: The verdict for people.
        firings: When it fired and was resolved, as sentences, oldest first.
    """

    verdict: str
    sentence: str
    firings: tuple[str, ...] = ()


def course_of(records: Sequence[Record], episodes: Sequence[Mapping[str, Any]], now: datetime) -> Course:
    """Return the course of the signal of a workflow's records.

    Args:
        records: The records of one workflow (or of an incident's workflows), undos among them.
        episodes: The episodes of its signal, oldest first, as Data Storage returns them.
        now: The time of the question.
    """
    times = [(_time(one["fired_at"]), _time(one["resolved_at"])) for one in episodes]
    firings = tuple(_firing(fired, resolved) for fired, resolved in times if fired is not None)
    applied = [record for record in records if record.changed and not record.dry_run and record.undoes is None]
    if not applied:
        return Course("unchanged", "Nothing was changed, so there is nothing to judge.", firings)
    if all(record.signal is None for record in records):
        return Course("unknown", "No signal is named, so nobody can tell if it helped.", firings)
    began = min(record.started_at or record.at for record in applied)
    ended = max(record.finished_at or record.at for record in applied)
    answered = next(
        ((fired, resolved) for fired, resolved in reversed(times) if fired is not None and fired <= ended), None
    )
    if answered is None:
        return Course(
            "unknown",
            "When the signal fired is not known: Alertmanager has to send its alerts to /api/v1/signals.",
            firings,
        )
    return Course(*_verdict(began, ended, answered[1], times, now), firings)


def _verdict(
    began: datetime,
    ended: datetime,
    resolved: datetime | None,
    times: Sequence[tuple[datetime | None, datetime | None]],
    now: datetime,
) -> tuple[str, str]:
    if resolved is None:
        word = "unresolved" if now - ended > QUIET else "open"
        early = "" if word == "unresolved" else f"; it has until {_clock(ended + QUIET)} to be resolved"
        return word, f"It still fires, {duration_text(now - ended)} after the last change{early}."
    if resolved <= began:
        return "gone", f"It was resolved {duration_text(began - resolved)} before anything was changed."
    after = "" if resolved < ended else f"{duration_text(resolved - ended)} after the last change"
    done = f"It was resolved {after or 'while changes were made'}"
    if resolved - ended > QUIET:
        return "unresolved", f"{done}, later than the {duration_text(QUIET)} within which that counts."
    again = next((fired for fired, _ in times if fired is not None and fired > resolved), None)
    if again is not None and again - resolved <= QUIET:
        return "recurred", f"{done}, and fired again {duration_text(again - resolved)} later."
    if now - resolved < QUIET:
        return "open", f"{done}; too early to tell: it must stay silent until {_clock(resolved + QUIET)}."
    later = f" (it fired again {duration_text(again - resolved)} later)" if again is not None else ""
    return "held", f"{done}, and stayed silent for {duration_text(QUIET)}{later}."


def duration_text(span: timedelta) -> str:
    """Return a time span in words, such as `2 min`."""
    seconds = max(0.0, span.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _firing(fired: datetime, resolved: datetime | None) -> str:
    if resolved is None:
        return f"fired {_clock(fired)}, and fires still"
    return f"fired {_clock(fired)}, resolved {_clock(resolved)} (after {duration_text(resolved - fired)})"


def _clock(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
