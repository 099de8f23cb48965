"""`kubernaut records`: what waits in the spool, sent."""

from pathlib import Path

import click

from kubernaut_cli.store import data_folder, opened
from kubernaut_sdk import PreconditionFailed
from kubernaut_sdk.recorder import drain
from kubernaut_sdk.spool import Spool

__all__ = ["records"]


@click.group()
def records() -> None:
    """Action records."""


@records.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Where records are kept.")
@click.option("--spool", type=click.Path(path_type=Path, file_okay=False), help="The folder of waiting events.")
def flush(data: Path | None, spool: Path | None) -> None:
    """Send the events that could not be sent when they happened."""
    waiting = Spool(spool or data_folder(data) / "spool")
    with opened(data) as store:
        client = store.client()
        stored, refused = drain(client, waiting)
        client.close()
    left = sum(1 for _ in waiting.waiting())
    click.echo(f"{stored} stored, {refused} refused, {left} still waiting in {waiting.folder}")
    if left:
        raise PreconditionFailed(f"the store at {store.url} did not take them; try again when it is back.")
