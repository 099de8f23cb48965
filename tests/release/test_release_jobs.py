"""Jobs of release.yml, their commands run as the runner runs them, on a copy of this tree and given artifacts."""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import registry
from tests.docs.test_links import faults

ROOT = Path(__file__).parents[2]
JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
SERVICES = ("controller", "data-storage", "monitor")
ACTIONS = ("argocd", "aws-cli", "kubectl")
FOLDERS = ("release/", "tekton/", "controller/", "datastorage/")
CHANGES = "# Changes\n\n## 0.1.0 – 2026-12-01\n\n- The first release.\n\n## 0.0.9\n\n- x\n"
DIGEST = "sha256:" + "7" * 64
COSIGN = """#!/bin/sh
echo "$@" >> signed
"""


def commands(job: str, needle: str) -> str:
    """Return the one script of a job that has this text in it."""
    [found] = [step["run"] for step in JOBS[job]["steps"] if needle in step.get("run", "")]
    return str(found)


def run_script(text: str, folder: Path, **env: str) -> str:
    """Run a script as a runner does, in a folder of its own."""
    path = f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    ended = subprocess.run(words, cwd=folder, env={"PATH": path, **env}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of this tree that has a version's notes, with the artifacts of the jobs before."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl is here, by which the manifests are built")

    def make(name: str) -> Path:
        folder = tmp_path / name
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for file in (
            one for one in listed.split("\0") if one.startswith(("release/", "tekton/", "controller/", "data"))
        ):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
        (folder / "CHANGELOG.md").write_text(CHANGES)
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(sys.executable)
        for image in SERVICES:
            part = folder / "released" / f"released-{image}"
            part.mkdir(parents=True)
            (part / "image").write_text(f"ghcr.io/you/kubernaut/{image}@{DIGEST}\n")
        for image in ACTIONS:
            part = folder / "released" / f"released-{image}"
            part.mkdir(parents=True)
            (part / "image").write_text(f"ghcr.io/you/kubernaut/{image}@{DIGEST}\n")
        (folder / "packages").mkdir()
        for file in ("kubernaut_sdk-0.1.0-py3-none-any.whl", "kubernaut_sdk-0.1.0.tar.gz"):
            (folder / "packages" / file).write_text(file)
        return folder

    return make


def test_the_manifests_job_makes_the_files_of_the_release(checkout: Callable[[str], Path]) -> None:
    folder = checkout("once")
    run_script(commands("manifests", "manifests.py"), folder, TAG="v0.1.0")
    files = folder / "files"
    listed = {line.split()[1] for line in (files / "SHA256SUMS").read_text().splitlines()}
    with tarfile.open(files / "catalog.tar.gz") as archive:
        members = archive.getnames()
        task = "catalog/task/kubernetes-scale-deployment/0.1/kubernetes-scale-deployment.yaml"
        text = archive.extractfile(task)
        assert text is not None
        image = yaml.safe_load(text.read())["spec"]["steps"][0]["image"]

    run_script("sha256sum --check --strict SHA256SUMS", files)
    assert listed == {path.name for path in files.iterdir()} - {"SHA256SUMS"}
    assert listed == {
        *("install.yaml", "install-postgresql.yaml", "catalog.yaml", "catalog.tar.gz", "images.txt"),
        *("kubernaut_sdk-0.1.0-py3-none-any.whl", "kubernaut_sdk-0.1.0.tar.gz"),
    }
    assert (folder / "notes.md").read_text() == "- The first release.\n"
    assert image == f"ghcr.io/you/kubernaut/kubectl@{DIGEST}"
    assert "catalog/task/kubernetes-scale-deployment/0.1/samples/clusterrole.yaml" in members
    assert (files / "images.txt").read_text().count(DIGEST) == 6
    assert f"image: ghcr.io/you/kubernaut/controller@{DIGEST}\n" in (files / "install.yaml").read_text()


def test_links_of_the_released_catalogue_lead_somewhere_in_it(checkout: Callable[[str], Path], tmp_path: Path) -> None:
    folder = checkout("links")
    run_script(commands("manifests", "manifests.py"), folder, TAG="v0.1.0")
    with tarfile.open(folder / "files" / "catalog.tar.gz") as archive:
        archive.extractall(tmp_path / "alone", filter="data")
    pages = sorted((tmp_path / "alone").rglob("*.md"))

    assert len(pages) > 60
    assert [f"{page}: {fault}" for page in pages for fault in faults(page, page.read_text())] == []


def test_the_same_commit_has_the_same_checksums(checkout: Callable[[str], Path]) -> None:
    sums = []
    for name in ("first", "second"):
        folder = checkout(name)
        run_script(commands("manifests", "manifests.py"), folder, TAG="v0.1.0")
        sums.append((folder / "files" / "SHA256SUMS").read_text())

    assert sums[0] == sums[1]


TOOL = """#!/bin/sh
echo "$(basename "$0") $*" >> "$LOG"
case "$*" in *imagetools\\ inspect*-amd64) echo sha256:a ;; *imagetools\\ inspect*-arm64) echo sha256:b ;;
*imagetools\\ inspect*) echo sha256:c ;; esac
"""


def test_each_architecture_of_a_service_has_its_own_bill_of_materials(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("docker", "cosign", "syft"):
        (tmp_path / "bin" / name).write_text(TOOL)
        (tmp_path / "bin" / name).chmod(0o755)
    env = {"LOG": str(tmp_path / "log"), "GITHUB_OUTPUT": str(tmp_path / "output"), "SYFT": str(tmp_path / "bin/syft")}
    script = commands("publish-services", "cosign attest")
    run_script(script, tmp_path, REPOSITORY="You/Kubernaut", SERVICE="monitor", TAG="v0.1.0", **env)
    called = (tmp_path / "log").read_text().splitlines()
    name = "ghcr.io/you/kubernaut/monitor"

    assert [line for line in called if line.startswith(("syft", "cosign"))] == [
        f"syft scan registry:{name}@sha256:a --platform=linux/amd64 --output=spdx-json=sbom.json",
        f"cosign attest --yes --type=spdxjson --predicate=sbom.json {name}@sha256:a",
        f"syft scan registry:{name}@sha256:b --platform=linux/arm64 --output=spdx-json=sbom.json",
        f"cosign attest --yes --type=spdxjson --predicate=sbom.json {name}@sha256:b",
        f"cosign sign --yes --recursive {name}@sha256:c",
    ]
    assert (tmp_path / "image").read_text() == f"{name}@sha256:c\n"
    assert (tmp_path / "output").read_text() == f"name={name}\ndigest=sha256:c\n"


@pytest.mark.slow
def test_the_bundles_job_pushes_the_catalogue_of_the_release_and_signs_each_bundle(
    checkout: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = checkout("bundles")
    run_script(commands("manifests", "manifests.py"), folder, TAG="v0.1.0")
    shutil.rmtree(folder / "tekton")
    (folder / ".venv").symlink_to(Path(sys.prefix))
    cosign = folder / "bin" / "cosign"
    cosign.write_text(COSIGN)
    cosign.chmod(0o755)
    with registry(tmp_path / "registry") as host:
        script = commands("publish-bundles", "catalog push").replace("ghcr.io", host)
        run_script(script, folder, REPOSITORY="You/Kubernaut", HOME=str(tmp_path))
        bundles = (folder / "bundles.txt").read_text().split()

    assert {"kubernaut-action", "kubernetes-scale-deployment", "roll-back-bad-release"} <= {
        bundle.partition("@")[0].removeprefix(f"{host}/you/kubernaut/catalog/") for bundle in bundles
    }
    assert (folder / "signed").read_text().splitlines() == [f"sign --yes {bundle}" for bundle in bundles]
    assert all("@sha256:" in bundle for bundle in bundles)


def test_what_a_job_takes_an_earlier_one_has_made() -> None:
    made: dict[str, str] = {}
    taken: list[tuple[str, str]] = []
    for job, body in JOBS.items():
        for step in body.get("steps", ()):
            action, options = str(step.get("uses", "")).partition("@")[0], step.get("with", {})
            if action == "actions/upload-artifact":
                made[options["name"].replace("${{ matrix.service }}", "*").replace("${{ matrix.arch }}", "*")] = job
            if action == "actions/download-artifact":
                name = str(options.get("name") or options["pattern"]).replace("${{ matrix.service }}", "*")
                taken.append((job, name))
    images = yaml.safe_load((ROOT / ".github" / "workflows" / "images.yml").read_text())["jobs"]
    assert "released-${{ matrix.part }}" in json.dumps(images)  # those of the actions

    for job, name in taken:
        maker = made.get(name) or next(made[one] for one in made if one.startswith(name.rstrip("*")))
        assert maker in ancestors(job), (job, name)


def ancestors(job: str) -> set[str]:
    """Return the jobs that have ended before this one starts."""
    needs: Any = JOBS[job].get("needs", [])
    direct = [needs] if isinstance(needs, str) else needs
    return {*direct, *(one for name in direct for one in ancestors(name))}
