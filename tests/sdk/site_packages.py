"""Packages with actions, in a folder of their own beside those that are installed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ACTION", "Site"]

ACTION = '''
from kubernaut_sdk import Action, Change, Context, Inputs

def make(action_type):
    action = Action(action_type)

    @action.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        """Do nothing."""
        return Change(0, 0)

    @action.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
        pass

    return action
'''


class Site:
    """A folder of installed packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def package(self, name: str, entries: dict[str, str], **modules: str) -> None:
        package = self.folder / name
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "making.py").write_text(ACTION)
        for module, text in modules.items():
            (package / f"{module}.py").write_text(f"from {name}.making import make\n{text}\n")
        about = self.folder / f"{name}-1.5.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        lines = "".join(f"{key} = {value}\n" for key, value in entries.items())
        (about / "entry_points.txt").write_text(f"[kubernaut.actions]\n{lines}")

    def run(self, *args: str, **env: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the object."""
        done = subprocess.run(
            [sys.executable, "-m", "kubernaut_sdk", *args],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.folder), **env},
            capture_output=True,
            text=True,
        )
        document: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, document
