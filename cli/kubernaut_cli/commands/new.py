"""`kubernaut new`: start a project of your own actions."""

from pathlib import Path

import click

from kubernaut_cli.scaffold import copy_wheels, name_project, write_project
from kubernaut_cli.terminal import echo

__all__ = ["new"]


@click.command()
@click.argument("name")
@click.option("--action", "action_type", metavar="TYPE", help="The type of its first action. By default NAME/set_flag.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    help="Where to make its folder. By default here.",
)
def new(name: str, action_type: str | None, into: Path) -> None:
    """Start a project NAME: an action, its tests, its image, and a GitHub workflow that publishes it.

    It works at once: the action turns a flag in a JSON file on or off. Replace that with your own change.

    Exit code: 2 a name cannot be used, 3 the folder exists already or cannot be written.
    """
    project = name_project(name, action_type)
    folder = write_project(project, into)
    wheels = copy_wheels(folder)
    echo(
        f"{folder}: a project with the action {project.action_type}. Its README.md says how to go on:\n"
        f"  cd {folder}\n"
        f"  python3 -m venv .venv && . .venv/bin/activate\n"
        f"  pip install --requirement requirements.txt\n"
        f"  pytest\n"
        f"  kubernaut build --tag={project.name}:dev"
    )
    if not wheels:
        echo(
            f"Kubernaut's own packages are not published yet: run `make author-wheels` in its checkout, and copy "
            f"build/author-wheels to {folder}/wheels.",
            err=True,
        )
