"""The fixtures of the tests of the command."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from kubernaut_cli.__main__ import main

IMAGE_PREFIX = f"localhost/kubernaut-test-{sha256(str(Path(__file__)).encode()).hexdigest()[:8]}"
"""The prefix of the images of this checkout's tests: several checkouts may share one Docker engine."""
SPEC: dict[str, Any] = {
    "contract": "1",
    "actions": [
        {
            "action_type": "feature/set_flag",
            "version": "1.0",
            "summary": "Turns a feature flag on or off.",
            "inputs": {
                "type": "object",
                "properties": {"on": {"type": "boolean"}},
                "required": ["on"],
                "additionalProperties": False,
            },
            "result": None,
            "permissions": [],
            "tools": [],
            "examples": [{"on": True}],
            "idempotent": True,
            "undoable": False,
            "verified": False,
            "risk": "low",
        }
    ],
}
DOCKERFILE = """\
FROM {base}
COPY kubernaut-action /usr/local/bin/kubernaut-action
COPY spec.json /spec.json
"""


@dataclass(frozen=True)
class CommandResult:
    """The exit code and output of a command."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def kubernaut() -> Callable[..., CommandResult]:
    """A function that runs the program as a process, in a folder and an environment."""

    def run(*words: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> CommandResult:
        ended = subprocess.run(
            [Path(sys.executable).parent / "kubernaut", *words],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return CommandResult(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture(scope="session")
def called() -> Callable[..., CommandResult]:
    """A function that runs the command within this process, which is faster; for tests without a Docker engine."""

    def run(*words: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> CommandResult:
        stdout, stderr = io.StringIO(), io.StringIO()
        code: int | str | None = 0
        with (
            patch.object(sys, "argv", ["kubernaut", *map(str, words)]),
            patch.dict(os.environ, os.environ if env is None else env, clear=True),
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            chdir(cwd or Path.cwd()),
        ):
            try:
                main()
            except SystemExit as end:
                code = end.code
        return CommandResult(int(code or 0), stdout.getvalue(), stderr.getvalue())

    return run


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine; tests that need one are skipped without it."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
        pytest.skip("no Docker engine answers: `docker info` failed")


@pytest.fixture(scope="session")
def context(base: str) -> Callable[..., Path]:
    """A function that makes a folder to build an image from; its action, a shell script, knows only the verb `spec`."""

    def make(folder: Path, *lines: str, spec: object = SPEC) -> Path:
        folder.mkdir()
        program = folder / "kubernaut-action"
        program.write_text('#!/bin/sh\n[ "$1" = spec ] && exec cat /spec.json\necho "no verb $1" >&2; exit 2\n')
        program.chmod(0o755)
        (folder / "spec.json").write_text(spec if isinstance(spec, str) else json.dumps(spec))
        content = DOCKERFILE.format(base=base)
        (folder / "Dockerfile").write_text(content + "".join(f"{line}\n" for line in lines))
        return folder

    return make
