"""The packages of a release, installed from an index into an empty environment; and README's commands there."""

import json
import re
import subprocess
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.release.packageindex import PACKAGES, PackageIndex, build_packages, package_index

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def packages(once: Callable[[str, Callable[[], None]], None]) -> Path:
    """The wheels and source distributions, as the release builds them."""
    once("packages", build_packages)
    return PACKAGES


@pytest.fixture(scope="module")
def index(packages: Path) -> Iterator[PackageIndex]:
    with package_index() as server:
        yield server


@pytest.mark.slow
def test_nothing_asks_for_the_name_of_somebody_elses_package(packages: Path) -> None:
    wheels = [path.name for path in packages.glob("*.whl")]
    metadata = [
        subprocess.run(["unzip", "-p", str(packages / wheel), "*/METADATA"], capture_output=True, text=True).stdout
        for wheel in wheels
    ]
    needed = {name for text in metadata for name in re.findall(r"^Requires-Dist: ([\w.-]+)", text, re.MULTILINE)}

    assert len(wheels) == len(list(packages.glob("*.tar.gz"))) == 9
    assert {wheel.partition("-")[0] for wheel in wheels} >= {
        name.replace("-", "_") for name in needed if "kubernaut" in name
    }
    assert "kubernaut" not in needed


@pytest.mark.slow
def test_the_command_is_installed_into_an_empty_environment_and_readmes_commands_work(
    index: PackageIndex, tmp_path: Path
) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    programs = tmp_path / "env" / "bin"
    env = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path), "ACTION_MODULES": "my_action.py"}

    def sh(*words: str) -> str:
        ended = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert ended.returncode == 0, f"{words}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        return ended.stdout

    sh("pip", "install", "--quiet", "--disable-pip-version-check", f"--index-url={index.url}", "kubernaut-cli")
    readme = (ROOT / "README.md").read_text()
    (tmp_path / "my_action.py").write_text(re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[0])
    (tmp_path / "flags.json").write_text('{"dark-mode": false}')
    inputs = ["-p", "file=flags.json", "-p", "name=dark-mode", "-p", "on=true"]

    assert "kubernaut" not in index.asked
    assert {"kubernaut-cli", "kubernaut-sdk", "kubernaut-datastorage"} <= index.asked
    assert sh("kubernaut", "--version") == "kubernaut 0.1.0\n".replace("0.1.0", _version())
    assert json.loads(sh("kubernaut-action", "plan", "feature/set_flag", *inputs))["status"] == "planned"
    assert sh("kubernaut", "actions", "list", "-o", "name") == "feature/set_flag\n"
    assert "run" in sh("kubernaut", "--help")
    sh("kubernaut", "new", "queue-actions")
    assert (tmp_path / "queue-actions" / "pyproject.toml").is_file()
    sh("kubernaut", "catalog", "write", "catalog")
    assert (tmp_path / "catalog" / "stepaction" / "kubernaut-action" / "0.1" / "kubernaut-action.yaml").is_file()


def _version() -> str:
    import versions

    return str(versions.read_version(ROOT))
