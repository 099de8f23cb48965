"""JSON patches (RFC 6902) that write only while the object is as it was read.

The API server answers a `test` that fails with an error, and nothing of the patch is applied. `test` takes null for a
field that is missing.
"""

from typing import Any

__all__ = ["Operation", "add", "annotate", "expect", "pointer", "remove", "replace", "swap", "unchanged"]

Operation = dict[str, Any]


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) to a field."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def expect(path: str, value: Any) -> Operation:
    """Return the operation that fails unless a field has this value."""
    return {"op": "test", "path": path, "value": value}


def add(path: str, value: Any) -> Operation:
    """Return the operation that sets a field, whether it is there or not; in a list it inserts."""
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any) -> Operation:
    """Return the operation that sets a field that is there."""
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> Operation:
    """Return the operation that removes a field that is there."""
    return {"op": "remove", "path": path}


def swap(path: str, before: Any, after: Any) -> list[Operation]:
    """Return the operations that set a field from one value to another; None stands for a field that is missing."""
    if after is None:
        return [expect(path, before), *([] if before is None else [remove(path)])]
    return [expect(path, before), replace(path, after) if before is not None else add(path, after)]


def unchanged(found: dict[str, Any]) -> list[Operation]:
    """Return the operations that fail if the object was made anew, or its spec was changed, since it was read."""
    metadata = found["metadata"]
    kept = [name for name in ("uid", "generation") if name in metadata]
    return [expect(pointer("metadata", name), metadata[name]) for name in kept]


def annotate(found: dict[str, Any], key: str, value: str | None, *way: str) -> list[Operation]:
    """Return the operations that set an annotation, or remove it, and fail if its value, or the first, is new.

    Args:
        found: The object, as it was read.
        key: The annotation.
        value: Its value; None removes it.
        way: The path to the `metadata` that has it, such as `spec`, `template`; nothing for the object's own.
    """
    at: Any = found
    for part in way:
        at = at.get(part) or {}
    annotations = (at.get("metadata") or {}).get("annotations") or {}
    if value is None:
        return swap(pointer(*way, "metadata", "annotations", key), annotations[key], None) if key in annotations else []
    if annotations:
        return swap(pointer(*way, "metadata", "annotations", key), annotations.get(key), value)
    if at.get("metadata") is None:
        return [expect(pointer(*way, "metadata"), None), add(pointer(*way, "metadata"), {"annotations": {key: value}})]
    path = pointer(*way, "metadata", "annotations")
    return [expect(path, at["metadata"].get("annotations")), add(path, {key: value})]
