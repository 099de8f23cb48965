"""The fleet that Data Storage knows, judged: for the commands that show it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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

__all__ = [
    "counting_rules",
    "fleet_options",
    "ignored_labels_option",
    "open_fleet",
    "parse_pending_for",
    "read_fleet_of",
]

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
    """Add the options of a command that judges: `--since`, `--for` and `--ignore-label`."""
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
    return since(pending(ignored_labels_option(command)))


def ignored_labels_option(command: F) -> F:
    """Add the option `--ignore-label`."""
    return click.option(
        "--ignore-label",
        "ignored_labels",
        multiple=True,
        metavar="NAME",
        help="A label that a restart changes, beside pod, instance, container_id, uid and such: no part of a problem.",
    )(command)


def counting_rules(
    pending_for: dict[str, float], ignored_labels: tuple[str, ...], window: timedelta | None = None
) -> CountingRules:
    """Return the settings of the counting that options gave."""
    rules = CountingRules(pending_for=pending_for)
    rules = replace(rules, changing_labels=rules.changing_labels | set(ignored_labels))
    return rules if window is None else replace(rules, window=window.total_seconds())


@contextmanager
def open_fleet(
    data: Path | None, since: timedelta, pending_for: dict[str, float], ignored_labels: tuple[str, ...]
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
                settings=counting_rules(pending_for, ignored_labels, since),
            )
            if not fleet.acts:
                looked = HistoryReader(storage, place_of(store, data)).looked()
                echo(f"no record since {now - since:%Y-%m-%d %H:%M} (UTC) {looked}", err=True)
            yield fleet, storage
        finally:
            storage.close()


def read_fleet_of(
    data: Path | None, since: timedelta, pending_for: dict[str, float], ignored_labels: tuple[str, ...]
) -> Fleet:
    """Return all that the record store knows since an age, judged."""
    with open_fleet(data, since, pending_for, ignored_labels) as (fleet, _):
        return fleet
