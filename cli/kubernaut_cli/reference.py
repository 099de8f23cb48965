"""The reference pages of the documentation, written from the models and options that the programs themselves use.

`python -m kubernaut_cli.reference FOLDER` writes them (`make docs`); a test compares the files with the models.
"""

import json
import string
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import BaseModel, TypeAdapter

from kubernaut_cli.options import ENVIRONMENT
from kubernaut_controller.remediation import ChosenWorkflow, RemediationSpec
from kubernaut_controller.status import Condition, PipelineRunRef, RemediationStatus, StepStatus, WorkflowStatus
from kubernaut_controller.workflow import InputFrom, RemediationRef, Resources, Spec, Step
from kubernaut_datastorage.command import serve
from kubernaut_sdk.durations import format_duration
from kubernaut_sdk.records import ObjectRef, Signal
from kubernaut_sdk.states import Error

__all__ = ["configuration", "reference_pages", "workflow_reference"]

Json = dict[str, Any]


@dataclass(frozen=True)
class _Section:
    """A part of the workflow reference: a model, and one sentence about it."""

    title: str
    model: Any
    about: str
    meanings: dict[str, str] = field(default_factory=dict)
    """The meaning of fields that have no description in the model."""


_SECTIONS = (
    _Section("WorkflowExecution: spec", Spec, "Immutable, but for `cancel`."),
    _Section("steps[] and finally[]", Step, "A step is one action. Those of `finally` wait for no other step."),
    _Section("inputsFrom[]", InputFrom, "An input that is taken from elsewhere. It names either `step` or `workflow`."),
    _Section(
        "target",
        ObjectRef,
        "The object to act on.",
        {
            "cluster": "The cluster, if it is not the one that the workflow runs in.",
            "kind": "Its kind, such as Deployment.",
            "namespace": "Its namespace, if it has one.",
            "name": "Its name.",
        },
    ),
    _Section(
        "signal",
        Signal,
        "The alert behind it.",
        {
            "fingerprint": "The alert's fingerprint, as Alertmanager computes it.",
            "name": "The alert's name.",
            "severity": "The alert's severity.",
            "firedAt": "The time at which it fired: the episode that is answered.",
        },
    ),
    _Section(
        "remediationRequestRef",
        RemediationRef,
        "Set by the controller where it makes the workflow for a RemediationRequest.",
        {"name": "The RemediationRequest, in the same namespace."},
    ),
    _Section("resources", Resources, "The compute resources of a step's container, as in a pod."),
    _Section("RemediationRequest: spec", RemediationSpec, "A signal, and the workflow that was chosen for it."),
    _Section("workflow", ChosenWorkflow, "The fields of a WorkflowExecution's spec that do not come from the signal."),
    _Section("WorkflowExecution: status", WorkflowStatus, "Written by the controller."),
    _Section("pipelineRunRef", PipelineRunRef, "The PipelineRun that carries a workflow out, in the same namespace."),
    _Section("status.steps[]", StepStatus, "The states are those of [action records](../datastorage/README.md)."),
    _Section("conditions[]", Condition, "As Kubernetes' own objects have them."),
    _Section(
        "error",
        Error,
        "The end of a step that did not succeed.",
        {
            "code": "An exit code of the [action contract](action-contract.md#exit-codes).",
            "reason": "The reason, one word for programs.",
            "message": "A sentence for people.",
        },
    ),
    _Section("RemediationRequest: status", RemediationStatus, "Mirrors the end of its WorkflowExecution."),
)
_WORKFLOW_HEAD = """\
# Workflow reference

<!-- Written by `make docs` from the programs themselves; do not edit. -->

Every field of the custom resources (`apiVersion: kubernaut.io/v1alpha1`), as `kubectl explain wfe --recursive` has them.
A guide with an example: [Workflows](workflows.md). A duration is a text such as `90s`, `5m` or `1h30m`.
"""
_CONFIGURATION = """\
# Configuration

<!-- Written by `make docs` from the programs themselves; do not edit. -->

An option precedes the environment, which precedes the default. The variables that an action container gets are in the
[action contract](action-contract.md#variables).

## The controller

The program `kubernaut-controller`; in its Deployment, set the variables. `KUBERNAUT_LOG_LEVEL` (`DEBUG`, `INFO`, `WARNING`) has no option.

$controller

## Data Storage

`kubernaut serve`, and `kubernaut-data-storage` in the image. The password of PostgreSQL comes from `PGPASSWORD` or `PGPASSFILE`.

$serve

$commands

## The generic Task

Params of `kubernaut-action`; the controller sets them from a workflow's step.

$params

An optional ConfigMap `kubernaut-data-storage` in the Task's namespace says where records go:

| key | meaning |
| --- | --- |
| `url` | The address of Data Storage. Without it, records are disabled. |
| `policy` | `best-effort` (the default): the action runs, and its record is sent later. `require`: no record, no action. |

## The kubernaut command

Its options: `kubernaut COMMAND --help`. Its environment:

$variables
"""


def reference_pages() -> dict[str, str]:
    """Return file name → Markdown of each page."""
    return {"configuration.md": configuration(), "workflow-reference.md": workflow_reference()}


def workflow_reference() -> str:
    """Return the page with every field of the custom resources."""
    links = {section.model.__name__: _anchor(section.title) for section in _SECTIONS}
    lines = [_WORKFLOW_HEAD]
    for section in _SECTIONS:
        lines += [f"## {section.title}", "", section.about, "", *_fields(section, links), ""]
    return "\n".join(lines).rstrip() + "\n"


def _fields(section: _Section, links: dict[str, str]) -> list[str]:
    whole = TypeAdapter(section.model).json_schema(by_alias=True, mode="validation")
    rows = []
    for name, schema in whole["properties"].items():
        needed = "required" if name in whole.get("required", ()) else _default(section.model, name)
        meaning = schema.get("description") or section.meanings[name]
        rows.append((f"`{name}`", _type(schema, whole.get("$defs", {}), links), needed, meaning))
    return _table(("field", "type", "default", "meaning"), rows)


def _default(model: Any, name: str) -> str:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return ""
    found = next(item for key, item in model.model_fields.items() if name in {key, item.alias})
    value = found.get_default(call_default_factory=True, validated_data={})
    if value in (None, (), {}, ""):
        return ""
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _type(schema: Json, definitions: Json, links: dict[str, str]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in links:
        return f"[object](#{links[name]})"
    if name:
        return _type(definitions[name], definitions, links)
    if choice := schema.get("anyOf") or schema.get("allOf"):
        options = [option for option in choice if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(_type(option, definitions, links) for option in options))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], definitions, links)}".replace("list of [object]", "[list]")
    return _plain_type(schema)


def _plain_type(schema: Json) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    match schema.get("type"):
        case "string":
            return "duration" if "1h30m" in schema.get("examples", ()) else _text(schema)
        case "integer" | "number" as kind:
            limits = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
            return ", ".join([kind, *limits])
        case "object":
            return "map"
    return str(schema.get("type", "any"))


def _text(schema: Json) -> str:
    if schema.get("format") == "date-time":
        return "time (RFC 3339)"
    return f"text, ≤ {schema['maxLength']}" if "maxLength" in schema else "text"


def configuration() -> str:
    """Return the page with every option and environment variable of the programs."""
    from kubernaut_controller.operator.__main__ import main as controller  # noqa: PLC0415 – it takes half a second

    variables = [(f"`{name}`", meaning) for name, meaning in ENVIRONMENT.items()]
    commands = [line for name in sorted(serve.commands) for line in _command(name, serve.commands[name])]
    return string.Template(_CONFIGURATION).substitute(
        controller="\n".join(_options(controller, prefix="KUBERNAUT_")),
        serve="\n".join(_options(serve)),
        commands="\n".join(commands).rstrip(),
        params="\n".join(_params()),
        variables="\n".join(_table(("variable", "meaning"), variables)),
    )


def _command(name: str, command: click.Command) -> list[str]:
    about = (command.help or "").partition("\n")[0]
    return [f"### kubernaut serve {name}", "", about, "", *_options(command), ""]


def _options(command: click.Command, prefix: str = "") -> list[str]:
    context = click.Context(command)
    rows = []
    for param in command.params:
        if not isinstance(param, click.Option) or param.name in {"help", "version"}:
            continue
        described = param.to_info_dict()
        names = "/".join([*param.opts, *param.secondary_opts])
        kind = "" if param.is_flag else f" {param.make_metavar(context)}"
        variable = f"{prefix}{str(param.name).upper()}" if prefix else str(param.envvar or "")
        default = described["default"] if isinstance(described["default"], str | int | float) else ""
        shown = "" if default == "" or isinstance(default, bool) else f"`{default}`"
        rows.append((f"`{names}{kind}`", f"`{variable}`" if variable else "", shown, str(param.help or "")))
    return _table(("option", "environment", "default", "meaning"), rows)


def _params() -> list[str]:
    task = yaml.safe_load((files("kubernaut_cli") / "kubernaut-action.yaml").read_text(encoding="utf-8"))
    rows = []
    for param in task["spec"]["params"]:
        default = f"`{json.dumps(param['default'])}`" if "default" in param else "required"
        rows.append((f"`{param['name']}`", default, param["description"]))
    return _table(("param", "default", "meaning"), rows)


def _anchor(title: str) -> str:
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return ["| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines]


def main() -> None:
    """Write the pages into a folder."""
    folder = Path(sys.argv[1])
    for name, text in reference_pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
