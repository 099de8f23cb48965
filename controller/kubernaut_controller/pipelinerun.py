"""The PipelineRun of a WorkflowExecution: a pure function, deterministic to the byte.

Tekton gets exactly this, and so does the local engine. Called by `kubernaut render`, `kubernaut run` and the
controller. The workflow must be valid (`kubernaut_controller.validation`).
"""

import hashlib
import re
from datetime import timedelta
from typing import Any

from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_controller.taskref import TASK
from kubernaut_controller.trace import SPAN_CONTEXT, span_context, trace_of
from kubernaut_controller.validation import workflow_values
from kubernaut_controller.workflow import API_VERSION, Step, WorkflowExecution
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.ids import step_record_id
from kubernaut_sdk.portable import dumps, pointer
from kubernaut_sdk.traceparent import WorkflowTrace

__all__ = ["LARGEST", "pipeline_run_name", "record_id_of", "render", "run_name_of", "step_context"]

LARGEST = 600 * 1024
"""The largest PipelineRun in bytes; above that, etcd refuses what Tekton adds, and the PipelineRun hangs."""

ALLOWANCE = timedelta(minutes=2)
"""The addition to Tekton's timeout of a step for pulling the image and scheduling the pod."""

MARGIN = timedelta(seconds=30)
"""The addition for writing results and record after the action's own deadline."""

_STATUSES = {"succeeded": "Succeeded", "failed": "Failed", "skipped": "None"}
"""Tekton's word for each end of a task, in `$(tasks.NAME.status)`."""
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def render(workflow: WorkflowExecution, *, task_ref: dict[str, Any] = TASK) -> dict[str, Any]:
    """Return the PipelineRun of a workflow.

    Args:
        workflow: A valid workflow. With a uid and a creationTimestamp (as the API server sets) the PipelineRun gets its
            name, owner and record ids from them; without, it gets a generateName and the SDK mints the ids.
        task_ref: The reference to the generic Task: by name, or by a resolver.

    Raises:
        InvalidWorkflow: if the PipelineRun would be too large for etcd.
    """
    document = _document(workflow, task_ref, traced=True)
    if len(dumps(document).encode()) > LARGEST:
        # 90 bytes a step are worth more as steps: records and the workflow's own spans have their trace without them
        document = _document(workflow, task_ref, traced=False)
    size = len(dumps(document).encode())
    if size > LARGEST:
        fault = f"its PipelineRun has {size} bytes; above {LARGEST} (600 KiB) etcd refuses what Tekton adds"
        raise InvalidWorkflow([Fault("spec", fault)])
    return document


def _document(workflow: WorkflowExecution, task_ref: dict[str, Any], *, traced: bool) -> dict[str, Any]:
    """Return the PipelineRun; with `traced`, each step has the param traceparent."""
    spec = workflow.spec
    trace = trace_of(workflow) if traced else None

    def task(step: Step, *, final: bool = False) -> dict[str, Any]:
        return _task(workflow, step, task_ref, trace, final=final)

    secrets = [
        {"name": _workspace(step), "secret": {"secretName": step.secret_name}}
        for step in spec.all_steps
        if step.secret_name
    ]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": _metadata(workflow),
        "spec": {
            "pipelineSpec": _drop_empty(
                {
                    "workspaces": [{"name": secret["name"]} for secret in secrets],
                    "tasks": [task(step) for step in spec.steps],
                    "finally": [task(step, final=True) for step in spec.finally_],
                }
            ),
            "taskRunSpecs": [_task_run_spec(workflow, step) for step in spec.steps]
            + [run_spec for step in spec.finally_ if len(run_spec := _own(step)) > 1],
            "timeouts": _timeouts(workflow),
            **({"workspaces": secrets} if secrets else {}),
        },
    }


def pipeline_run_name(workflow: WorkflowExecution) -> str:
    """Return the PipelineRun's name, a function of the uid: a second create meets AlreadyExists."""
    return run_name_of(workflow.metadata.name, workflow.metadata.uid or "")


def run_name_of(name: str, uid: str) -> str:
    """Return the name of the PipelineRun of a workflow of this name and uid."""
    return f"{_stem(name)}-{hashlib.sha256(uid.encode()).hexdigest()[:10]}"


def record_id_of(workflow: WorkflowExecution, step: str) -> str | None:
    """Return the id of a step's record, or None where the workflow was never created in a cluster."""
    metadata = workflow.metadata
    if metadata.uid is None or metadata.creation_timestamp is None:
        return None
    return str(step_record_id(metadata.creation_timestamp, metadata.uid, step))


def step_context(workflow: WorkflowExecution, step: Step) -> dict[str, Any]:
    """Return the value of `ACTION_CONTEXT`, which tells a step's record why it runs."""
    metadata, spec = workflow.metadata, workflow.spec
    values = workflow_values(workflow)
    remediation = values["remediation"]
    if isinstance(remediation, dict):
        remediation = _drop_empty({"namespace": metadata.namespace, **remediation})
    about = {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid}
    return _drop_empty(
        {
            "workflow": _drop_empty(about),
            "step": step.name,
            "remediation": remediation,
            "signal": values["signal"],
            "target": values["target"],
            "requester": spec.requester,
            "approver": spec.approver,
            "confidence": spec.confidence,
        }
    )


def _metadata(workflow: WorkflowExecution) -> dict[str, Any]:
    source = workflow.metadata
    labels, annotations = {}, {}
    names = {"kubernaut.io/workflow": source.name}
    if workflow.spec.remediation_request_ref:
        names["kubernaut.io/remediation"] = workflow.spec.remediation_request_ref.name
    for key, value in names.items():
        labels[key] = _label_value(value)
        if labels[key] != value:
            annotations[key] = value
    if trace := trace_of(workflow):
        annotations[SPAN_CONTEXT] = span_context(trace.root)
    metadata: dict[str, Any] = {}
    if source.uid:
        metadata["name"] = pipeline_run_name(workflow)
    else:
        metadata["generateName"] = f"{_stem(source.name)}-"
    metadata |= _drop_empty({"namespace": source.namespace, "labels": labels, "annotations": annotations})
    if source.uid:
        metadata["ownerReferences"] = [
            {
                "apiVersion": API_VERSION,
                "kind": "WorkflowExecution",
                "name": source.name,
                "uid": source.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    return metadata


def _task(
    workflow: WorkflowExecution,
    step: Step,
    task_ref: dict[str, Any],
    trace: WorkflowTrace | None,
    *,
    final: bool,
) -> dict[str, Any]:
    task: dict[str, Any] = {"name": step.name, "taskRef": dict(task_ref)}
    if step.run_after:
        task["runAfter"] = list(step.run_after)
    if step.on_failure == "continue":
        task["onError"] = "continue"
    if final:
        # taskRunSpecs would bound it by timeouts.tasks, of which finally is no part
        task["timeout"] = format_duration(_task_run_timeout(workflow, step))
    if step.when:
        task["when"] = [
            {"input": f"$(tasks.{step.when.step}.status)", "operator": "in", "values": [_STATUSES[step.when.state]]}
        ]
    task["params"] = _params(workflow, step, trace)
    if step.secret_name:
        task["workspaces"] = [{"name": "secrets", "workspace": _workspace(step)}]
    return task


def _params(workflow: WorkflowExecution, step: Step, trace: WorkflowTrace | None) -> list[dict[str, Any]]:
    values = workflow_values(workflow)
    inputs = dict(step.inputs)
    taken: list[str] = []
    for source in step.inputs_from:
        if source.workflow:
            inputs[source.input] = pointer(values[source.workflow], source.pointer)
        else:
            # an array element is substituted whole, so that no output can end its quotes
            taken += ["--input-from", source.input, source.pointer]  # without a $: validation.py holds that
            taken.append(f"$(tasks.{source.step}.results.output)")
    params: dict[str, Any] = {
        "actionType": step.action_type,
        "actionImage": step.image,
        "inputs": dumps(inputs),
        "timeout": format_duration(workflow.timeout_of(step)),
        "context": dumps(step_context(workflow, step)),
    }
    # the Task's defaults are left out: a thousand steps have to fit into one object
    if workflow.spec.dry_run:
        params["dryRun"] = "true"
    if step.retries:
        params["retries"] = str(step.retries)
    if record_id := record_id_of(workflow, step.name):
        params["recordId"] = record_id
    if trace is not None:
        params["traceparent"] = str(trace.step(step.name))
    if taken:
        params["inputsFrom"] = taken
    return [{"name": name, "value": value} for name, value in params.items()]


def _task_run_spec(workflow: WorkflowExecution, step: Step) -> dict[str, Any]:
    timeout = min(_task_run_timeout(workflow, step), workflow.spec.timeout)
    return {**_own(step), "timeout": format_duration(timeout)}


def _own(step: Step) -> dict[str, Any]:
    resources = step.resources.model_dump(exclude_none=True) if step.resources else None
    return _drop_empty(
        {
            "pipelineTaskName": step.name,
            "serviceAccountName": step.service_account_name,
            "computeResources": resources,
        }
    )


def _timeouts(workflow: WorkflowExecution) -> dict[str, str]:
    """Return all three timeouts: without them `finally` never runs after a timeout. Its time is added to the steps'."""
    tasks = workflow.spec.timeout
    final = max((_task_run_timeout(workflow, step) for step in workflow.spec.finally_), default=timedelta(0))
    final = final or MARGIN  # zero would mean no limit
    return {
        "pipeline": format_duration(tasks + final),
        "tasks": format_duration(tasks),
        "finally": format_duration(final),
    }


def _task_run_timeout(workflow: WorkflowExecution, step: Step) -> timedelta:
    return workflow.timeout_of(step) + ALLOWANCE + MARGIN


def _workspace(step: Step) -> str:
    return f"secrets-{step.name}"


def _stem(name: str) -> str:
    return name[:42].rstrip("-.").replace(".", "-")


def _label_value(text: str) -> str:
    if _LABEL_VALUE.fullmatch(text):
        return text
    return f"{text[:46].rstrip('-.')}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _drop_empty(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value not in (None, {}, [])}
