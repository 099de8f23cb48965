"""`kubernaut docs`: write a page of Markdown for each action."""

from pathlib import Path

import click

from kubernaut_cli.catalog import action_entries
from kubernaut_cli.docs import action_pages
from kubernaut_cli.options import image_option
from kubernaut_cli.terminal import echo
from kubernaut_sdk import PreconditionFailed

__all__ = ["docs"]


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default="docs/actions")
@image_option
def docs(folder: Path, image: str | None) -> None:
    """Write a page of Markdown for each action into DIR (default docs/actions), from its spec.

    Exit code: 2 there is no such image, 3 the folder cannot be written or no Docker engine answers.
    """
    written = action_pages(action_entries(image))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise PreconditionFailed(f"{folder}: {error.strerror}; name a folder that you may write.") from None
    echo(f"{folder}: {len(written)} page{'s' * (len(written) != 1)}")
