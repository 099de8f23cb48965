"""The pod that a TaskRun would have, as plain data: arguments and environment after all substitutions."""

import platform
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubernaut_cli.engine.pipelinerun import PipelineRun, PipelineTask
from kubernaut_cli.engine.substitution import expand, replace, replace_array
from kubernaut_cli.engine.task import EnvVar, Task
from kubernaut_controller import Fault, InvalidWorkflow

__all__ = ["ConfigMaps", "LocalPod", "make_local_pod"]

ConfigMaps = Mapping[str, Mapping[str, str]]
"""The ConfigMaps of the namespace: name → key → value."""


@dataclass(frozen=True)
class LocalPod:
    """The one container of a step.

    Attributes:
        name: The TaskRun's name and `-pod`, as in Tekton.
        uid: A new UUID for each execution.
        image: The image, by digest.
        command: The program and its fixed arguments.
        args: The other arguments.
        env: The environment, with paths as they are within the container.
        folder: The folder on this machine for the step's results, temporary files and output.
        secret: The folder that stands for the mounted Secret, or None.
        memory: The step's own memory limit in bytes; None where the Task's holds.
    """

    name: str
    uid: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    folder: Path
    secret: Path | None
    memory: int | None = None

    @property
    def results(self) -> Path:
        """The folder that is /tekton/results in the container."""
        return self.folder / "results"

    @property
    def scratch(self) -> Path:
        """The folder that is /tmp in the container."""
        return self.folder / "tmp"

    @property
    def output(self) -> Path:
        """The file with its standard output."""
        return self.folder / "stdout.json"

    @property
    def log(self) -> Path:
        """The file with its standard error."""
        return self.folder / "log"


def make_local_pod(
    run: PipelineRun,
    task: Task,
    pipeline_task: PipelineTask,
    results: Mapping[str, str],
    *,
    config_maps: ConfigMaps,
    folder: Path,
    secret: Path | None,
) -> LocalPod:
    """Return the pod of one task, with params, earlier results, ConfigMaps and the downward API substituted.

    Args:
        run: The PipelineRun.
        task: The generic Task.
        pipeline_task: The task of the PipelineRun.
        results: The results of the tasks that have ended: `tasks.NAME.results.RESULT` → value.
        config_maps: The ConfigMaps of the namespace.
        folder: A folder for this step alone.
        secret: The folder of its Secret, or None.

    Raises:
        InvalidWorkflow: if it uses a result that was not written.
    """
    task_run = f"{run.name}-{pipeline_task.name}"
    values = {"context.taskRun.name": task_run, "context.pipelineRun.name": run.name}
    arrays: dict[str, tuple[str, ...]] = {}
    for param in task.spec.params:
        given = next((item.value for item in pipeline_task.params if item.name == param.name), param.default)
        if isinstance(given, str):
            values[f"params.{param.name}"] = _with_results(given, results, pipeline_task)
        else:
            arrays[f"params.{param.name}"] = tuple(_with_results(item, results, pipeline_task) for item in given or ())
    step = task.spec.steps[0]
    uid = str(uuid.uuid4())
    fields = {
        "metadata.name": f"{task_run}-pod",
        "metadata.uid": uid,
        "metadata.namespace": run.metadata.namespace or "default",
        "spec.nodeName": platform.node(),
        "metadata.labels['tekton.dev/pipelineRun']": run.name,
    }
    env: dict[str, str] = {}
    for variable in step.env:
        text = _env_value(variable, values, config_maps, fields)
        if text is not None:
            env[variable.name] = expand(text, env)
    args = replace_array(step.args, values, arrays)
    return LocalPod(
        name=f"{task_run}-pod",
        uid=uid,
        image=replace(step.image, values),
        command=step.command,
        args=tuple(expand(argument, env) for argument in args),
        env=env,
        folder=folder,
        secret=secret,
        memory=run.memory_limit_of(pipeline_task),
    )


def _with_results(text: str, results: Mapping[str, str], pipeline_task: PipelineTask) -> str:
    resolved = replace(text, results)
    if any(f"tasks.{name}.results." in resolved for name in pipeline_task.sources) and "$(tasks." in resolved:
        raise InvalidWorkflow([Fault(f"step {pipeline_task.name}", f"{resolved} was not written by its step")])
    return resolved


def _env_value(
    variable: EnvVar, values: Mapping[str, str], config_maps: ConfigMaps, fields: Mapping[str, str]
) -> str | None:
    source = variable.value_from
    if source is None:
        return replace(variable.value or "", values)
    if source.config_map_key_ref is not None:
        reference = source.config_map_key_ref
        found = config_maps.get(reference["name"], {}).get(reference["key"])
        if found is None and not reference.get("optional"):
            raise InvalidWorkflow([Fault(f"env {variable.name}", f"no ConfigMap {reference['name']} is given")])
        return found
    path = (source.field_ref or {}).get("fieldPath", "")
    if path not in fields:
        raise InvalidWorkflow([Fault(f"env {variable.name}", f"the local engine does not know the field {path}")])
    return fields[path]
