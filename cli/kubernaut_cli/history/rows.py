"""Records as rows: the columns of `kubernaut history`, in every format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kubernaut_cli.history.changes import change_text
from kubernaut_cli.history.reading import short_id
from kubernaut_cli.listing import Column, Listing
from kubernaut_cli.terminal import one_line
from kubernaut_sdk.records import ObjectRef, Record, State, rfc3339

__all__ = ["LISTING", "HistoryRow", "follow_line", "result_text", "rows_of", "state_text", "step_text", "target_text"]

_COLOURS = {"succeeded": "green", "unchanged": "green", "planned": "cyan", "skipped": "dim", "intended": "dim"}


@dataclass(frozen=True)
class HistoryRow:
    """A record, and the records that undo it."""

    record: Record
    undos: tuple[Record, ...] = ()

    @property
    def undone_by(self) -> Record | None:
        """The record that took its change back, or None."""
        done = (undo for undo in self.undos if undo.state is State.SUCCEEDED and not undo.dry_run)
        return next(done, None)

    def document(self) -> dict[str, Any]:
        """Return the record as JSON, with the id of the record that undid it."""
        undone = self.undone_by
        return {**self.record.wire(), **({"undone_by": str(undone.id)} if undone else {})}


def target_text(target: ObjectRef | str | None) -> str:
    """Return a target as `--target` takes it."""
    if target is None or isinstance(target, str):
        return target or ""
    return "/".join(part for part in (target.namespace, target.kind, target.name) if part)


def step_text(record: Record) -> str:
    """Return workflow and step."""
    return "/".join(part for part in (record.workflow and record.workflow.name, record.step) if part)


def state_text(row: HistoryRow) -> str:
    """Return the state, and what it does not show: a later attempt, a dry run, an undo, that it was undone."""
    record = row.record
    notes = [f"attempt {record.attempt + 1}"] if record.attempt else []
    if record.dry_run or record.state is State.PLANNED:
        notes.append("dry run")
    if record.undoes is not None:
        notes.append(f"undoes {short_id(record.undoes)}")
    if row.undone_by is not None:
        notes.append("undone")
    return record.state.value + "".join(f" ({note})" for note in notes)


def result_text(record: Record) -> str:
    """Return the change or, of a step that did not succeed, what went wrong."""
    change = change_text(record)
    if record.error is None:
        return change
    return f"{record.error.message}{f' [{change}]' if change and record.changed is not False else ''}"


def _seconds(record: Record) -> float | None:
    if record.started_at is None or record.finished_at is None:
        return None
    return (record.finished_at - record.started_at).total_seconds()


def _took(row: HistoryRow) -> str:
    seconds = _seconds(row.record)
    return "" if seconds is None else f"{seconds:.1f} s"


def _signal(row: HistoryRow) -> str:
    signal = row.record.signal
    return "" if signal is None else signal.name or signal.fingerprint


def _colour(row: HistoryRow) -> str:
    return _COLOURS.get(row.record.state.value, "red")


def _field(name: str) -> Any:
    return lambda row: getattr(row.record, name)


_FIELDS: Mapping[str, Any] = {
    "id": _field("id"),
    "at": lambda row: rfc3339(row.record.at),
    "action_type": _field("action_type"),
    "state": _field("state"),
    "changed": _field("changed"),
    "target": lambda row: target_text(row.record.target),
    "step": _field("step"),
    "workflow": lambda row: row.record.workflow and row.record.workflow.name,
    "namespace": lambda row: row.record.workflow and row.record.workflow.namespace,
    "requester": _field("requester"),
    "signal": lambda row: row.record.signal and row.record.signal.fingerprint,
    "change": lambda row: change_text(row.record),
    "attempt": _field("attempt"),
    "seconds": lambda row: None if (seconds := _seconds(row.record)) is None else f"{seconds:.3f}",
    "error": lambda row: row.record.error and row.record.error.message,
    "undone_by": lambda row: row.undone_by and row.undone_by.id,
    "dry_run": _field("dry_run"),
    "undoes": _field("undoes"),
}

LISTING: Listing[HistoryRow] = Listing(
    columns=(
        Column(heading="id", cell=lambda row: short_id(row.record.id), folds=False),
        Column(heading="when (UTC)", cell=lambda row: f"{row.record.at:%m-%d %H:%M}", folds=False),
        Column(heading="who", cell=lambda row: row.record.requester or "", rank=3),
        Column(heading="workflow/step", cell=lambda row: step_text(row.record), rank=2),
        Column(heading="action", cell=lambda row: row.record.action_type or "?", rank=1),
        Column(heading="target", cell=lambda row: target_text(row.record.target), rank=4),
        Column(heading="state", cell=state_text, colour=_colour),
        Column(heading="change, or error", cell=lambda row: result_text(row.record)),
        Column(heading="took", cell=_took, wide=True),
        Column(heading="signal", cell=_signal, wide=True),
    ),
    document=HistoryRow.document,
    name=lambda row: str(row.record.id),
    fields=_FIELDS,
)


def rows_of(records: list[Record], undos: Mapping[UUID, list[Record]]) -> list[HistoryRow]:
    """Return the rows of records."""
    return [HistoryRow(record, tuple(undos.get(record.id, ()))) for record in records]


def follow_line(row: HistoryRow) -> str:
    """Return a row as one line without columns, for `--follow`."""
    record = row.record
    parts = (
        short_id(record.id),
        f"{record.at:%H:%M:%S}",
        record.requester,
        step_text(record),
        record.action_type,
        target_text(record.target),
        state_text(row),
        result_text(record),
    )
    return one_line("  ".join(part for part in parts if part))
