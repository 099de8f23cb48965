"""`kubernaut report`: print an incident in Markdown."""

from datetime import datetime
from pathlib import Path

import click

from kubernaut_cli.history.incident import incident_of_records
from kubernaut_cli.history.reading import open_history
from kubernaut_cli.history.report import markdown
from kubernaut_cli.moments import MOMENT
from kubernaut_cli.options import data_option
from kubernaut_cli.terminal import echo
from kubernaut_sdk.errors import NotFound
from kubernaut_sdk.times import utcnow

__all__ = ["report"]


@click.command()
@click.option("--workflow", help="A workflow's name, or the name that `kubernaut run` printed.")
@click.option("--signal", help="A signal's fingerprint, or its alert's name: all that was done for it.")
@click.option("--since", type=MOMENT, default="90d", show_default=True, help="A time, or an age: 12h, 1w, 90d.")
@data_option
def report(workflow: str | None, signal: str | None, since: datetime, data: Path | None) -> None:
    """Print an incident in Markdown: what was done, by whom, why, if it helped, and how to take it back."""
    if (workflow is None) == (signal is None):
        raise click.UsageError("name either a --workflow or a --signal.")
    with open_history(data) as reader:
        if workflow is not None:
            found = reader.of_workflow(workflow, since=since)
        else:
            named = reader.fingerprints(signal or "")
            found = [record for one in named for record in reader.records({"signal": one}, since=since)]
        if not found:
            what = f"--workflow {workflow}" if workflow is not None else f"--signal {signal}"
            raise NotFound(f"nothing found for {what} {reader.looked()}.")
        echo(markdown(incident_of_records(reader, found, now=utcnow())), nl=False)
