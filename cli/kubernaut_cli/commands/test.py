"""`kubernaut test`: run an action project's own tests and, with its scenarios, the conformance checks."""

import subprocess
import sys
from pathlib import Path

import click

from kubernaut_sdk.errors import InvalidInputs

__all__ = ["test"]

_EXIT_CODES = {0: 0, 4: 2, 5: 2}
"""pytest's exit code → this command's: 4 is a wrong option, 5 no test; all others mean that something failed."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--image", metavar="IMAGE", help="Examine this image with the scenarios, not the installed actions.")
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED)
def test(folder: Path, image: str | None, pytest_options: tuple[str, ...]) -> None:
    """Run the tests of the action project in FOLDER, and the conformance checks of its actions.

    Without --image the actions are examined as they are installed here, in seconds and without Docker; checks that need
    an image are skipped. Options for pytest follow `--`.

    Exit code: 0 all passed, 1 something failed, 2 there is nothing to test or an option is wrong.
    """
    found = [path for path in (folder / "tests", folder / "conformance.yaml") if path.exists()]
    if not found:
        raise InvalidInputs(f"{folder}: there is neither tests/ nor conformance.yaml; `kubernaut new` makes both.")
    examined = f"--conform-image={image}" if image else "--conform-installed"
    argv = [sys.executable, "-m", "pytest", "-rfs", examined, *pytest_options, "--", *map(str, found)]
    sys.exit(_EXIT_CODES.get(subprocess.run(argv, check=False).returncode, 1))
