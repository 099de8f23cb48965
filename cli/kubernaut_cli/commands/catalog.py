"""`kubernaut catalog`: write Tekton Tasks, one for each action, from the definitions of the actions."""

from pathlib import Path

import click

from kubernaut_cli.catalog import action_entries
from kubernaut_cli.options import image_option
from kubernaut_cli.taskcatalog.files import catalog_files, included_images, task_files, write_files
from kubernaut_cli.taskcatalog.typedtask import CatalogAction
from kubernaut_cli.terminal import echo
from kubernaut_sdk import PreconditionFailed

__all__ = ["catalog"]


@click.group()
def catalog() -> None:
    """Write Tekton Tasks, one for each action."""


@catalog.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default="tekton/catalog")
@image_option
def write(folder: Path, image: str | None) -> None:
    """Write a typed Task for each action into DIR (default tekton/catalog), with README and sample.

    With --image NAME@sha256:…, the Tasks of that image's actions. Without it, the whole catalogue of the actions that
    come with Kubernaut: their Tasks, the StepAction and the Pipelines.

    Exit code: 2 there is no such image, or it is not named by digest, 3 the folder cannot be written or no Docker
    engine answers.
    """
    if image is not None and "@sha256:" not in image:
        raise click.UsageError(f"--image {image}: name it by digest, such as registry/name@sha256:…; a Task runs that.")
    if image is None:
        images = included_images()
        files = catalog_files(_actions(images))
    else:
        files = task_files([CatalogAction(entry, image) for entry in action_entries(image)])
    try:
        write_files(folder, files)
    except OSError as error:
        raise PreconditionFailed(f"{folder}: {error.strerror}; name a folder that you may write.") from None
    echo(f"{folder}: {len(files)} files")


def _actions(images: dict[str, str]) -> list[CatalogAction]:
    return [
        CatalogAction(entry, images[entry["action_type"]])
        for entry in action_entries()
        if entry["action_type"] in images
    ]
