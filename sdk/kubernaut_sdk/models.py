"""What an author subclasses: `Inputs` and `Result`; and how a wrong value is told.

Both are pydantic models. Types are strict, as the JSON Schema that is published says: "6" is not 6.
"""

import types
from collections.abc import Collection
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.portable import loads, shorten

__all__ = ["Inputs", "Result", "input_faults", "parse_inputs", "reliable_fields", "secret_values"]

MAX_SCALAR = 256
"""Bytes that a required scalar of a Result may have, so that it always fits the results."""


class Inputs(BaseModel):
    """An action's parameters. Unknown ones are refused; a `SecretStr` is masked wherever it would appear."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Result(BaseModel):
    """What an action has to say when it succeeded; later steps may take values from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, ser_json_inf_nan="constants")


def parse_inputs(model: type[Inputs], values: dict[str, Any]) -> Inputs:
    """Inputs from JSON values.

    Raises:
        InvalidInputs: one sentence a fault, each with the path and the value.
    """
    faults = input_faults(model, values)
    if faults:
        raise InvalidInputs(" ".join(f"{path}: {message}" for path, message in faults))
    return _validated(model, values)


def input_faults(model: type[Inputs], values: dict[str, Any], absent: Collection[str] = ()) -> list[tuple[str, str]]:
    """What is wrong with JSON values as inputs: the path and a sentence for each fault.

    Args:
        model: The action's inputs.
        values: What is given.
        absent: Inputs that will be there when the action runs, and are not yet.
    """
    try:
        _validated(model, values)
    except ValidationError as error:
        return [
            _fault(model, item)
            for item in error.errors(include_url=False)
            if not (item["type"] == "missing" and item["loc"][0] in absent)
        ]
    return []


def _validated(model: type[Inputs], values: dict[str, Any]) -> Inputs:
    # through JSON, so that strict types accept what JSON can only spell as text (a time, an enumeration's member)
    return model.model_validate_json(to_json(values))


def _fault(model: type[Inputs], item: Any) -> tuple[str, str]:
    path = ".".join(["inputs", *(str(part) for part in item["loc"])])
    known = ", ".join(sorted(model.model_fields))
    match item["type"]:
        case "missing":
            return path, "missing; this input is required."
        case "extra_forbidden":
            return path, f"unknown; this action has {known or 'no inputs'}."
    field = model.model_fields.get(str(item["loc"][0])) if item["loc"] else None
    value = "***" if field is not None and _is_secret(field) else shorten(repr(item["input"]))
    return path, f"{item['msg'][0].lower()}{item['msg'][1:]}; it is {value}."


def secret_values(inputs: Inputs) -> list[str]:
    """The plain values of the inputs that are marked secret (`SecretStr`, `SecretBytes`)."""
    found = []
    for name, field in type(inputs).model_fields.items():
        value = getattr(inputs, name)
        if _is_secret(field) and value is not None:
            plain = value.get_secret_value()
            found.append(plain if isinstance(plain, str) else plain.decode("utf-8", "replace"))
    return found


def from_text(model: type[Inputs], name: str, text: str) -> Any:
    """The JSON value that a person means by `-p name=text`: text where the input takes text, else JSON."""
    field = model.model_fields.get(name)
    if field is None or field.annotation is Any or not _takes_text(field):
        try:
            return loads(text)
        except InvalidInputs:
            return text
    return text


def _takes_text(field: FieldInfo) -> bool:
    def takes(annotation: Any) -> bool:
        if get_origin(annotation) in {Union, types.UnionType}:
            return any(takes(option) for option in get_args(annotation))
        if get_origin(annotation) is Literal:
            return all(isinstance(option, str) for option in get_args(annotation))
        from pydantic import TypeAdapter  # noqa: PLC0415 – only a person's -p needs it

        schema = TypeAdapter(annotation).json_schema() if annotation not in {None, type(None)} else {}
        return schema.get("type") == "string"

    return takes(field.annotation)


def _is_secret(field: FieldInfo) -> bool:
    annotation = field.annotation
    return any(hasattr(option, "get_secret_value") for option in (annotation, *get_args(annotation)))


def reliable_fields(model: type[Result]) -> list[str]:
    """The required scalar fields of a Result: those that the results always keep.

    Raises:
        TypeError: if one of them could be longer than 256 bytes, with what to do.
    """
    names = []
    for name, field in model.model_fields.items():
        if not field.is_required():
            continue
        size = _largest(field)
        if size is None:
            continue
        if size > MAX_SCALAR:
            raise TypeError(
                f"{model.__name__}.{name}: a required text of a Result must be at most {MAX_SCALAR} bytes, because "
                f"later steps rely on it; declare Field(max_length=…), or make it optional."
            )
        names.append(name)
    return names


def _largest(field: FieldInfo) -> int | None:
    """Bytes that a scalar may take, or None for what is not one."""
    annotation = field.annotation
    if annotation in {bool, int, float}:
        return 24
    if annotation is str:
        limits = [item.max_length for item in field.metadata if isinstance(item, MaxLen)]
        return min(limits, default=MAX_SCALAR + 1)
    if get_origin(annotation) is Literal:
        return max(len(str(option)) for option in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return max(len(str(member.value)) for member in annotation)
    return None
