"""The fleet that Data Storage knows, judged: for the commands that show it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from kubernaut_cli.history.reading import HistoryReader, place_of
from kubernaut_cli.store import open_record_store, storage_errors
from kubernaut_cli.terminal import echo
from kubernaut_effectiveness import CountingRules, Fleet, read_fleet
from kubernaut_sdk import DataStorage
from kubernaut_sdk.ages import AGE
from kubernaut_sdk.durations import parse_duration
from kubernaut_sdk.records import utcnow

__all__ = ["fleet_options", "open_fleet", "parse_pending_for", "read_fleet_of"]

F = TypeVar("F", bound=Callable[..., Any])


def parse_pending_for(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Return the rules' `for` in seconds by the alert's name."""
    known: dict[str, float] = {}
    for value in values:
        name, separator, text = value.rpartition("=")
        try:
            known[name] = parse_duration(text).total_seconds()
        except ValueError:
            separator = ""
        if not separator or not name:
            raise click.BadParameter(f"{value}: write an alert's name and its rule's `for`, such as SlowCheckout=5m.")
    return known


def fleet_options(command: F) -> F:
    """Add the options of a command that judges: `--since` and `--for`."""
    since = click.option(
        "--since", type=AGE, default="90d", show_default=True, help="How far back, such as 12h, 1w or 90d."
    )
    pending = click.option(
        "--for",
        "pending_for",
        multiple=True,
        metavar="ALERT=TIME",
        callback=parse_pending_for,
        help="An alerting rule's `for`: within it, its alert cannot fire again.",
    )
    return since(pending(command))


@contextmanager
def open_fleet(
    data: Path | None, since: timedelta, pending_for: dict[str, float]
) -> Iterator[tuple[Fleet, DataStorage]]:
    """Yield all that the record store knows since an age, judged, and the store; say where it looked in vain."""
    now = utcnow()
    with open_record_store(data, reads=True) as store, storage_errors("history cannot be read"):
        storage = DataStorage(store.url, store.token_file)
        try:
            fleet = read_fleet(
                storage.get_action_history(None, since),
                storage.get_signals(now - since),
                storage.get_monitoring(now - since),
                now=now,
                settings=CountingRules(window=since.total_seconds(), pending_for=pending_for),
            )
            if not fleet.acts:
                looked = HistoryReader(storage, place_of(store, data)).looked()
                echo(f"no record since {now - since:%Y-%m-%d %H:%M} (UTC) {looked}", err=True)
            yield fleet, storage
        finally:
            storage.close()


def read_fleet_of(data: Path | None, since: timedelta, pending_for: dict[str, float]) -> Fleet:
    """Return all that the record store knows since an age, judged."""
    with open_fleet(data, since, pending_for) as (fleet, _):
        return fleet
