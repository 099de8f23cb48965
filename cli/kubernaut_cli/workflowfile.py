"""The reading of a workflow file, and the fields that the API server would set or that only a cluster sets."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from kubernaut_cli.catalog import find_action, known_types
from kubernaut_controller import InvalidWorkflow, WorkflowExecution, load_yaml
from kubernaut_controller.checking import Catalogue, check_workflow
from kubernaut_sdk.errors import InvalidInputs

__all__ = ["as_created", "read_text", "read_workflow", "without_cluster_fields", "without_identity"]


def read_text(path: str) -> str:
    """Return the text of a file, or of standard input for `-`.

    Raises:
        InvalidInputs: if it cannot be read.
    """
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidInputs(f"{path}: cannot be read: {reason}.") from None


def read_workflow(
    path: str,
    *,
    text: str | None = None,
    repositories: Sequence[str] = (),
    unknown_actions: bool = False,
    max_timeout: timedelta | None = None,
) -> WorkflowExecution:
    """Return the valid WorkflowExecution of a file; `text` is its content, if it has been read already.

    Raises:
        InvalidInputs: if the file cannot be read.
        InvalidWorkflow: with every fault.
    """
    document = load_yaml(read_text(path) if text is None else text, path)
    catalogue = Catalogue(find_action, known_types(), repositories, unknown_actions, max_timeout)
    workflow, faults = check_workflow(document, catalogue)
    if workflow is None or faults:
        raise InvalidWorkflow(faults)
    return workflow


def as_created(workflow: WorkflowExecution, *, dry_run: bool = False) -> WorkflowExecution:
    """Return the workflow with a new uid, creationTimestamp and namespace, as if the API server had just created it.

    A uid in the file belongs to another run (`kubectl get wfe … -o yaml`), whose records this run must not touch.
    """
    metadata = workflow.metadata.model_copy(
        update={
            "uid": str(uuid4()),
            "creation_timestamp": datetime.now(UTC),
            "namespace": workflow.metadata.namespace or "default",
        }
    )
    spec = workflow.spec.model_copy(update={"dry_run": workflow.spec.dry_run or dry_run})
    return workflow.model_copy(update={"metadata": metadata, "spec": spec})


def without_identity(workflow: WorkflowExecution) -> WorkflowExecution:
    """Return the workflow without uid and creationTimestamp: a run of the file is another run."""
    metadata = workflow.metadata.model_copy(update={"uid": None, "creation_timestamp": None})
    return workflow.model_copy(update={"metadata": metadata})


def without_cluster_fields(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without status and the metadata that a cluster sets, so that it can be created again."""
    metadata = {name: value for name, value in document["metadata"].items() if name not in _CLUSTER_METADATA}
    return {**{name: value for name, value in document.items() if name != "status"}, "metadata": metadata}


_CLUSTER_METADATA = {
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
}
