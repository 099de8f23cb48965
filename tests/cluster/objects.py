"""Objects as the API server returns them: Tekton's and Kubernetes' own shapes, taken from a real cluster."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernaut_controller.pipelinerun import render
from kubernaut_controller.reconciling import FINALIZER, ObservedState, Policy
from kubernaut_controller.reconciling.admission import admit
from kubernaut_controller.reconciling.lock import LockState
from kubernaut_controller.views import PipelineRunView, PodView, TaskRunView, WorkflowView
from kubernaut_controller.workflow import WorkflowExecution

Json = dict[str, Any]

UID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
CREATED = datetime(2026, 1, 31, 9, 5, 7, tzinfo=UTC)
NOW = CREATED + timedelta(seconds=10)
IMAGE = "ghcr.io/kubernaut/actions/probe@sha256:" + "0" * 64
POLICY = Policy()


def stamp(seconds: float) -> str:
    return (CREATED + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def step(name: str, **fields: Any) -> Json:
    return {"name": name, "actionType": "probe/write_text", "image": IMAGE, "inputs": {}, **fields}


def workflow(*steps: Json, status: Json | None = None, held: bool = True, deleted: bool = False, **spec: Any) -> Json:
    """Return a WorkflowExecution of these steps, or of one."""
    metadata: Json = {
        "name": "fix",
        "namespace": "shop",
        "uid": UID,
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": stamp(0),
        "finalizers": [FINALIZER] if held else [],
    }
    if deleted:
        metadata["deletionTimestamp"] = stamp(5)
    return {
        "apiVersion": "kubernaut.io/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": metadata,
        "spec": {"steps": list(steps) or [step("a")], **spec},
        **({"status": status} if status else {}),
    }


def observed_state(document: Json, **known: Any) -> ObservedState:
    """Return the observed state of a workflow."""
    made, faults = admit(document, known.pop("policy", POLICY))
    if made is not None and known.get("task_runs"):
        known["task_runs"] = tuple(with_requested_params(made, *known["task_runs"]))
    known["task_runs"] = tuple(map(TaskRunView, known.get("task_runs", ())))
    known["pods"] = {name: PodView(pod) for name, pod in known.get("pods", {}).items()}
    known |= {"pipeline_run_absent": "pipeline_run" not in known} | known
    if known.get("pipeline_run") is not None:
        known["pipeline_run"] = PipelineRunView(known["pipeline_run"])
    return ObservedState(document=WorkflowView(document), workflow=made, faults=faults, **known)


def with_requested_params(made: WorkflowExecution, *task_runs: Json) -> list[Json]:
    """Return TaskRuns with the params that their PipelineRun asks for, except those that they have already."""
    pipeline = render(made)["spec"]["pipelineSpec"]
    asked = {task["name"]: task["params"] for section in ("tasks", "finally") for task in pipeline.get(section, ())}
    completed = []
    for task_run in task_runs:
        spec = task_run["spec"]
        given = {param["name"] for param in spec["params"]}
        missing = asked.get(task_run["metadata"]["labels"]["tekton.dev/pipelineTask"], ())
        params = [*spec["params"], *(param for param in missing if param["name"] not in given)]
        completed.append({**task_run, "spec": {**spec, "params": params}})
    return completed


def pipeline_run(document: Json, status: str = "Unknown", reason: str = "Running", **fields: Any) -> Json:
    """Return the PipelineRun of a workflow, started, with a condition."""
    made, _ = admit(document, POLICY)
    assert made is not None
    run = render(made)
    spec = {**run["spec"], "taskRunTemplate": {"serviceAccountName": "default"}, **fields.pop("spec", {})}
    metadata = {**run["metadata"], "uid": "run-1", "resourceVersion": "7", "creationTimestamp": stamp(1)}
    conditions = [{"type": "Succeeded", "status": status, "reason": reason, "message": fields.pop("message", "")}]
    done = {"completionTime": stamp(9)} if status != "Unknown" else {}
    state = {"startTime": stamp(1), "conditions": conditions, **done, **fields}
    return {**run, "metadata": metadata, "spec": spec, "status": state}


def task_run(name: str = "a", status: str = "Unknown", reason: str = "Running", **fields: Any) -> Json:
    """Return the TaskRun of a step."""
    spec = {
        "taskRef": {"kind": "Task", "name": "kubernaut-action"},
        "serviceAccountName": fields.pop("account", "default"),
        "params": [{"name": "actionImage", "value": fields.pop("image", IMAGE)}],
    }
    if message := fields.pop("status_message", None):
        spec["statusMessage"] = message
    metadata = {
        "name": f"run-{name}",
        "uid": f"task-{name}",
        "resourceVersion": "8",
        "labels": {"tekton.dev/pipelineTask": name},
        "ownerReferences": [{"uid": fields.pop("owner", "run-1"), "controller": True}],
    }
    results = [{"name": key, "value": value} for key, value in fields.pop("results", {}).items()]
    pod_name = fields.pop("pod_name", f"run-{name}-pod")
    state: Json = {
        "conditions": [{"type": "Succeeded", "status": status, "reason": reason, "message": fields.pop("message", "")}],
        "startTime": stamp(2),
        **({"podName": pod_name} if pod_name else {}),
        **({"completionTime": stamp(8)} if status != "Unknown" else {}),
        **({"results": results} if results else {}),
        "steps": fields.pop(
            "steps", [{"name": "action", "container": "step-action", "running": {"startedAt": stamp(3)}}]
        ),
    }
    assert not fields, fields
    return {"kind": "TaskRun", "metadata": metadata, "spec": spec, "status": state}


def terminated(code: int, reason: str = "Error", started: float | None = 3) -> list[Json]:
    """Return a TaskRun's `steps` with a container that has ended."""
    times = {"startedAt": stamp(started)} if started is not None else {}
    return [{"name": "action", "container": "step-action", "terminated": {"exitCode": code, "reason": reason, **times}}]


def results(
    status: str = "succeeded", *, stored: str = "stored", changed: str = "true", **fields: Any
) -> dict[str, str]:
    """Return result files as an action writes them."""
    error = fields.get("error")
    return {
        "status": status,
        "changed": changed,
        "record-id": "x",
        "record-status": stored,
        "output": json.dumps(fields.get("output", {"size": 1})),
        "error": json.dumps(error) if error else "",
    }


def successful(name: str = "a", **fields: Any) -> Json:
    """Return a TaskRun that succeeded."""
    return task_run(name, "True", "Succeeded", results=results(**fields), steps=terminated(0, "Completed"))


def pod(phase: str = "Running", state: Json | None = None, **metadata: Any) -> Json:
    """Return a step's pod."""
    state = state if state is not None else {"running": {"startedAt": stamp(3)}}
    return {
        "kind": "Pod",
        "metadata": {
            "name": "run-a-pod",
            "uid": "pod-1",
            "resourceVersion": "9",
            "ownerReferences": [{"kind": "TaskRun", "uid": "task-a", "controller": True}],
            **metadata,
        },
        "spec": {"nodeName": "node-7"},
        "status": {"phase": phase, "containerStatuses": [{"name": "step-action", "state": state}]},
    }


def termination(files: dict[str, str], code: int = 143) -> Json:
    """Return a container's state whose termination message contains these results."""
    entries = [{"key": key, "value": value, "type": 1} for key, value in files.items()]
    entries.append({"key": "StartedAt", "value": stamp(3), "type": 3})
    return {"terminated": {"exitCode": code, "reason": "Error", "startedAt": stamp(3), "message": json.dumps(entries)}}


OURS = LockState("ours")
