"""The demo's changes in AWS and git are taken back by `kubernaut undo`, by processes and by the images in Docker."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

REGION = "eu-central-1"
PLACEHOLDER = "sha256:" + "0" * 64


pytestmark = [pytest.mark.slow]


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def engine(request: pytest.FixtureRequest) -> str:
    """The engine that runs the demo and takes it back."""
    return str(request.param)


@pytest.fixture
def names(engine: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """The images of the demo; processes need none."""
    if engine == "process":
        return {part: f"ghcr.io/kubernaut/actions/{part}@{PLACEHOLDER}" for part in ("aws-cli", "argocd")}
    built: dict[str, str] = request.getfixturevalue("images")
    inspect = ["docker", "image", "inspect", "--format={{.Id}}"]
    ids = {part: subprocess.run([*inspect, image], capture_output=True, text=True) for part, image in built.items()}
    return {part: f"{built[part].removesuffix(':dev')}@{done.stdout.strip()}" for part, done in ids.items()}


def test_what_the_demo_changed_is_taken_back(
    engine: str, names: dict[str, str], demo: Callable[[str], Any], tmp_path: Path
) -> None:
    def kubernaut(*words: str, code: int = 0) -> str:
        env = {**os.environ, "HOME": str(tmp_path)}
        argv = [sys.executable, "-m", "kubernaut_cli", *words, f"--data={tmp_path / 'data'}"]
        done = subprocess.run(argv, env=env, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    with demo("shop") as shop:
        address = (shop.secret / "config").read_text().partition("endpoint_url = ")[2].strip()
        scaling = boto3.Session("demo", "demo-secret", region_name=REGION).client("autoscaling", endpoint_url=address)

        def desired() -> int:
            [group] = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
            return int(group["DesiredCapacity"])

        def in_git(path: str) -> str:
            argv = ["git", "-C", str(shop.bare), "show", f"main:{path}"]
            return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

        before = in_git("checkout.yaml"), in_git("workers.yaml")
        kubernaut("run", shop.workflow(names), f"--secret=aws={shop.secret}", f"--engine={engine}")
        assert (desired(), in_git("workers.yaml").splitlines()[1].split()[1]) == (4, "4")
        [workers] = json.loads(kubernaut("history", "aws/set_desired_capacity", "-o", "json"))

        by = (f"--engine={engine}", f"--secret=workers={shop.secret}", "--requester=alice")
        planned = kubernaut("undo", workers["id"], "--dry-run", *by)
        assert "? workers: planned" in planned
        assert desired() == 4
        undone = kubernaut("undo", workers["id"][-8:], "--yes", *by)
        assert "    - desired: 4\n    + desired: 2\n" in undone
        assert desired() == 2

        whole = kubernaut("undo", "--workflow", "checkout-latency", "--yes", *by)
        [left] = [line for line in whole.splitlines() if line.startswith("cannot be undone: ")]
        assert left.endswith("aws/reboot_instances cannot be taken back: it defines no undo")
        assert "(undone already, by record " in whole
        assert (in_git("checkout.yaml"), in_git("workers.yaml"), desired()) == (*before, 2)

    records = json.loads(kubernaut("history", "--requester=alice", "--state=succeeded", "-o", "json"))
    assert {record["undoes"] is not None for record in records} == {True}
    assert [record.get("image") for record in records if record["step"] == "workers"] == (
        [names["aws-cli"]] if engine == "docker" else [None]
    )
    assert f"state      {workers['state']}" in kubernaut("history", "show", workers["id"])
    verdicts = json.loads(kubernaut("effectiveness", "aws/set_desired_capacity", "-o", "json"))
    assert [(verdict["ran"], verdict["undone"]) for verdict in verdicts] == [(1, 1)]
