"""`kubernaut history`: list the records of actions."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from kubernaut_cli.options import data_option
from kubernaut_cli.progress import change_lines, table_console
from kubernaut_cli.store import open_record_store, storage_errors
from kubernaut_cli.terminal import echo, one_line
from kubernaut_sdk import DataStorage
from kubernaut_sdk.ages import AGE
from kubernaut_sdk.records import Record, State, rfc3339

__all__ = ["history"]

_COLUMNS = (
    "id",
    "at",
    "action_type",
    "state",
    "changed",
    "target",
    "step",
    "workflow",
    "attempt",
    "seconds",
    "error",
    "dry_run",
    "undoes",
)
_COLOURS = {"succeeded": "green", "unchanged": "green", "planned": "cyan", "skipped": "dim", "intended": "dim"}


@click.command()
@click.argument("action_type", metavar="[TYPE]", required=False)
@click.option("--since", type=AGE, default="90d", show_default=True, help="How far back, such as 12h, 1w or 90d.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many rows.")
@click.option("--state", help="Only records of this state.")
@click.option("--workflow", help="Only records of this workflow.")
@click.option("-o", "output", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@data_option
def history(
    action_type: str | None,
    since: timedelta,
    limit: int,
    state: str | None,
    workflow: str | None,
    output: str,
    data: Path | None,
) -> None:
    """List the records of one TYPE of action, or of all, newest first."""
    filters = {name: value for name, value in (("state", state), ("workflow", workflow)) if value}
    with open_record_store(data) as store, storage_errors("history cannot be read"):
        storage = DataStorage(store.url, store.token_file)
        try:
            found = storage.get_action_history(action_type, since, **filters)
            records = [record for record, _ in zip(found, range(limit), strict=False)]
        finally:
            storage.close()
    # the steps of one workflow have the same time in their ids; sort them by the time that they ended
    records.sort(key=lambda record: record.at, reverse=True)
    {"table": _table, "json": _json, "csv": _csv}[output](records)


def _json(records: Iterable[Record]) -> None:
    echo(json.dumps([record.wire() for record in records], indent=2))


def _csv(records: Iterable[Record]) -> None:
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for record in records:
        writer.writerow([_cell(record, column) for column in _COLUMNS])
    echo(rows.getvalue(), nl=False)


def _cell(record: Record, column: str) -> str:
    match column:
        case "target":
            text = _target(record)
        case "workflow":
            text = record.workflow.name if record.workflow else ""
        case "seconds":
            text = f"{seconds:.3f}" if (seconds := _seconds(record)) is not None else ""
        case "error":
            text = record.error.message if record.error else ""
        case "at":
            text = rfc3339(record.at)
        case _:
            value = getattr(record, column)
            text = "" if value is None else str(value)
    # a spreadsheet would take a cell that begins with one of these for a formula
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _table(records: list[Record]) -> None:
    console = table_console()
    if not records:
        console.print("no records", style="dim")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("when (UTC)", "action", "target", "state", "took", "change, or what went wrong"):
        table.add_column(column, overflow="fold")
    for record in records:
        colour = _COLOURS.get(record.state.value, "red")
        seconds = _seconds(record)
        result = record.error.message if record.error else "; ".join(_success_lines(record))
        state = record.state.value + "".join(f" ({note})" for note in _notes(record))
        table.add_row(
            f"{record.at:%m-%d %H:%M:%S}",
            escape(record.action_type or "?"),
            escape(one_line(_target(record))),
            f"[{colour}]{state}[/]",
            "" if seconds is None else f"{seconds:.1f} s",
            escape(one_line(result)),
        )
    console.print(table)


def _notes(record: Record) -> list[str]:
    """Return what the state does not show: the attempt, a dry run that was not planned, the record that it undoes."""
    notes = [f"attempt {record.attempt + 1}"] if record.attempt else []
    if record.dry_run and record.state is not State.PLANNED:
        notes.append("dry run")
    if record.undoes is not None:
        notes.append(f"undoes {record.undoes}")
    return notes


def _success_lines(record: Record) -> list[str]:
    return change_lines(record.change.document()) if record.change and record.state.good else []


def _target(record: Record) -> str:
    target = record.target
    if target is None or isinstance(target, str):
        return target or ""
    return "/".join(part for part in (target.cluster, target.namespace, target.kind, target.name) if part)


def _seconds(record: Record) -> float | None:
    if record.started_at is None or record.finished_at is None:
        return None
    return (record.finished_at - record.started_at).total_seconds()
