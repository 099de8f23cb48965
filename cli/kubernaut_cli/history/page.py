"""The page of one record in the terminal: `kubernaut history show ID`."""

import json
from collections.abc import Iterator
from typing import Any

from kubernaut_cli.history.changes import change_text
from kubernaut_cli.history.incident import Incident, undo_advice
from kubernaut_cli.history.reading import short_id, when, workflow_title
from kubernaut_cli.history.rows import HistoryRow, result_text, state_text, target_text
from kubernaut_cli.terminal import echo, one_line
from kubernaut_sdk.records import Record

__all__ = ["print_incident"]

_LONGEST = 400


def print_incident(incident: Incident) -> None:
    """Print the record that an incident was asked for, and what belongs to it."""
    assert incident.row is not None
    for title, lines in (
        ("record", _record(incident.row)),
        ("workflow", _workflow(incident)),
        ("signal", _signal(incident)),
        ("undo", _undo(incident.row)),
    ):
        for index, line in enumerate(lines):
            echo(f"{'' if index else title:<10}{one_line(line)}")
        echo()


def _record(row: HistoryRow) -> Iterator[str]:
    record = row.record
    yield f"{record.id}"
    yield f"{record.action_type or 'no action'} {record.action_version or ''}".rstrip()
    yield f"state      {state_text(row)}, {_changed(record)}"
    if change := change_text(record):
        yield f"change     {change}"
    if record.error is not None:
        yield f"error      {record.error.message} ({record.error.reason}, code {record.error.code})"
    yield f"when       {_times(record)}"
    approved = f", approved by {record.approver}" if record.approver else ""
    yield f"who        {record.requester or 'nobody is named'}{approved}"
    if target := target_text(record.target):
        yield f"target     {target}"
    for name in ("inputs", "output"):
        if (value := getattr(record, name)) is not None:
            yield f"{name:<10} {_short(value)}"
    for attempt in record.attempts or ():
        if attempt.error is not None:
            yield f"attempt {attempt.number + 1:<2} {attempt.error.message}"
    for name, text in (("image", record.image), ("trace", record.trace_id), ("pod", record.pod and record.pod.name)):
        if text:
            yield f"{name:<10} {text}"


def _workflow(incident: Incident) -> Iterator[str]:
    assert incident.row is not None
    record = incident.row.record
    if record.workflow is None:
        yield "none: it was run by itself"
        return
    yield workflow_title(record.workflow)
    if record.remediation is not None:
        yield f"because of RemediationRequest {record.remediation.name}"
    for row in incident.rows:
        mark = "▸" if row.record.id == record.id else " "
        result = result_text(row.record)
        step = f"{row.record.step or '?'}: {row.record.action_type or '?'} {state_text(row)}"
        yield f"{mark} {short_id(row.record.id)}  {step}{f' – {result}' if result else ''}"


def _signal(incident: Incident) -> Iterator[str]:
    signal = incident.signal
    if signal is not None:
        yield f"{signal.name or signal.fingerprint} ({', '.join(filter(None, (signal.severity, signal.fingerprint)))})"
        yield from incident.course.firings
    yield f"{incident.course.sentence}"


def _undo(row: HistoryRow) -> Iterator[str]:
    yield undo_advice(row)
    for undo in row.undos:
        if undo is row.undone_by:
            continue
        dry = " (dry run)" if undo.dry_run else ""
        who = f" by {undo.requester}" if undo.requester else ""
        yield f"tried{who} at {when(undo.at)} UTC: {undo.state}{dry}, record {short_id(undo.id)}"
    if row.record.undoes is not None:
        yield f"this record itself undoes {short_id(row.record.undoes)}"


def _changed(record: Record) -> str:
    return {True: "changed", False: "nothing was changed", None: "it is not known if anything was changed"}[
        record.changed
    ]


def _times(record: Record) -> str:
    parts = [
        f"{name} {when(time)}"
        for name, time in (
            ("intended", record.intended_at),
            ("started", record.started_at),
            ("ended", record.finished_at),
        )
        if time is not None
    ]
    return f"{', '.join(parts) or when(record.at)} (UTC)"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… (-o json has all of it)"
