"""The check of a pointer into an earlier step's output, against the output's schema before anything runs.

Called by `kubernaut_controller.validation`, where the catalogue knows the earlier step's action.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema

from kubernaut_controller.workflow import InputFrom, Step
from kubernaut_sdk import Action
from kubernaut_sdk.models import Inputs, Result, reliable_fields
from kubernaut_sdk.portable import dumps, shorten
from kubernaut_sdk.results import BUDGET

__all__ = ["pointer_faults"]

Schema = dict[str, Any]


def pointer_faults(source: InputFrom, giver: Step, action: Action, taker: Action | None) -> Iterator[str]:
    """Yield the faults of an input taken from a step, without a full stop.

    Args:
        source: The step and the pointer from which the input is taken.
        giver: The earlier step.
        action: The earlier step's action.
        taker: The action that takes the value; None where it is not known.
    """
    if action.result_model is None:
        yield f"{action.action_type} has no output"
        return
    whole = _schema(action.result_model)
    found = _options(whole, whole)
    for token in source.pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        inner = [option for schema in found for child in _children(schema, key) for option in _options(child, whole)]
        if not inner:
            names = sorted({name for schema in found for name in schema.get("properties", {})})
            there = f"there is {shorten(', '.join(names), 300)}" if names else "nothing is in there"
            yield f"{shorten(source.pointer)} names nothing in the output of {action.action_type}; {there}"
            return
        found = inner
    yield from _other_type(source, _types(found), taker)
    yield from _too_large(source, giver, action.result_model)


def _other_type(source: InputFrom, given: set[str] | None, taker: Action | None) -> Iterator[str]:
    if taker is None or given is None:
        return
    schema = _schema(taker.inputs_model)
    wanted = _types(_options(schema.get("properties", {}).get(source.input, {}), schema))
    possible = given - {"null"} or given
    if wanted is not None and not possible & (wanted | ({"integer"} if "number" in wanted else set())):
        if "number" in possible and "integer" in wanted:
            return  # it may be a whole one
        what = source.pointer or "the whole output"
        yield (
            f"{shorten(what)} is {_either(possible)}, and {source.input} of {taker.action_type} takes {_either(wanted)}"
        )


def _too_large(source: InputFrom, giver: Step, model: type[Result]) -> Iterator[str]:
    """Yield a fault for a large input that the output repeats: it is cut where the results cannot hold it."""
    reliable = reliable_fields(model)
    first = source.pointer.split("/")[1].replace("~1", "/").replace("~0", "~") if source.pointer else None
    for name in [first] if first else list(model.model_fields):
        size = len(dumps(giver.inputs[name]).encode()) if name in giver.inputs and name not in reliable else 0
        if size > BUDGET:
            kept = f"only {', '.join(reliable)} is sure to be kept" if reliable else "nothing is sure to be kept"
            yield (
                f"{name} may be cut from the output of {giver.name!r}: its input of that name has {size} bytes, and a "
                f"step hands on at most {BUDGET}; {kept}, so write the value into inputs here too"
            )


@cache
def _schema(model: type[Inputs] | type[Result]) -> Schema:
    mode: Any = "serialization" if issubclass(model, Result) else "validation"
    try:
        return model.model_json_schema(mode=mode, by_alias=issubclass(model, Inputs))
    except PydanticInvalidForJsonSchema:
        return {}  # a type that JSON Schema cannot say: anything goes


def _options(schema: Schema, whole: Schema) -> list[Schema]:
    """Return the schemas that a value may have, with references and choices resolved."""
    if "$ref" in schema:
        return _options(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole)
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    return [option for choice in choices for option in _options(choice, whole)] if choices else [schema]


def _children(schema: Schema, key: str) -> list[Schema]:
    """Return the schemas of the values under a key or index; an empty schema where any value may be there."""
    kinds = _types([schema])
    if kinds is None or schema.get("patternProperties"):
        return [{}]
    if "object" in kinds:
        if key in schema.get("properties", {}):
            return [schema["properties"][key]]
        extra = schema.get("additionalProperties", "properties" not in schema)
        return [extra if isinstance(extra, dict) else {}] if extra is not False else []
    if "array" in kinds and key.isascii() and key.isdigit():
        first = schema.get("prefixItems", [])
        if int(key) < len(first):
            return [first[int(key)]]
        return [schema["items"]] if isinstance(schema.get("items"), dict) else [] if first else [{}]
    return []


def _types(options: list[Schema]) -> set[str] | None:
    """Return JSON's names of the types that a value may have; None where it may have any."""
    found: set[str] = set()
    for schema in options:
        values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
        kind = schema.get("type")
        if kind:
            found |= set(kind) if isinstance(kind, list) else {kind}
        elif values:
            found |= {_NAMES[type(value)] for value in values}
        else:
            return None
    return found


_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array"}


def _either(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))
