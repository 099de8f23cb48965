"""One value within a YAML text, read and replaced so that every other byte stays: comments, order, quotes, indentation.

ruamel.yaml tells where in the text a value stands. The new one is put right there, whatever its shape, and the result
is read again: had anything else changed its meaning, the change is refused. Called by `kubernaut_argocd.files`.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, MappingEndEvent, ScalarEvent, SequenceEndEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from kubernaut_argocd._spelling import block, inline, literal, quoted
from kubernaut_sdk import ActionError, InvalidInputs, NotFound, PreconditionFailed

__all__ = ["parse_field", "read_value", "replace_value"]

_TOKEN = re.compile(r"\.?(?:([^.\[\]\"]+)|\"((?:[^\"\\]|\\.)*)\")|\[(\d+)\]")
_PROPERTIES = re.compile(r"(?:&\S+\s+|!\S*\s+)*")
_LARGEST = 10_000
"""Nodes that a value may have, aliases followed: a few lines of them can stand for billions."""

Path = list[str | int]


@dataclass(frozen=True)
class _Place:
    """Where in a text a value stands.

    Attributes:
        node: The value.
        key: What it stands under; None in a list.
        column: That of the mapping around it.
        step: How far that is indented.
        flow: Whether it stands within braces or brackets.
    """

    node: Node
    key: Node | None
    column: int
    step: int
    flow: bool


def parse_field(field: str) -> Path:
    """The keys and indexes of `spec.containers[0].image`; a key with dots stands in double quotes.

    Raises:
        InvalidInputs: if it is not such a path.
    """
    path: Path = []
    place = 0
    while place < len(field):
        match = _TOKEN.match(field, place)
        if match is None or (place == 0 and field[0] == "."):
            place_told = f"at character {place + 1}"
            raise InvalidInputs(f"field {field!r}: {place_told}; write a path such as spec.containers[0].image.")
        name, within, index = match.groups()
        path.append(int(index) if index else name or json.loads(f'"{within}"', strict=False))
        place = match.end()
    if not path:
        raise InvalidInputs("field: is empty; write a path such as spec.replicas.")
    return path


def read_value(text: str, field: str, document: int) -> Any:
    """The value at a field, as JSON, by the rules of YAML 1.2. What JSON does not have (a date) is told as its text.

    Raises:
        NotFound: if there is no such field or document, with what there is.
        PreconditionFailed: if the text is not YAML, or the field is an alias or stands there twice.
    """
    return _value(_place(_documents(text), field, document).node)


def replace_value(text: str, field: str, document: int, value: Any) -> str:
    """The text with another value at a field that is there.

    Raises:
        NotFound, PreconditionFailed: as `read_value`; and if it cannot be replaced without touching anything else.
    """
    documents = _documents(text)
    place = _place(documents, field, document)
    for changed in _candidates(text, place, value):
        try:
            after = _documents(changed)
            found = _value(_place(after, field, document).node)
        except ActionError:
            continue
        if _spelt_alike(found, value) and _same(documents, after, place.node):
            return changed
    raise PreconditionFailed(
        f"{field} cannot be set to {json.dumps(value)[:100]} without touching something else in the file; an anchor "
        f"or an odd layout is in the way, so change it by hand."
    )


def _documents(text: str) -> list[Node]:
    try:
        return list(YAML(typ="safe", pure=True).compose_all(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise PreconditionFailed(f"the file is not usable YAML: {' '.join(str(error).split())[:200]}") from None


def _place(documents: list[Node], field: str, document: int) -> _Place:
    if document >= len(documents):
        raise NotFound(f"there is no document {document} in the file; it has {len(documents)}, counted from 0.")
    path = parse_field(field)
    place = _Place(documents[document], None, 0, 2, flow=False)
    for depth, step in enumerate(path):
        here = path[: depth + 1]
        key, child, earlier = _child(place.node, step, here)
        if child.start_mark.index < earlier:
            raise PreconditionFailed(
                f"{_spell(here)} is an alias of what stands in line {child.start_mark.line + 1}; set that instead."
            )
        column, indentation = place.column, place.step
        if isinstance(place.node, MappingNode) and key is not None:
            column = key.start_mark.column
            indentation = column - place.column if column > place.column else place.step
        place = _Place(child, key, column, indentation, flow=place.flow or bool(_flow(place.node)))
    return place


def _child(node: Node, step: str | int, here: Path) -> tuple[Node | None, Node, int]:
    """The key and the value at a step of a path, and the place in the text that the value must not stand before."""
    if isinstance(node, MappingNode) and isinstance(step, str):
        found = [(key, value) for key, value in node.value if isinstance(key, ScalarNode) and key.value == step]
        if len(found) > 1:
            raise PreconditionFailed(f"{_spell(here)} stands in the file twice; keep one of them.")
        if found:
            return *found[0], found[0][0].start_mark.index
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        earlier = [item.start_mark.index + 1 for item in node.value[:step]]
        return None, node.value[step], max([node.start_mark.index, *earlier])
    raise NotFound(f"there is no {_spell(here)}; {_there(node)}.")


def _value(node: Node) -> Any:
    waiting, seen = [node], 0
    while waiting:
        seen += 1
        if seen > _LARGEST:
            raise PreconditionFailed(f"the value has more than {_LARGEST} parts; name a smaller one.")
        waiting += _children(waiting.pop())
    return _as_json(node)


def _as_json(node: Node) -> Any:
    if isinstance(node, MappingNode):
        return {str(key.value): _as_json(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_as_json(item) for item in node.value]
    if str(node.tag).rsplit(":", 1)[-1] not in {"bool", "float", "int", "null"}:
        return node.value
    try:
        value = YAML(typ="safe", pure=True).constructor.construct_object(node)
    except (YAMLError, ValueError):
        return node.value
    return node.value if isinstance(value, float) and not math.isfinite(value) else value


def _flow(node: Node) -> bool | None:
    """Whether a mapping or list is written with braces or brackets; None for a scalar."""
    return bool(node.flow_style) if isinstance(node, MappingNode | SequenceNode) else None


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _candidates(text: str, place: _Place, value: Any) -> Iterator[str]:
    """Texts with the new value in place, the one that looks best first. Each has still to be read again."""
    node, newline = place.node, "\r\n" if "\r\n" in text else "\n"
    properties = _PROPERTIES.match(text, node.start_mark.index)
    assert properties is not None
    anchor = "".join(re.findall(r"&\S+\s+", properties[0]))
    start, end = properties.end(), _end(text, node)
    if isinstance(node, ScalarNode) and end <= start:  # nothing stands there: `key:`
        sign = text.index(":", place.key.end_mark.index) if place.key else text.rindex("-", 0, node.start_mark.index)
        yield f"{text[: sign + 1]} {inline(value)}{text[sign + 1 :]}"
        return
    before, after = text[: node.start_mark.index] + anchor, text[end:]
    if text.lstrip("\ufeff \r\n\t")[:1] in {"{", "["}:  # JSON stays JSON
        yield f"{before}{json.dumps(value, ensure_ascii=False)}{after}"
    nested, was_block = isinstance(value, dict | list) and bool(value), _flow(node) is False
    if nested and not place.flow and not _flow(node):
        if was_block or place.key is None:
            yield f"{before}{block(value, node.start_mark.column, newline)}{after}"
        else:
            column = place.column + place.step
            yield f"{before.rstrip(' ')}{newline}{' ' * column}{block(value, column, newline)}{after}"
    if isinstance(value, str) and "\n" in value and isinstance(node, ScalarNode) and node.style in {"|", ">"}:
        indentation = re.search(r"\n( *)\S", text[start:end])
        told = literal(value, indentation[1], newline) if indentation else None
        if told is not None:
            yield f"{before}{told}{after}"
    if was_block and before.rstrip().endswith(":"):
        before = f"{before.rstrip()} "
    style = node.style if isinstance(node, ScalarNode) else None
    yield f"{before}{inline(value, style)}{after}"
    yield f"{before}{quoted(value)}{after}"


def _end(text: str, node: Node) -> int:
    """Where a value's own text ends: before the blank lines and comments that follow a block."""
    start: int = node.start_mark.index
    end: int = node.end_mark.index
    if _flow(node) is False:
        kinds = (AliasEvent, MappingEndEvent, ScalarEvent, SequenceEndEvent)
        events = YAML(typ="safe", pure=True).parse(text)
        end = max(
            event.end_mark.index
            for event in events
            if isinstance(event, kinds) and start <= event.start_mark.index < end
        )
    return start + len(text[start:end].rstrip())


def _same(before: list[Node], after: list[Node], changed: Node) -> bool:
    """Whether two texts mean the same but for one value."""
    if len(before) != len(after):
        return False
    waiting, seen = list(zip(before, after, strict=True)), set()
    while waiting:
        one, other = waiting.pop()
        if one is changed or (id(one), id(other)) in seen:
            continue
        seen.add((id(one), id(other)))
        parts, others = _children(one), _children(other)
        if (type(one), one.tag, len(parts)) != (type(other), other.tag, len(others)):
            return False
        if isinstance(one, ScalarNode) and one.value != other.value:
            return False
        waiting += zip(parts, others, strict=True)
    return True


def _spelt_alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; to Python 1, 1.0 and true are."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _spell(path: Path) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def _there(node: Node) -> str:
    if isinstance(node, MappingNode):
        names = ", ".join(str(key.value) for key, _ in node.value)
        return f"there is {names}" if names else "there is an empty mapping"
    if isinstance(node, SequenceNode):
        return f"there is a list of {len(node.value)}"
    return f"there is {json.dumps(_as_json(node))}"
