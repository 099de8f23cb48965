"""The histories that tests tell, and a monitor over the simulated fleet."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "demo"))  # for the simulated fleet

from histories import Story
from monitors import following
from simulated import fill

from kubernaut_datastorage.server import embedded
from kubernaut_effectiveness.service.following import Follower


@pytest.fixture
def story() -> Story:
    """Return an empty history."""
    return Story()


@pytest.fixture(scope="module")
def fleet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a Data Storage with the simulated fleet."""
    folder = tmp_path_factory.mktemp("fleet")
    fill(folder, datetime.now(UTC))
    return folder


@pytest.fixture(scope="module")
def monitor(fleet_folder: Path) -> Iterator[tuple[Follower, httpx.Client]]:
    """Yield a monitor over the simulated fleet."""
    with embedded(fleet_folder) as service, following(service.url) as made:
        yield made
