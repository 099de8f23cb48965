"""The TaskRuns and pods of a workflow's steps, and a check that they are what the PipelineRun asked for.

Tekton adopts a TaskRun of the right name that somebody else made, so a name proves nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernaut_controller.views import PipelineRunView, PodView, TaskRunView, object_of, objects_of
from kubernaut_controller.workflow import WorkflowExecution
from kubernaut_sdk.durations import parse_duration
from kubernaut_sdk.quantities import parse_quantity

__all__ = [
    "Children",
    "children_of",
    "differing_field",
    "is_ours",
    "own_pods",
]

Json = Mapping[str, Any]

_DEFAULTED = {"apiVersion", "kind", "type", "timeouts"}
"""Fields that Tekton's admission adds."""
_HARMLESS = {"taskRef", "params", "serviceAccountName", "timeout", "computeResources", "status", "statusMessage"}
"""Fields of a TaskRun's spec that are compared elsewhere, or cannot do harm."""


@dataclass(frozen=True)
class Children:
    """The TaskRuns of a workflow's steps.

    Attributes:
        own: The TaskRun of each step.
        foreign: The reason why the TaskRun in a step's place is not its own, by step.
    """

    own: Mapping[str, TaskRunView] = field(default_factory=dict)
    foreign: Mapping[str, str] = field(default_factory=dict)

    def pod_name(self, step: str) -> str | None:
        """Return the name of the pod that Tekton made for a step; None where there is none yet."""
        task_run = self.own.get(step)
        return task_run.pod_name if task_run is not None else None


def children_of(
    workflow: WorkflowExecution,
    pipeline_run: PipelineRunView | None,
    task_runs: Iterable[TaskRunView],
    rendered: Json,
    owner: str | None,
) -> Children:
    """Return the TaskRuns by step.

    Args:
        workflow: The workflow.
        pipeline_run: The PipelineRun from the API server, or None where it is gone.
        task_runs: The TaskRuns with the PipelineRun's label.
        rendered: The PipelineRun that was asked for.
        owner: The PipelineRun's uid.
    """
    steps = {step.name: step for step in workflow.spec.all_steps}
    asked = _RequestedTaskRuns(pipeline_run.spec if pipeline_run is not None else rendered["spec"])
    named = pipeline_run.child_references if pipeline_run is not None else {}
    own, foreign = {}, {}
    for task_run in task_runs:
        step_name = named.get(task_run.name) or task_run.pipeline_task
        if step_name not in steps or (named and task_run.name not in named):
            continue
        fault = _foreign_reason(asked, step_name, task_run, owner)
        if fault:
            foreign[step_name] = fault
        else:
            own[step_name] = task_run
    return Children(own, {name: fault for name, fault in foreign.items() if name not in own})


def is_ours(pipeline_run: PipelineRunView, workflow: WorkflowExecution) -> bool:
    """Return True if the controlling owner of a PipelineRun is this workflow, by uid."""
    return pipeline_run.controller_uid == workflow.metadata.uid


def differing_field(found: PipelineRunView, rendered: Json) -> str | None:
    """Return the path of a field in which a PipelineRun differs from the rendered one; None where none does.

    Tekton adds defaults; nothing else may be there that was not asked for.
    """
    there = found.spec
    for field_name, wanted in rendered["spec"].items():
        if not _matches(there.get(field_name), wanted):
            return f"spec.{field_name}"
    unasked = {name for name, value in there.items() if value} - set(rendered["spec"]) - {"status", "taskRunTemplate"}
    if unasked:
        return f"spec.{min(unasked)}"
    template = {name for name, value in object_of(there, "taskRunTemplate").items() if value}
    # a podTemplate may be the cluster's default (Tekton's default-pod-template), which nothing here knows
    return "spec.taskRunTemplate" if template - {"serviceAccountName", "podTemplate"} else None


def _matches(there: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return (
            isinstance(there, Mapping)
            and all(_matches(there.get(name), value) for name, value in wanted.items())
            and {name for name, value in there.items() if value} <= set(wanted) | _DEFAULTED
        )
    if isinstance(wanted, list):
        return (
            isinstance(there, list)
            and len(there) == len(wanted)
            and all(_matches(one, other) for one, other in zip(there, wanted, strict=True))
        )
    return there == wanted or _same_duration(there, wanted) or _same_quantity(there, wanted)


def _same_quantity(there: Any, wanted: Any) -> bool:
    """Return True for two spellings of one quantity: Kubernetes returns `0.5` as `500m`."""
    one, other = parse_quantity(there), parse_quantity(wanted)
    return one is not None and one == other


def _same_duration(there: Any, wanted: Any) -> bool:
    """Return True for two spellings of one duration: Tekton returns `15m` as `15m0s`."""
    if not isinstance(there, str) or not isinstance(wanted, str):
        return False
    try:
        return parse_duration(there) == parse_duration(wanted)
    except ValueError:
        return False


def own_pods(task_runs: Iterable[TaskRunView], pods: Iterable[PodView]) -> dict[str, PodView]:
    """Return pods by TaskRun name: those whose controlling owner is that TaskRun, by uid.

    A pod's labels prove nothing: whoever may create pods can copy them.
    """
    names = {task_run.uid: task_run.name for task_run in task_runs if task_run.uid}
    found: dict[str, PodView] = {}
    for pod in sorted(pods, key=lambda pod: pod.created):
        name = names.get(pod.controller_uid or "")
        if name is not None:
            found[name] = pod
    return found


class _RequestedTaskRuns:
    """The specification of each step's TaskRun, from the PipelineRun."""

    def __init__(self, spec: Json) -> None:
        pipeline = object_of(spec, "pipelineSpec")
        tasks = (*objects_of(pipeline.get("tasks")), *objects_of(pipeline.get("finally")))
        self.tasks = {task.get("name"): task for task in tasks}
        self.own = {item.get("pipelineTaskName"): item for item in objects_of(spec.get("taskRunSpecs"))}
        self.template = object_of(spec, "taskRunTemplate")
        self.bindings = {binding.get("name"): binding for binding in objects_of(spec.get("workspaces"))}

    def account(self, step: str) -> str | None:
        name: str | None = self.own.get(step, {}).get("serviceAccountName") or self.template.get("serviceAccountName")
        return name

    def pod_template(self, step: str) -> Any:
        return self.own.get(step, {}).get("podTemplate") or self.template.get("podTemplate") or None

    def workspaces(self, step: str) -> list[Json]:
        """Return the workspace bindings, under the names that the Task uses."""
        wanted = objects_of(self.tasks[step].get("workspaces"))
        return [{**self.bindings.get(item["workspace"], {}), "name": item["name"]} for item in wanted]


def _foreign_reason(asked: _RequestedTaskRuns, step: str, task_run: TaskRunView, owner: str | None) -> str | None:
    """Return the reason why a TaskRun is not the one that the PipelineRun asked for; None where it is."""
    try:
        difference = next(_differences(asked, step, task_run, owner), None)
    except Exception as error:  # a TaskRun of Tekton's own never raises
        difference = f"cannot be read ({type(error).__name__}: {error})"
    return f"TaskRun {task_run.name} {difference}" if difference else None


def _differences(asked: _RequestedTaskRuns, step: str, task_run: TaskRunView, owner: str | None) -> Iterator[str]:
    spec, task = task_run.spec, asked.tasks[step]
    if owner is None or task_run.controller_uid != owner:
        yield "is not owned by the PipelineRun"
    if not _matches(spec.get("taskRef"), task["taskRef"]):
        yield "runs another Task"
    # unlike a view, this raises for a list of anything else: what cannot be read is not taken for ours
    given = {param["name"]: param.get("value") for param in spec.get("params") or ()}
    wanted = {param["name"]: param.get("value") for param in task.get("params") or ()}
    if given.get("actionImage") != wanted["actionImage"]:
        yield "runs another image"
    for param in sorted(given.keys() | wanted.keys()):
        if not _same_param(given.get(param), wanted.get(param)):
            yield f"has another param {param}"
    account = asked.account(step)
    if account and spec.get("serviceAccountName") not in {account, None if account == "default" else account}:
        yield f"has the ServiceAccount {spec.get('serviceAccountName')}, not {account}"
    if (spec.get("podTemplate") or None) != asked.pod_template(step):
        yield "has another podTemplate"
    if not _matches(spec.get("workspaces") or [], asked.workspaces(step)):
        yield "has other workspaces"
    unasked = {field for field, value in spec.items() if value} - _HARMLESS - {"podTemplate", "workspaces"}
    if unasked:
        yield f"has a {min(unasked)} that nobody asked for"


def _same_param(given: Any, wanted: Any) -> bool:
    """Return True if a TaskRun's param is the pipeline's, with results of earlier steps substituted by Tekton."""
    if isinstance(wanted, list):
        return (
            isinstance(given, list)
            and len(given) == len(wanted)
            and all(one == other or str(other).startswith("$(tasks.") for one, other in zip(given, wanted, strict=True))
        )
    return bool(given == wanted)
