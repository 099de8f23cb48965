"""A typed Task: the Task `kubernaut-action` for one action, with a param for each of the action's inputs.

All that a container gets (user, mounts, variables, results) is taken from the generic Task, so that it is written once.
"""

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from kubernaut_cli.docs import type_name
from kubernaut_conformance import confinement
from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.program.taskparams import PREFIX

__all__ = ["VERSION", "CatalogAction", "input_text", "task_name", "typed_task"]

Json = dict[str, Any]

VERSION = str(confinement.generic_task()["metadata"]["labels"]["app.kubernetes.io/version"])
"""The version of the catalogue's Tasks: the generic Task's, whose params and results they share."""
_SHARED_PARAMS = ("dryRun", "timeout", "retries")
_UNSET_VARIABLES = ("ACTION_RECORD_ID", "ACTION_UNDO_RECORD", "ACTION_CONTEXT", "TRACEPARENT", "ACTION_INPUTS")
_CATEGORIES = {"alertmanager": "Monitoring", "argocd": "Deployment", "aws": "Cloud", "git": "Git",
               "kubernetes": "Kubernetes", "prometheus": "Monitoring"}  # fmt: skip


@dataclass(frozen=True)
class CatalogAction:
    """An action as its image describes it, and that image by digest."""

    entry: Mapping[str, Any]
    image: str

    @property
    def action_type(self) -> str:
        """The action's type."""
        return str(self.entry["action_type"])

    @property
    def title(self) -> str:
        """The first line of the action's description, without its full stop."""
        return str(self.entry["summary"]).partition("\n")[0].rstrip(".")


def task_name(action_type: str) -> str:
    """Return the name of the typed Task of an action, such as kubernetes-scale-deployment."""
    return action_type.replace("/", "-").replace("_", "-")


def typed_task(action: CatalogAction) -> Json:
    """Return the typed Task of an action.

    Raises:
        InvalidInputs: if an input has the name of a param that every Task has.
    """
    task: Json = deepcopy(dict(confinement.generic_task()))
    domain = action.action_type.partition("/")[0]
    task["metadata"] = {
        "name": task_name(action.action_type),
        "labels": {"app.kubernetes.io/version": VERSION},
        "annotations": {
            **task["metadata"]["annotations"],
            "tekton.dev/categories": _CATEGORIES.get(domain, "Automation"),
            "tekton.dev/tags": f"remediation, kubernaut, {domain}",
            "tekton.dev/displayName": action.action_type,
        },
    }
    spec = task["spec"]
    inputs: Json = action.entry["inputs"].get("properties", {})
    if taken := sorted({*inputs} & {*_SHARED_PARAMS}):
        raise InvalidInputs(f"{action.action_type}: every Task has a param {taken[0]}; give this input another name.")
    required = action.entry["inputs"].get("required", [])
    names = sorted(inputs, key=lambda name: name not in required)  # what must be given is asked for first
    paragraphs = str(action.entry["summary"]).split("\n\n")
    spec["description"] = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    spec["params"] = [
        *(_input_param(action, name) for name in names),
        *(param for param in spec["params"] if param["name"] in _SHARED_PARAMS),
    ]
    [step] = spec["steps"]
    step["image"] = action.image
    step["args"] = ["run"]
    step["env"] = [
        # first of all, so that no variable of below is expanded in them
        *({"name": f"{PREFIX}{name}", "value": f"$(:$(params.{name}))"} for name in names),
        {"name": "ACTION_TYPE", "value": action.action_type},
        {"name": "ACTION_IMAGE", "value": action.image},
        *(one for one in step["env"] if one["name"] not in {"ACTION_TYPE", "ACTION_IMAGE", *_UNSET_VARIABLES}),
    ]
    return task


def _input_param(action: CatalogAction, name: str) -> Json:
    schema = action.entry["inputs"]
    field: Json = schema["properties"][name]
    what = " ".join(str(field.get("description", "")).split())
    param: Json = {"name": name, "type": "string", "description": f"{what} ({_form(action, name)})".strip()}
    if name not in schema.get("required", ()):
        default = field.get("default")
        param["default"] = "" if default is None else input_text(field, default)
    return param


def _form(action: CatalogAction, name: str) -> str:
    """Return the values that a param takes, in a few words."""
    field: Json = action.entry["inputs"]["properties"][name]
    optional = name not in action.entry["inputs"].get("required", ()) and field.get("default") is None
    kinds = _kinds(field)
    if kinds & {"array", "object"}:
        form = f"JSON: {type_name(field)}"
    elif not kinds:
        form = "JSON, or else a text"
    else:
        form = type_name(field).removesuffix(" or null")
    example = next((entry[name] for entry in action.entry["examples"] if name in entry), None)
    shown = f", such as {input_text(field, example)}" if example is not None and not field.get("enum") else ""
    return f"optional: {form}{shown}" if optional else f"{form}{shown}"


def _kinds(field: Mapping[str, Any]) -> set[str]:
    options: Iterable[Mapping[str, Any]] = field.get("anyOf", [field])
    return {str(option.get("type", "object" if "$ref" in option else "")) for option in options} - {"", "null"}


def input_text(field: Mapping[str, Any], value: Any) -> str:
    """Return the text of a param that means this JSON value."""
    if isinstance(value, str) and ("string" in _kinds(field) or not _is_json(value)):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
