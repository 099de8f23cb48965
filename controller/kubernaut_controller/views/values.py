"""The values in JSON, read without an exception: whatever is missing or of another type is empty."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["JsonView", "integer_of", "object_of", "objects_of", "text_of", "texts_of", "time_of"]

Json = Mapping[str, Any]

_EMPTY: Json = {}


def object_of(value: Any, *path: str) -> Json:
    """Return the JSON object at a path within a value; an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else _EMPTY


def objects_of(value: Any) -> tuple[Json, ...]:
    """Return the JSON objects in a list; none where the value is no list."""
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list | tuple) else ()


def text_of(value: Any) -> str:
    """Return a text; an empty one for a value of another type."""
    return value if isinstance(value, str) else ""


def time_of(value: Any) -> datetime | None:
    """Return the time in a text (RFC 3339); None for any other value, and for a time that UTC cannot have."""
    try:
        moment = datetime.fromisoformat(text_of(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def integer_of(value: Any) -> int | None:
    """Return an integer; None for a value of another type."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def texts_of(value: Any) -> Mapping[str, str]:
    """Return the texts in a JSON object, by name."""
    return {name: item for name, item in object_of(value).items() if isinstance(item, str)}


class JsonView:
    """A view of one JSON value; anything but an object is viewed as an empty one."""

    __slots__ = ("json",)

    def __init__(self, document: Any) -> None:
        self.json = object_of(document)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, JsonView) and self.json == other.json

    __hash__ = None  # type: ignore[assignment] # it holds a dictionary

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.json!r})"
