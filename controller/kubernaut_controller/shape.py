"""The base of the custom resources' models: the spelling of fields, and the messages for a wrong shape."""

from typing import Any, TypeVar

from pydantic import AliasGenerator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_sdk.addresses import without_userinfo
from kubernaut_sdk.portable import shorten

__all__ = ["Shape", "read_as", "unreadable"]


class Shape(BaseModel):
    """A part of a custom resource: camelCase in documents, immutable, without unknown fields."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=AliasGenerator(alias=to_camel), validate_by_name=False
    )


Resource = TypeVar("Resource", bound=Shape)


def read_as(model: type[Resource], document: dict[str, Any]) -> Resource:
    """Return a custom resource from JSON values.

    Raises:
        InvalidWorkflow: with every fault of the shape.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = [_fault(model, item) for item in error.errors(include_url=False) if not _is_echo(item)]
        raise InvalidWorkflow(faults) from None
    except Exception as error:  # a time that UTC cannot have, a text that is not Unicode, a depth: its own fault alone
        raise InvalidWorkflow([unreadable(error)]) from None


def unreadable(error: Exception) -> Fault:
    """Return the fault of a document that cannot even be checked."""
    return Fault("the document", f"cannot be read ({type(error).__name__}: {shorten(str(error), 200)}); correct that")


def _is_echo(item: Any) -> bool:
    """Return True where pydantic calls a list too short only because its items have faults of their own."""
    return bool(item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"])


def _fault(model: type[BaseModel], item: Any) -> Fault:
    location = [part for part in item["loc"] if not (isinstance(part, str) and ("[" in part or part == "ObjectRef"))]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    value = _shown(item["input"], location)
    match item["type"]:
        case "missing":
            message = "missing; it is required"
        case "extra_forbidden":
            message = f"unknown field; there is {_fields_beside(model, location)}"
        case "string_pattern_mismatch":
            message = f"{value} does not match {item['ctx']['pattern']}"
        case "string_too_long":
            message = f"{value} is too long; at most {item['ctx']['max_length']} characters"
        case "too_short":
            message = "is empty; a workflow needs at least one step"
        case "value_error":
            message = str(item["ctx"]["error"])
        case _:
            message = f"{item['msg'][0].lower()}{item['msg'][1:]}; it is {value}"
    return Fault(path or "the document", message)


def _shown(value: Any, location: list[Any]) -> str:
    """Return a value for a message. Inputs are never shown: later checks alone know which of them are secret."""
    if "inputs" in location or isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    return shorten(without_userinfo(repr(value)))


def _fields_beside(model: type[BaseModel], location: list[Any]) -> str:
    """Return the names of the fields of the model at this place."""
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = next((field for field in model.model_fields.values() if field.alias == part), None)
        annotation = field.annotation if field else None
        inner = _models_in(annotation)
        if not inner:
            break
        model = inner[0]
    return ", ".join(sorted(field.alias or name for name, field in model.model_fields.items()))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for option in getattr(annotation, "__args__", ()) for model in _models_in(option)]
