"""An incident in Markdown, for a ticket or a post-mortem: `kubernaut report`."""

import json
from collections.abc import Iterator

from kubernaut_cli.history.changes import record_changes
from kubernaut_cli.history.incident import Incident, undo_advice
from kubernaut_cli.history.reading import short_id, when, workflow_title
from kubernaut_cli.history.rows import HistoryRow, state_text, target_text
from kubernaut_cli.terminal import one_line
from kubernaut_sdk.records import Record

__all__ = ["markdown"]

_SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|#"})


def markdown(incident: Incident) -> str:
    """Return an incident as a Markdown document."""
    return "\n".join(_lines(incident)).rstrip() + "\n"


def _lines(incident: Incident) -> Iterator[str]:
    first, signal = incident.rows[0].record, incident.signal
    name = signal and (signal.name or signal.fingerprint)
    about = next((text for row in incident.rows if (text := target_text(row.record.target))), "")
    title = name or (first.workflow.name if first.workflow else "Incident")
    yield f"# {_text(f'{title} on {about}' if about else title)}"
    yield ""
    yield f"**{_text(incident.course.sentence)}**"
    yield ""
    if signal is not None:
        severity = f"severity {_text(signal.severity or 'unknown')}"
        yield f"- Signal: {_text(name or '')}, {severity}, fingerprint {_code(signal.fingerprint)}"
        yield from (f"  - {_text(firing)}" for firing in incident.course.firings)
    for title, values in (
        ("Workflow", [workflow_title(row.record.workflow) for row in incident.rows if row.record.workflow]),
        ("RemediationRequest", [row.record.remediation.name for row in incident.rows if row.record.remediation]),
        ("Asked for by", [row.record.requester for row in incident.rows if row.record.requester]),
        ("Approved by", [row.record.approver for row in incident.rows if row.record.approver]),
    ):
        if values:
            yield f"- {title}: {', '.join(map(_text, dict.fromkeys(values)))}"
    yield f"- Asked at {when(incident.asked_at)}; all times are UTC"
    yield ""
    yield "## What was done"
    yield ""
    yield "| ended | step | action | target | state | record |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in incident.rows:
        yield _table_row(row)
    yield from _changes(incident)
    yield from _problems(incident)
    yield "## How to take it back"
    yield ""
    for row in incident.rows:
        if row.record.changed is not False and not row.record.dry_run and row.record.change is not None:
            advice = undo_advice(row)
            shown = _code(advice) if advice.startswith("kubernaut ") else _text(advice)
            yield f"- {_text(row.record.step or short_id(row.record.id))}: {shown}"


def _table_row(row: HistoryRow) -> str:
    record = row.record
    cells = (
        when(record.finished_at) if record.finished_at else "not yet",
        record.step or "",
        record.action_type or "",
        target_text(record.target),
        state_text(row),
    )
    return f"| {' | '.join(map(_text, cells))} | {_code(short_id(record.id))} |"


def _changes(incident: Incident) -> Iterator[str]:
    yield ""
    yield "## What was changed"
    yield ""
    changed = [row for row in incident.rows if row.record.changed is not False and not row.record.dry_run]
    lines = [line for row in changed for line in _diff(row.record)]
    if not lines:
        yield "Nothing."
    else:
        yield "```diff"
        yield from lines
        yield "```"
    yield ""


def _diff(record: Record) -> Iterator[str]:
    values = list(record_changes(record))
    if values:
        yield _fenced(f"# {record.step or record.action_type} ({short_id(record.id)})")
    for name, before, after in values:
        if before is not None:
            yield _fenced(f"- {name}: {json.dumps(before, ensure_ascii=False)}")
        if after is not None:
            yield _fenced(f"+ {name}: {json.dumps(after, ensure_ascii=False)}")


def _problems(incident: Incident) -> Iterator[str]:
    failed = [row.record for row in incident.rows if row.record.error is not None]
    if failed:
        yield "## What went wrong"
        yield ""
        for record in failed:
            assert record.error is not None
            yield f"- {_text(record.step or short_id(record.id))}: {_text(record.error.message)}"
        yield ""


def _text(text: str) -> str:
    """Return a text in which nothing is Markdown: it comes from records."""
    return one_line(text).translate(_SPECIAL)


def _code(text: str) -> str:
    plain = one_line(text).replace("`", "'")
    return f"`{plain}`"


def _fenced(text: str) -> str:
    return one_line(text).replace("```", "'''")
