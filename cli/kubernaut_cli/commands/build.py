"""`kubernaut build`: build an action image, and stamp it with its spec."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import click

from kubernaut_cli.images import stamp
from kubernaut_cli.images.build import BuildRequest, build_image
from kubernaut_cli.images.engine import open_docker, remove_untagged
from kubernaut_cli.images.origin import read_origin
from kubernaut_cli.images.reference import parse_reference
from kubernaut_cli.options import output_option
from kubernaut_cli.terminal import echo
from kubernaut_conformance.image import ActionImage
from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.times import utcnow

__all__ = ["build"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("-t", "--tag", required=True, metavar="NAME", help="The image's name, such as ghcr.io/you/yours:1.0.")
@click.option("-f", "--file", type=click.Path(path_type=Path), help="The Dockerfile. By default FOLDER's.")
@click.option(
    "--build-arg", "arguments", multiple=True, metavar="K=V", help="An argument of the Dockerfile; may be repeated."
)
@click.option("--platform", help="The platform, such as linux/arm64. By default the engine's own.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the builder's own lines.")
@output_option("text", "json")
def build(
    *,
    folder: Path,
    tag: str,
    file: Path | None,
    arguments: tuple[str, ...],
    platform: str | None,
    quiet: bool,
    output: str,
) -> None:
    """Build an action image from FOLDER, and stamp it.

    The image is run with no network to print its spec, which becomes the file /kubernaut/spec.json and the label
    io.kubernaut.spec.digest, next to the OCI labels with the commit and the source. The image gets its name only if all
    of this succeeds.

    Exit code: 1 the build failed, 2 the folder or the image's spec is not valid, 3 no Docker engine answers.
    """
    reference = parse_reference(tag)
    if reference.digest:
        raise InvalidInputs(f"--tag {tag}: an image gets its digest by being published; name it NAME:TAG.")
    request = BuildRequest(folder, file, _pairs(arguments), platform)
    request.validate()
    created = _now()
    with open_docker() as engine:
        plain = build_image(engine, request, print_line=lambda line: None if quiet else echo(line, err=True))
        try:
            image = ActionImage(plain)
            printed = stamp.read_spec(image)
            title = reference.path.rpartition("/")[2]
            wanted = stamp.make_labels(printed, image.labels, read_origin(folder), title=title, created=created)
            stamped = stamp.stamp_image(engine, plain, printed, wanted, created=created)
        except BaseException:
            remove_untagged(engine, plain)
            raise
        engine.images.get(stamped).tag(reference.repository, reference.tag or "latest")
    actions = [action.action_type for action in printed.spec.actions]
    if output == "json":
        document = {"name": tag, "id": stamped, "spec_digest": printed.digest, "actions": actions, "labels": wanted}
        echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        echo(f"{tag} {stamped}\n  spec {printed.digest}: {', '.join(actions)}")


def _pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not name or not equals:
            raise click.UsageError(f"--build-arg {argument}: write NAME=VALUE.")
        pairs[name] = value
    return pairs


def _now() -> datetime:
    """Return the time now, or SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return utcnow()
    if not epoch.isdigit():
        raise InvalidInputs(f"SOURCE_DATE_EPOCH is {epoch!r}; it must be whole seconds since 1970.")
    return datetime.fromtimestamp(int(epoch), UTC)
