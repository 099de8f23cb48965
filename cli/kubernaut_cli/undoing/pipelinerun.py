"""The PipelineRun of an undo: one step a record, in order, each with the Task's param `undoRecord`."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from kubernaut_cli.history.rows import HistoryRow
from kubernaut_controller.pipelinerun import run_name_of
from kubernaut_sdk.ids import mint
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.records import Record

__all__ = ["undo_pipeline_run"]

_TIMEOUT = "5m"
_STEP_MINUTES = 8
"""Minutes for a step, with the time to pull its image and to schedule its pod."""
_LONGEST_NAME = 40
_NO_IMAGE = "none@sha256:" + "0" * 64
"""The image of a step that a process runs; the local engine does not use it then."""


def undo_pipeline_run(
    rows: Sequence[HistoryRow],
    requester: str,
    *,
    dry_run: bool = False,
    secret_names: Mapping[str, str] | None = None,
    service_accounts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the PipelineRun that undoes records one after the other; the first that fails ends it.

    Args:
        rows: The records, in the order in which to undo them.
        requester: Who asks for it.
        dry_run: True to plan only.
        secret_names: The name of the Secret of a step, by the step's name.
        service_accounts: The name of the ServiceAccount of a step, by the step's name; else the namespace's default.
    """
    source = rows[0].record
    name = f"undo-{source.workflow.name if source.workflow else 'record'}"[:_LONGEST_NAME].rstrip("-.")
    workflow = {"name": name, "uid": str(uuid4())}
    namespace = source.workflow.namespace if source.workflow else None
    if namespace is not None:
        workflow["namespace"] = namespace
    tasks: list[dict[str, Any]] = []
    bindings: list[dict[str, Any]] = []
    run_specs: list[dict[str, Any]] = []
    for row in rows:
        task = _task(row.record, _step_name(row.record, tasks), workflow, requester, dry_run=dry_run)
        if tasks:
            task["runAfter"] = [tasks[-1]["name"]]
        if secret := (secret_names or {}).get(row.record.step or ""):
            workspace = f"secrets-{task['name']}"
            task["workspaces"] = [{"name": "secrets", "workspace": workspace}]
            bindings.append({"name": workspace, "secret": {"secretName": secret}})
        if account := (service_accounts or {}).get(row.record.step or ""):
            run_specs.append({"pipelineTaskName": task["name"], "serviceAccountName": account})
        tasks.append(task)
    metadata = {"name": run_name_of(name, workflow["uid"]), **({"namespace": namespace} if namespace else {})}
    minutes = _STEP_MINUTES * len(tasks)
    pipeline: dict[str, Any] = {"tasks": tasks}
    spec: dict[str, Any] = {
        "pipelineSpec": pipeline,
        "timeouts": {"pipeline": f"{minutes + 1}m", "tasks": f"{minutes}m"},
    }
    if run_specs:
        spec["taskRunSpecs"] = run_specs
    if bindings:
        pipeline["workspaces"] = [{"name": one["name"]} for one in bindings]
        spec["workspaces"] = bindings
    return {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata, "spec": spec}


def _task(record: Record, name: str, workflow: Mapping[str, Any], requester: str, *, dry_run: bool) -> dict[str, Any]:
    known = record.wire()
    context: dict[str, Any] = {
        **{field: known[field] for field in ("remediation", "signal", "target") if field in known},
        "workflow": workflow,
        "step": name,
        "requester": requester,
    }
    params: dict[str, Any] = {
        "actionType": record.action_type,
        "actionImage": record.image or _NO_IMAGE,
        "undoRecord": str(record.id),
        "recordId": str(mint()),
        "timeout": _TIMEOUT,
        "context": dumps(context),
    }
    if dry_run:
        params["dryRun"] = "true"
    return {
        "name": name,
        "taskRef": {"name": "kubernaut-action"},
        "params": [{"name": key, "value": value} for key, value in params.items()],
    }


def _step_name(record: Record, tasks: Sequence[Mapping[str, Any]]) -> str:
    """Return the record's step, or a name of its own where that is taken or unknown."""
    name, taken = record.step or "record", {task["name"] for task in tasks}
    return name if name not in taken else f"{name[:50].rstrip('-')}-{record.id.hex[-8:]}"
