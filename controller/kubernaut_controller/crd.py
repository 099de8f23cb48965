"""The CustomResourceDefinitions, generated from the models: structural schemas, and CEL rules for the rest.

`python -m kubernaut_controller.crd FOLDER` writes them (`make crds`); a test compares the files with the models.

A structural schema has no `$ref`, no `null` beside a type, and names the fields that may have any shape; see
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema.
"""

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from kubernaut_controller.documents import dump_yaml
from kubernaut_controller.remediation import RemediationSpec
from kubernaut_controller.status import RemediationStatus, WorkflowStatus
from kubernaut_controller.workflow import API_VERSION, IMAGE_PATTERN, Spec

__all__ = ["custom_resource_definitions"]

GROUP, VERSION = API_VERSION.split("/")
_KEPT = {
    "type",
    "description",
    "enum",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "required",
}
_LONGEST_NAME = 253


def custom_resource_definitions() -> dict[str, dict[str, Any]]:
    """Return the CustomResourceDefinitions by file name."""
    workflow = _definition(
        "WorkflowExecution",
        ["wfe"],
        "A single run of one workflow: its steps as a graph, which run as one Tekton PipelineRun.",
        Spec,
        WorkflowStatus,
        [
            ("Phase", "string", ".status.phase"),
            ("Steps", "string", ".status.progress"),
            ("Target", "string", ".status.target"),
            ("Age", "date", ".metadata.creationTimestamp"),
            ("Message", "string", ".status.message"),
        ],
    )
    remediation = _definition(
        "RemediationRequest",
        ["rr"],
        "The remediation of one incident: a signal, and the workflow that was chosen for it.",
        RemediationSpec,
        RemediationStatus,
        [
            ("Phase", "string", ".status.phase"),
            ("Signal", "string", ".spec.signal.name"),
            ("Target", "string", ".spec.target.name"),
            ("Age", "date", ".metadata.creationTimestamp"),
            ("Outcome", "string", ".status.outcome"),
        ],
    )
    spec = _spec(workflow)
    spec["x-kubernetes-validations"] = [*_frozen(spec, but="cancel"), *_WORKFLOW_RULES]
    _spec(remediation)["x-kubernetes-validations"] = [
        {"rule": "self == oldSelf", "message": "a RemediationRequest is immutable once created"}
    ]
    for bounded in (spec, _spec(remediation)):
        _bound_texts(bounded)
    for steps in (spec, _spec(remediation)["properties"]["workflow"]):
        _name_steps_once(steps)
    return {f"{definition['metadata']['name']}.yaml": definition for definition in (workflow, remediation)}


_WORKFLOW_RULES = [
    {
        "rule": "!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
        "message": "a cancelled workflow stays cancelled",
    },
]
_SOURCE_RULE = {
    "rule": "has(self.step) != has(self.workflow)",
    "message": "name either step or workflow (target, signal, remediation)",
}


def _definition(
    kind: str,
    short_names: list[str],
    description: str,
    spec: type[BaseModel],
    status: type[BaseModel],
    columns: list[tuple[str, str, str]],
) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    schema = {
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _schema(spec),
            "status": _schema(status),
        },
    }
    # the last column is shown by `kubectl get -o wide` alone, since it is long
    printed = [
        {"name": name, "type": type_, "jsonPath": path, **({"priority": 1} if index == len(columns) - 1 else {})}
        for index, (name, type_, path) in enumerate(columns)
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "kubernaut"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": short_names,
                "categories": ["kubernaut"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": printed,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _spec(definition: dict[str, Any]) -> dict[str, Any]:
    version = definition["spec"]["versions"][0]
    spec: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    whole = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(whole, whole.get("$defs", {}))


def _structural(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema of pydantic's as a structural one, with the keywords beside a `$ref` or a choice."""
    if "$ref" in schema:
        inner = _structural(definitions[schema["$ref"].rpartition("/")[2]], definitions)
        return inner | {name: schema[name] for name in ("description",) if name in schema}
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return _structural({**schema["allOf"][0], **{k: v for k, v in schema.items() if k != "allOf"}}, definitions)
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        if len(options) > 1:
            # a quantity of Kubernetes: a text or a number
            return {"x-kubernetes-int-or-string": True}
        return _structural({**options[0], **{k: v for k, v in schema.items() if k in _KEPT}}, definitions)
    result: dict[str, Any] = {name: schema[name] for name in _KEPT if name in schema}
    if "const" in schema:
        result["enum"] = [schema["const"]]
    match schema.get("type"):
        case "object":
            result |= _object(schema, definitions)
        case "array":
            result["items"] = _structural(schema["items"], definitions)
        case "integer":
            result["format"] = "int64"
    return dict(sorted(result.items()))


def _object(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "properties" in schema:
        properties = {name: _structural(item, definitions) for name, item in schema["properties"].items()}
        if "inputs" in properties and "actionType" in properties:
            properties["image"]["pattern"] = IMAGE_PATTERN
        if {"step", "workflow", "input"} <= set(properties):
            # Tekton would substitute a $(…) in them
            properties["input"]["pattern"] = "^[^$]+$"
            properties["pointer"]["pattern"] = "^(/[^$]*)?$"
            return {"properties": properties, "x-kubernetes-validations": [_SOURCE_RULE]}
        return {"properties": properties}
    named = schema.get("patternProperties", {}).values()  # keys have no pattern in a structural schema
    extra = schema.get("additionalProperties", next(iter(named), True))
    if extra is True:
        return {"x-kubernetes-preserve-unknown-fields": True}
    return {"additionalProperties": _structural(extra, definitions)}


def _bound_texts(schema: dict[str, Any]) -> None:
    """Give every text of a spec a maximum length, from which Kubernetes estimates the cost of CEL rules.

    Texts of a status stay unbounded: the controller's messages must never be refused.
    """
    for name, inner in schema.get("properties", {}).items():
        if inner.get("type") == "string" and not inner.keys() & {"maxLength", "enum", "format"}:
            schema["properties"][name] = {**inner, "maxLength": _LONGEST_NAME}
        _bound_texts(inner)
    if isinstance(schema.get("items"), dict):
        _bound_texts(schema["items"])


def _name_steps_once(schema: dict[str, Any]) -> None:
    """Make steps a map by name, so that the API server itself enforces unique names, without the cost of CEL."""
    for name in ("steps", "finally"):
        schema["properties"][name] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def _frozen(spec: dict[str, Any], but: str) -> list[dict[str, Any]]:
    """Return one rule for each field, so that the message names the field that was changed."""
    rules = []
    for name in spec["properties"]:
        if name == but:
            continue
        same = f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})"
        rules.append(
            {
                "rule": same,
                "message": f"spec.{name} is immutable once created; only spec.{but} may be set",
                "fieldPath": f".{name}",
            }
        )
    return rules


def main() -> None:
    """Write each definition into the folder given on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, definition in custom_resource_definitions().items():
        (folder / name).write_text(dump_yaml(definition), encoding="utf-8")


if __name__ == "__main__":
    main()
