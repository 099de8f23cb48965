"""The way of docs/publishing.md: a project, its image in a real registry, its typed Task, and a run with tkn."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import registry

from ..conftest import ROOT, manifest, sh  # noqa: TID252 – tests/ is no package to name it by

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]

GUIDE = (ROOT / "docs" / "publishing.md").read_text()
BIN = Path(sys.executable).parent
IMAGE = "kubernaut-test/feature-flags:1.0"


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command of the guide, and what it prints."""
    for block in re.findall(r"^```console\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.replace("\\\n", " ").partition("\n")
            yield command, printed


@pytest.fixture
def namespace(kubectl: Callable[..., str]) -> Iterator[str]:
    if shutil.which("tkn") is None:
        pytest.skip("no tkn is installed (https://tekton.dev/docs/cli)")
    name = f"kubernaut-own-task-{os.getpid()}"
    kubectl("apply", "-f", "-", stdin=manifest("Namespace", name))
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def test_an_action_of_a_new_project_is_run_by_its_own_task(namespace: str, base: str, tmp_path: Path) -> None:
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    digests: dict[str, str] = {}
    with registry(tmp_path / "registry") as host:
        for command, expected in commands():
            words = command.replace("ghcr.io", host)
            if words.startswith("kubernaut conform"):
                continue  # tests/cli/test_new.py holds that a new project's image conforms
            if words.startswith("kubernaut build"):
                give_wheels(tmp_path / "feature-flags" / "wheels")
                words += f" --build-arg=BASE_IMAGE={base} --build-arg=PIP_NO_INDEX=1 --quiet"
            if words.startswith(("kubectl", "tkn")):
                words += f" --namespace={namespace}"
            words = re.sub(r"(?<=[ =])feature-flags:1\.0", IMAGE, words)
            words = re.sub(r"(\S+)@sha256:…", lambda found: digests[found[1].rpartition("=")[2]], words)
            ended = subprocess.run(
                ["bash", "-c", words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
            )
            assert ended.returncode == 0, f"{words}\n{ended.stdout}\n{ended.stderr}"
            for line in ended.stdout.splitlines():
                if "@sha256:" in line and " " not in line:
                    digests[line.partition("@")[0]] = line
                    assert line.partition("@")[0].replace(host, "ghcr.io") == expected.partition("@")[0]

    *_, printed = ended.stdout.strip().splitlines()
    *_, promised = expected.strip().splitlines()
    real, said = (json.loads(line.removeprefix("[action] ")) for line in (printed, promised))
    for one in (real, said):
        assert len(one["record"].pop("id")) == 36
    assert real == said


def give_wheels(folder: Path) -> None:
    """Put into a project's folder what its image needs of PyPI, since the build reaches no network here."""
    shutil.copytree(ROOT / "build" / "wheels", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("boto*"))
    sh(str(BIN / "pip"), "--quiet", "download", "--only-binary=:all:", f"--dest={folder}", "hatchling>=1.27")
