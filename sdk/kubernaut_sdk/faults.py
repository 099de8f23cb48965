"""Faults of a document: where, and what is wrong; and the one translation of pydantic's errors into them.

Every part of Kubernaut that checks a document with a pydantic model refuses it in these words.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from kubernaut_sdk.addresses import without_userinfo
from kubernaut_sdk.portable import shorten

__all__ = ["Fault", "action_hint", "did_you_mean", "show_value", "validation_faults"]

_NAMED = 12
"""The most action types that a message names."""


class Fault(NamedTuple):
    """One thing that is wrong with a document.

    Attributes:
        path: Where, such as `spec.steps[1].inputs.replicas`.
        message: What, with which value, and what to do; without a full stop.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}{'' if self.message.endswith('?') else '.'}"


def did_you_mean(name: object, known: Iterable[str]) -> str | None:
    """Return "did you mean …?" with the known name that is most like a misspelt one; None if none is like it."""
    import difflib  # noqa: PLC0415 – an action container pays for every import, and few need this one

    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else None


def action_hint(name: str, known: Iterable[str]) -> str:
    """Return what to say of an action type that is not there: the one that is meant, or which there are.

    Those of its domain come first, and of many only the first ones are named.
    """
    import difflib  # noqa: PLC0415 – as above

    types = sorted(known)
    if close := difflib.get_close_matches(name, types, n=1, cutoff=0.85):
        return f"did you mean {close[0]}?"
    domain = name.partition("/")[0] + "/"
    types.sort(key=lambda one: not one.startswith(domain))
    more = f" and {len(types) - _NAMED} more" if len(types) > _NAMED else ""
    return f"there is {', '.join(types[:_NAMED]) or 'none at all'}{more}."


def show_value(item: Any) -> str:
    """Return the value of one of pydantic's errors as a message shows it: short, and no address with its password."""
    value = item["input"]
    if isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    return shorten(without_userinfo(repr(value)))


def validation_faults(
    error: ValidationError,
    *,
    model: type[BaseModel] | None = None,
    prefix: str = "",
    document: str = "the document",
    describe: Callable[[Any], str | None] = lambda _: None,
    show: Callable[[Any], str] = show_value,
) -> list[Fault]:
    """Return the faults that pydantic found, in its order.

    Args:
        error: As `model_validate` raises it.
        model: The model of the document; of an unknown field, the message then names those that are known beside it.
        prefix: The path of the document itself, such as `inputs`, before each fault's path.
        document: The name of the document, for a fault of the whole where there is no prefix.
        describe: Returns a sentence of the caller's own for an item of `error.errors()`, or None for the common one.
        show: Returns the value of such an item as a message shows it; give your own where values may be secret.
    """
    return [
        Fault(_path(item, prefix) or document, describe(item) or _sentence(item, model, show))
        for item in error.errors(include_url=False)
        if not _is_echo(item)
    ]


def _is_echo(item: Any) -> bool:
    """Return True if pydantic calls a list too short only because its items have faults of their own."""
    return bool(
        item["type"] == "too_short"
        and isinstance(item["input"], list)
        and len(item["input"]) >= item["ctx"]["min_length"]
    )


def _location(item: Any) -> list[str | int]:
    """Return where a fault is, without the parts by which pydantic tells the options of a union apart."""
    return [part for part in item["loc"] if isinstance(part, int) or not _is_option(part)]


def _is_option(part: str) -> bool:
    return "[" in part or part.startswith("constrained-") or part == "ObjectRef"


def _path(item: Any, prefix: str) -> str:
    steps = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in _location(item))
    return f"{prefix}{steps}".lstrip(".")


def _sentence(item: Any, model: type[BaseModel] | None, show: Callable[[Any], str]) -> str:
    match item["type"]:
        case "missing":
            return "missing; it is required"
        case "extra_forbidden":
            known = _fields_beside(model, _location(item)) if model is not None else []
            hint = did_you_mean(item["loc"][-1], known) or f"there is {', '.join(known)}"
            return f"unknown field; {hint}" if known else "unknown field"
        case "string_pattern_mismatch":
            return f"{show(item)} does not match {item['ctx']['pattern']}"
        case "string_too_long":
            return f"{show(item)} is too long; at most {item['ctx']['max_length']} characters"
        case "value_error":  # a check of our own or of an author's, which says all that there is to say
            return str(item["ctx"]["error"]).rstrip(".")
    return f"{item['msg'][0].lower()}{item['msg'][1:]}; it is {show(item)}"


def _fields_beside(model: type[BaseModel], location: list[str | int]) -> list[str]:
    """Return the names of the fields that the model at a place has."""
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = next((field for name, field in model.model_fields.items() if part in {field.alias, name}), None)
        inner = _models_in(field.annotation if field else None)
        if not inner:
            return []
        model = inner[0]
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for option in getattr(annotation, "__args__", ()) for model in _models_in(option)]
