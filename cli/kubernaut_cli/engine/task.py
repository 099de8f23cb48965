"""The generic Task, as far as the local engine reads it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from kubernaut_cli.engine.document import TektonDocument, read_document
from kubernaut_conformance import confinement

__all__ = ["EnvVar", "Task", "generic_task", "read_task"]


class TaskParam(TektonDocument):
    """A param that the Task declares."""

    name: str
    type: Literal["string", "array"] = "string"
    description: str = ""
    default: str | tuple[str, ...] | None = None


class ValueSource(TektonDocument):
    """The source of an environment variable that has no value of its own."""

    config_map_key_ref: dict[str, Any] | None = None
    field_ref: dict[str, str] | None = None


class EnvVar(TektonDocument):
    """An environment variable of the container."""

    name: str
    value: str | None = None
    value_from: ValueSource | None = None


class TaskStep(TektonDocument):
    """The Task's one container."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    compute_resources: dict[str, Any] = Field(default={})
    security_context: dict[str, Any] = Field(default={})
    volume_mounts: tuple[dict[str, Any], ...] = ()


class TaskSpec(TektonDocument):
    """The spec of the generic Task."""

    description: str = ""
    params: tuple[TaskParam, ...]
    workspaces: tuple[dict[str, Any], ...] = ()
    results: tuple[dict[str, Any], ...] = ()
    steps: Annotated[tuple[TaskStep, ...], Field(min_length=1, max_length=1)]
    volumes: tuple[dict[str, Any], ...] = ()


class Task(TektonDocument):
    """The generic Task."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["Task"]
    metadata: dict[str, Any]
    spec: TaskSpec


def generic_task() -> Task:
    """Return the Task `kubernaut-action` that this version installs in clusters."""
    return read_task(dict(confinement.generic_task()))


def read_task(document: dict[str, Any]) -> Task:
    """Return a Task from its document.

    Raises:
        InvalidWorkflow: for each field that the engine does not cover, with its path.
    """
    return read_document(Task, document)
