"""The spec of an image: the document that the verb `spec` prints and /kubernaut/spec.json holds."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kubernaut_sdk.faults import validation_faults
from kubernaut_sdk.portable import shorten

__all__ = ["LABEL", "PATH", "ActionSpec", "ImageSpec", "find_spec_faults", "find_violation", "parse_spec"]

LABEL = "io.kubernaut.spec.digest"
"""The label that holds `sha256:` and the hex digest of the bytes of the file."""
PATH = "/kubernaut/spec.json"

Schema = dict[str, Any]
"""A JSON Schema, draft 2020-12."""


class ActionSpec(BaseModel):
    """The spec of one action."""

    model_config = ConfigDict(frozen=True, strict=True)

    action_type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9]*(_[a-z0-9]+)+$")]
    version: str
    summary: str
    inputs: Schema
    result: Schema | None
    permissions: list[str]
    examples: list[dict[str, Any]]
    idempotent: bool
    undoable: bool
    grow_only: bool = False
    verified: bool = False
    risk: Literal["low", "medium", "high"]
    restored_by: str | None = None


class ImageSpec(BaseModel):
    """The specs of all actions of an image."""

    model_config = ConfigDict(frozen=True, strict=True)

    contract: Literal["1"]
    actions: Annotated[list[ActionSpec], Field(min_length=1)]


def parse_spec(text: str | bytes) -> ImageSpec | str:
    """Return the spec; or, if the document cannot be used, a text that says why."""
    try:
        return ImageSpec.model_validate(json.loads(text))
    except ValidationError as error:
        return str(validation_faults(error)[0]).rstrip(".")
    except (ValueError, RecursionError) as error:
        return (
            f"it is not JSON ({error}): {shorten(text if isinstance(text, str) else text.decode('utf-8', 'replace'))}"
        )


def find_spec_faults(spec: ImageSpec) -> Iterator[str]:
    """Yield each fault in the schemas and examples of a spec, as text."""
    types = [action.action_type for action in spec.actions]
    yield from (f"{name} stands there twice" for name in sorted(set(types)) if types.count(name) > 1)
    for action in spec.actions:
        for name, schema in (("inputs", action.inputs), ("result", action.result)):
            if schema is None:
                continue
            try:
                Draft202012Validator.check_schema(schema)
            except SchemaError as error:
                yield f"{action.action_type}: {name} is no JSON Schema: {error.message}"
                return
            if schema.get("type") != "object":
                yield f"{action.action_type}: {name} must be the schema of an object"
        if action.inputs.get("additionalProperties") is not False:
            yield f"{action.action_type}: inputs must say additionalProperties: false, since unknown inputs are refused"
        for number, example in enumerate(action.examples):
            if problem := find_violation(action.inputs, example):
                yield f"{action.action_type}: examples[{number}] is not valid: {problem}"


def find_violation(schema: Schema, value: Any) -> str | None:
    """Return the place and reason if a value violates a schema; None if it is valid."""
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    return None if error is None else f"{error.json_path}: {shorten(error.message, 200)}"
