"""The command with which docs/clusters.md starts one action: tkn takes it, and its results are the Task's."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

GUIDE = (ROOT / "docs/clusters.md").read_text()
TYPED = ROOT / "tekton/catalog/task/kubernetes-cordon-node/0.1/kubernetes-cordon-node.yaml"
TASK = ROOT / "tekton/catalog/task/kubernaut-action/0.1/kubernaut-action.yaml"
BLOCKS = re.findall(r"^```console\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
[BLOCK] = [text for text in BLOCKS if "tkn task start kubernaut-action" in text]


def test_the_results_that_tkn_describes_are_those_of_the_task() -> None:
    described = [line.split()[0] for line in BLOCK.partition(" NAME ")[2].splitlines()[1:]]

    assert described == sorted(result["name"] for result in yaml.safe_load(TASK.read_text())["spec"]["results"])


@contextmanager
def tekton_namespace(name: str, *files: Path) -> Iterator[str]:
    """Yield a new namespace of a cluster with Tekton, with the objects of these files; skip where there is none."""
    probe = ["kubectl", "--request-timeout=5s", "get", "crd", "tasks.tekton.dev"]
    if any(shutil.which(tool) is None for tool in ("tkn", "kubectl")):
        pytest.skip("no tkn or no kubectl is installed")
    if subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("no kubeconfig answers whose cluster runs Tekton: `kubectl get crd tasks.tekton.dev` failed")
    name = f"kubernaut-{name}-{os.getpid()}"
    subprocess.run(["kubectl", "create", "namespace", name], check=True, capture_output=True)
    try:
        for file in files:
            subprocess.run(["kubectl", "apply", f"-n={name}", "-f", str(file)], check=True, capture_output=True)
        yield name
    finally:
        subprocess.run(["kubectl", "delete", "namespace", name, "--wait=false"], capture_output=True)


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace with the typed Task kubernetes-cordon-node, as it is in a checkout, and a ServiceAccount."""
    with tekton_namespace("not-started", TYPED) as name:
        account = ["kubectl", "create", "serviceaccount", "there", f"--namespace={name}"]
        subprocess.run(account, check=True, capture_output=True)
        yield name


def rows() -> list[str]:
    """Return what the guide's table quotes where a run does not start."""
    table = GUIDE.partition("## When a run does not start\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.*?)`", table, re.MULTILINE)[1:]  # but the heading


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("message", "task", "options"),
    [
        ("param 'dryrun' not present in spec", TYPED.stem, ["--param=node=x", "--param=dryrun=true"]),
        ("Task name NAME does not exist in namespace NAMESPACE", "NAME", []),
        ('serviceaccounts "NAME" not found', TYPED.stem, ["--param=node=x", "--serviceaccount=NAME"]),
        ("non-existent variable in", TYPED.stem, ["--param=node=$(params.x)", "--serviceaccount=there"]),
        pytest.param(
            "TaskRunImagePullFailed",
            TYPED.stem,
            ["--param=node=x", "--serviceaccount=there"],
            marks=pytest.mark.slow,  # the kubelet tries again before Tekton gives up
        ),
    ],
)
def test_a_run_that_does_not_start_says_what_the_guide_quotes(
    namespace: str, message: str, task: str, options: list[str]
) -> None:
    where = [f"--namespace={namespace}"]
    words = ["tkn", "task", "start", task.lower(), *where, "--use-param-defaults", "--skip-optional-workspace"]
    words += ["--showlog", *(option.replace("NAME", "name") for option in options)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150)
    told = done.stdout + done.stderr
    if "TaskRun started" in told:
        describe = ["tkn", "taskrun", "describe", "--last", *where]
        told += subprocess.run(describe, capture_output=True, text=True, check=True).stdout

    assert message in rows()
    assert message.replace("NAMESPACE", namespace).replace("NAME", "name") in told


@pytest.mark.cluster
def test_tkn_takes_the_command_and_asks_nothing() -> None:
    command = BLOCK.partition("$ tkn ")[2].partition("\n$ ")[0].replace("\\\n", " ").replace("$IMAGE", "x@sha256:00")
    with tekton_namespace("one-action", TASK) as namespace:
        words = ["tkn", *shlex.split(command.replace("--namespace shop", f"--namespace {namespace}")), "--dry-run"]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = yaml.safe_load(done.stdout)

    assert run["metadata"]["generateName"] == "scale-checkout-"
    assert run["metadata"]["labels"] == {"app": "checkout", "incident": "4711"}
    assert run["spec"]["workspaces"] == [{"emptyDir": {}, "name": "secrets"}]
    assert {param["name"] for param in run["spec"]["params"]} == {"actionType", "actionImage", "inputs"}
