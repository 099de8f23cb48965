"""The command with which docs/clusters.md starts one action: tkn takes it, and its results are the Task's."""

import os
import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from tests.conftest import ROOT

GUIDE = (ROOT / "docs/clusters.md").read_text()
TASK = ROOT / "tekton/catalog/task/kubernaut-action/0.1/kubernaut-action.yaml"
BLOCKS = re.findall(r"^```console\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
[BLOCK] = [text for text in BLOCKS if "tkn task start kubernaut-action" in text]


def test_the_results_that_tkn_describes_are_those_of_the_task() -> None:
    described = [line.split()[0] for line in BLOCK.partition(" NAME ")[2].splitlines()[1:]]

    assert described == sorted(result["name"] for result in yaml.safe_load(TASK.read_text())["spec"]["results"])


@pytest.mark.cluster
def test_tkn_takes_the_command_and_asks_nothing() -> None:
    probe = ["kubectl", "--request-timeout=5s", "get", "crd", "tasks.tekton.dev"]
    if any(shutil.which(tool) is None for tool in ("tkn", "kubectl")):
        pytest.skip("no tkn or no kubectl is installed")
    if subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("no kubeconfig answers whose cluster runs Tekton: `kubectl get crd tasks.tekton.dev` failed")
    namespace = f"kubernaut-one-action-{os.getpid()}"
    command = BLOCK.partition("$ tkn ")[2].partition("\n$ ")[0].replace("\\\n", " ").replace("$IMAGE", "x@sha256:00")
    words = ["tkn", *shlex.split(command.replace("--namespace shop", f"--namespace {namespace}"))]
    subprocess.run(["kubectl", "create", "namespace", namespace], check=True, capture_output=True)
    try:
        subprocess.run(["kubectl", "apply", f"-n={namespace}", "-f", str(TASK)], check=True, capture_output=True)
        done = subprocess.run([*words, "--dry-run"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    finally:
        subprocess.run(["kubectl", "delete", "namespace", namespace, "--wait=false"], capture_output=True)
    assert done.returncode == 0, done.stderr
    run = yaml.safe_load(done.stdout)

    assert run["metadata"]["generateName"] == "scale-checkout-"
    assert run["metadata"]["labels"] == {"app": "checkout", "incident": "4711"}
    assert run["spec"]["workspaces"] == [{"emptyDir": {}, "name": "secrets"}]
    assert {param["name"] for param in run["spec"]["params"]} == {"actionType", "actionImage", "inputs"}
