"""The parts of a YAML text that a value needs: its own events, and those of all that has an anchor.

Kept by `kubernaut_argocd._walk` while it goes along; read as the JSON that Kubernetes would make of them.
"""

import json
import math
from typing import Any

from yaml.events import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent

from kubernaut_sdk import PreconditionFailed
from kubernaut_sdk.yamlscalars import plain_value, tagged_value

__all__ = ["Nodes", "line_of"]

_LARGEST = 10_000
"""Nodes that a value may have, aliases followed: a few lines of them can stand for billions."""
_DEEPEST = 64
_CORE = "tag:yaml.org,2002:"


def line_of(event: Any) -> int:
    """Return the line that an event begins in, counted from 1."""
    return int(event.start_mark.line) + 1


class Nodes:
    """Events that are kept, in the order of the text. A node is named by the position of its first event."""

    def __init__(self) -> None:
        self._log: list[Any] = []
        self._ends: dict[int, int] = {}
        self._anchors: dict[str, int] = {}
        self._meant: dict[int, int] = {}
        self._open = 0

    @property
    def keeping(self) -> bool:
        """Whether all events are kept, since they stand in a node that is."""
        return self._open > 0

    def forget(self) -> None:
        """Forget the anchors: another document begins."""
        self._anchors = {}

    def add(self, event: Any, *, keep: bool) -> int | None:
        """Keep a node's first event where it, or what it stands in, is needed; return the node that begins here."""
        alias = type(event) is AliasEvent
        own = keep or (not alias and event.anchor is not None)
        if not own and not self._open:
            return None
        node = len(self._log)
        self._log.append(event)
        if alias:
            if event.anchor in self._anchors:
                self._meant[node] = self._anchors[event.anchor]
        elif event.anchor is not None:
            self._anchors[event.anchor] = node
        if type(event) is ScalarEvent or alias:
            self._ends[node] = len(self._log)
            return node if own else None
        if own:
            self._open += 1
        return node if own else None

    def close(self, event: Any, node: int | None) -> None:
        """Keep a node's last event where the node, or what it stands in, is kept."""
        if self._open:
            self._log.append(event)
        if node is not None:
            self._ends[node] = len(self._log)
            self._open -= 1

    def size(self, node: int) -> int:
        """Return how many events a node has."""
        return self._ends[node] - node

    def anchored(self, name: str) -> int | None:
        """Return the line where an anchor stands that is known by now."""
        node = self._anchors.get(name)
        return None if node is None else line_of(self._log[node])

    def merged(self, node: int, key: str) -> int | None:
        """Return the line in which a key stands that a merge (`<<`) of this node brings."""
        return self._merged(node, key, 0)

    def shown(self, event: Any) -> str:
        """Return a scalar as an error message tells it."""
        return json.dumps(_scalar(event)[0], ensure_ascii=False)[:100] if type(event) is ScalarEvent else "an alias"

    def value(self, node: int) -> tuple[Any, bool]:
        """Return a node as the JSON that Kubernetes reads, and whether that says all of it.

        It does not where a tag of somebody's own stands (`!Ref`), or what JSON has no value for (`.nan`): both are
        told as their text.

        Raises:
            PreconditionFailed: if it is too large.
        """
        reading = _Reading(self._log, self._meant)
        value, _ = reading.node(node, 0)
        return value, reading.whole

    def _merged(self, node: int, key: str, depth: int) -> int | None:
        event = self._log[node]
        sources: list[int] = []
        if depth > _DEEPEST:
            return None
        if type(event) is AliasEvent:
            sources = [self._meant[node]] if node in self._meant else []
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
            place = _behind(self._log, place)
        return children


class _Reading:
    """Makes one node's JSON."""

    def __init__(self, log: list[Any], meant: dict[int, int]) -> None:
        self._log, self._meant = log, meant
        self._seen = 0
        self.whole = True

    def node(self, place: int, depth: int) -> tuple[Any, int]:
        """Return the value, and the position behind it."""
        self._seen += 1
        if self._seen > _LARGEST:
            raise PreconditionFailed(f"the value has more than {_LARGEST} parts; name a smaller one.")
        if depth > _DEEPEST:
            raise PreconditionFailed(f"the value is nested more than {_DEEPEST} deep; name a smaller one.")
        event = self._log[place]
        match event:
            case AliasEvent():
                if place not in self._meant:
                    raise PreconditionFailed(
                        f"the file is not usable YAML: line {line_of(event)} refers to an anchor that is not there, "
                        f"{event.anchor}."
                    )
                return self.node(self._meant[place], depth + 1)[0], place + 1
            case ScalarEvent():
                value, whole = _scalar(event)
                self.whole = self.whole and whole
                return value, place + 1
            case _:
                self.whole = self.whole and _known(event.tag)
                reader = self._mapping if type(event) is MappingStartEvent else self._sequence
                return reader(place + 1, depth)

    def _sequence(self, place: int, depth: int) -> tuple[list[Any], int]:
        items = []
        while _begins(self._log[place]):
            item, place = self.node(place, depth + 1)
            items.append(item)
        return items, place + 1

    def _mapping(self, place: int, depth: int) -> tuple[dict[str, Any], int]:
        own: dict[str, Any] = {}
        inherited: dict[str, Any] = {}
        while _begins(self._log[place]):
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
    """Return a scalar's value, and whether that says all of it."""
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


def _begins(event: Any) -> bool:
    return type(event) in {AliasEvent, ScalarEvent, MappingStartEvent, SequenceStartEvent}


def _behind(log: list[Any], place: int) -> int:
    """Return the position behind the node that begins at one."""
    depth = 0
    while True:
        if type(log[place]) in {MappingStartEvent, SequenceStartEvent}:
            depth += 1
        elif not _begins(log[place]):
            depth -= 1
        place += 1
        if depth <= 0:
            return place
