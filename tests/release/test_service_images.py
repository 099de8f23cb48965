"""The images of the services: no library that they do not need, and few megabytes beside their base."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import service_image

ROOT = Path(__file__).parents[2]
CLIENTS = {"kubernetes", "kubernetes-asyncio", "kopf"}
OF_OTHERS = {
    "storage": {*CLIENTS, "aiohttp", "docker", "numpy", "pandas", "requests", "jinja2"},
    "controller": {
        "kubernetes",
        "kubernetes-asyncio",
        "sqlalchemy",
        "alembic",
        "asyncpg",
        "starlette",
        "docker",
        "numpy",
    },
    "monitor": {*CLIENTS, "sqlalchemy", "alembic", "asyncpg", "aiohttp", "docker", "numpy", "pandas", "requests"},
}
"""Part → libraries of other parts, or heavy ones."""


def installed_by(part: str) -> set[str]:
    """Return the libraries that `make PART-wheels` puts into an image beside our own."""
    makefile = (ROOT / "Makefile").read_text()
    [options] = re.findall(rf"^\t\$\(call fill,{part}-wheels,[a-z ]+,(.*)\)$", makefile, re.MULTILINE)
    words = ["export", "--quiet", "--locked", "--no-dev", "--no-emit-workspace", "--no-hashes", "--no-annotate"]
    uv = str(Path(sys.executable).with_name("uv"))
    done = subprocess.run([uv, *words, "--no-header", *options.split()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {line.partition("==")[0] for line in done.stdout.splitlines() if "==" in line}


@pytest.mark.parametrize("part", OF_OTHERS)
def test_an_image_brings_no_library_of_another_part(part: str) -> None:
    found = installed_by(part)

    assert len(found) > 10
    assert found & OF_OTHERS[part] == set()


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.parametrize(
    ("part", "wheels", "most"),
    [("controller", "controller", 55), ("data-storage", "storage", 140), ("monitor", "monitor", 32)],
)
def test_an_image_adds_few_megabytes_to_its_base(
    base: str, once: Callable[[str, Callable[[], None]], None], part: str, wheels: str, most: int
) -> None:
    image = service_image(part, wheels, base, once)
    words = ["docker", "image", "inspect", "--format={{.Size}}", base, image]
    floor, whole = map(int, subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())

    assert 0 < whole - floor <= most * 1_000_000
