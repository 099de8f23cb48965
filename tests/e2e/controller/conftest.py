"""A real cluster with one controller for all tests of this folder, with the permissions that it is deployed with."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "cluster"))

from realcluster import (
    PROBE,
    ROOT,
    ControllerProcess,
    controller_kubeconfig,
    install,
    kubectl,
    namespace,
    remove_namespace,
    sh,
    storage_at,
)


@pytest.fixture(scope="session")
def probe(
    base: str,
    kubectl: Callable[..., str],
    once: Callable[[str, Callable[[], None]], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The image of the probe actions, by digest, on the cluster's nodes."""
    load = os.environ.get("KUBERNAUT_LOAD_IMAGES")
    if not load:
        pytest.skip("KUBERNAUT_LOAD_IMAGES names no program that loads images into the cluster")

    def make() -> None:
        context = tmp_path_factory.mktemp("probe")
        for path in [ROOT / "tests" / "probe_actions.py", *(ROOT / "build" / "wheels").glob("*.whl")]:
            (context / path.name).write_bytes(path.read_bytes())
        lines = [
            f"FROM {base}",
            "COPY *.whl /wheels/",
            'RUN ["python3", "-m", "venv", "/app"]',
            'RUN ["/app/bin/pip", "install", "--no-index", "--find-links=/wheels", "kubernaut-sdk"]',
            "COPY probe_actions.py /app/",
            "ENV ACTION_MODULES=/app/probe_actions.py PATH=/app/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1",
            "USER 65532:65532",
            'ENTRYPOINT ["kubernaut-action"]',
        ]
        (context / "Dockerfile").write_text("\n".join(lines) + "\n")
        done = subprocess.run(
            ["docker", "build", "--quiet", "--network=none", "--tag", PROBE, str(context)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    once("probe-image", make)
    return sh(load, PROBE).split()[-1]


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Data Storage."""
    with storage_at(tmp_path_factory.mktemp("storage") / "data") as url:
        yield url


@pytest.fixture(scope="session")
def where(probe: str, storage: str) -> Iterator[str]:
    """A namespace that runs workflows, on a cluster with the custom resources."""
    name = f"kubernaut-ctl-{os.getpid()}"
    install()
    namespace(name, storage=storage)
    yield name
    remove_namespace(name)


@pytest.fixture(scope="session")
def bare(where: str) -> Iterator[str]:
    """A namespace without the Task, and with no room for pods."""
    name = f"{where}-bare"
    namespace(name, task=False)
    yield name
    remove_namespace(name)


@pytest.fixture(scope="session")
def controller(
    where: str, bare: str, storage: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControllerProcess]:
    """The controller that all tests share."""
    folder = tmp_path_factory.mktemp("controller")
    options = [
        f"--watch-namespace={where}",
        f"--watch-namespace={bare}",
        "--cooldown=1s",
        f"--data-storage-url={storage}",
    ]
    with ControllerProcess(options, folder / "log", controller_kubeconfig(folder)) as running:
        yield running
        # while there is still somebody to let them go
        for name in (where, bare):
            kubectl("delete", "wfe,rr", "--all", f"--namespace={name}", "--timeout=60s", check=False)
