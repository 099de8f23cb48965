"""`kubernaut build` with a real Docker engine: the image that it makes, and its errors."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kubernaut_conformance.examine import examine
from kubernaut_conformance.image import ActionImage
from kubernaut_conformance.spec import LABEL, PATH

from .conftest import IMAGE_PREFIX

Run = Callable[..., Any]
NAME = f"{IMAGE_PREFIX}/build"


def inspected(name: str) -> dict[str, Any] | None:
    done = subprocess.run(["docker", "image", "inspect", name], capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found[0] if found else None


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for the image of this test."""
    name = f"{NAME}:{sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    yield name
    subprocess.run(["docker", "image", "rm", "--no-prune", name], capture_output=True)


@pytest.mark.docker
def test_an_image_is_stamped_and_all_else_in_it_stays(kubernaut: Run, context: Run, tmp_path: Path, name: str) -> None:
    folder = context(
        tmp_path / "image",
        "ARG COLOUR",
        "ENV COLOUR=${COLOUR}",
        "USER 65532:65532",
        "WORKDIR /tmp",
        "STOPSIGNAL SIGINT",
        'SHELL ["/bin/bash", "-c"]',
        'HEALTHCHECK --interval=5s CMD ["true"]',
        'LABEL org.opencontainers.image.title="Feature flags" of.mine="a $b"',
        'ENTRYPOINT ["kubernaut-action"]',
    )
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", f"{name}-plain", "--build-arg=COLOUR=red", folder], check=True
    )
    plain = inspected(f"{name}-plain")
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=first"],
                  ["remote", "add", "origin", "https://token@github.com/You/flags.git"]):  # fmt: skip
        subprocess.run(
            ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com", "-C", folder, *words], check=True
        )
    head = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    built = kubernaut("build", folder, f"--tag={name}", "--build-arg=COLOUR=red", "-o", "json", env=env)
    subprocess.run(["docker", "image", "rm", "--no-prune", f"{name}-plain"], capture_output=True, check=True)

    assert built.code == 0, built.stderr
    document, image = json.loads(built.stdout), ActionImage(name)
    content = image.read(PATH) or b""
    stamped = inspected(name)
    assert plain is not None
    assert stamped is not None
    assert content == (folder / "spec.json").read_bytes()
    assert image.labels == {
        "of.mine": "a $b".replace("$b", ""),
        "org.opencontainers.image.created": "2026-01-01T00:00:00.000000Z",
        "org.opencontainers.image.revision": head.strip(),
        "org.opencontainers.image.source": "https://github.com/You/flags",
        "org.opencontainers.image.title": "Feature flags",
        LABEL: f"sha256:{sha256(content).hexdigest()}",
    }
    assert {**stamped["Config"], "Labels": {}} == {**plain["Config"], "Labels": {}}
    assert stamped["RootFS"]["Layers"][:-1] == plain["RootFS"]["Layers"]
    assert document == {
        "name": name, "id": stamped["Id"], "spec_digest": image.labels[LABEL],
        "actions": ["feature/set_flag"], "labels": image.labels,
    }  # fmt: skip
    checks = ["spec-offline", "spec-valid", "spec-label", "non-root"]
    assert [(j.check.name, j.outcome) for j in examine(image, only=checks)] == [(check, "passed") for check in checks]


@pytest.mark.docker
def test_a_failed_build_tells_its_last_lines_and_leaves_nothing(
    kubernaut: Run, context: Run, tmp_path: Path, name: str
) -> None:
    message = f"the tool for {name} is not to be had"
    folder = context(tmp_path / "image", f'RUN ["sh", "-c", "echo {message}; exit 7"]')
    ended = kubernaut("build", folder, f"--tag={name}", "--quiet")

    assert (ended.code, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"kubernaut: {folder}/Dockerfile: the build failed:\n")
    assert message in ended.stderr
    listed = ["docker", "container", "ls", "--all", "--no-trunc", "--format={{.Command}}"]
    assert message not in subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    assert "returned a non-zero code: 7" in ended.stderr or "exit code: 7" in ended.stderr
    assert inspected(name) is None


@pytest.mark.docker
def test_an_image_without_a_valid_spec_gets_no_name(kubernaut: Run, context: Run, tmp_path: Path, name: str) -> None:
    ended = kubernaut("build", context(tmp_path / "image", spec="{}"), f"--tag={name}", "--quiet")

    assert (ended.code, ended.stdout) == (2, "")
    assert "its spec is not valid: contract: missing; it is required" in ended.stderr
    assert inspected(name) is None


@pytest.mark.docker
def test_an_image_that_is_no_action_image_gets_no_name(kubernaut: Run, context: Run, tmp_path: Path, name: str) -> None:
    folder = context(tmp_path / "image", 'RUN ["rm", "/usr/local/bin/kubernaut-action"]')
    ended = kubernaut("build", folder, f"--tag={name}", "--quiet")

    assert ended.code == 2
    assert "has no program kubernaut-action on its PATH" in ended.stderr
    assert inspected(name) is None


@pytest.mark.docker
def test_without_the_docker_command_the_engine_builds_by_itself(
    kubernaut: Run, context: Run, tmp_path: Path, name: str
) -> None:
    folder = context(tmp_path / "image", "ARG COLOUR", "ENV COLOUR=${COLOUR}")
    (tmp_path / "bin").mkdir()
    env = {**os.environ, "PATH": str(tmp_path / "bin")}
    built = kubernaut("build", folder, f"--tag={name}", "--build-arg=COLOUR=red", env=env)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    failed = kubernaut("build", folder, f"--tag={name}-2", env=env)

    assert built.code == 0, built.stderr
    assert built.stdout.startswith(f"{name} sha256:")
    assert "COLOUR=red" in (inspected(name) or {})["Config"]["Env"]
    assert failed.code == 1
    assert "the build failed" in failed.stderr
    assert inspected(f"{name}-2") is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["build", "nowhere", "--tag=flags"], "nowhere is no folder; name the one that the Dockerfile copies from."),
        (["build", "--tag=flags"], "there is no Dockerfile; name another with --file, or make a project with"),
        (["build", "--tag=flags", "--file=other"], "there is no other;"),
        (["build", "--tag=Flags", "--file=here"], "Flags is no name of an image;"),
        (["build", "--tag=flags@sha256:" + "0" * 64, "--file=here"], "gets its digest by being published"),
        (["build", "--tag=flags", "--file=here", "--build-arg=COLOUR"], "--build-arg COLOUR: write NAME=VALUE."),
        (
            ["build", "--tag=flags", "--file=here", "--platform=linux/amd64,linux/arm64"],
            "one image is of one platform",
        ),
    ],
)
def test_what_is_missing_is_named(called: Run, tmp_path: Path, words: list[str], sentence: str) -> None:
    (tmp_path / "here").write_text("FROM scratch\n")
    ended = called(*words, cwd=tmp_path)

    assert (ended.code, ended.stdout) == (2, "")
    assert sentence in ended.stderr


def test_without_an_engine_there_is_no_image(kubernaut: Run, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    env = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    ended = kubernaut("build", "--tag=flags", cwd=tmp_path, env=env)

    assert (ended.code, ended.stdout) == (3, "")
    assert ended.stderr.startswith("kubernaut: no Docker engine answers (")
    assert ended.stderr.endswith("start one, or set DOCKER_HOST.\n")
