"""The WorkflowExecution (`kubernaut.io/v1alpha1`) as models: what a person writes and the API server stores."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from kubernaut_controller.documents import load_yaml
from kubernaut_controller.duration import Duration
from kubernaut_controller.shape import Shape, read_as
from kubernaut_sdk.records import ObjectRef, Signal

__all__ = [
    "InputFrom",
    "Metadata",
    "Spec",
    "Step",
    "WorkflowExecution",
    "parse_workflow",
    "read_workflow_execution",
]

API_VERSION = "kubernaut.io/v1alpha1"
DEFAULT_STEP_TIMEOUT = timedelta(minutes=5)
DEFAULT_TIMEOUT = timedelta(hours=1)
DEFAULT_STARTING_DEADLINE = timedelta(hours=1)
DAY = 86_400

_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

StepName = Annotated[str, Field(pattern=_LABEL, max_length=63)]
ObjectName = Annotated[str, Field(pattern=_SUBDOMAIN, max_length=253)]
Namespace = Annotated[str, Field(pattern=_LABEL, max_length=63)]
Image = Annotated[str, Field(min_length=1, max_length=1024)]
IMAGE_PATTERN = (
    r"^(([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]+)?/)?"  # the registry
    r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*"  # the repository
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@sha256:[0-9a-f]{64}$"  # perhaps a tag, and the digest
)
"""The pattern of an image by digest, without anything that Tekton would substitute."""
Inputs = Annotated[dict[str, Any], Field(description="What the action is given: JSON, at most 32 KiB.")]


class RemediationRef(Shape):
    """The RemediationRequest, in the same namespace, that a workflow belongs to."""

    name: ObjectName


class InputFrom(Shape):
    """An input taken from an earlier step's output, or from the workflow."""

    input: Annotated[str, Field(min_length=1, max_length=253, description="The input that gets the value.")]
    step: Annotated[StepName | None, Field(description="The earlier step whose output is read.")] = None
    workflow: Annotated[
        Literal["target", "signal", "remediation"] | None,
        Field(description="The part of the workflow that is read instead."),
    ] = None
    pointer: Annotated[
        str, Field(pattern=r"^(/.*)?$", max_length=1024, description="A JSON pointer (RFC 6901), such as /replicas.")
    ] = ""


def _quantity(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError(f"{value} has a fraction, which the API server takes only as a text; quote it")  # noqa: TRY004 – pydantic tells these
    if isinstance(value, str) and not _QUANTITY.fullmatch(value):
        raise ValueError(f"{value[:100]!r} is not a quantity; write one such as 500m, 2 or 64Mi")
    return value


_QUANTITY = re.compile(r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?")
Quantity = Annotated[str | int, BeforeValidator(_quantity)]
ResourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$", max_length=317)]


class Resources(Shape):
    """A container's compute resources, as in a pod."""

    requests: Annotated[
        dict[ResourceName, Quantity] | None,
        Field(description="The resources that the scheduler reserves, such as memory: 64Mi."),
    ] = None
    limits: Annotated[
        dict[ResourceName, Quantity] | None, Field(description="The most that it may use, such as memory: 512Mi.")
    ] = None


class Step(Shape):
    """A step of a workflow: one action."""

    name: Annotated[StepName, Field(description="Its name, unique among the steps and those of finally.")]
    action_type: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9]*(_[a-z0-9]+)+$",
            max_length=253,
            description="The action: domain/verb_noun, such as kubernetes/scale_deployment.",
        ),
    ]
    image: Annotated[Image, Field(description="The action image, by digest: repository@sha256:<64 hex digits>.")]
    inputs: Inputs = Field(default_factory=dict)
    inputs_from: Annotated[
        tuple[InputFrom, ...],
        Field(max_length=64, description="Inputs taken from an earlier step's output, or from the workflow."),
    ] = ()
    run_after: Annotated[
        tuple[StepName, ...], Field(max_length=256, description="The steps that must have ended before it starts.")
    ] = ()
    timeout: Annotated[
        Duration | None,
        Field(description="The action's own time, all attempts together; 5m, or the workflow's where that is shorter."),
    ] = None
    retries: Annotated[int, Field(ge=0, le=100, description="The number of retries after a transient failure.")] = 0
    on_failure: Annotated[
        Literal["stop", "continue"],
        Field(description="The effect of its failure: stop (the default) starts no further steps, continue goes on."),
    ] = "stop"
    service_account_name: Annotated[
        ObjectName | None, Field(description="The ServiceAccount whose permissions it has; default without.")
    ] = None
    secret_name: Annotated[ObjectName | None, Field(description="A Secret that it gets as files.")] = None
    resources: Annotated[Resources | None, Field(description="Its container's compute resources.")] = None


class Spec(Shape):
    """The specification of a workflow."""

    remediation_request_ref: Annotated[
        RemediationRef | None, Field(description="The RemediationRequest for which it was created.")
    ] = None
    target: Annotated[
        ObjectRef | None, Field(description="The object to act on; at most one workflow acts on a target at a time.")
    ] = None
    signal: Annotated[Signal | None, Field(description="The alert that caused it.")] = None
    requester: Annotated[str | None, Field(max_length=1024, description="The person or system that asked for it.")] = (
        None
    )
    approver: Annotated[str | None, Field(max_length=1024, description="The person or system that approved it.")] = None
    confidence: Annotated[
        float | None, Field(ge=0, le=1, description="The confidence of the person or system that chose it.")
    ] = None
    dry_run: Annotated[bool, Field(description="Plan every step; change nothing.")] = False
    cancel: Annotated[
        bool,
        Field(description="Stop it: running steps are cancelled, finally still runs. The one field that may change."),
    ] = False
    timeout: Annotated[Duration, Field(description="For all steps together; those of finally have their own time.")] = (
        DEFAULT_TIMEOUT
    )
    starting_deadline: Annotated[
        Duration,
        Field(description="The longest time that it may wait to start in a cluster; after that it ends Expired."),
    ] = DEFAULT_STARTING_DEADLINE
    ttl_seconds_after_finished: Annotated[
        int,
        Field(
            ge=0,
            le=365 * DAY,
            description="The time after its end at which it is deleted, once its records are stored.",
        ),
    ] = DAY
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=5000, description="The steps, as a graph.")]
    finally_: Annotated[
        tuple[Step, ...],
        Field(alias="finally", max_length=100, description="Steps that run at the end, after success and failure."),
    ] = ()

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps, followed by those of finally."""
        return self.steps + self.finally_


class Metadata(Shape):
    """The metadata of an object; other fields that the API server sets are ignored."""

    model_config = ConfigDict(extra="ignore")

    name: ObjectName
    namespace: Namespace | None = None
    uid: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    creation_timestamp: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class WorkflowExecution(Shape):
    """A single run of one workflow. Its spec is immutable, except `cancel`."""

    api_version: Literal["kubernaut.io/v1alpha1"]
    kind: Literal["WorkflowExecution"]
    metadata: Metadata
    spec: Spec
    status: Annotated[dict[str, Any] | None, Field(exclude=True)] = None

    def places(self) -> Iterator[tuple[str, Step]]:
        """Yield every step with its path in the document."""
        for index, step in enumerate(self.spec.steps):
            yield f"spec.steps[{index}]", step
        for index, step in enumerate(self.spec.finally_):
            yield f"spec.finally[{index}]", step

    def timeout_of(self, step: Step) -> timedelta:
        """Return the step's own time; five minutes, or the workflow's time where that is shorter."""
        return step.timeout or min(DEFAULT_STEP_TIMEOUT, self.spec.timeout)


def parse_workflow(text: str, where: str = "the workflow") -> WorkflowExecution:
    """Return a WorkflowExecution from YAML or JSON.

    Only its shape is checked here; `kubernaut_controller.validation` checks its meaning.

    Raises:
        InvalidWorkflow: with every fault of the shape.
    """
    return read_workflow_execution(load_yaml(text, where))


def read_workflow_execution(document: dict[str, Any]) -> WorkflowExecution:
    """Return a WorkflowExecution from JSON values, such as the API server returns.

    Raises:
        InvalidWorkflow: with every fault of the shape.
    """
    return read_as(WorkflowExecution, document)
