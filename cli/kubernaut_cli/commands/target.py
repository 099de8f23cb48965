"""`kubernaut target`: show what was done to one target, what fired, and whether it is still so."""

import json
from datetime import timedelta
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from kubernaut_cli.fleetreading import fleet_options, read_fleet_of
from kubernaut_cli.options import data_option
from kubernaut_cli.progress import table_console
from kubernaut_cli.terminal import echo
from kubernaut_effectiveness.documents import target_document
from kubernaut_effectiveness.patterns.report import minute_of
from kubernaut_effectiveness.targets import TargetHistory, find_target, history_of_target
from kubernaut_sdk.errors import NotFound

__all__ = ["target"]

_SHOWN = 20


@click.command()
@click.argument("name")
@fleet_options
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@data_option
def target(name: str, since: timedelta, pending_for: dict[str, float], output: str, data: Path | None) -> None:
    """Show the target NAME, whole (shop/Deployment/api) or the end of it (api).

    Exit code: 2 Data Storage refuses the query, 3 no such target, no records or no right, 75 no answer.
    """
    fleet = read_fleet_of(data, since, pending_for)
    found = find_target(fleet, name)
    if not found:
        raise NotFound(f"no record of the last {since.days} days names a target {name}.", reason="NoSuchTarget")
    histories = [history for one in found if (history := history_of_target(fleet, one)) is not None]
    if output == "json":
        echo(json.dumps([target_document(history) for history in histories], indent=2))
        return
    if len(found) > 1:
        echo(f"{len(found)} targets match {name}: {', '.join(found[:_SHOWN])}{', …' if len(found) > _SHOWN else ''}")
        return
    _show(histories[0])


def _show(history: TargetHistory) -> None:
    console = table_console()
    console.print(escape(history.name), style="bold")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("fired", "alert", "first line", "outcome", "second line"):
        table.add_column(column, overflow="fold")
    for one in history.incidents[-_SHOWN:]:
        table.add_row(
            minute_of(one.began),
            escape(one.name or ""),
            escape(one.action or "none"),
            one.outcome or "nothing was changed",
            escape(", ".join(act.action_type for act in one.second_line)),
        )
    if history.incidents:
        console.print(table)
    for time in history.deleted:
        console.print(f"deleted {minute_of(time)}: that it was silent afterwards is not counted")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("began", "action", "state", "by"):
        table.add_column(column, overflow="fold")
    for act in history.acts[-_SHOWN:]:
        table.add_row(minute_of(act.began), escape(act.action_type), act.state, escape(act.requester or ""))
    console.print(table)
    for still in history.still_so:
        seen = f", seen {minute_of(still.seen_by.began)}" if still.seen_by is not None else ""
        when = minute_of(still.change.ended)
        console.print(escape(f"is it still so? {still.change.action_type} of {when}: {still.answer}{seen}"))
