"""`kubernaut test`: an action project's own tests and, by its scenarios, what the conformance kit finds."""

import subprocess
import sys
from pathlib import Path

import click

from kubernaut_sdk.errors import InvalidInputs

__all__ = ["test"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--image", metavar="IMAGE", help="Examine this image by the scenarios, not the installed actions.")
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED)
def test(folder: Path, image: str | None, pytest_options: tuple[str, ...]) -> None:
    """Run the tests of the action project in FOLDER, and every conformance check that its actions can be put to.

    Without --image the actions are examined as they are installed here, in seconds and without Docker; what only an
    image can show is skipped. Options for pytest go behind `--`. Exit code: 0 all is well, 1 something failed, 2
    there is nothing to test.
    """
    found = [path for path in (folder / "tests", folder / "conformance.yaml") if path.exists()]
    if not found:
        raise InvalidInputs(f"{folder}: there is neither tests/ nor conformance.yaml; `kubernaut new` makes both.")
    examined = f"--conform-image={image}" if image else "--conform-installed"
    argv = [sys.executable, "-m", "pytest", "-rfs", examined, *pytest_options, "--", *map(str, found)]
    sys.exit(subprocess.run(argv, check=False).returncode)
