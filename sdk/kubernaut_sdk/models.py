"""`Inputs` and `Result`, the base classes of an action's parameters and output; and the faults of given inputs.

Both are pydantic models. Types are strict, as in the published JSON Schema: "6" is not 6.
"""

import json
import types
from collections.abc import Collection
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from kubernaut_sdk.addresses import without_userinfo
from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.faults import Fault, did_you_mean, validation_faults
from kubernaut_sdk.portable import loads, shorten
from kubernaut_sdk.secrets.inputs import has_secret, scalars, secret_values, secrets_in

__all__ = ["Inputs", "Result", "input_faults", "parse_inputs", "reliable_fields", "secret_values"]

MAX_SCALAR = 256
"""The most bytes of a required scalar of a Result, so that it always fits into the results."""


class Inputs(BaseModel):
    """The base class of an action's parameters. Unknown ones are refused; each `SecretStr` is masked everywhere."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Result(BaseModel):
    """The base class of an action's output; later steps may take values from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, ser_json_inf_nan="constants")


def parse_inputs(model: type[Inputs], values: dict[str, Any]) -> Inputs:
    """Return the inputs from JSON values.

    Raises:
        InvalidInputs: with one sentence for each fault.
    """
    faults = input_faults(model, values)
    if faults:
        raise InvalidInputs(" ".join(map(str, faults)))
    return _validated(model, values)


def input_faults(model: type[Inputs], values: dict[str, Any], absent: Collection[str] = ()) -> list[Fault]:
    """Return the faults of JSON values as inputs.

    Args:
        model: The action's inputs.
        values: The inputs as they are given.
        absent: Inputs that earlier steps will give when the action runs; these are not missing.
    """
    try:
        _validated(model, values)
    except ValidationError as error:
        faults = validation_faults(error, prefix="inputs", describe=lambda item: _sentence(model, item, values))
        later = {f"inputs.{name}" for name in absent if name not in values}
        return [fault for fault in faults if fault.path not in later]
    except Exception as error:  # of a check of the author's own; what it says may hold a value
        return [Fault("inputs", f"a check of the action's own inputs failed unexpectedly, with {type(error).__name__}")]
    return []


def _validated(model: type[Inputs], values: dict[str, Any]) -> Inputs:
    # through JSON, so that strict types accept what JSON can only spell as text (a time, an enumeration's member)
    return model.model_validate_json(to_json(values))


def _sentence(model: type[Inputs], item: Any, values: dict[str, Any]) -> str | None:
    match item["type"]:
        case "missing":
            return None
        case "extra_forbidden":
            known = sorted(model.model_fields)
            hint = did_you_mean(item["loc"][-1], known) if len(item["loc"]) == 1 else None
            return f"unknown; {hint or 'this action has ' + (', '.join(known) or 'no inputs')}"
    message = f"{item['msg'][0].lower()}{item['msg'][1:]}".rstrip(".")
    if has_secret(model):
        return f"{_without_values(message, model, values)}; no value is shown, because this action takes secrets"
    return without_userinfo(f"{message}; it is {shorten(without_userinfo(repr(item['input'])))}")


def _without_values(message: str, model: type[Inputs], values: dict[str, Any]) -> str:
    """Return the message of a failed check, without the input values that it may contain."""
    secrets = list(secrets_in(model, values))
    parts = (secret[start : start + 4] for secret in secrets for start in range(max(1, len(secret) - 3)))
    if any(part in message for part in parts if part):
        return "it is refused by a check of the action, whose message would show a secret"
    for value in sorted(scalars(values), key=len, reverse=True):
        message = message.replace(value, "***") if len(value) >= 4 else message
    return without_userinfo(message)


def from_text(model: type[Inputs], name: str, text: str) -> Any:
    """Return the JSON value of `-p name=text`: the text itself if the input takes text, otherwise the text as JSON.

    If the input takes any value, a number that JSON would spell differently (`1.10`, `1e3`) stays text: it is more
    often a version or a hash than a number, and `1.10` is not `1.1`.
    """
    field = model.model_fields.get(name)
    if field is not None and field.annotation is not Any and _takes_text(field):
        return text
    try:
        value = loads(text)
    except InvalidInputs:
        return text
    anything = field is not None and field.annotation is Any
    return text if anything and type(value) in {int, float} and json.dumps(value) != text else value


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


def reliable_fields(model: type[Result]) -> list[str]:
    """Return the required scalar fields of a Result: those that the results always keep.

    Raises:
        TypeError: if one of them could be longer than 256 bytes, or has a name that results reserve.
    """
    names = []
    if taken := sorted({"truncated", "withheld"} & set(model.model_fields)):
        raise TypeError(f"{model.__name__}.{taken[0]}: {taken[0]} is what results say of their own; call it otherwise.")
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
    """Return the most bytes of a scalar field, or None if the field is not a scalar."""
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
