"""One PipelineRun run by local processes, by local containers and by Tekton: its steps end the same in each."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubernaut_datastorage import embedded
from kubernaut_sdk import DataStorage

from .conftest import finished, label, manifest, scaler

ROOT = Path(__file__).parents[2]
TASK = ROOT / "tekton/catalog/task/kubernaut-action/0.1/kubernaut-action.yaml"
NAMESPACE = "kubernaut-e2e"
DIGEST = "sha256:" + "0" * 64


def kubernaut(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "kubernaut_cli", *args], capture_output=True, text=True)


def without_commits(output: Any) -> Any:
    """Return the output without the commit, whose id depends on the time."""
    return {name: value for name, value in (output or {}).items() if name != "commit"}


def local_steps(demo: Any, file: str, engine: str, data: Path) -> dict[str, Any]:
    ended = kubernaut("run", file, f"--engine={engine}", f"--secret=aws={demo.secret}", f"--data={data}", "-o", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return {
        row["name"]: (row["state"], row["changed"], without_commits(row["output"]))
        for row in json.loads(ended.stdout)["steps"]
    }


@pytest.fixture
def as_processes(demo: Callable[[str], Any], tmp_path: Path) -> dict[str, Any]:
    """The outcomes of the demo's steps as local processes."""
    names = {part: f"ghcr.io/kubernaut/actions/{part}@{DIGEST}" for part in ("aws-cli", "argocd")}
    with demo("processes") as made:
        steps = local_steps(made, made.workflow(names), "process", tmp_path / "data-processes")
    instance = steps["reboot-cache"][2].pop("instance_ids")
    assert instance == [made.instance]
    return steps


@pytest.mark.slow
@pytest.mark.docker
def test_containers_end_as_processes_do(
    as_processes: dict[str, Any], images: dict[str, str], demo: Callable[[str], Any], tmp_path: Path
) -> None:
    # an image that was never pushed has no digest in a registry, but an id that the engine knows it by
    inspect = ["docker", "image", "inspect", "--format={{.Id}}"]
    ids = {part: subprocess.run([*inspect, image], capture_output=True, text=True) for part, image in images.items()}
    names = {part: f"{images[part].removesuffix(':dev')}@{ended.stdout.strip()}" for part, ended in ids.items()}
    with demo("containers") as made:
        steps = local_steps(made, made.workflow(names), "docker", tmp_path / "data-containers")
    steps["reboot-cache"][2].pop("instance_ids")

    assert steps == as_processes


@pytest.mark.cluster
def test_tekton_accepts_the_task_and_what_is_rendered(kubectl: Callable[..., str], demo: Callable[[str], Any]) -> None:
    names = {part: f"ghcr.io/kubernaut/actions/{part}@{DIGEST}" for part in ("aws-cli", "argocd")}
    kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    with demo("admission") as made:
        rendered = kubernaut("render", made.workflow(names))
    assert rendered.returncode == 0, rendered.stderr

    assert "kubernaut-action" in kubectl("apply", "--dry-run=server", f"--namespace={NAMESPACE}", "-f", str(TASK))
    assert "checkout-latency-" in kubectl("create", "--dry-run=server", "-f", "-", stdin=rendered.stdout)
    sample = str(TASK.parent / "samples" / "run.yaml")
    assert "scale-checkout-" in kubectl("create", "--dry-run=server", f"--namespace={NAMESPACE}", "-f", sample)


@pytest.mark.slow
@pytest.mark.cluster
def test_tekton_ends_as_processes_do(
    as_processes: dict[str, Any],
    digests: dict[str, str],
    kubectl: Callable[..., str],
    demo: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    here = f"--namespace={NAMESPACE}"
    kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    kubectl("apply", here, "-f", str(TASK))
    with demo("tekton") as made, embedded(tmp_path / "data-tekton") as storage:
        files = {path.name: path.read_text() for path in made.secret.iterdir()}
        kubectl("apply", here, "-f", "-", stdin=manifest("Secret", "aws", stringData=files))
        config = {"url": storage.url, "policy": "require"}
        kubectl("apply", here, "-f", "-", stdin=manifest("ConfigMap", "kubernaut-data-storage", data=config))
        rendered = kubernaut("render", made.workflow(digests))
        name = kubectl("create", here, "-f", "-", "--output=name", stdin=rendered.stdout).strip()
        try:
            run = finished(kubectl, name, NAMESPACE)
            runs = json.loads(kubectl("get", "taskruns", here, "--output=json", f"--selector={label(name)}"))["items"]
            steps = {taskrun["metadata"]["labels"]["tekton.dev/pipelineTask"]: step_of(taskrun) for taskrun in runs}
            history = DataStorage(storage.url)
            records = {record.step: record for record in history.get_action_history()}
            history.close()
            ready = httpx.get(f"{storage.url}/readyz", trust_env=False).status_code
        finally:
            kubectl("delete", here, name, "--wait=false")
    steps["reboot-cache"][2].pop("instance_ids")

    assert run["status"]["conditions"][0]["reason"] == "Succeeded", run["status"]["conditions"]
    assert steps == as_processes
    assert ready == 200
    assert {step: record.state for step, record in records.items()} == {step: end[0] for step, end in steps.items()}
    assert records["workers"].attempt == 1
    assert all(record.pod is not None and record.pod.name.endswith("-pod") for record in records.values())


@pytest.mark.cluster
def test_a_pod_scales_a_deployment_and_may_do_no_more(
    digests: dict[str, str], kubectl: Callable[..., str], tmp_path: Path
) -> None:
    namespace = f"{NAMESPACE}-rbac"
    here = f"--namespace={namespace}"
    kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    kubectl("apply", here, "-f", str(TASK))
    for item in scaler(digests["kubectl"]):
        kubectl("apply", here, "-f", "-", stdin=item)
    step = {"actionType": "kubernetes/scale_deployment", "image": digests["kubectl"], "timeout": "1m"}
    inputs = {"namespace": namespace, "deployment": "checkout", "replicas": 2}
    steps = [
        {**step, "name": "may", "inputs": inputs, "serviceAccountName": "scaler"},
        {**step, "name": "may-not", "inputs": inputs, "onFailure": "continue"},
    ]
    workflow = {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {"name": "scale", "namespace": namespace},
        "spec": {"steps": steps},
    }
    (tmp_path / "wf.json").write_text(json.dumps(workflow))
    name = kubectl(
        "create", here, "-f", "-", "--output=name", stdin=kubernaut("render", str(tmp_path / "wf.json")).stdout
    ).strip()
    run = finished(kubectl, name, namespace)
    runs = json.loads(kubectl("get", "taskruns", here, "--output=json", f"--selector={label(name)}"))["items"]
    results = {
        taskrun["metadata"]["labels"]["tekton.dev/pipelineTask"]: {
            result["name"]: result["value"] for result in taskrun["status"]["results"]
        }
        for taskrun in runs
    }
    replicas = json.loads(kubectl("get", "deployment", "checkout", here, "--output=json"))["status"]["readyReplicas"]
    kubectl("delete", here, name, "deployment.apps/checkout", "--wait=false")

    assert run["status"]["conditions"][0]["status"] == "True"
    assert (results["may"]["status"], results["may"]["output"], replicas) == ("succeeded", '{"replicas":2}', 2)
    assert results["may-not"]["status"] == "failed"
    assert json.loads(results["may-not"]["error"])["reason"] == "Forbidden"


def step_of(taskrun: Any) -> tuple[str, bool | None, Any]:
    results = {result["name"]: result["value"] for result in taskrun["status"].get("results", [])}
    changed = {"true": True, "false": False}.get(results["changed"])
    return results["status"], changed, without_commits(json.loads(results["output"] or "{}"))
