"""The base of the custom resources' models: the spelling of fields, and the messages for a wrong shape."""

from typing import Any, TypeVar

from pydantic import AliasGenerator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_sdk.faults import show_value, validation_faults
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
        raise InvalidWorkflow(validation_faults(error, model=model, describe=_describe, show=_show)) from None
    except Exception as error:  # a time that UTC cannot have, a text that is not Unicode, a depth: its own fault alone
        raise InvalidWorkflow([unreadable(error)]) from None


def unreadable(error: Exception) -> Fault:
    """Return the fault of a document that cannot even be checked."""
    return Fault("the document", f"cannot be read ({type(error).__name__}: {shorten(str(error), 200)}); correct that")


def _describe(item: Any) -> str | None:
    match item["type"]:
        case "too_short":
            return "is empty; a workflow needs at least one step"
        case "model_type" | "dict_type":
            return f"must be a mapping, not {type(item['input']).__name__}"
    return None


def _show(item: Any) -> str:
    """Return a value as a message shows it. Inputs are not shown: only later it is known which of them are secret."""
    return f"a {type(item['input']).__name__}" if "inputs" in item["loc"] else show_value(item)
