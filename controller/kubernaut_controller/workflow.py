"""The WorkflowExecution (`kubernaut.io/v1alpha1`) as data: what a person writes and the API server keeps."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from kubernaut_controller.documents import load_yaml
from kubernaut_controller.duration import Duration
from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.records import ObjectRef, Signal

__all__ = ["InputFrom", "Metadata", "Spec", "Step", "WorkflowExecution", "parse_workflow"]

API_VERSION = "kubernaut.io/v1alpha1"
DEFAULT_STEP_TIMEOUT = timedelta(minutes=5)
DEFAULT_TIMEOUT = timedelta(hours=1)

_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

StepName = Annotated[str, Field(pattern=_LABEL, max_length=63)]
ObjectName = Annotated[str, Field(pattern=_SUBDOMAIN, max_length=253)]
Namespace = Annotated[str, Field(pattern=_LABEL, max_length=63)]
Image = Annotated[str, Field(min_length=1, max_length=1024)]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=AliasGenerator(alias=to_camel), validate_by_name=False
    )


class RemediationRef(_Model):
    """The RemediationRequest, in the same namespace, that a workflow belongs to."""

    name: ObjectName


class InputFrom(_Model):
    """An input taken from an earlier step's output, or from the workflow."""

    input: Annotated[str, Field(min_length=1, max_length=253, description="The input that gets the value.")]
    step: Annotated[StepName | None, Field(description="The earlier step whose output is read.")] = None
    workflow: Annotated[
        Literal["target", "signal", "remediation"] | None, Field(description="Or what of the workflow is read.")
    ] = None
    pointer: Annotated[
        str, Field(pattern=r"^(/.*)?$", max_length=1024, description="A JSON pointer (RFC 6901), such as /replicas.")
    ] = ""


class Resources(_Model):
    """A container's compute resources, as in a pod."""

    requests: dict[str, str | int | float] | None = None
    limits: dict[str, str | int | float] | None = None


class Step(_Model):
    """One action within a workflow."""

    name: StepName
    action_type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9]*(_[a-z0-9]+)+$", max_length=253)]
    image: Annotated[Image, Field(description="The action image, by digest.")]
    inputs: dict[str, Any] = {}
    inputs_from: tuple[InputFrom, ...] = ()
    run_after: tuple[StepName, ...] = ()
    timeout: Annotated[Duration | None, Field(description="The action's own time, all attempts together.")] = None
    retries: Annotated[int, Field(ge=0, le=100, description="How often a transient failure is tried again.")] = 0
    on_failure: Literal["stop", "continue"] = "stop"
    service_account_name: ObjectName | None = None
    secret_name: ObjectName | None = None
    resources: Resources | None = None


class Spec(_Model):
    """What is to be done."""

    remediation_request_ref: RemediationRef | None = None
    target: ObjectRef | None = None
    signal: Annotated[Signal | None, Field(description="The alert that asked for it.")] = None
    requester: Annotated[str | None, Field(max_length=1024)] = None
    approver: Annotated[str | None, Field(max_length=1024)] = None
    confidence: Annotated[float | None, Field(ge=0, le=1)] = None
    dry_run: bool = False
    cancel: bool = False
    timeout: Annotated[Duration, Field(description="For all steps together; those of finally have their own time.")] = (
        DEFAULT_TIMEOUT
    )
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=5000)]
    finally_: Annotated[tuple[Step, ...], Field(alias="finally", max_length=100)] = ()

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps and then those of finally."""
        return self.steps + self.finally_


class Metadata(_Model):
    """An object's metadata; what else the API server puts there is passed over."""

    model_config = ConfigDict(extra="ignore")

    name: ObjectName
    namespace: Namespace | None = None
    uid: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    creation_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class WorkflowExecution(_Model):
    """One run of one workflow. Its spec is immutable once made, but for `cancel`."""

    api_version: Literal["kubernaut.io/v1alpha1"]
    kind: Literal["WorkflowExecution"]
    metadata: Metadata
    spec: Spec
    status: Annotated[dict[str, Any] | None, Field(exclude=True)] = None

    def places(self) -> Iterator[tuple[str, Step]]:
        """Every step with its path in the document."""
        for index, step in enumerate(self.spec.steps):
            yield f"spec.steps[{index}]", step
        for index, step in enumerate(self.spec.finally_):
            yield f"spec.finally[{index}]", step

    def timeout_of(self, step: Step) -> timedelta:
        """The step's own time; five minutes, or the workflow's time where that is shorter."""
        return step.timeout or min(DEFAULT_STEP_TIMEOUT, self.spec.timeout)


def parse_workflow(text: str, where: str = "the workflow") -> WorkflowExecution:
    """A WorkflowExecution from YAML or JSON; its shape is checked here, its sense by `kubernaut_controller.validation`.

    Raises:
        InvalidWorkflow: with every fault of the shape.
    """
    document = load_yaml(text, where)
    try:
        return WorkflowExecution.model_validate(document)
    except ValidationError as error:
        faults = [_fault(item) for item in error.errors(include_url=False) if not _is_echo(item)]
        raise InvalidWorkflow(faults) from None


def _is_echo(item: Any) -> bool:
    """Whether pydantic calls a list too short only because its items have faults of their own."""
    return bool(item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"])


def _fault(item: Any) -> Fault:
    location = [part for part in item["loc"] if not (isinstance(part, str) and ("[" in part or part == "ObjectRef"))]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    value = shorten(repr(item["input"]))
    match item["type"]:
        case "missing":
            message = "missing; it is required"
        case "extra_forbidden":
            message = f"unknown field; there is {_fields_beside(location)}"
        case "string_pattern_mismatch":
            message = f"{value} does not match {item['ctx']['pattern']}"
        case "string_too_long":
            message = f"{value} is too long; at most {item['ctx']['max_length']} characters"
        case "too_short":
            message = "is empty; a workflow needs at least one step"
        case "value_error":
            message = str(item["ctx"]["error"])
        case _:
            message = f"{item['msg'][0].lower()}{item['msg'][1:]}; it is {value}"
    return Fault(path or "the document", message)


def _fields_beside(location: list[Any]) -> str:
    """The names of the fields that the model at this place has."""
    model: type[BaseModel] = WorkflowExecution
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = next((field for field in model.model_fields.values() if field.alias == part), None)
        annotation = field.annotation if field else None
        inner = _models_in(annotation)
        if not inner:
            break
        model = inner[0]
    return ", ".join(sorted(field.alias or name for name, field in model.model_fields.items()))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for option in getattr(annotation, "__args__", ()) for model in _models_in(option)]
