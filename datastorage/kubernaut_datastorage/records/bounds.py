"""The size limits of a record, applied to each event: a value that is too large is cut, and says so.

A record is at most as large as the largest values that its slots may have, so it is enough to bound each value before
it is merged. The cut depends on the event alone, so the merged record still does not depend on the order of events.
Sizes are those of the JSON in UTF-8. A test holds that all of them together stay below `LARGEST_RECORD`.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from kubernaut_datastorage.records.documents import encode

__all__ = ["LARGEST_RECORD", "MOST_ATTEMPTS", "MOST_PODS", "index_key", "trim_event"]

LARGEST_RECORD = 256 * 1024
MOST_ATTEMPTS = 100
"""Attempts that a record lists: numbers 0 to 99."""
MOST_PODS = 256
"""Attempts whose pod is remembered apart; all later ones share the last place."""

_LARGEST_VALUE = 40 * 1024
"""Bytes of inputs, of a change and of an output, each."""
_LARGEST_TARGET = 8 * 1024
_LARGEST_TEXT = 4 * 1024
_LARGEST_REASON = 256
_ATTEMPTS_IN_DETAIL = 10
_LARGEST_MESSAGE = 1024
_LARGEST_LATER_MESSAGE = 256
_NOTHING_TO_CUT = 1024
"""Bytes of an event in which nothing can be too large."""
_LARGEST_KEY = 1024
"""Bytes of a text in an index. PostgreSQL takes 2,704, of which an id and others need some."""


def trim_event(event: dict[str, Any], document: str) -> dict[str, Any] | None:
    """Return the event with what is too large cut, or None where all of it fits.

    Args:
        event: The value of `Event.wire()`, without its id.
        document: The event as text.
    """
    attempts = event.get("attempts", ())
    if len(document) <= _NOTHING_TO_CUT and not attempts:
        return None
    cut = {name: _CUTS[name](value) if name in _CUTS else value for name, value in event.items() if name != "attempts"}
    kept = [_cut_attempt(one) for one in attempts if one["number"] < MOST_ATTEMPTS]
    if kept:
        cut["attempts"] = kept
    if len(kept) < len(attempts):
        cut["attempts_left_out"] = True
    return cut if cut != event else None


def index_key(text: str) -> str:
    """Return a text as it stands in an index: a long one by its beginning and its SHA-256."""
    if len(text) <= _LARGEST_KEY // 4 or len(raw := text.encode("utf-8", "surrogatepass")) <= _LARGEST_KEY:
        return text
    return f"{text[:64]}… sha256:{hashlib.sha256(raw).hexdigest()}"


def _size(value: Any) -> int:
    return len(encode(value).encode())


def _cut_text(text: str, most: int = _LARGEST_TEXT) -> str:
    if len(text) <= most // 6 or (size := _size(text)) <= most:
        return text
    note = f" … [cut; it had {size} bytes]"
    low, high = 0, len(text)
    while low < high:  # the longest beginning that fits: a character takes one to six bytes
        middle = (low + high + 1) // 2
        if _size(text[:middle] + note) <= most:
            low = middle
        else:
            high = middle - 1
    return text[:low] + note


def _cut_any_text(value: Any, most: int = _LARGEST_TEXT) -> Any:
    return _cut_text(value, most) if isinstance(value, str) else value


def _cut_texts_of(value: dict[str, Any]) -> dict[str, Any]:
    return {name: _cut_any_text(one) for name, one in value.items()}


def _cut_value(value: dict[str, Any], most: int = _LARGEST_VALUE) -> dict[str, Any]:
    """Return an object within a size: its largest fields are replaced by how large they were."""
    if (size := _size(value)) <= most:
        return value
    sizes = {name: _size(one) for name, one in value.items()}
    kept = dict(value)
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        kept[name] = {"truncated": True, "bytes": sizes[name]}
        if _size(kept) + len('"truncated":true,') <= most:
            return {**kept, "truncated": True}
    return {"truncated": True, "bytes": size}


def _cut_change(change: dict[str, Any], most: int = _LARGEST_VALUE) -> dict[str, Any]:
    """Return a change within a size; it keeps its two sides, whatever they are."""
    if _size(change) <= most:
        return change
    half = most // 2 - 32
    sizes = {side: _size(value) for side, value in change.items()}
    return {
        side: value if sizes[side] <= half else {"truncated": True, "bytes": sizes[side]}
        for side, value in change.items()
    }


def _cut_target(target: Any) -> Any:
    if isinstance(target, str):
        return _cut_text(target, _LARGEST_TARGET)
    if _size(target) <= _LARGEST_TARGET:
        return target
    return {name: _cut_any_text(value, _LARGEST_TARGET // 5) for name, value in target.items()}


def _cut_error(error: dict[str, Any], most: int = _LARGEST_TEXT) -> dict[str, Any]:
    return {
        **error,
        "reason": _cut_text(error["reason"], _LARGEST_REASON),
        "message": _cut_text(error["message"], most),
    }


def _cut_attempt(attempt: dict[str, Any]) -> dict[str, Any]:
    if attempt.get("error") is None:
        return attempt
    most = _LARGEST_MESSAGE if attempt["number"] < _ATTEMPTS_IN_DETAIL else _LARGEST_LATER_MESSAGE
    return {**attempt, "error": _cut_error(attempt["error"], most)}


_CUTS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("inputs", "output"), _cut_value),
    **dict.fromkeys(("action_version", "image", "requester", "approver", "trace_id"), _cut_text),
    **dict.fromkeys(("workflow", "remediation", "signal", "pod"), _cut_texts_of),
    "change": _cut_change,
    "error": _cut_error,
    "target": _cut_target,
}
"""Field → the function that cuts it. All other fields are short by their type."""
