"""The fleet that Data Storage knows, judged: for the commands that show it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from kubernaut_cli.history.reading import HistoryReader, place_of
from kubernaut_cli.options import data_option
from kubernaut_cli.store import open_record_store, storage_errors
from kubernaut_cli.terminal import echo
from kubernaut_effectiveness import CountingRules, Fleet, read_fleet
from kubernaut_sdk import DataStorage
from kubernaut_sdk.ages import AGE
from kubernaut_sdk.durations import parse_duration
from kubernaut_sdk.records import utcnow

__all__ = ["FleetQuery", "counting_rules", "fleet_options", "ignored_labels_option", "parse_pending_for"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class FleetQuery:
    """The fleet that a command is asked about.

    Attributes:
        data: The folder of records, or None for the record store that is configured.
        since: How far back.
        settings: The settings of the counting.
    """

    data: Path | None
    since: timedelta
    settings: CountingRules

    def read(self) -> Fleet:
        """Return all that the record store knows since then, judged."""
        with self.open() as (fleet, _):
            return fleet

    @contextmanager
    def open(self) -> Iterator[tuple[Fleet, DataStorage]]:
        """Yield all that the record store knows since then, judged, and the store; say where it looked in vain."""
        now = utcnow()
        begin = now - self.since
        with open_record_store(self.data, reads=True) as store, storage_errors("history cannot be read"):
            storage = DataStorage(store.url, store.token_file)
            try:
                fleet = read_fleet(
                    storage.get_action_history(None, self.since),
                    storage.get_signals(begin),
                    storage.get_monitoring(begin),
                    now=now,
                    settings=self.settings,
                )
                if not fleet.acts:
                    looked = HistoryReader(storage, place_of(store, self.data)).looked()
                    echo(f"no record since {begin:%Y-%m-%d %H:%M} (UTC) {looked}", err=True)
                yield fleet, storage
            finally:
                storage.close()


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


def fleet_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command that judges, which it takes as `query`: those of the counting, and `--data`."""

    @wraps(command)
    def with_query(
        *,
        since: timedelta,
        pending_for: dict[str, float],
        ignored_labels: tuple[str, ...],
        data: Path | None,
        **others: Any,
    ) -> None:
        command(query=FleetQuery(data, since, counting_rules(pending_for, ignored_labels, since)), **others)

    since_option = click.option(
        "--since", type=AGE, default="90d", show_default=True, help="How far back, such as 12h, 1w or 90d."
    )
    pending_option = click.option(
        "--for",
        "pending_for",
        multiple=True,
        metavar="ALERT=TIME",
        callback=parse_pending_for,
        help="An alerting rule's `for`: within it, its alert cannot fire again.",
    )
    return since_option(pending_option(ignored_labels_option(data_option(with_query))))


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
