"""`kubernaut effectiveness`: show how often each type of action helped, with the uncertainty."""

import json
from datetime import timedelta
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from kubernaut_cli.options import data_option
from kubernaut_cli.progress import table_console
from kubernaut_cli.store import open_record_store, storage_errors
from kubernaut_cli.terminal import echo
from kubernaut_effectiveness import DurableSuccess, EffectivenessVerdict, Episode, verdicts
from kubernaut_sdk import DataStorage
from kubernaut_sdk.ages import AGE
from kubernaut_sdk.records import utcnow

__all__ = ["effectiveness"]


@click.command()
@click.argument("action_type", metavar="[TYPE]", required=False)
@click.option("--since", type=AGE, default="90d", show_default=True, help="How far back, such as 12h, 1w or 90d.")
@click.option("--quiet", type=AGE, default="30m", show_default=True, help="How long a signal must stay silent.")
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@data_option
def effectiveness(action_type: str | None, since: timedelta, quiet: timedelta, output: str, data: Path | None) -> None:
    """Show how often one TYPE of action helped, or each type; the surest success comes first."""
    now = utcnow()
    with open_record_store(data, reads=True) as store, storage_errors("history cannot be read"):
        storage = DataStorage(store.url, store.token_file)
        try:
            # the records of all types: another action in between changes what one action's success means
            records = list(storage.get_action_history(None, since))
            episodes = [Episode.model_validate(item) for item in storage.get_signals(now - since)]
        finally:
            storage.close()
    found = verdicts(records, episodes, now=now, quiet=quiet)
    found = [verdict for verdict in found if action_type in {None, verdict.action_type}]
    if output == "json":
        echo(json.dumps([verdict.model_dump(mode="json") for verdict in found], indent=2))
    else:
        _table(found, action_type)


def _table(found: list[EffectivenessVerdict], action_type: str | None) -> None:
    console = table_console()
    if not found:
        console.print(f"no records{f' of {escape(action_type)}' if action_type else ''}", style="dim")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("action", "n", "success (95 % interval)", "recent", "held (signal silent)", "not counted"):
        table.add_column(column, overflow="fold")
    for verdict in found:
        table.add_row(
            escape(verdict.action_type),
            str(verdict.n),
            verdict.refusal or _rate(verdict.rate, verdict.lower, verdict.upper),
            _rate(verdict.weighted_rate, verdict.weighted_lower, verdict.weighted_upper),
            _durable(verdict.durable),
            ", ".join(f"{count} {state}" for state, count in sorted(verdict.excluded.items())),
        )
    console.print(table)


def _rate(rate: float | None, lower: float | None, upper: float | None) -> str:
    return "" if rate is None else f"{rate:.0%} ({lower:.0%}–{upper:.0%})"


def _durable(durable: DurableSuccess | None) -> str:
    if durable is None:
        return "signals not known"
    return durable.refusal or f"{_rate(durable.rate, durable.lower, durable.upper)} of {durable.n}"
