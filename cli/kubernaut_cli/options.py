"""Options that several commands share."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from kubernaut_sdk.durations import parse_duration

__all__ = [
    "ENVIRONMENT",
    "cluster_options",
    "data_option",
    "engine_option",
    "image_option",
    "output_option",
    "secret_folders",
    "workflow_options",
]

F = TypeVar("F", bound=Callable[..., Any])

ENVIRONMENT = {
    "DATA_STORAGE_URL": "The Data Storage Service to use. Without it, records are in a folder of this machine.",
    "DATA_STORAGE_TOKEN_FILE": "The file with its bearer token.",
    "DATABASE_URL": "The PostgreSQL that `serve` and `records verify` use themselves.",
    "KUBECONFIG": "The kubeconfig of `submit`, `status` and `cancel`. By default ~/.kube/config.",
    "DOCKER_HOST": "The Docker engine. By default that of the current Docker context.",
    "ACTION_MODULES": "Python files whose actions count as installed, separated by commas.",
    "DATA_STORAGE_SPOOL": "The folder of the events that could not be sent.",
    "SOURCE_DATE_EPOCH": "The time that `build` writes into an image, in seconds since 1970, for reproducible builds.",
    "XDG_DATA_HOME": "The parent of the folder of records. By default ~/.local/share.",
    "NO_COLOR": "Any value: no colours.",
}
"""The environment variables that the command reads itself, with their meaning."""

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the records (and, of `run`, the logs). By default the platform's folder for data.",
)
engine_option = click.option(
    "--engine",
    type=click.Choice(["process", "docker"]),
    default="process",
    show_default=True,
    help="process: the installed actions, as you; docker: the images, confined as in a pod.",
)
image_option = click.option(
    "--image", metavar="IMAGE", help="Read the actions of this image. By default the installed ones."
)


def output_option(*formats: str) -> Callable[[F], F]:
    """Return the option `--output` of a command that shows one thing; the first of its formats is the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="The format of what is printed.",
    )


def cluster_options(command: F) -> F:
    """Add the options that choose a cluster and a namespace: `--context`, `--namespace`."""
    context = click.option("--context", help="The context of the kubeconfig. By default the current one.")
    namespace = click.option("-n", "--namespace", help="The namespace. By default that of the context.")
    return namespace(context(command))


def workflow_options(command: F) -> F:
    """Add the argument FILE and the options that say what a valid workflow may contain."""
    options = (
        click.option(
            "--allow-unknown-actions",
            "unknown_actions",
            is_flag=True,
            help="Accept actions that no installed package defines; their inputs are not checked.",
        ),
        click.option(
            "--allow-repository",
            "repositories",
            multiple=True,
            metavar="PREFIX",
            help="Accept images from this repository only; may be repeated. By default from any.",
        ),
        click.option(
            "--max-timeout",
            metavar="DURATION",
            callback=_parse_max_timeout,
            help="The longest timeout that a workflow may have, as in the controller's policy. By default any.",
        ),
        click.argument("file", metavar="FILE"),
    )
    for option in options:
        command = option(command)
    return command


def _parse_max_timeout(_ctx: click.Context, _param: click.Parameter, value: str | None) -> timedelta | None:
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def secret_folders(options: tuple[str, ...]) -> dict[str, Path]:
    """Return the folder of each name that options `--secret NAME=FOLDER` give."""
    folders = {}
    for option in options:
        name, _, path = option.partition("=")
        if not name or not Path(path).is_dir():
            raise click.UsageError(f"--secret {option}: write NAME=FOLDER, where FOLDER is there.")
        folders[name] = Path(path).resolve()
    return folders
