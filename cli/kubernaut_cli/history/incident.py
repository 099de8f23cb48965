"""All that belongs to one record, one workflow or one signal: steps, undos, the signal's course, what can be undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernaut_cli.history.course import Course, course_of
from kubernaut_cli.history.reading import HistoryReader, in_order, short_id
from kubernaut_cli.history.rows import HistoryRow, rows_of
from kubernaut_cli.undoing.plan import find_obstacle
from kubernaut_sdk.records import Record, Signal, rfc3339

__all__ = ["Incident", "incident_of", "incident_of_records", "undo_advice"]


@dataclass(frozen=True)
class Incident:
    """The steps of one workflow, or of all workflows of a signal, with what surrounds them.

    Attributes:
        rows: The steps in the order in which they ended.
        course: The course of the signal, with the verdict.
        asked_at: The time of the question.
        row: The step that was asked for, if it was one.
    """

    rows: tuple[HistoryRow, ...]
    course: Course
    asked_at: datetime
    row: HistoryRow | None = None

    @property
    def signal(self) -> Signal | None:
        """The signal behind it, or None."""
        return next((row.record.signal for row in self.rows if row.record.signal is not None), None)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        signal = self.signal
        made: dict[str, Any] = {
            "steps": [row.document() for row in self.rows],
            "signal": None if signal is None else signal.model_dump(mode="json", exclude_none=True),
            "firings": list(self.course.firings),
            "verdict": {"outcome": self.course.verdict, "sentence": self.course.sentence},
            "asked_at": rfc3339(self.asked_at),
        }
        if self.row is None:
            return made
        obstacle = find_obstacle(self.row.record)
        undo = {"possible": obstacle is None, "advice": undo_advice(self.row)}
        undos = [undo_.wire() for undo_ in self.row.undos]
        return {"record": self.row.document(), "undo": undo, "undos": undos, **made}


def incident_of(reader: HistoryReader, record: Record, *, now: datetime) -> Incident:
    """Return what belongs to one record."""
    siblings = reader.siblings(record)
    incident = incident_of_records(reader, siblings, now=now)
    row = next(row for row in incident.rows if row.record.id == record.id)
    return Incident(incident.rows, incident.course, now, row)


def incident_of_records(reader: HistoryReader, records: Sequence[Record], *, now: datetime) -> Incident:
    """Return the incident of these records, which are not empty."""
    ordered = in_order(list(records))
    first = min(record.intended_at or record.started_at or record.at for record in ordered)
    fingerprint = next((record.signal.fingerprint for record in ordered if record.signal), None)
    episodes = reader.episodes(fingerprint) if fingerprint else []
    rows = rows_of(ordered, reader.undos(first))
    return Incident(tuple(rows), course_of(ordered, episodes, now), now)


def undo_advice(row: HistoryRow) -> str:
    """Return how to take a record's change back, or why that cannot be; a sentence without a full stop."""
    undone = row.undone_by
    if undone is not None:
        who = f" by {undone.requester}" if undone.requester else ""
        return f"it was undone{who} at {undone.at:%Y-%m-%d %H:%M:%S} UTC: record {short_id(undone.id)}"
    obstacle = find_obstacle(row.record)
    return f"kubernaut undo {short_id(row.record.id)}" if obstacle is None else obstacle.sentence
