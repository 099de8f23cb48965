"""Forges with a repository whose hpa.yaml is to be changed: stand-ins, and a real Gitea (GITEA_BIN)."""

from collections.abc import Iterator
from typing import Any

import pytest
from forge_world import FORGES, ForgeWorld, GiteaWorld, RealGitea, gitea_server
from programs import program_in
from proposals import prepare, standin_of

from kubernaut_sdk.ids import mint


@pytest.fixture(scope="module")
def real_gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGitea]:
    with gitea_server(program_in("GITEA_BIN", "gitea"), tmp_path_factory.mktemp("gitea")) as running:
        yield running


@pytest.fixture(params=[*FORGES, "real gitea"])
def world(request: pytest.FixtureRequest, repository: Any) -> Iterator[ForgeWorld]:
    if request.param == "real gitea":
        prepare(repository)
        yield GiteaWorld(request.getfixturevalue("real_gitea"), f"r{mint().hex}", repository)
        return
    with standin_of(request.param, repository) as made:
        yield made


@pytest.fixture(params=FORGES)
def standin(request: pytest.FixtureRequest, repository: Any) -> Iterator[ForgeWorld]:
    with standin_of(request.param, repository) as made:
        yield made


@pytest.fixture
def github(repository: Any) -> Iterator[ForgeWorld]:
    """One forge, where the code behind a test is one for all."""
    with standin_of("github", repository) as made:
        yield made
