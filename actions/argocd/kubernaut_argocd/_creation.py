"""A field that is not in a YAML text yet: the place for it, and the lines that are inserted there.

Nothing is removed or rewritten: the old text is kept to the byte, around one insertion. The result is parsed again, and
refused if anything but the new field has changed its meaning. Used by `kubernaut_argocd.yamltext`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from kubernaut_argocd._fieldpath import Path, PointerToken, Selector, format_path
from kubernaut_argocd._pathwalk import events_of
from kubernaut_argocd._yamlwriting import block_style, inline_style
from kubernaut_sdk import NotFound, PreconditionFailed

__all__ = ["FieldInsertion", "insertions", "meanings", "only_adds"]

_NULLS = {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True)
class FieldInsertion:
    """A text to insert.

    Attributes:
        at: The index in the whole text.
        text: The text.
    """

    at: int
    text: str


@dataclass
class _YamlNode:
    """A node of the tree: where it stands, and its children with their keys (None in a list)."""

    event: Any
    start: int
    end: int
    children: list[tuple[Any, "_YamlNode"]] = field(default_factory=list)

    @property
    def flow(self) -> bool:
        return bool(self.event.flow_style)

    @property
    def empty_scalar(self) -> bool:
        return isinstance(self.event, ScalarEvent) and self.event.style in {None, ""} and self.event.value in _NULLS


def insertions(text: str, path: Path, document: int, value: Any) -> Iterator[FieldInsertion]:
    """Yield the insertions that would create a field with a value; each must still be checked by parsing.

    Args:
        text: The text, without a byte order mark.
        path: The field; a selector's key and value become part of a new list item.
        document: The index of the document.
        value: The new value.

    Raises:
        NotFound: if there is no such document, or an index is beyond the next item.
        PreconditionFailed: if something that is no mapping or list stands in the way.
    """
    root = _tree(text, document)
    newline = "\r\n" if "\r\n" in text else "\n"
    node, depth = root, 0
    while depth < len(path) and (child := _child(node, path, depth)) is not None:
        node, depth = child, depth + 1
    if depth == len(path):
        return
    _require_selected(path, value)
    step, nested = path[depth], _nested(path, depth + 1, value)
    if node.empty_scalar:
        yield from _in_place_of_nothing(text, node, _nested(path, depth, value), newline)
        return
    here = format_path(path[:depth]) or "the document"
    match node.event:
        case MappingStartEvent() if isinstance(step, str):
            yield from _into(text, node, {str(step): nested}, newline)
        case SequenceStartEvent() if isinstance(step, Selector):
            yield from _into(text, node, [_item(step, nested)], newline)
        case SequenceStartEvent() if str(step) in {"-", str(len(node.children))}:
            yield from _into(text, node, [nested], newline)
        case SequenceStartEvent():
            raise NotFound(f"there is no {format_path(path[: depth + 1])}; {here} is a list of {len(node.children)}.")
        case MappingStartEvent():
            raise PreconditionFailed(f"{here} is a mapping, and {format_path([step])} names an item of a list.")
        case _:
            raise PreconditionFailed(f"{here} is neither a mapping nor a list, so nothing can be created in it.")


def _tree(text: str, document: int) -> _YamlNode:
    """Return the root node of a document; of an empty one, an empty scalar."""
    grower = _TreeGrower()
    for event in events_of(text):
        grower.feed(event)
    if document < len(grower.roots):
        return grower.roots[document]
    if document == 0:
        return _YamlNode(ScalarEvent(None, None, (True, False), ""), len(text), len(text))
    raise NotFound(f"there is no document {document} in the file; it has {len(grower.roots)}, counted from 0.")


class _TreeGrower:
    """Makes the tree of each document from its events."""

    def __init__(self) -> None:
        self.roots: list[_YamlNode] = []
        self._open: list[_YamlNode] = []
        self._keys: list[Any] = []
        self._last = 0

    def feed(self, event: Any) -> None:
        """Take the next event."""
        begin, stop = event.start_mark.index, event.end_mark.index
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            if stop > begin:  # a bracket; a block's end lies at the next token
                self._last = stop
            self._open.pop().end = self._last
            self._keys.pop()
        elif isinstance(event, ScalarEvent | AliasEvent | MappingStartEvent | SequenceStartEvent):
            if stop > begin:
                self._last = max(self._last, stop)
            node = _YamlNode(event, begin, self._last)
            self._place(node)
            if isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._open.append(node)
                self._keys.append(None)

    def _place(self, node: _YamlNode) -> None:
        if not self._open:
            self.roots.append(node)
        elif isinstance(self._open[-1].event, MappingStartEvent) and self._keys[-1] is None:
            self._keys[-1] = node.event
        else:
            self._open[-1].children.append((self._keys[-1], node))
            self._keys[-1] = None


def _child(node: _YamlNode, path: Path, depth: int) -> _YamlNode | None:
    step = path[depth]
    if isinstance(node.event, AliasEvent):
        raise PreconditionFailed(
            f"{format_path(path[:depth])} is an alias of what stands elsewhere in the file; create it there."
        )
    if isinstance(node.event, MappingStartEvent):
        found = [child for key, child in node.children if isinstance(step, str) and _scalar(key) == step]
    elif isinstance(step, Selector):
        found = [child for _, child in node.children if _has(child, step)]
    else:
        index = int(step) if type(step) is int or (isinstance(step, PointerToken) and step != "-") else -1
        found = [child for _, child in node.children[index : index + 1]] if index >= 0 else []
    if len(found) > 1:
        raise PreconditionFailed(f"{format_path(path[: depth + 1])} stands in the file twice; name one by its index.")
    return found[0] if found else None


def _has(item: _YamlNode, selector: Selector) -> bool:
    return any(_scalar(key) == selector.key and _scalar(child.event) == selector.value for key, child in item.children)


def _scalar(event: Any) -> str | None:
    return str(event.value) if isinstance(event, ScalarEvent) else None


def _nested(path: Path, depth: int, value: Any) -> Any:
    """Return the value within the containers that the rest of the path needs."""
    for step in reversed(path[depth:]):
        if isinstance(step, Selector):
            value = [_item(step, value)]
        elif type(step) is int or isinstance(step, PointerToken):
            if str(step) not in {"0", "-"}:
                raise NotFound(f"there is no {format_path(path)}; a new list begins with item 0.")
            value = [value]
        else:
            value = {str(step): value}
    return value


def _require_selected(path: Path, value: Any) -> None:
    """Refuse a whole new item whose value lacks the key by which it is named: the next run would not find it."""
    last = path[-1]
    if isinstance(last, Selector) and isinstance(value, dict) and str(value.get(last.key)) != last.value:
        raise PreconditionFailed(
            f"a new item {format_path(path)} must hold {last.key}: {last.value}; write that into the value, too."
        )


def _item(selector: Selector, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PreconditionFailed(
            f"a new item {format_path([selector])} must be a mapping, and the value is {json.dumps(value)[:60]}."
        )
    return {selector.key: selector.value, **value}


def _in_place_of_nothing(text: str, node: _YamlNode, value: Any, newline: str) -> Iterator[FieldInsertion]:
    """Yield the insertions for a value in place of an empty node, such as `images:` with nothing behind it."""
    if node.event.value:
        raise PreconditionFailed(f"{node.event.value} stands where a mapping or list would have to be; set that first.")
    if not text[: node.end].strip() or node.start == node.end == len(text):  # an empty document, perhaps with comments
        gap = "" if not text or text.endswith("\n") else newline
        yield FieldInsertion(len(text), gap + block_style(value, 0, newline) + newline)
        return
    end = _line_end(text, node.end)
    line = text[text.rfind("\n", 0, node.end) + 1 : node.end]
    column = len(line) - len(line.lstrip(" -")) + 2
    yield FieldInsertion(end, newline + " " * column + block_style(value, column, newline))
    colon = text.find(":", node.end)
    yield FieldInsertion(colon + 1, " " + inline_style(value))


def _into(text: str, node: _YamlNode, part: dict[str, Any] | list[Any], newline: str) -> Iterator[FieldInsertion]:
    """Yield the insertions that add one entry at the end of a mapping or list."""
    if node.flow:
        entry = json.dumps(part, ensure_ascii=False)[1:-1] if _is_json(text) else inline_style(part)[1:-1]
        if not node.children:
            yield FieldInsertion(node.end - 1, entry)
            return
        opening = text.find("{" if isinstance(part, dict) else "[", node.start)
        gap = text[opening + 1 : _start(node.children[0])]
        yield FieldInsertion(_content_end(node), f",{_indentation(gap)}{entry}")
        return
    key, child = node.children[0]
    first = key.start_mark.index if key is not None else text.rfind("-", 0, max(child.start, node.start + 1) + 1)
    column = first - text.rfind("\n", 0, first) - 1
    body = text[: node.end].rstrip(" \t\r\n")
    yield FieldInsertion(_line_end(text, len(body)), newline + " " * column + block_style(part, column, newline))


def _start(entry: tuple[Any, _YamlNode]) -> int:
    key, child = entry
    return int(key.start_mark.index) if key is not None else child.start


def _content_end(node: _YamlNode) -> int:
    """Return the index after the last entry of a mapping or list in braces or brackets."""
    key, child = node.children[-1]
    return max(child.end, int(key.end_mark.index) if key is not None else 0)


def _indentation(gap: str) -> str:
    """Return the white space that separates entries: a line's begin where each has a line of its own."""
    if "\n" not in gap:
        return " "
    begin = gap.rindex("\n")
    return ("\r" if gap[:begin].endswith("\r") else "") + gap[begin:]


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end - 1 if end > 0 and text[end - 1] == "\r" else end


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in {"{", "["}


def meanings(text: str) -> list[tuple[Any, ...]]:
    """Return the events of a text, without their places.

    Raises:
        yaml.YAMLError: if the text is not YAML.
    """
    return [
        (type(event), *(getattr(event, name, None) for name in ("value", "tag", "anchor", "style")))
        for event in yaml.parse(text, Loader=yaml.CSafeLoader)
    ]


def only_adds(old: list[tuple[Any, ...]], new: list[tuple[Any, ...]]) -> bool:
    """Return True if the new events are the old ones with one run inserted, perhaps in place of an empty scalar."""
    added = len(new) - len(old)
    shared = next((place for place, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(old))
    if added > 0 and old[shared:] == new[shared + added :]:
        return True
    empty = shared < len(old) and old[shared][:2] == (ScalarEvent, "")
    return empty and added > 0 and old[shared + 1 :] == new[shared + 1 + added :]
