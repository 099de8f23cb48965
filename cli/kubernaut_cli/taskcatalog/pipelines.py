"""The catalogue's Pipelines, each of typed Tasks: how a stage's params follow from the definitions of its action."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernaut_cli.taskcatalog.typedtask import VERSION, CatalogAction, task_name, typed_task
from kubernaut_sdk import InvalidInputs

__all__ = ["IncidentPipeline", "Stage", "pipeline", "stage_tasks"]

Json = dict[str, Any]

_SHARED = "dryRun"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A typed Task in a Pipeline.

    Attributes:
        name: Its name there.
        action_type: Its action.
        takes: Input → the Pipeline's param that it is taken from.
        fixed: Input → the text that it always has.
        secrets: The Pipeline's workspace that holds the action's Secret.
        timeout: The action's own time; a param's default where `takes` has one for it.
    """

    name: str
    action_type: str
    takes: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    secrets: str | None = None
    timeout: str = "5m"


@dataclass(frozen=True, kw_only=True)
class IncidentPipeline:
    """A Pipeline for a kind of incident; its stages run one after the other, and a failure ends it.

    Attributes:
        name: Its name.
        title: What it does, as a short noun phrase.
        description: What it does, in a sentence or two.
        use_when: When to use it.
        not_when: When not to.
        on_failure: What is left behind when a stage fails.
        example: Pipeline param → a value, for the sample.
    """

    name: str
    title: str
    description: str
    use_when: str
    not_when: str
    on_failure: str
    stages: tuple[Stage, ...]
    example: Mapping[str, str]


def stage_tasks(incident: IncidentPipeline, actions: Mapping[str, CatalogAction]) -> list[tuple[Stage, Json]]:
    """Return each stage with its typed Task."""
    return [(stage, typed_task(actions[stage.action_type])) for stage in incident.stages]


def pipeline(incident: IncidentPipeline, actions: Mapping[str, CatalogAction]) -> Json:
    """Return the Pipeline of an incident.

    Raises:
        InvalidInputs: if a stage names an input that its action does not have, or leaves out one that it needs.
    """
    stages = stage_tasks(incident, actions)
    workspaces = list(dict.fromkeys(stage.secrets for stage in incident.stages if stage.secrets))
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "Pipeline",
        "metadata": {
            "name": incident.name,
            "labels": {"app.kubernetes.io/version": VERSION},
            "annotations": {
                "tekton.dev/pipelines.minVersion": "1.0.0",
                "tekton.dev/categories": "Automation",
                "tekton.dev/tags": "remediation, kubernaut, incident",
                "tekton.dev/displayName": incident.title,
                "tekton.dev/platforms": "linux/amd64,linux/arm64",
                "artifacthub.io/license": "Apache-2.0",
                "artifacthub.io/provider": "Kubernaut",
            },
        },
        "spec": {
            "description": incident.description,
            "params": _params(stages),
            **({"workspaces": [_workspace(name) for name in workspaces]} if workspaces else {}),
            "tasks": [_task(stage, previous) for stage, previous in _with_previous(incident.stages)],
            "results": [
                {
                    "name": f"{stage.name}-status",
                    "description": f"How {stage.action_type} ended: succeeded, unchanged or planned.",
                    "value": f"$(tasks.{stage.name}.results.status)",
                }
                for stage in incident.stages
            ],
        },
    }


def _params(stages: Iterable[tuple[Stage, Json]]) -> list[Json]:
    """Return the Pipeline's params: each described as the first input that takes it."""
    params: dict[str, Json] = {}
    shared: Json = {}
    for stage, task in stages:
        known = {param["name"]: param for param in task["spec"]["params"]}
        for name in (*stage.takes, *stage.fixed):
            if name not in known:
                raise InvalidInputs(f"{stage.name}: {stage.action_type} has no input {name}.")
        needed = [name for name, param in known.items() if "default" not in param]
        if missing := [name for name in needed if name not in {*stage.takes, *stage.fixed}]:
            raise InvalidInputs(f"{stage.name}: {stage.action_type} needs {', '.join(missing)}.")
        for name, taken in stage.takes.items():
            params.setdefault(taken, {**known[name], **(_own_time(stage) if name == "timeout" else {}), "name": taken})
        shared = known[_SHARED]
    required = sorted(params.values(), key=lambda param: "default" in param)
    return [*required, shared]


def _own_time(stage: Stage) -> Json:
    about = f"The time of the Task {stage.name}, all attempts together, such as 90s or 2m."
    return {"description": about, "default": stage.timeout}


def _workspace(name: str) -> Json:
    return {"name": name, "description": f"The Secret with the access to {name}.", "optional": True}


def _with_previous(stages: tuple[Stage, ...]) -> list[tuple[Stage, Stage | None]]:
    return list(zip(stages, (None, *stages), strict=False))


def _task(stage: Stage, previous: Stage | None) -> Json:
    return {
        "name": stage.name,
        **({"runAfter": [previous.name]} if previous else {}),
        "taskRef": {"name": task_name(stage.action_type)},
        "params": [
            *({"name": name, "value": f"$(params.{taken})"} for name, taken in stage.takes.items()),
            *({"name": name, "value": value} for name, value in stage.fixed.items()),
            {"name": _SHARED, "value": f"$(params.{_SHARED})"},
            *([] if "timeout" in stage.takes else [{"name": "timeout", "value": stage.timeout}]),
        ],
        **({"workspaces": [{"name": "secrets", "workspace": stage.secrets}]} if stage.secrets else {}),
    }
