"""A PipelineRun and the Task as the local engine reads them: what it covers of Tekton, and a clear refusal of the rest.

Each model names every field that the engine acts on, or that has no meaning on one machine; a field it does not name
is refused, never passed over.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from kubernaut_cli.engine.substitution import references
from kubernaut_controller import Fault, InvalidWorkflow, load_yaml
from kubernaut_controller.duration import Duration
from kubernaut_sdk.ids import mint
from kubernaut_sdk.portable import shorten

__all__ = ["PipelineRun", "PipelineTask", "Task", "generic_task", "read_pipeline_run", "read_task"]

Model = TypeVar("Model", bound=BaseModel)
RESULT_PREFIX, RESULT_MIDDLE = "tasks.", ".results."


_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

# as the API server has them: they become names of folders here
Label = Annotated[str, Field(max_length=63, pattern=f"^{_LABEL}$")]
Name = Annotated[str, Field(max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$")]
NamePrefix = Annotated[str, Field(max_length=248, pattern=rf"^({_LABEL}\.)*[a-z0-9]([-a-z0-9]{{0,62}})?$")]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class Param(_Document):
    """A value for a Task's param."""

    name: str
    value: str | tuple[str, ...]


class TaskRef(_Document):
    """Which Task; only the generic one is run here."""

    name: Literal["kubernaut-action"]
    kind: Literal["Task"] = "Task"
    api_version: Literal["tekton.dev/v1"] = "tekton.dev/v1"


class WorkspaceUse(_Document):
    """A Task's workspace and the pipeline's that fills it."""

    name: Literal["secrets"]
    workspace: str


class PipelineTask(_Document):
    """One task of the pipeline."""

    name: Label
    task_ref: TaskRef
    params: tuple[Param, ...] = ()
    run_after: tuple[str, ...] = ()
    on_error: Literal["continue", "stopAndFail"] = "stopAndFail"
    timeout: Duration | None = None
    workspaces: tuple[WorkspaceUse, ...] = ()

    def param(self, name: str) -> str | None:
        """The text of a param, or None."""
        return next((param.value for param in self.params if param.name == name and isinstance(param.value, str)), None)

    def as_another(self) -> "PipelineTask":
        """Return it with a new record id, where it has one."""
        params = [Param(name=one.name, value=str(mint())) if one.name == "recordId" else one for one in self.params]
        return self.model_copy(update={"params": tuple(params)})

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The names within the `$(…)` of its params."""
        values = (param.value for param in self.params)
        texts = (text for value in values for text in ([value] if isinstance(value, str) else value))
        return tuple(name for text in texts for name in references(text))

    @cached_property
    def sources(self) -> frozenset[str]:
        """The tasks whose results this one takes."""
        return frozenset(name.removeprefix(RESULT_PREFIX).split(RESULT_MIDDLE)[0] for name in self.references)

    @cached_property
    def dependencies(self) -> frozenset[str]:
        """The tasks that must have ended before this one starts; Tekton orders by result references as well."""
        return self.sources | set(self.run_after)

    def faults(self, place: str) -> list[Fault]:
        """What is asked of Tekton's substitution that is not covered here."""
        unknown = [name for name in self.references if not (name.startswith(RESULT_PREFIX) and RESULT_MIDDLE in name)]
        return [Fault(place, f"$({shorten(name)}) is not substituted by the local engine") for name in unknown]


class WorkspaceName(_Document):
    """A workspace that the pipeline declares."""

    name: str


class PipelineSpec(_Document):
    """The pipeline, embedded."""

    tasks: Annotated[tuple[PipelineTask, ...], Field(min_length=1)]
    finally_: Annotated[tuple[PipelineTask, ...], Field(alias="finally")] = ()
    workspaces: tuple[WorkspaceName, ...] = ()


class TaskRunSpec(_Document):
    """What one TaskRun has of its own. ServiceAccount and resources are Kubernetes'; the run says that it uses none."""

    pipeline_task_name: str
    service_account_name: str | None = None
    timeout: Duration | None = None
    compute_resources: dict[str, Any] | None = None


class SecretSource(_Document):
    """A Kubernetes Secret; here a folder that the person names."""

    secret_name: str


class WorkspaceBinding(_Document):
    """What fills a workspace."""

    name: str
    secret: SecretSource


class Timeouts(_Document):
    """How long all may take, the tasks, and those of finally."""

    pipeline: Duration = timedelta(hours=1)
    tasks: Duration | None = None
    finally_: Annotated[Duration | None, Field(alias="finally")] = None


class RunSpec(_Document):
    """The spec of a PipelineRun."""

    pipeline_spec: PipelineSpec
    task_run_specs: tuple[TaskRunSpec, ...] = ()
    timeouts: Timeouts = Timeouts()
    workspaces: tuple[WorkspaceBinding, ...] = ()


class RunMetadata(BaseModel):
    """Name and namespace; labels and the like change nothing here."""

    name: Name | None = None
    generateName: NamePrefix | None = None  # noqa: N815 – as Kubernetes spells it
    namespace: Label | None = None


class PipelineRun(_Document):
    """A PipelineRun that the local engine can run."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["PipelineRun"]
    metadata: RunMetadata
    spec: RunSpec

    @property
    def name(self) -> str:
        """Its name, or what would begin it."""
        return self.metadata.name or f"{self.metadata.generateName or 'run-'}local"

    @property
    def tasks(self) -> tuple[PipelineTask, ...]:
        """All tasks, those of finally last."""
        return self.spec.pipeline_spec.tasks + self.spec.pipeline_spec.finally_

    def as_another_run(self) -> "PipelineRun":
        """Return it with record ids of its own: those in a file belong to the run that it was made for."""
        pipeline = self.spec.pipeline_spec
        changed = {
            "tasks": tuple(task.as_another() for task in pipeline.tasks),
            "finally_": tuple(task.as_another() for task in pipeline.finally_),
        }
        spec = self.spec.model_copy(update={"pipeline_spec": pipeline.model_copy(update=changed)})
        return self.model_copy(update={"spec": spec})

    def timeout_of(self, task: PipelineTask) -> timedelta:
        """How long a TaskRun may take; a taskRunSpec's timeout stands above the task's."""
        own = next((spec.timeout for spec in self.spec.task_run_specs if spec.pipeline_task_name == task.name), None)
        return own or task.timeout or self.spec.timeouts.pipeline

    def secret_of(self, task: PipelineTask) -> str | None:
        """The name of the Secret that a task's workspace is filled with."""
        for use in task.workspaces:
            for binding in self.spec.workspaces:
                if binding.name == use.workspace:
                    return binding.secret.secret_name
        return None

    def notes(self) -> list[str]:
        """What the PipelineRun says that has no meaning on one machine."""
        accounts = sorted({spec.service_account_name for spec in self.spec.task_run_specs if spec.service_account_name})
        notes = [f"ServiceAccount {name} is Kubernetes'; here its steps run as you." for name in accounts]
        if any(spec.compute_resources for spec in self.spec.task_run_specs):
            notes.append("computeResources are Kubernetes'; here the steps share this machine.")
        return notes


class TaskParam(_Document):
    """A param that the Task declares."""

    name: str
    type: Literal["string", "array"] = "string"
    description: str = ""
    default: str | tuple[str, ...] | None = None


class ValueSource(_Document):
    """Where an environment variable's value comes from, if not written down."""

    config_map_key_ref: dict[str, Any] | None = None
    field_ref: dict[str, str] | None = None


class EnvVar(_Document):
    """An environment variable of the container."""

    name: str
    value: str | None = None
    value_from: ValueSource | None = None


class TaskStep(_Document):
    """The Task's one container."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    compute_resources: dict[str, Any] = {}
    security_context: dict[str, Any] = {}
    volume_mounts: tuple[dict[str, Any], ...] = ()


class TaskSpec(_Document):
    """What of the generic Task the engine reads."""

    description: str = ""
    params: tuple[TaskParam, ...]
    workspaces: tuple[dict[str, Any], ...] = ()
    results: tuple[dict[str, Any], ...] = ()
    steps: Annotated[tuple[TaskStep, ...], Field(min_length=1, max_length=1)]
    volumes: tuple[dict[str, Any], ...] = ()


class Task(_Document):
    """The generic Task."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["Task"]
    metadata: dict[str, Any]
    spec: TaskSpec


def generic_task() -> Task:
    """The Task `kubernaut-action` that this version installs in clusters."""
    text = (files("kubernaut_cli") / "kubernaut-action.yaml").read_text(encoding="utf-8")
    return read_task(load_yaml(text, "kubernaut-action.yaml"))


def read_task(document: dict[str, Any]) -> Task:
    """A Task.

    Raises:
        InvalidWorkflow: for what the engine does not cover, with the path to it.
    """
    return _read(Task, document)


def read_pipeline_run(document: dict[str, Any], task: Task) -> PipelineRun:
    """A PipelineRun, checked against the Task that it uses.

    Raises:
        InvalidWorkflow: for what the engine does not cover, with the path to it.
    """
    run = _read(PipelineRun, document)
    known = {param.name for param in task.spec.params}
    required = {param.name for param in task.spec.params if param.default is None}
    names = {pipeline_task.name for pipeline_task in run.spec.pipeline_spec.tasks}
    may_fail = {pipeline_task.name for pipeline_task in run.tasks if pipeline_task.on_error == "continue"}
    faults: list[Fault] = list(_graph_faults(run))
    for pipeline_task in run.tasks:
        place = f"spec.pipelineSpec.tasks[{pipeline_task.name}]"
        given = {param.name for param in pipeline_task.params}
        faults += [Fault(f"{place}.params", f"the Task has no param {name!r}") for name in sorted(given - known)]
        faults += [Fault(f"{place}.params", f"the Task needs the param {name!r}") for name in sorted(required - given)]
        faults += pipeline_task.faults(f"{place}.params")
        if faults:
            continue
        for name in sorted(pipeline_task.dependencies - names):
            faults.append(Fault(place, f"waits for {name!r}, which is no task of this pipeline"))
        for name in sorted(pipeline_task.sources & may_fail):
            faults.append(Fault(place, f"takes a result of {name!r}, which may fail (onError: continue)"))
    if faults:
        raise InvalidWorkflow(faults)
    return run


def _graph_faults(run: PipelineRun) -> Iterator[Fault]:
    """Names that stand there twice, and tasks that wait for each other: neither would ever end."""
    names = [pipeline_task.name for pipeline_task in run.tasks]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault(f"spec.pipelineSpec.tasks[{name}]", "another task has the same name")
    waiting = {pipeline_task.name: set(pipeline_task.dependencies) for pipeline_task in run.spec.pipeline_spec.tasks}
    while ready := [name for name, before in waiting.items() if not before & set(waiting)]:
        for name in ready:
            del waiting[name]
    if waiting:
        yield Fault("spec.pipelineSpec.tasks", f"they wait for each other in a circle: {', '.join(sorted(waiting))}")


def _read(model: type[Model], document: dict[str, Any]) -> Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidWorkflow(
            [
                Fault(".".join(str(part) for part in item["loc"]), _sentence(item))
                for item in error.errors(include_url=False)
            ]
        ) from None


def _sentence(item: Any) -> str:
    value = shorten(repr(item["input"]))
    match item["type"]:
        case "extra_forbidden":
            return "the local engine does not cover this of Tekton; run it on a cluster"
        case "string_pattern_mismatch":
            return f"{value} is no Kubernetes name; write small letters, digits and '-'"
    return f"{item['msg'][0].lower()}{item['msg'][1:]}; it is {value}"
