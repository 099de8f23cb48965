"""Secret inputs: those marked `SecretStr`, `SecretBytes` or `Secret[…]`, at any depth of a model."""

import dataclasses
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel

__all__ = ["has_secret", "masked_inputs", "scalars", "secret_values", "secrets_in"]


_PYDANTICS_MASK = "*" * 10


def secret_values(value: Any) -> list[str | bytes]:
    """Return the plain values of all secrets within inputs."""
    return list(_plain(value))


def has_secret(annotation: Any) -> bool:
    """Return True if a type, such as a model, contains anything that is marked secret."""
    return _holds(annotation, ())


def secrets_in(annotation: Any, value: Any) -> Iterator[str]:
    """Yield the given JSON values where the type expects a secret, as text."""
    if hasattr(annotation, "get_secret_value"):
        yield from scalars(value)
        return
    fields = _fields(annotation)
    if fields is not None:
        if has_secret(annotation):
            yield from _secrets_in_fields(fields, value)
        return
    arguments = _arguments(annotation)
    if get_origin(annotation) in {Union, types.UnionType} or not isinstance(value, list | Mapping):
        for argument in arguments:
            yield from secrets_in(argument, value)
        return
    for item in value.values() if isinstance(value, Mapping) else value:
        for argument in arguments:
            yield from secrets_in(argument, item)


def _secrets_in_fields(fields: Mapping[str, Any], value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield from scalars(value)
        return
    for name, item in value.items():
        # the misspelt name of a secret is refused, and its value is still not shown
        yield from secrets_in(fields[name], item) if name in fields else scalars(item)


def scalars(value: Any) -> Iterator[str]:
    """Yield the texts and numbers of a JSON value, as text."""
    match value:
        case Mapping():
            for item in value.values():
                yield from scalars(item)
        case list() | tuple():
            for item in value:
                yield from scalars(item)
        case bool() | None:
            pass
        case _:
            yield str(value)


def masked_inputs(inputs: BaseModel) -> dict[str, Any]:
    """Return inputs as JSON values, with `***` for every secret that is not empty."""
    dumped = inputs.model_dump(mode="json")
    return {
        name: _masked(value) if has_secret(type(inputs).model_fields[name].annotation) else value
        for name, value in dumped.items()
    }


def _masked(value: Any) -> Any:
    match value:
        case dict():
            return {key: _masked(item) for key, item in value.items()}
        case list():
            return [_masked(item) for item in value]
        case _:
            return "***" if value == _PYDANTICS_MASK else value


def _plain(value: Any) -> Iterator[str | bytes]:
    if hasattr(value, "get_secret_value"):
        plain = value.get_secret_value()
        if isinstance(plain, str | bytes):
            yield plain
        elif plain is not None:
            yield from map(str, scalars(plain)) if isinstance(plain, Mapping | list | tuple) else [str(plain)]
        return
    for item in _items(value):
        yield from _plain(item)


def _items(value: Any) -> Iterable[Any]:
    """Return the parts of a value; none for a scalar."""
    if isinstance(value, BaseModel):
        return [getattr(value, name) for name in [*type(value).model_fields, *(value.model_extra or ())]]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple | set | frozenset) else ()


def _holds(annotation: Any, above: tuple[Any, ...]) -> bool:
    if hasattr(annotation, "get_secret_value"):
        return True
    if annotation in above:  # a model that contains itself
        return False
    above = (*above, annotation)
    fields = _fields(annotation)
    inner = fields.values() if fields is not None else _arguments(annotation)
    return any(_holds(item, above) for item in inner)


def _fields(annotation: Any) -> dict[str, Any] | None:
    """Return the fields of a model, dataclass or TypedDict, by all names that they have; None for anything else."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        found: dict[str, Any] = {}
        for name, field in annotation.model_fields.items():
            found |= dict.fromkeys({name, field.alias or name, str(field.validation_alias or name)}, field.annotation)
        return found
    if isinstance(annotation, type) and (dataclasses.is_dataclass(annotation) or is_typeddict(annotation)):
        return get_type_hints(annotation)
    return None


def _arguments(annotation: Any) -> tuple[Any, ...]:
    """Return the types that another is made of; those behind a name, too (`NewType`, `type X = …`)."""
    named = getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)
    return (named,) if named is not None else get_args(annotation)
