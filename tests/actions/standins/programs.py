"""The real programs of other projects that tests run where they are: each in a folder that a variable names."""

import os
from pathlib import Path

import pytest

__all__ = ["program_in"]


def program_in(variable: str, name: str) -> Path:
    """Return the program of this name in the folder that the variable names (or is itself); skip where none is."""
    given = os.environ.get(variable)
    if not given:
        pytest.skip(f"no real {name}: {variable} names no folder that has the program {name}")
    path = Path(given)
    path = path / name if path.is_dir() else path
    if not path.is_file():
        pytest.skip(f"no real {name}: {path}, which {variable} leads to, is no file")
    return path
