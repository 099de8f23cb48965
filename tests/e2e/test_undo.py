"""A change that a pod made is taken back by a pod: the rendered undo, with the Task's param undoRecord."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubernaut_datastorage import embedded
from kubernaut_sdk import DataStorage

from .conftest import finished, manifest, scaler

TASK = Path(__file__).parents[2] / "tekton/catalog/task/kubernaut-action/0.1/kubernaut-action.yaml"
NAMESPACE = "kubernaut-e2e-undo"
pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_a_change_is_taken_back_by_a_task_run(
    digests: dict[str, str], kubectl: Callable[..., str], tmp_path: Path
) -> None:
    here = f"--namespace={NAMESPACE}"

    def replicas() -> int:
        return int(kubectl("get", "deployment", "checkout", here, "--output=jsonpath={.spec.replicas}"))

    def run(rendered: str) -> Any:
        name = kubectl("create", here, "-f", "-", "--output=name", stdin=rendered).strip()
        return finished(kubectl, name, NAMESPACE)["status"]["conditions"][0]

    def kubernaut(*words: str) -> str:
        env = {**os.environ, "DATA_STORAGE_URL": storage.url}
        done = subprocess.run([sys.executable, "-m", "kubernaut_cli", *words], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    step = {
        "name": "out",
        "actionType": "kubernetes/scale_deployment",
        "image": digests["kubectl"],
        "timeout": "1m",
        "serviceAccountName": "scaler",
        "inputs": {"namespace": NAMESPACE, "deployment": "checkout", "replicas": 2},
    }
    workflow = {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {"name": "scale", "namespace": NAMESPACE},
        "spec": {"steps": [step]},
    }
    (tmp_path / "workflow.json").write_text(json.dumps(workflow))
    kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    kubectl("apply", here, "-f", str(TASK))
    with embedded(tmp_path / "data") as storage:
        try:
            config = {"url": storage.url, "policy": "require"}
            kubectl("apply", here, "-f", "-", stdin=manifest("ConfigMap", "kubernaut-data-storage", data=config))
            for item in scaler(digests["kubectl"]):
                kubectl("apply", here, "-f", "-", stdin=item)
            done = run(kubernaut("render", str(tmp_path / "workflow.json")))
            assert (done["status"], replicas()) == ("True", 2), done
            history = DataStorage(storage.url)
            (original,) = history.get_action_history()

            rendered = kubernaut(
                "undo", str(original.id), "--render", "--requester=bob", "--service-account=out=scaler"
            )
            undone = run(rendered)
            record = next(one for one in history.get_action_history() if one.id != original.id)
            history.close()

            assert (undone["status"], replicas()) == ("True", 1), undone
            assert (record.state, record.undoes, record.requester) == ("succeeded", original.id, "bob")
            assert original.image == record.image == digests["kubectl"]
        finally:
            kubectl("delete", "namespace", NAMESPACE, "--wait=false")
