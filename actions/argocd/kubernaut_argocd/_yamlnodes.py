"""The nodes of a YAML text that are needed for one value: its own events, and those of nodes with an anchor.

Filled by `kubernaut_argocd._pathwalk` during its pass; read as the JSON that Kubernetes would read.
"""

import json
import math
from typing import Any

from yaml.events import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent

from kubernaut_sdk import PreconditionFailed
from kubernaut_sdk.yamlscalars import plain_value, tagged_value

__all__ = ["KeptNodes", "line_of"]

_LARGEST = 10_000
"""The most nodes that a value may have, aliases resolved: a few lines of aliases can stand for billions."""
_DEEPEST = 64
_CORE = "tag:yaml.org,2002:"


def line_of(event: Any) -> int:
    """Return the line in which an event begins, counted from 1."""
    return int(event.start_mark.line) + 1


class KeptNodes:
    """The kept events, in the order of the text. A node's id is the index of its first event."""

    def __init__(self) -> None:
        self._log: list[Any] = []
        self._ends: dict[int, int] = {}
        self._anchors: dict[str, int] = {}
        self._alias_targets: dict[int, int] = {}
        self._open = 0

    @property
    def keeping(self) -> bool:
        """True while inside a node that is kept, so that all events are kept."""
        return self._open > 0

    def forget(self) -> None:
        """Drop the anchors when another document begins."""
        self._anchors = {}

    def add(self, event: Any, *, keep: bool) -> int | None:
        """Keep a node's first event if the node, or one around it, is needed, and return the node's id."""
        alias = type(event) is AliasEvent
        own = keep or (not alias and event.anchor is not None)
        if not own and not self._open:
            return None
        node = len(self._log)
        self._log.append(event)
        if alias:
            if event.anchor in self._anchors:
                self._alias_targets[node] = self._anchors[event.anchor]
        elif event.anchor is not None:
            self._anchors[event.anchor] = node
        if type(event) is ScalarEvent or alias:
            self._ends[node] = len(self._log)
            return node if own else None
        if own:
            self._open += 1
        return node if own else None

    def close(self, event: Any, node: int | None) -> None:
        """Keep a node's last event if the node, or one around it, is kept."""
        if self._open:
            self._log.append(event)
        if node is not None:
            self._ends[node] = len(self._log)
            self._open -= 1

    def size(self, node: int) -> int:
        """Return the number of events of a node."""
        return self._ends[node] - node

    def anchor_line(self, name: str) -> int | None:
        """Return the line of an anchor, or None if it was not defined so far."""
        node = self._anchors.get(name)
        return None if node is None else line_of(self._log[node])

    def merged_line(self, node: int, key: str) -> int | None:
        """Return the line of a key that merging this node (`<<`) would add, or None."""
        return self._merged(node, key, 0)

    def describe(self, event: Any) -> str:
        """Return a scalar as text for an error message."""
        return json.dumps(_scalar(event)[0], ensure_ascii=False)[:100] if type(event) is ScalarEvent else "an alias"

    def value(self, node: int) -> tuple[Any, bool]:
        """Return a node as the JSON that Kubernetes reads, and True if nothing is lost in it.

        A custom tag (`!Ref`) is lost, and so is a value that JSON does not have (`.nan`): both become their text.

        Raises:
            PreconditionFailed: if the value is too large.
        """
        reading = _NodeReader(self._log, self._alias_targets)
        value, _ = reading.node(node, 0)
        return value, reading.lossless

    def _merged(self, node: int, key: str, depth: int) -> int | None:
        event = self._log[node]
        sources: list[int] = []
        if depth > _DEEPEST:
            return None
        if type(event) is AliasEvent:
            sources = [self._alias_targets[node]] if node in self._alias_targets else []
        elif type(event) is SequenceStartEvent:
            sources = self._children(node)
        elif type(event) is MappingStartEvent:
            children = self._children(node)
            for name, value in zip(children[::2], children[1::2], strict=True):
                if getattr(self._log[name], "value", None) == key:
                    return line_of(self._log[value])
                if getattr(self._log[name], "value", None) == "<<":
                    sources.append(value)
        found = (self._merged(source, key, depth + 1) for source in sources)
        return next((line for line in found if line is not None), None)

    def _children(self, node: int) -> list[int]:
        children, place = [], node + 1
        while type(self._log[place]) in {AliasEvent, ScalarEvent, MappingStartEvent, SequenceStartEvent}:
            children.append(place)
            place = _end_of_node(self._log, place)
        return children


class _NodeReader:
    """The conversion of one node to JSON."""

    def __init__(self, log: list[Any], meant: dict[int, int]) -> None:
        self._log, self._alias_targets = log, meant
        self._seen = 0
        self.lossless = True

    def node(self, place: int, depth: int) -> tuple[Any, int]:
        """Return the value, and the index after its last event."""
        self._seen += 1
        if self._seen > _LARGEST:
            raise PreconditionFailed(f"the value has more than {_LARGEST} parts; name a smaller one.")
        if depth > _DEEPEST:
            raise PreconditionFailed(f"the value is nested more than {_DEEPEST} deep; name a smaller one.")
        event = self._log[place]
        match event:
            case AliasEvent():
                if place not in self._alias_targets:
                    raise PreconditionFailed(
                        f"the file is not usable YAML: line {line_of(event)} refers to an anchor that is not there, "
                        f"{event.anchor}."
                    )
                return self.node(self._alias_targets[place], depth + 1)[0], place + 1
            case ScalarEvent():
                value, lossless = _scalar(event)
                self.lossless = self.lossless and lossless
                return value, place + 1
            case _:
                self.lossless = self.lossless and _known(event.tag)
                reader = self._mapping if type(event) is MappingStartEvent else self._sequence
                return reader(place + 1, depth)

    def _sequence(self, place: int, depth: int) -> tuple[list[Any], int]:
        items = []
        while _starts_node(self._log[place]):
            item, place = self.node(place, depth + 1)
            items.append(item)
        return items, place + 1

    def _mapping(self, place: int, depth: int) -> tuple[dict[str, Any], int]:
        own: dict[str, Any] = {}
        inherited: dict[str, Any] = {}
        while _starts_node(self._log[place]):
            key = self._log[place]
            name, place = self.node(place, depth + 1)
            value, place = self.node(place, depth + 1)
            if type(key) is ScalarEvent and key.value == "<<" and key.style in {None, ""}:
                for source in value if isinstance(value, list) else [value]:
                    inherited = {**(source if isinstance(source, dict) else {}), **inherited}
            else:
                own[name if isinstance(name, str) else json.dumps(name)] = value
        return {**inherited, **own}, place + 1


def _scalar(event: Any) -> tuple[Any, bool]:
    """Return a scalar's value, and True if nothing is lost in it."""
    try:
        if event.tag is None:
            value = plain_value(event.value) if event.style in {None, ""} else event.value
        else:
            value = tagged_value(event.tag, event.value)
    except ValueError:
        return event.value, False
    if isinstance(value, float) and not math.isfinite(value):
        return event.value, False
    return value, _known(event.tag)


def _known(tag: str | None) -> bool:
    return tag is None or tag == "!" or tag.startswith(_CORE)


def _starts_node(event: Any) -> bool:
    return type(event) in {AliasEvent, ScalarEvent, MappingStartEvent, SequenceStartEvent}


def _end_of_node(log: list[Any], place: int) -> int:
    """Return the index after the node that begins at an index."""
    depth = 0
    while True:
        if type(log[place]) in {MappingStartEvent, SequenceStartEvent}:
            depth += 1
        elif not _starts_node(log[place]):
            depth -= 1
        place += 1
        if depth <= 0:
            return place
