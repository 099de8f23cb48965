"""What end-to-end tests need: the action images, in the Docker engine and in the cluster; and the demo's world."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo"

sys.path.insert(0, str(DEMO))


def sh(*argv: str, **options: Any) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return str(done.stdout)


@pytest.fixture(scope="session")
def kubectl() -> Callable[..., str]:
    """kubectl on a cluster that runs Tekton."""
    probe = ["kubectl", "--request-timeout=5s", "get", "crd", "pipelineruns.tekton.dev"]
    if shutil.which("kubectl") is None or subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("no kubeconfig answers whose cluster runs Tekton: `kubectl get crd pipelineruns.tekton.dev` failed")

    def call(*words: str, stdin: Any = None) -> str:
        return sh("kubectl", *words, input=stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin))

    return call


@pytest.fixture(scope="session")
def digests(images: dict[str, str], kubectl: Callable[..., str]) -> dict[str, str]:
    """Part → image by digest, in the cluster's nodes."""
    load = os.environ.get("KUBERNAUT_LOAD_IMAGES")
    if not load:
        pytest.skip(
            "KUBERNAUT_LOAD_IMAGES names no program that loads images into the cluster and prints their digests"
        )
    lines = sh(load, *images.values()).split()
    return dict(zip(images, lines, strict=True))


@dataclass(frozen=True)
class World:
    """The demo's surroundings, reachable from this machine's processes, containers and pods alike."""

    folder: Path
    repository: str
    bare: Path
    secret: Path
    instance: str

    def workflow(self, images: dict[str, str], name: str = "demo") -> str:
        """The demo's workflow, with these images by digest."""
        text = Template((DEMO / "workflow.yaml").read_text()).substitute(
            instance=self.instance,
            repository=self.repository,
            aws_image=images["aws-cli"],
            git_image=images["argocd"],
            cluster_step="",
        )
        file = self.folder / f"{name}.yaml"
        file.write_text(text.replace("namespace: shop}", "namespace: kubernaut-e2e}", 1))
        return str(file)


@contextmanager
def made_world(folder: Path) -> Iterator[World]:
    """An AWS API and a git server on loopback; the world is as the demo finds it."""
    from shop import aws_api, git_repository, make_aws_resources

    folder.mkdir()
    bare = git_repository(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = subprocess.Popen(
        [
            "git",
            "daemon",
            "--listen=127.0.0.1",
            f"--port={port}",
            f"--base-path={folder}",
            "--export-all",
            "--enable=receive-pack",
            "--reuseaddr",
        ],
        stderr=subprocess.DEVNULL,
    )
    url = f"git://127.0.0.1:{port}/{bare.name}"
    while subprocess.run(["git", "ls-remote", url], capture_output=True).returncode != 0:
        assert daemon.poll() is None
        time.sleep(0.05)
    try:
        with aws_api(folder / "aws") as api:
            yield World(folder, url, bare, folder / "aws", make_aws_resources(api))
    finally:
        daemon.terminate()
        daemon.wait()


@pytest.fixture
def world(tmp_path: Path) -> Callable[[str], Any]:
    """Makes a world of a name."""
    return lambda name: made_world(tmp_path / name)


def manifest(kind: str, name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **content}


def finished(kubectl: Callable[..., str], name: str, namespace: str) -> Any:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        run = json.loads(kubectl("get", name, f"--namespace={namespace}", "--output=json"))
        conditions = run.get("status", {}).get("conditions", [{"status": "Unknown"}])
        if conditions[0]["status"] != "Unknown":
            return run
        time.sleep(0.5)
    raise AssertionError(f"{name} did not end in time")
