"""The RemediationRequest (`kubernaut.io/v1alpha1`) as models: a signal, and the workflow that was chosen for it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_controller.duration import Duration
from kubernaut_controller.shape import Shape, read_as
from kubernaut_controller.workflow import (
    API_VERSION,
    DAY,
    DEFAULT_STARTING_DEADLINE,
    DEFAULT_TIMEOUT,
    Metadata,
    Step,
    WorkflowExecution,
)
from kubernaut_sdk.records import ObjectRef, Signal

__all__ = ["RemediationRequest", "read_remediation_request", "workflow_of"]


class ChosenWorkflow(Shape):
    """The workflow that was chosen: the fields of a WorkflowExecution's spec that do not come from the signal."""

    dry_run: Annotated[bool, Field(description="Plan every step; change nothing.")] = False
    timeout: Annotated[Duration, Field(description="For all steps together.")] = DEFAULT_TIMEOUT
    starting_deadline: Annotated[
        Duration, Field(description="The longest time that it may wait to start; after that it ends Expired.")
    ] = DEFAULT_STARTING_DEADLINE
    ttl_seconds_after_finished: Annotated[
        int,
        Field(
            ge=0, le=365 * DAY, description="The time after its end at which it is deleted, and this request with it."
        ),
    ] = DAY
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=5000, description="The steps, as a graph.")]
    finally_: Annotated[
        tuple[Step, ...], Field(alias="finally", max_length=100, description="Steps that run at the end.")
    ] = ()


class RemediationSpec(Shape):
    """The reason for a remediation, and its workflow."""

    signal: Annotated[Signal, Field(description="The alert that caused it.")]
    target: Annotated[ObjectRef | None, Field(description="The object to act on.")] = None
    confidence: Annotated[
        float | None, Field(ge=0, le=1, description="The confidence of the person or system that chose it.")
    ] = None
    rationale: Annotated[
        str | None, Field(max_length=32768, description="The reason why this workflow was chosen.")
    ] = None
    requester: Annotated[str | None, Field(max_length=1024, description="The person or system that asked for it.")] = (
        None
    )
    approver: Annotated[str | None, Field(max_length=1024, description="The person or system that approved it.")] = None
    workflow: Annotated[ChosenWorkflow, Field(description="The workflow that was chosen.")]


class RemediationRequest(Shape):
    """The remediation of one incident. The controller creates its WorkflowExecution and reports its end."""

    api_version: Literal["kubernaut.io/v1alpha1"]
    kind: Literal["RemediationRequest"]
    metadata: Metadata
    spec: RemediationSpec
    status: Annotated[dict[str, Any] | None, Field(exclude=True)] = None


def read_remediation_request(document: dict[str, Any]) -> RemediationRequest:
    """Return a RemediationRequest from JSON values, such as the API server returns.

    Raises:
        InvalidWorkflow: with every fault of the shape.
    """
    return read_as(RemediationRequest, document)


def workflow_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the WorkflowExecution that a RemediationRequest asks for, owned by it and of the same name.

    Args:
        document: The RemediationRequest from the API server; its values are copied unchanged.
    """
    metadata, spec = document["metadata"], document["spec"]
    about = {name: spec[name] for name in ("signal", "target", "confidence", "requester", "approver") if name in spec}
    owner = {
        "apiVersion": API_VERSION,
        "kind": "RemediationRequest",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": WorkflowExecution.__name__,
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "ownerReferences": [owner]},
        "spec": {"remediationRequestRef": {"name": metadata["name"]}, **about, **spec["workflow"]},
    }
