"""The changes of a spec that break workflows written for the one before."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kubernaut_conformance.spec import ImageSpec, Schema
from kubernaut_sdk.portable import shorten

__all__ = ["find_breaking_changes"]


def find_breaking_changes(old: ImageSpec, new: ImageSpec) -> Iterator[str]:
    """Yield each change that breaks a workflow written for the older document, as text.

    Inputs may accept more, and results may promise more; the reverse breaks workflows. Compared are the usual forms
    of schemas: properties, required, types, enumerations, limits, patterns, items, anyOf and `$ref`.
    """
    present = {action.action_type: action for action in new.actions}
    for was in old.actions:
        now = present.get(was.action_type)
        if now is None:
            yield f"{was.action_type} is gone"
            continue
        for path, problem in _find_refused(_ResolvedSchema(was.inputs), _ResolvedSchema(now.inputs), "inputs"):
            yield f"{was.action_type}: {path}: {problem}"
        if was.result is not None:
            # a later step reads the result: what the old schema promised, the new one must promise too
            gives = _ResolvedSchema(now.result or {"type": "object"})
            for path, problem in _find_refused(gives, _ResolvedSchema(was.result), "result", reads=True):
                yield f"{was.action_type}: {path}: {problem}"
        if was.idempotent and not now.idempotent:
            yield f"{was.action_type}: is idempotent no more"
        if was.undoable and not now.undoable:
            yield f"{was.action_type}: can be undone no more"


class _ResolvedSchema:
    """A schema after following its `$ref`, with the definitions for the references below it."""

    def __init__(self, schema: Any, definitions: Mapping[str, Any] | None = None) -> None:
        self.definitions: Mapping[str, Any] = schema.get("$defs", {}) if definitions is None else definitions
        visited: set[str] = set()
        while isinstance(schema, dict) and (reference := schema.get("$ref", "")).startswith("#/$defs/"):
            if reference in visited:
                break
            visited.add(reference)
            schema = self.definitions.get(reference.removeprefix("#/$defs/"), {})
        self.schema: Schema = schema if isinstance(schema, dict) else {}

    def resolve(self, schema: Any) -> "_ResolvedSchema":
        """Return a schema that is part of this one."""
        return _ResolvedSchema(schema, self.definitions)

    @property
    def options(self) -> list["_ResolvedSchema"]:
        """The alternatives of anyOf or oneOf; the schema itself where it has none."""
        alternatives: list[Any] = self.schema.get("anyOf") or self.schema.get("oneOf") or []
        return [self.resolve(option) for option in alternatives] or [self]

    @property
    def types(self) -> set[str] | None:
        """The allowed JSON types; None if all are."""
        kinds: str | list[str] | None = self.schema.get("type")
        if kinds is None:
            return None
        found = {kinds} if isinstance(kinds, str) else set(kinds)
        return found | {"integer"} if "number" in found else found


def _find_refused(
    giver: _ResolvedSchema, taker: _ResolvedSchema, path: str, *, reads: bool = False, depth: int = 0
) -> Iterator[tuple[str, str]]:
    """Yield the path and the reason wherever the taker's schema refuses a value that the giver's allows.

    Args:
        giver: The schema of the values that are passed.
        taker: The schema that they must fit.
        path: The place of both in the spec.
        reads: True for results: then the giver is the new schema, and the taker the old one. For inputs the giver is
            the old one, for which workflows are written, and the taker the new one.
        depth: The number of schemas around this one.
    """
    if depth > 16:  # a schema that contains itself
        return
    if len(giver.options) > 1 or len(taker.options) > 1:
        for option in giver.options:
            found = [list(_find_refused(option, other, path, reads=reads, depth=depth + 1)) for other in taker.options]
            if all(found):  # no alternative takes it; the one that comes nearest shows why
                yield min(found, key=len)[0]
                return
        return
    if taker.types is not None and (giver.types is None or not giver.types <= taker.types):
        was, now = (taker, giver) if reads else (giver, taker)
        yield path, f"was {_type_names(was.types)} and is {_type_names(now.types)}"
        return
    yield from _limits(giver.schema, taker.schema, path, reads=reads)
    yield from _properties(giver, taker, path, reads=reads, depth=depth)
    if "items" in taker.schema:
        items = giver.resolve(giver.schema.get("items", {})), taker.resolve(taker.schema["items"])
        yield from _find_refused(*items, f"{path}[]", reads=reads, depth=depth + 1)


def _properties(
    giver: _ResolvedSchema, taker: _ResolvedSchema, path: str, *, reads: bool, depth: int
) -> Iterator[tuple[str, str]]:
    """Yield the properties that the taker requires and may not get, gets and refuses, or reads no more."""
    given, taken = giver.schema.get("properties", {}), taker.schema.get("properties", {})
    always_given = set(giver.schema.get("required", ()))
    for name in taker.schema.get("required", ()):
        if name not in always_given:
            yield f"{path}.{name}", "is not always there any more" if reads else "is required now"
    for name, schema in given.items():
        if name in taken:
            yield from _find_refused(
                giver.resolve(schema), taker.resolve(taken[name]), f"{path}.{name}", reads=reads, depth=depth + 1
            )
        elif not reads and taker.schema.get("additionalProperties") is False:
            yield f"{path}.{name}", "is gone"
    if reads:
        # an optional field of a result is gone, although the schema allows that: a later step's `from` may name it
        gone = set(taken) - set(given) - set(taker.schema.get("required", ()))
        yield from ((f"{path}.{name}", "is gone") for name in sorted(gone))


_FLOORS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_CEILINGS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def _limits(giver: Schema, taker: Schema, path: str, *, reads: bool) -> Iterator[tuple[str, str]]:
    """Yield each keyword of the taker, such as maxLength, that refuses a value which the giver's allows."""
    old, new = (taker, giver) if reads else (giver, taker)

    def describe(name: str) -> tuple[str, str]:
        return path, f"{name} was {old.get(name, 'not limited')} and is {new.get(name, 'not limited')}"

    allowed, given = _allowed_values(taker), _allowed_values(giver)
    if allowed is not None and (given is None or any(value not in allowed for value in given)):
        shown = [
            json.dumps(values) if values is not None else "any value"
            for values in (_allowed_values(old), _allowed_values(new))
        ]
        yield path, f"was {shorten(shown[0])} and is {shorten(shown[1])}"
    for names, sign in ((_FLOORS, 1), (_CEILINGS, -1)):  # a lower ceiling is a higher floor with its sign turned
        for name in names:
            if name in taker and (name not in giver or giver[name] * sign < taker[name] * sign):
                yield describe(name)
    for name in ("pattern", "format", "multipleOf"):
        if name in taker and giver.get(name) != taker[name]:
            yield describe(name)


def _allowed_values(schema: Schema) -> list[Any] | None:
    """Return the only values that a schema allows; None if it lists none."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _type_names(types: set[str] | None) -> str:
    return " or ".join(sorted(types)) if types else "anything"
