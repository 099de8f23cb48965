"""The history that a test tells."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "demo"))  # for the simulated fleet

from histories import Story


@pytest.fixture
def story() -> Story:
    """Return an empty history."""
    return Story()
