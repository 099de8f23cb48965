"""The SDK's `Event` as a msgspec type that is checked while it is parsed, in a fifteenth of the time.

It is derived from the model, field by field, so that an event is defined once. It accepts only events that need no
correction: JSON types as they are, times in the spelling of records. Any other event goes through the model itself,
which corrects it or says what is wrong; a test holds that both give the same event.
"""

import dataclasses
from datetime import datetime
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import annotated_types
import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kubernaut_sdk.records import Event

__all__ = ["TIMES", "EventShape"]


def _shape(model: type[BaseModel]) -> type[msgspec.Struct]:
    """Return the type of a pydantic model, with the same fields, defaults and limits."""
    required: list[Any] = []
    optional: list[Any] = []
    for name, field in model.model_fields.items():
        shaped = _limited(_type(field.annotation), field.metadata)
        if field.is_required():
            required.append((name, shaped))
        else:
            optional.append((name, shaped, field.default))
    return msgspec.defstruct(model.__name__, [*required, *optional], forbid_unknown_fields=True, omit_defaults=True)


def _plain_shape(kind: Any) -> type[msgspec.Struct]:
    """Return the type of a dataclass. A null of `Change` has a meaning and stays; elsewhere null is absent.

    `Change` is known by its fields: they are Any, so that none of them says that it may be None.
    """
    hints = get_type_hints(kind)
    fields: list[Any] = []
    for field in dataclasses.fields(kind):
        with_default = field.default is not dataclasses.MISSING
        fields.append((field.name, _type(hints[field.name]), *([field.default] if with_default else [])))
    fields.sort(key=len)  # msgspec wants those without a default, which are shorter tuples, first
    omits_null = any(NoneType in get_args(hint) for hint in hints.values())
    return msgspec.defstruct(kind.__name__, fields, forbid_unknown_fields=True, omit_defaults=omits_null)


def _type(annotation: Any) -> Any:
    """Return the type that stands for an annotation. Times and UUIDs are texts here, since they are stored as texts."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        metadata = [item for part in parts[1:] for item in (part.metadata if isinstance(part, FieldInfo) else [part])]
        return _limited(_type(parts[0]), metadata)
    if origin in {Union, UnionType}:
        return reduce(or_, [_type(part) for part in parts])
    if origin is list:
        return list[_type(parts[0])]  # type: ignore[misc] # made at run time
    if annotation in {UUID, datetime}:
        return str
    return _class_type(annotation)


def _class_type(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _shape(annotation)
    return _plain_shape(annotation) if dataclasses.is_dataclass(annotation) else annotation


def _limited(shaped: Any, metadata: list[Any]) -> Any:
    """Return a type with the limits of a pydantic field; its other metadata is for the model and documents."""
    limits: dict[str, Any] = {}
    for item in metadata:
        match item:
            case annotated_types.MinLen(least):
                limits["min_length"] = least
            case annotated_types.MaxLen(most):
                limits["max_length"] = most
            case annotated_types.Ge(least):
                limits["ge"] = least
            case annotated_types.Le(most):
                limits["le"] = most
            case _:
                pass
    return Annotated[shaped, msgspec.Meta(**limits)] if limits else shaped


def _is_time(annotation: Any) -> bool:
    return annotation is datetime or any(_is_time(part) for part in get_args(annotation))


TIMES = tuple(name for name, field in Event.model_fields.items() if _is_time(field.annotation))
"""Fields of an event that are times."""
EventShape = _shape(Event)
"""The type to parse an event with: `msgspec.json.Decoder(EventShape)`."""
