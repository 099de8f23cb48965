"""JSON that leaves the process: values that every reader accepts, and events within the store's limits.

An action may return any value, and no value may prevent the report of its outcome. So values are validated before
anything is applied where they are known by then, and left out afterwards; texts are repaired and cut.
"""

import json
from typing import Any

from kubernaut_sdk.errors import Failed, InvalidInputs
from kubernaut_sdk.portable import require_portable

__all__ = ["LARGEST_PART", "fitting_event", "json_value", "unicode_text"]

LARGEST_PART = 16 * 1024
"""The most bytes of a change, and of an output, that a record keeps."""

_LARGEST_EVENT = 60 * 1024
"""The most bytes of an event; the store accepts 64 KiB."""
_LONGEST_MESSAGE = 4 * 1024
_LONGEST_MESSAGE_OF_AN_ATTEMPT = 256
_MOST_ATTEMPTS = 20
_DEEPEST = 60
"""The deepest nesting of a value: it is part of an event, for which the store accepts 64 levels."""


def json_value(value: Any, path: str) -> Any:
    """Return a value as plain JSON: tuples as lists, and subclasses (such as enumerations) as plain values.

    Raises:
        Failed: if it is not JSON, or if the store and Kubernetes could not keep it (NaN, a date, bytes, a lone
            surrogate, an integer beyond 64 bits); with the path to the first such value.
    """
    try:
        plain = _plain(value, path, 0)
        require_portable(plain, path)
    except InvalidInputs as error:
        raise Failed(error.message, reason="NotJSON") from None
    return plain


def _plain(value: Any, path: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise InvalidInputs(f"{path[:100]}…: nested more than {_DEEPEST} deep.")
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise InvalidInputs(f"{path}: a key is of type {type(odd[0]).__name__}; JSON's keys are text.")
        return {str.__str__(key): _plain(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise InvalidInputs(f"{path}: a value of type {type(value).__name__} is not JSON; return it as text or a number.")


def unicode_text(text: str) -> str:
    r"""Return a text that UTF-8 can encode: a lone surrogate (of a file's name, for example) becomes `\udce9`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def fitting_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event within the store's limits: error texts are cut, then whole parts are left out.

    Cuts are marked by `…` or `"truncated": true`.
    """
    event = dict(event)
    if isinstance(error := event.get("error"), dict):
        event["error"] = _cut(error, _LONGEST_MESSAGE)
    if attempts := event.get("attempts"):
        event["attempts"] = [_attempt(attempt) for attempt in attempts[-_MOST_ATTEMPTS:]]
    for name, instead in (
        ("attempts", []),
        ("inputs", {"truncated": True}),
        ("output", {"truncated": True}),
        ("change", {"before": {"truncated": True}, "after": {"truncated": True}}),
    ):
        if _size(event) > _LARGEST_EVENT and event.get(name):
            event[name] = instead
    return {name: value for name, value in event.items() if value != [] or name != "attempts"}


def _attempt(attempt: dict[str, Any]) -> dict[str, Any]:
    if error := attempt.get("error"):
        return attempt | {"error": _cut(error, _LONGEST_MESSAGE_OF_AN_ATTEMPT)}
    return attempt


def _cut(error: dict[str, Any], most: int) -> dict[str, Any]:
    def cut(text: str, most: int) -> str:
        text = unicode_text(text)
        return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"

    return {"code": error["code"], "reason": cut(error["reason"], 200), "message": cut(error["message"], most)}


def _size(event: dict[str, Any]) -> int:
    return len(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace"))
