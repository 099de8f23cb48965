"""The pod that a TaskRun would be: its arguments and environment after all substitutions, as plain data."""

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
"""Name → key → value: the ConfigMaps of the namespace."""


@dataclass(frozen=True)
class LocalPod:
    """One container to run.

    Attributes:
        name: As Tekton names it: TaskRun's name and `-pod`.
        uid: Tells this execution from another of the same name.
        image: By digest.
        command: The program.
        args: Its arguments.
        env: Its environment, with the container's own paths.
        folder: Where this step's results, scratch files and output are kept on this machine.
        secret: The folder that stands for the mounted Secret.
    """

    name: str
    uid: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    folder: Path
    secret: Path | None

    @property
    def results(self) -> Path:
        """Where the container's /tekton/results is."""
        return self.folder / "results"

    @property
    def scratch(self) -> Path:
        """Where its /tmp is."""
        return self.folder / "tmp"

    @property
    def output(self) -> Path:
        """What it wrote to standard output."""
        return self.folder / "stdout.json"

    @property
    def log(self) -> Path:
        """What it wrote to standard error."""
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
    """The pod of one task, with params, results of earlier tasks, ConfigMaps and the downward API put in.

    Args:
        run: The PipelineRun.
        task: The generic Task.
        pipeline_task: Which of its tasks.
        results: `tasks.NAME.results.RESULT` → value, of the tasks that have ended.
        config_maps: Of the namespace.
        folder: For this step alone.
        secret: Its Secret's folder.

    Raises:
        InvalidWorkflow: if it takes a result that was not written.
    """
    task_run = f"{run.name}-{pipeline_task.name}"
    values = {"context.taskRun.name": task_run, "context.pipelineRun.name": run.name}
    arrays: dict[str, tuple[str, ...]] = {}
    for param in task.spec.params:
        given = next((item.value for item in pipeline_task.params if item.name == param.name), param.default)
        if isinstance(given, str):
            values[f"params.{param.name}"] = _resolved(given, results, pipeline_task)
        else:
            arrays[f"params.{param.name}"] = tuple(_resolved(item, results, pipeline_task) for item in given or ())
    step = task.spec.steps[0]
    uid = str(uuid.uuid4())
    fields = {
        "metadata.name": f"{task_run}-pod",
        "metadata.uid": uid,
        "metadata.namespace": run.metadata.namespace or "default",
        "metadata.labels['tekton.dev/pipelineRun']": run.name,
    }
    env: dict[str, str] = {}
    for variable in step.env:
        text = _value(variable, values, config_maps, fields)
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
    )


def _resolved(text: str, results: Mapping[str, str], pipeline_task: PipelineTask) -> str:
    resolved = replace(text, results)
    if any(f"tasks.{name}.results." in resolved for name in pipeline_task.sources) and "$(tasks." in resolved:
        raise InvalidWorkflow([Fault(f"step {pipeline_task.name}", f"{resolved} was not written by its step")])
    return resolved


def _value(
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
