"""The RemediationRequest (`kubernaut.io/v1alpha1`) as data: a signal, and the workflow that was chosen for it."""

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
    """The workflow that was chosen: what of a WorkflowExecution's spec is not the signal's."""

    dry_run: Annotated[bool, Field(description="Plan every step; change nothing.")] = False
    timeout: Annotated[Duration, Field(description="For all steps together.")] = DEFAULT_TIMEOUT
    starting_deadline: Annotated[
        Duration, Field(description="How long it may wait to start; past it, it ends Expired.")
    ] = DEFAULT_STARTING_DEADLINE
    ttl_seconds_after_finished: Annotated[
        int, Field(ge=0, le=365 * DAY, description="When it is deleted after its end, and this request with it.")
    ] = DAY
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=5000, description="What is done, as a graph.")]
    finally_: Annotated[
        tuple[Step, ...], Field(alias="finally", max_length=100, description="Steps that run at the end.")
    ] = ()


class RemediationSpec(Shape):
    """Why something is to be done, and what."""

    signal: Annotated[Signal, Field(description="The alert that asked for it.")]
    target: Annotated[ObjectRef | None, Field(description="What is acted on.")] = None
    confidence: Annotated[float | None, Field(ge=0, le=1, description="How sure whoever chose it was.")] = None
    rationale: Annotated[str | None, Field(max_length=32768, description="Why this workflow was chosen.")] = None
    requester: Annotated[str | None, Field(max_length=1024, description="Who asked for it.")] = None
    approver: Annotated[str | None, Field(max_length=1024, description="Who approved it.")] = None
    workflow: Annotated[ChosenWorkflow, Field(description="The workflow that was chosen.")]


class RemediationRequest(Shape):
    """One incident's remediation. The controller makes its WorkflowExecution and says what came of it."""

    api_version: Literal["kubernaut.io/v1alpha1"]
    kind: Literal["RemediationRequest"]
    metadata: Metadata
    spec: RemediationSpec
    status: Annotated[dict[str, Any] | None, Field(exclude=True)] = None


def read_remediation_request(document: dict[str, Any]) -> RemediationRequest:
    """A RemediationRequest from JSON values, such as the API server gives them.

    Raises:
        InvalidWorkflow: with every fault of the shape.
    """
    return read_as(RemediationRequest, document)


def workflow_of(document: dict[str, Any]) -> dict[str, Any]:
    """The WorkflowExecution that a RemediationRequest asks for, owned by it and of its name.

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
