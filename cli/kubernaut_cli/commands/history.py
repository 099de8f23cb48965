"""`kubernaut history`: list the records of actions, and show one."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from kubernaut_cli.completion import complete_records, complete_types, complete_workflows
from kubernaut_cli.history.incident import incident_of
from kubernaut_cli.history.page import print_incident
from kubernaut_cli.history.reading import HistoryReader, last_ended, open_history
from kubernaut_cli.history.rows import LISTING, HistoryRow, follow_line, rows_of
from kubernaut_cli.listing import listing_options
from kubernaut_cli.moments import MOMENT
from kubernaut_cli.options import data_option, output_option
from kubernaut_cli.terminal import echo
from kubernaut_sdk.program.commandgroup import CommandGroup
from kubernaut_sdk.records import Record, State, rfc3339
from kubernaut_sdk.times import utcnow

__all__ = ["history"]

_STATES = [state.value for state in State]
_MOST_SIGNALS = 20
"""The most fingerprints of one alert's name that are asked for."""


class _ListingGroup(CommandGroup):
    """A group whose first argument may be left out: `history` lists, `history show ID` shows one record."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListingGroup)
def history() -> None:
    """List the records of actions, newest first; `history show ID` shows one."""


@history.command("list", hidden=True)
@click.argument("action_type", metavar="[TYPE]", required=False, shell_complete=complete_types)
@click.option("--since", type=MOMENT, default="90d", show_default=True, help="A time, or an age: 12h, 1w, 90d.")
@click.option("--until", type=MOMENT, help="A time or an age; of the workflow's beginning, as for --since.")
@click.option("--target", help="What the step or its workflow acts on: shop/Deployment/checkout, or only checkout.")
@click.option(
    "--workflow",
    shell_complete=complete_workflows,
    help="A workflow's name, or the name that `kubernaut run` printed.",
)
@click.option("--requester", help="Who asked for it.")
@click.option("--signal", help="A signal's fingerprint, or its alert's name.")
@click.option(
    "--state",
    type=click.Choice(_STATES),
    metavar="STATE",
    help="Such as succeeded, failed or lost.",
)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many rows.")
@click.option("--follow", is_flag=True, help="Go on with what happens from now on, a line a change, until Ctrl-C.")
@listing_options
@data_option
def list_(**options: Any) -> None:
    """List the records of one TYPE of action, or of all, newest first. `kubernaut history show ID` shows one.

    Exit code: 0 also where nothing was found, 2 Data Storage refuses the query, 3 no records or no right, 75 no answer.
    """
    data, output = options["data"], options["output"]
    filters = _filters(options)
    with open_history(data) as reader:
        begin = reader.newest_seq() if options["follow"] else 0  # before the list: no change falls between both
        records = _find(reader, filters, options)
        more = len(records) > options["limit"]
        records = last_ended(records, options["limit"])
        rows = rows_of(records, reader.undos(_oldest(records)) if records else {})
        if not rows and not options["follow"]:
            echo(f"nothing found {_asked(options)}{reader.looked()}", err=True)
        if rows or output in {"json", "yaml", "csv"}:
            LISTING.print(rows, output, headers=not options["no_headers"])
        if more:
            echo(f"these are the newest {options['limit']}; --limit shows more, --since fewer", err=True)
        if options["follow"]:
            _follow(reader, filters, options, begin, {record.id: record.state for record in records})


@history.command()
@click.argument("record_id", metavar="ID", shell_complete=complete_records)
@output_option("text", "json", "yaml")
@data_option
def show(record_id: str, output: str, data: Path | None) -> None:
    """Show all that is known of one record: its workflow and signal, if it helped, and how to take it back.

    The last digits of its ID, as `kubernaut history` shows them, are enough.

    Exit code: 2 ID names several records, 3 there is no such record or no right, 75 Data Storage does not answer.
    """
    with open_history(data) as reader:
        incident = incident_of(reader, reader.record(record_id), now=utcnow())
    if output == "json":
        echo(json.dumps(incident.document(), indent=2, ensure_ascii=False))
    elif output == "yaml":
        from kubernaut_controller import dump_yaml  # noqa: PLC0415 – only this format needs it

        echo(dump_yaml(incident.document()), nl=False)
    else:
        print_incident(incident)


def _filters(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the filters of the service that options ask for; workflow and signal are looked up by `_find`."""
    names = {"action_type": "action_type", "state": "state", "requester": "requester", "target": "about"}
    filters = {filter_: str(options[name]) for name, filter_ in names.items() if options[name]}
    if options["until"] is not None:
        filters["until"] = rfc3339(options["until"])
    return filters


def _find(reader: HistoryReader, filters: dict[str, str], options: Mapping[str, Any]) -> list[Record]:
    """Return the records, newest first, and more than the limit where there are more."""
    since, limit = options["since"], options["limit"]
    signals = reader.fingerprints(options["signal"])[:_MOST_SIGNALS] if options["signal"] else [None]
    found: list[Record] = []
    for signal in signals:
        chosen = filters | ({"signal": signal} if signal else {})
        if options["workflow"]:
            found += reader.of_workflow(options["workflow"], chosen, since=since)
        else:
            found += reader.newest(chosen, since=since, limit=limit)
    return sorted(found, key=lambda record: record.id, reverse=True)


def _oldest(records: list[Record]) -> datetime:
    return min(record.intended_at or record.started_at or record.at for record in records)


def _asked(options: Mapping[str, Any]) -> str:
    """Return the question in words, for an answer without records."""
    names = ("target", "workflow", "requester", "signal", "state")
    said = [f"--{name} {options[name]}" for name in names if options[name]]
    if options["action_type"]:
        said.insert(0, str(options["action_type"]))
    period = f"since {options['since']:%Y-%m-%d %H:%M}"
    if options["until"] is not None:
        period += f" until {options['until']:%Y-%m-%d %H:%M}"
    question = f"for {' '.join(said)} " if said else ""
    return f"{question}{period} (UTC) "


def _follow(
    reader: HistoryReader, filters: dict[str, str], options: Mapping[str, Any], begin: int, shown: dict[UUID, State]
) -> None:
    """Print a line for each change after `begin`, unless the list has shown the record in that state."""
    if options["output"] not in {"table", "wide", "json", "name"}:
        raise click.UsageError(f"--follow prints a line for each change; {options['output']} has no such form.")
    if options["until"] is not None:
        raise click.UsageError("--follow has no end, so it does not go with --until.")
    wanted = set(reader.fingerprints(options["signal"])) if options["signal"] else None
    for record in reader.follow(filters, begin):
        if shown.get(record.id) is record.state:
            continue
        shown[record.id] = record.state
        if wanted is not None and (record.signal is None or record.signal.fingerprint not in wanted):
            continue
        if options["workflow"] and not reader.is_of_workflow(record, options["workflow"]):
            continue
        row = HistoryRow(record)
        match options["output"]:
            case "json":
                echo(json.dumps(row.document(), ensure_ascii=False))
            case "name":
                echo(record.id)
            case _:
                echo(follow_line(row))
