"""Real systems for actions: git repositories, an AWS API on loopback, a cluster if a kubeconfig answers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "standins"))
sys.path[:0] = [str(Path(__file__).parents[2] / "actions" / part) for part in ("argocd", "aws-cli", "kubectl")]

GIT_ENV = {
    "GIT_AUTHOR_NAME": "T",
    "GIT_AUTHOR_EMAIL": "t@example.com",
    "GIT_COMMITTER_NAME": "T",
    "GIT_COMMITTER_EMAIL": "t@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


class Repository:
    """A bare repository and a way to push to it as somebody else."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.work = folder / "repo.git", folder / "work"
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare), cwd=folder)
        self.git("init", "--quiet", "--initial-branch=main", str(self.work), cwd=folder)
        self.git("remote", "add", "origin", str(self.bare))

    def git(self, *words: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=cwd or self.work,
            env={**os.environ, **GIT_ENV},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def push(self, **files: str) -> None:
        """Commit these files and what is in the working tree, and push."""
        for name, text in files.items():
            (self.work / name.replace("_", ".")).write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message=theirs")
        self.git("push", "--quiet", "origin", "main")

    def show(self, name: str) -> str:
        return self.git("show", f"main:{name}", cwd=self.bare)

    def commits(self) -> int:
        return int(self.git("rev-list", "--count", "main", cwd=self.bare))

    def hook(self, name: str, script: str) -> None:
        path = self.bare / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.push(app_yaml="replicas: 3 # why\nimage: app:1\n")
    return made


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The address of an AWS API: moto's server, with what it lacks."""
    from moto.server import ThreadedMotoServer  # all its services take a second to import
    from moto_extended import extend

    extend()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def kubectl() -> Callable[..., Any]:
    """kubectl on a real cluster; what it prints, as JSON where it is."""
    try:
        subprocess.run(["kubectl", "--request-timeout=3s", "get", "--raw", "/readyz"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no kubeconfig answers: `kubectl get --raw /readyz` failed")

    def call(*words: str, stdin: Any = None) -> Any:
        text = json.dumps(stdin) if stdin else None
        done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--output=json" in words else done.stdout

    return call


@pytest.fixture
def argo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A small Argo CD on loopback, and a kubeconfig that leads to its cluster."""
    from argocd_standin import TOKEN, ArgoStandin  # its folder is not importable before this file has run

    standin = ArgoStandin()
    kubeconfig = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": standin.url}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield standin
    standin.close_server()
