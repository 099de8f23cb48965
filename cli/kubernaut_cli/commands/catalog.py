"""`kubernaut catalog`: write Tekton Tasks, one for each action, and push them as Tekton bundles."""

from pathlib import Path

import click

from kubernaut_cli.catalog import action_entries
from kubernaut_cli.images.reference import Reference, parse_reference
from kubernaut_cli.options import image_option
from kubernaut_cli.taskcatalog.bundles import (
    MANIFEST_TYPE,
    CatalogObject,
    build_bundle,
    has_digest,
    pin_tasks,
    read_catalog,
)
from kubernaut_cli.taskcatalog.files import catalog_files, included_images, task_files, write_files
from kubernaut_cli.taskcatalog.typedtask import CatalogAction
from kubernaut_cli.terminal import echo
from kubernaut_sdk import InvalidInputs, PreconditionFailed
from kubernaut_sdk.program.commandgroup import CommandGroup

__all__ = ["catalog"]


@click.group(cls=CommandGroup)
def catalog() -> None:
    """Write Tekton Tasks, one for each action, and push them as Tekton bundles."""


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


@catalog.command()
@click.argument("registry", metavar="REGISTRY[/PATH]")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default="tekton/catalog")
def push(registry: str, folder: Path) -> None:
    """Push the catalogue in DIR (default tekton/catalog) to REGISTRY as Tekton bundles, and print each by digest.

    Each Task, StepAction and Pipeline becomes REGISTRY/NAME:VERSION, for Tekton's bundles resolver; what has the same
    name and version shares a bundle. A Pipeline takes its Tasks from their bundles, by digest. The same DIR has the
    same digests everywhere. No Docker engine is needed; the credentials are Docker's own (`docker login`).

    Exit code: 2 DIR or REGISTRY cannot be used, 3 no right to write or no such repository, 75 the registry does not
    answer, 1 anything else.
    """
    from kubernaut_cli.images.ociregistry import OciRegistry  # noqa: PLC0415 – its HTTP client takes 0.1 s

    objects = read_catalog(folder)
    host = _bundle_name(registry, objects[0].name, objects[0].version).registry
    unreleased = sum(not has_digest(one) for one in objects)
    if unreleased:
        echo(
            f"{unreleased} of {len(objects)} objects name images whose digest is all zeros, as in a checkout: they "
            f"cannot run. catalog.tar.gz of a release has the real ones.",
            err=True,
        )
    pushed: dict[tuple[str, str], str] = {}
    with OciRegistry(host) as client:
        for group in _by_name(objects):
            bundle = build_bundle(pin_tasks(one, pushed) if one.kind == "pipeline" else one for one in group)
            name = _bundle_name(registry, bundle.name, bundle.tag)
            digest = client.push(name, bundle.manifest, MANIFEST_TYPE, bundle.blobs)
            pushed[bundle.name, bundle.tag] = str(name.with_digest(digest))
            echo(pushed[bundle.name, bundle.tag])


def _bundle_name(registry: str, name: str, tag: str) -> Reference:
    """Return the name of a bundle in a registry, or below a path of one."""
    found = parse_reference(f"{registry.rstrip('/')}/{name}:{tag}")
    if not found.registry:
        raise InvalidInputs(f"{registry} names no registry; write REGISTRY/PATH, such as ghcr.io/you/catalog.")
    return found


def _by_name(objects: list[CatalogObject]) -> list[list[CatalogObject]]:
    """Return the objects that share a bundle together, in the order of the catalogue: Pipelines name Tasks' bundles."""
    groups: dict[tuple[str, str], list[CatalogObject]] = {}
    for one in objects:
        groups.setdefault((one.name, one.version), []).append(one)
    return list(groups.values())


def _actions(images: dict[str, str]) -> list[CatalogAction]:
    return [
        CatalogAction(entry, images[entry["action_type"]])
        for entry in action_entries()
        if entry["action_type"] in images
    ]
