"""What of a PipelineRun is a workflow's own: which TaskRun is which step's, and whether it is what was asked for.

Tekton adopts a TaskRun of the right name that somebody else made, so a name proves nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernaut_controller.workflow import Step, WorkflowExecution
from kubernaut_sdk.durations import parse_duration

__all__ = ["Children", "children_of", "condition_of", "is_ours", "started_spec"]

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Children:
    """The TaskRuns of a workflow's steps.

    Attributes:
        own: Step → its TaskRun.
        foreign: Step → what is wrong with the TaskRun that stands in its place.
    """

    own: Mapping[str, Json] = field(default_factory=dict)
    foreign: Mapping[str, str] = field(default_factory=dict)


def children_of(
    workflow: WorkflowExecution, pipeline_run: Json | None, task_runs: Iterable[Json], task_ref: Json
) -> Children:
    """Sorts TaskRuns by step.

    Args:
        workflow: Whose.
        pipeline_run: As the API server gave it, or None where it is gone: then its own last TaskRuns are believed.
        task_runs: Those of the PipelineRun's label.
        task_ref: How the generic Task is named.
    """
    steps = {step.name: step for step in workflow.spec.all_steps}
    named = _references(pipeline_run)
    own, foreign = {}, {}
    for task_run in task_runs:
        name = task_run["metadata"]["name"]
        step_name = named.get(name) or task_run["metadata"].get("labels", {}).get("tekton.dev/pipelineTask", "")
        if step_name not in steps or (pipeline_run is not None and named and name not in named):
            continue
        fault = _foreign(steps[step_name], task_run, pipeline_run, task_ref)
        if fault:
            foreign[step_name] = fault
        else:
            own[step_name] = task_run
    return Children(own, {name: fault for name, fault in foreign.items() if name not in own})


def condition_of(document: Json | None, type_: str = "Succeeded") -> Json:
    """A condition of an object's status; empty where it has none yet."""
    conditions = ((document or {}).get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == type_), {})


def is_ours(pipeline_run: Json, workflow: WorkflowExecution) -> bool:
    """Whether a PipelineRun's controlling owner is this workflow, by uid."""
    return _controller(pipeline_run) == workflow.metadata.uid


def started_spec(found: Json, rendered: Json) -> str | None:
    """What differs between a found PipelineRun and the one that would have been made; None where nothing does.

    Tekton adds defaults, so only what was asked for is compared.
    """
    for field_name, wanted in rendered["spec"].items():
        there = (found.get("spec") or {}).get(field_name)
        if not _holds(there, wanted):
            return f"spec.{field_name}"
    return None


def _holds(there: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(_holds(there.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(there, list)
            and len(there) == len(wanted)
            and all(_holds(one, other) for one, other in zip(there, wanted, strict=True))
        )
    return there == wanted or _same_duration(there, wanted)


def _same_duration(there: Any, wanted: Any) -> bool:
    """Tekton spells durations anew: `15m` comes back as `15m0s`."""
    if not isinstance(there, str) or not isinstance(wanted, str):
        return False
    try:
        return parse_duration(there) == parse_duration(wanted)
    except ValueError:
        return False


def _references(pipeline_run: Json | None) -> dict[str, str]:
    """TaskRun's name → step's, as the PipelineRun's childReferences have it."""
    references = ((pipeline_run or {}).get("status") or {}).get("childReferences") or ()
    return {reference["name"]: reference.get("pipelineTaskName", "") for reference in references}


def _controller(document: Json) -> str | None:
    owners = document["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _foreign(step: Step, task_run: Json, pipeline_run: Json | None, task_ref: Json) -> str | None:
    name, spec = task_run["metadata"]["name"], task_run.get("spec") or {}
    if pipeline_run is not None and _controller(task_run) != pipeline_run["metadata"]["uid"]:
        return f"TaskRun {name} is not owned by the PipelineRun"
    if not _holds(spec.get("taskRef"), dict(task_ref)):
        return f"TaskRun {name} runs another Task"
    params = {param["name"]: param.get("value") for param in spec.get("params") or ()}
    if params.get("actionImage") != step.image:
        return f"TaskRun {name} runs another image"
    wanted = step.service_account_name or _default_account(pipeline_run)
    if wanted and spec.get("serviceAccountName") not in {wanted, None if wanted == "default" else wanted}:
        return f"TaskRun {name} has the ServiceAccount {spec.get('serviceAccountName')}, not {wanted}"
    return None


def _default_account(pipeline_run: Json | None) -> str | None:
    template = ((pipeline_run or {}).get("spec") or {}).get("taskRunTemplate") or {}
    name: str | None = template.get("serviceAccountName")
    return name
