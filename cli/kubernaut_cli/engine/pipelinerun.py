"""The PipelineRun that the local engine runs: the fields that it covers, and the checks that Tekton would make."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from kubernaut_cli.engine.document import TektonDocument, read_document
from kubernaut_cli.engine.substitution import references
from kubernaut_cli.engine.task import Task
from kubernaut_controller import Fault, InvalidWorkflow
from kubernaut_controller.duration import Duration
from kubernaut_sdk.ids import mint
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.quantities import parse_quantity
from kubernaut_sdk.traceparent import WorkflowTrace

__all__ = ["PipelineRun", "PipelineTask", "read_pipeline_run"]

RESULT_PREFIX, RESULT_MIDDLE = "tasks.", ".results."

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

# The names that the API server would accept. Here they become names of folders as well.
Label = Annotated[str, Field(max_length=63, pattern=f"^{_LABEL}$")]
Name = Annotated[str, Field(max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$")]
NamePrefix = Annotated[str, Field(max_length=248, pattern=rf"^({_LABEL}\.)*[a-z0-9]([-a-z0-9]{{0,62}})?$")]


class Param(TektonDocument):
    """A value for one of the Task's params."""

    name: str
    value: str | tuple[str, ...]


class TaskRef(TektonDocument):
    """The reference to the Task; only the generic one is run here."""

    name: Literal["kubernaut-action"]
    kind: Literal["Task"] = "Task"
    api_version: Literal["tekton.dev/v1"] = "tekton.dev/v1"


class WorkspaceUse(TektonDocument):
    """A workspace of the Task, and the pipeline's workspace that fills it."""

    name: Literal["secrets"]
    workspace: str


class PipelineTask(TektonDocument):
    """One task of the pipeline."""

    name: Label
    task_ref: TaskRef
    params: tuple[Param, ...] = ()
    run_after: tuple[str, ...] = ()
    on_error: Literal["continue", "stopAndFail"] = "stopAndFail"
    timeout: Duration | None = None
    workspaces: tuple[WorkspaceUse, ...] = ()

    def param(self, name: str) -> str | None:
        """Return the text of a param, or None."""
        return next((param.value for param in self.params if param.name == name and isinstance(param.value, str)), None)

    def with_param(self, name: str, value: str) -> "PipelineTask":
        """Return the task with a param set."""
        others = tuple(param for param in self.params if param.name != name)
        return self.model_copy(update={"params": (*others, Param(name=name, value=value))})

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The names within the `$(…)` of its params."""
        values = (param.value for param in self.params)
        texts = (text for value in values for text in ([value] if isinstance(value, str) else value))
        return tuple(name for text in texts for name in references(text))

    @cached_property
    def sources(self) -> frozenset[str]:
        """The tasks whose results this one uses."""
        return frozenset(name.removeprefix(RESULT_PREFIX).split(RESULT_MIDDLE)[0] for name in self.references)

    @cached_property
    def dependencies(self) -> frozenset[str]:
        """The tasks that must end before this one starts; as in Tekton, a use of a result counts."""
        return self.sources | set(self.run_after)

    def faults(self, place: str) -> list[Fault]:
        """Return a fault for each `$(…)` that the local engine does not substitute."""
        unknown = [name for name in self.references if not (name.startswith(RESULT_PREFIX) and RESULT_MIDDLE in name)]
        return [Fault(place, f"$({shorten(name)}) is not substituted by the local engine") for name in unknown]


class WorkspaceName(TektonDocument):
    """A workspace that the pipeline declares."""

    name: str


class PipelineSpec(TektonDocument):
    """The pipeline, embedded."""

    tasks: Annotated[tuple[PipelineTask, ...], Field(min_length=1)]
    finally_: Annotated[tuple[PipelineTask, ...], Field(alias="finally")] = ()
    workspaces: tuple[WorkspaceName, ...] = ()


class TaskRunSpec(TektonDocument):
    """The settings of one TaskRun. Some mean nothing on one machine; `PipelineRun.notes` names them."""

    pipeline_task_name: str
    service_account_name: str | None = None
    timeout: Duration | None = None
    compute_resources: dict[str, Any] | None = None


class SecretSource(TektonDocument):
    """A Kubernetes Secret; here the folder that `--secret` names."""

    secret_name: str


class WorkspaceBinding(TektonDocument):
    """The Secret that fills a workspace."""

    name: str
    secret: SecretSource


class Timeouts(TektonDocument):
    """The timeouts of the whole run, of its tasks, and of the tasks of `finally`."""

    pipeline: Duration = timedelta(hours=1)
    tasks: Duration | None = None
    finally_: Annotated[Duration | None, Field(alias="finally")] = None


class RunSpec(TektonDocument):
    """The spec of a PipelineRun."""

    pipeline_spec: PipelineSpec
    task_run_specs: tuple[TaskRunSpec, ...] = ()
    timeouts: Timeouts = Timeouts()
    workspaces: tuple[WorkspaceBinding, ...] = ()


class RunMetadata(BaseModel):
    """Name and namespace; other metadata changes nothing here and is ignored."""

    name: Name | None = None
    generateName: NamePrefix | None = None  # noqa: N815 – the spelling of Kubernetes
    namespace: Label | None = None


class PipelineRun(TektonDocument):
    """A PipelineRun that the local engine can run."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["PipelineRun"]
    metadata: RunMetadata
    spec: RunSpec

    @property
    def name(self) -> str:
        """Its name, or one made from its generateName."""
        return self.metadata.name or f"{self.metadata.generateName or 'run-'}local"

    @property
    def tasks(self) -> tuple[PipelineTask, ...]:
        """All tasks; those of `finally` come last."""
        return self.spec.pipeline_spec.tasks + self.spec.pipeline_spec.finally_

    def with_new_record_ids(self) -> "PipelineRun":
        """Return the run with new record ids: those in a file belong to the run that it was rendered for."""
        return self._with_tasks(
            lambda task: task.with_param("recordId", str(mint())) if task.param("recordId") is not None else task
        )

    def with_trace(self, trace: WorkflowTrace) -> "PipelineRun":
        """Return the run whose steps continue a trace."""
        return self._with_tasks(lambda task: task.with_param("traceparent", str(trace.step(task.name))))

    def _with_tasks(self, change: Callable[[PipelineTask], PipelineTask]) -> "PipelineRun":
        pipeline = self.spec.pipeline_spec
        changed = {"tasks": tuple(map(change, pipeline.tasks)), "finally_": tuple(map(change, pipeline.finally_))}
        spec = self.spec.model_copy(update={"pipeline_spec": pipeline.model_copy(update=changed)})
        return self.model_copy(update={"spec": spec})

    def timeout_of(self, task: PipelineTask) -> timedelta:
        """Return the timeout of a task's TaskRun; one in taskRunSpecs takes precedence over the task's own."""
        own = next((spec.timeout for spec in self.spec.task_run_specs if spec.pipeline_task_name == task.name), None)
        return own or task.timeout or self.spec.timeouts.pipeline

    def secret_of(self, task: PipelineTask) -> str | None:
        """Return the name of the Secret that fills a task's workspace, or None."""
        for use in task.workspaces:
            for binding in self.spec.workspaces:
                if binding.name == use.workspace:
                    return binding.secret.secret_name
        return None

    def memory_limit_of(self, task: PipelineTask) -> int | None:
        """Return a task's own memory limit in bytes; None where it has none, so that the Task's holds."""
        specs = (spec for spec in self.spec.task_run_specs if spec.pipeline_task_name == task.name)
        own = next(specs, None)
        limits = own.compute_resources.get("limits") if own is not None and own.compute_resources else None
        limit = parse_quantity(limits.get("memory")) if isinstance(limits, dict) else None
        return None if limit is None else int(limit)

    def notes(self, *, limits_memory: bool = False) -> list[str]:
        """Return a sentence for each setting that has no meaning on one machine.

        Args:
            limits_memory: True if a step's memory limit holds.
        """
        accounts = sorted({spec.service_account_name for spec in self.spec.task_run_specs if spec.service_account_name})
        notes = [f"ServiceAccount {name} is Kubernetes'; here its steps run as you." for name in accounts]
        if any(spec.compute_resources for spec in self.spec.task_run_specs):
            but = "; only their memory limit holds" if limits_memory else ""
            notes.append(f"computeResources are Kubernetes'; here the steps share this machine{but}.")
        return notes


def read_pipeline_run(document: dict[str, Any], task: Task) -> PipelineRun:
    """Return a PipelineRun from its document, checked against the Task that it uses.

    Raises:
        InvalidWorkflow: for each field that is wrong or not covered, with its path.
    """
    run = read_document(PipelineRun, document)
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
    """Yield a fault for each name that is used twice, and for tasks that wait for each other: such a run never ends."""
    names = [pipeline_task.name for pipeline_task in run.tasks]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault(f"spec.pipelineSpec.tasks[{name}]", "another task has the same name")
    waiting = {pipeline_task.name: set(pipeline_task.dependencies) for pipeline_task in run.spec.pipeline_spec.tasks}
    while ready := [name for name, before in waiting.items() if not before & set(waiting)]:
        for name in ready:
            del waiting[name]
    if waiting:
        yield Fault("spec.pipelineSpec.tasks", f"they wait for each other in a circle: {', '.join(sorted(waiting))}")
