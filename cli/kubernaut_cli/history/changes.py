"""A record's change in words: `checkout.yaml spec.replicas: 1 → 3`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kubernaut_cli.terminal import printable
from kubernaut_sdk.records import Record

__all__ = ["PLACES", "change_lines", "change_text", "changed_values", "record_changes"]

_VALUE = "value"
PLACES = ("path", "field", "pointer")
"""Inputs that say where the value of an action's change stands, such as a file and the field in it."""
_NOTATION = frozenset({"source", "followers"})
"""Parts of a change that say how a value was written, and are left to `history show`."""
_LONGEST, _LONGEST_LINE = 60, 160
"""Characters of a value in a table's cell, and on a line of its own."""


def changed_values(
    change: Mapping[str, Any] | None, inputs: Mapping[str, Any] | None
) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, value before and value after of all that a change changes; None is no value.

    Args:
        change: The change, as JSON.
        inputs: The inputs of the action: they say where a change's `value` stands.
    """
    if not change:
        return
    place = " ".join(str(text) for name in PLACES if isinstance(text := (inputs or {}).get(name), str))
    for path, before, after in _differences(change):
        head, _, rest = path.partition(".")
        if head not in _NOTATION:
            yield (f"{place}{'.' if rest else ''}{rest}" if head == _VALUE and place else path), before, after


def record_changes(record: Record) -> Iterator[tuple[str, Any, Any]]:
    """Yield what `changed_values` yields, of a record."""
    return changed_values(record.change.document() if record.change else None, record.inputs)


def change_text(record: Record) -> str:
    """Return a record's change as one line; empty if there is none."""
    return "; ".join(f"{name}: {_show(before)} → {_show(after)}" for name, before, after in record_changes(record))


def change_lines(change: Mapping[str, Any] | None, inputs: Mapping[str, Any] | None = None) -> list[str]:
    """Return a change as a diff: `- path: before` and `+ path: after` for each value that differs."""
    lines = []
    for name, before, after in changed_values(change, inputs):
        lines += [f"- {name}: {_json(before)}"] if before is not None else []
        lines += [f"+ {name}: {_json(after)}"] if after is not None else []
    return lines


def _differences(change: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    before, after = _flatten(change.get("before")), _flatten(change.get("after"))
    for path in dict.fromkeys((*before, *after)):
        if before.get(path) != after.get(path):
            yield path, before.get(path), after.get(path)


def _flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Return the values within nested objects by their dotted paths."""
    if isinstance(value, dict) and value:
        return {
            inner_path: inner
            for key, item in value.items()
            for inner_path, inner in _flatten(item, f"{path}.{key}" if path else str(key)).items()
        }
    return {path or _VALUE: value}


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) and value.isprintable() and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _json(value: Any) -> str:
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}…"
