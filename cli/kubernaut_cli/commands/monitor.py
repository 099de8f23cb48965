"""`kubernaut monitor`: the Effectiveness Monitor over a Data Storage Service, or over the embedded one of a folder."""

from pathlib import Path
from typing import Any

import click

from kubernaut_cli.fleetreading import counting_rules, ignored_labels_option, parse_pending_for
from kubernaut_cli.options import data_option
from kubernaut_cli.store import open_record_store
from kubernaut_cli.store import token_file as storage_token_file
from kubernaut_effectiveness.service.command import monitor_options, run_monitor
from kubernaut_sdk.addresses import require_web_address

__all__ = ["monitor"]


@click.command()
@click.option(
    "--data-storage", "url", metavar="URL", help="Data Storage's address; else DATA_STORAGE_URL, else --data."
)
@data_option
@monitor_options
@click.option(
    "--for",
    "pending_for",
    multiple=True,
    metavar="ALERT=TIME",
    callback=parse_pending_for,
    help="An alerting rule's `for`: within it, its alert cannot fire again.",
)
@ignored_labels_option
def monitor(
    url: str | None, data: Path | None, pending_for: dict[str, float], ignored_labels: tuple[str, ...], **options: Any
) -> None:
    """Run the Effectiveness Monitor until SIGTERM or Ctrl-C: pages, JSON and metrics.

    Exit code: 2 an option cannot be used, 3 the folder has no records, or no token is there, 75 Prometheus does not
    answer.
    """
    settings = counting_rules(pending_for, ignored_labels)
    if url is not None:
        require_web_address(url, "--data-storage")
        run_monitor(url, storage_token_file(), settings=settings, **options)
        return
    with open_record_store(data, reads=True) as store:
        run_monitor(store.url, store.token_file, settings=settings, **options)
