"""`kubernaut serve`: the Data Storage Service in the foreground."""

from pathlib import Path

import click

from kubernaut_cli.store import data_folder
from kubernaut_controller import Fault, InvalidWorkflow

__all__ = ["serve"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Where records are kept.")
def serve(host: str, port: int, data: Path | None) -> None:
    """Run the Data Storage Service until SIGTERM or Ctrl-C."""
    import kubernaut_datastorage  # noqa: PLC0415 – half a second of libraries

    folder = data_folder(data)
    try:
        kubernaut_datastorage.serve(host, port, folder)
    except kubernaut_datastorage.StorageError as error:
        raise InvalidWorkflow([Fault(str(folder), str(error).rstrip("."))]) from None
