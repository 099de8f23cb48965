"""One pass over a YAML text, along a path, to the place where its value stands.

libyaml reads the text. It is the parser that Kubernetes' own was ported from, so both see the same keys and scalars;
and its events say where in the text each stands. Nothing is kept of the file but what the value, anchors and merges
need. Called by `kubernaut_argocd.yamltext`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from kubernaut_argocd._nodes import Nodes, line_of
from kubernaut_argocd._path import Path, spell
from kubernaut_sdk import NotFound, PreconditionFailed

__all__ = ["Place", "Walk", "events_of"]

_BLANK = " \t\r\n\x85\u2028\u2029"
_MOST_TOLD = 20
"""Names in an error message, and followers in a change."""


def events_of(text: str) -> Iterator[Any]:
    """Yield the events of a text that does not begin with a byte order mark.

    Raises:
        yaml.YAMLError: where the text is no YAML.
    """
    return iter(yaml.parse(text, Loader=yaml.CSafeLoader))


@dataclass
class Place:
    """Where in a text a value stands; indexes count characters.

    Attributes:
        start: Its first character, properties (anchor, tag) included.
        end: Behind its last one, before the blank lines and comments that follow.
        after: An index between the indicator (`:` or `-`) and what stands before that.
        first: The event that it begins with.
        key: What it stands under; None in a list.
        column: That of the mapping around it.
        step: How far that is indented.
        flow: Whether it stands within braces or brackets.
        node: Its position in the walk's nodes.
        entry: Where the innermost mapping's key on the way begins, what must stand before it, and how many steps lead
            there: with that, the text can be read from there on without all that stands before.
        followers: The paths that follow it by an anchor, or by one around it.
        torn: The name and line of a reference, elsewhere, to an anchor within it.
    """

    start: int
    end: int
    after: int
    first: Any
    key: Any
    column: int
    step: int
    flow: bool
    node: int
    entry: tuple[int, str, int]
    followers: list[str] = field(default_factory=list)
    torn: tuple[str, int] | None = None


class _Frame:
    """A mapping or list that is open."""

    __slots__ = (
        "column",
        "count",
        "event",
        "flow",
        "item",
        "key",
        "level",
        "mapping",
        "merges",
        "names",
        "node",
        "step",
    )

    def __init__(self, event: Any, level: int, column: int, step: int, *, flow: bool, node: int | None) -> None:
        self.event, self.level, self.column, self.step, self.flow, self.node = event, level, column, step, flow, node
        self.mapping = type(event) is MappingStartEvent
        self.count = 0
        self.item = -1
        self.key: Any = None
        self.names: list[str] = []
        self.merges: list[int] = []


class Walk:
    """Takes the events of a text one by one, and knows the place when it has had them all.

    Args:
        path: Keys and indexes.
        document: Which document of the text, counted from 0.
        select: Names a key: `named` is then what the items of the list at the path have under it, as it is written.
    """

    def __init__(self, path: Path, document: int, select: str | None = None) -> None:
        self.path, self.document = path, document
        self.named: list[str | None] | None = None
        self._select = select
        self.nodes = Nodes()
        self.place: Place | None = None
        self.documents = 0
        self.done = False  # whether the value has ended
        self._frames: list[_Frame] = []
        self._hits: list[int | None] = [None] * len(path)
        self._end = 0
        self._entry = (0, "", 0)
        self._watched: set[str] = set()
        self._inner: set[str] = set()
        self._stuck: tuple[int, str] | None = None

    def feed(self, event: Any) -> None:
        """Take the next event.

        Raises:
            PreconditionFailed: if the value is an alias, stands there twice, or the file is none that Kubernetes reads.
        """
        kind = type(event)
        if kind is ScalarEvent or kind is AliasEvent:
            level = self._level(event)
            if level >= 0 or event.anchor is not None or self.nodes.keeping or self._on_path():
                self._leaf(event, level)
            self._end = max(self._end, event.end_mark.index)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            self._open(event, self._level(event))
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            if event.end_mark.index > event.start_mark.index:  # a bracket; a block's end lies at the next token
                self._end = event.end_mark.index
            self._close(event)
        elif kind is DocumentStartEvent:
            self.documents += 1
            self.nodes.forget()
            self._watched, self._inner = set(), set()
            self._end = event.end_mark.index

    def finish(self) -> None:
        """Check that there is what the path leads to.

        Raises:
            NotFound: if there is none, with what there is.
        """
        if self.document >= self.documents:
            raise NotFound(
                f"there is no document {self.document} in the file; it has {self.documents}, counted from 0."
            )
        if not self.done:
            level, there = self._stuck or (1, "there is nothing")
            raise NotFound(f"there is no {spell(self.path[:level])}; {there}.")

    def _level(self, event: Any) -> int:
        """Count the child in the frame around it, and return how many steps of the path lead to it; -1: it is aside."""
        if not self._frames:
            return 0 if self.documents - 1 == self.document else -1
        frame = self._frames[-1]
        frame.count += 1
        if frame.mapping and frame.count % 2:
            if type(event) is MappingStartEvent or type(event) is SequenceStartEvent:
                raise PreconditionFailed(
                    f"the file is not usable YAML: line {line_of(event)} has a mapping or list for a key, as "
                    f"{{{{ … }}}} of a template reads; change the values that the template is filled with.",
                    reason="NotYaml",
                )
            frame.key = event
            if frame.level >= 0 and type(event) is ScalarEvent and len(frame.names) <= _MOST_TOLD:
                frame.names.append(event.value)
            return -1
        if frame.level < 0 or frame.level >= len(self.path):
            if self.named is not None and frame.level == len(self.path) and not frame.mapping:
                self.named.append(None)
            elif frame.item >= 0 and type(event) is ScalarEvent and getattr(frame.key, "value", None) == self._select:
                assert self.named is not None
                self.named[frame.item] = event.value
            return -1
        step = self.path[frame.level]
        if frame.mapping:
            key = frame.key
            matches = type(key) is ScalarEvent and type(step) is str and key.value == step
        else:
            matches = type(step) is int and frame.count - 1 == step
        return self._matched(frame, event) if matches else -1

    def _matched(self, frame: _Frame, event: Any) -> int:
        here = self.path[: frame.level + 1]
        line = line_of(frame.key if frame.mapping else event)
        if (earlier := self._hits[frame.level]) is not None:
            raise PreconditionFailed(
                f"{spell(here)} stands in the file twice, in lines {earlier} and {line}; keep one of them."
            )
        if type(event) is AliasEvent:
            anchored = self.nodes.anchored(str(event.anchor))
            raise PreconditionFailed(
                f"{spell(here)} is an alias of what stands in line {anchored or line}; set that instead."
            )
        self._hits[frame.level] = line
        if frame.mapping:
            column = frame.key.start_mark.column
            frame.step = column - frame.column if column > frame.column else frame.step
            frame.column = column
            self._entry = (frame.key.start_mark.index, "{" if frame.flow else " " * column, frame.level)
        return frame.level + 1

    def _leaf(self, event: Any, level: int) -> None:
        if type(event) is AliasEvent:
            self._follow(event)
        target = level == len(self.path)
        merge = self._is_merge(level)
        node = self.nodes.add(event, keep=target or merge)
        if merge and node is not None:
            self._frames[-1].merges.append(node)
        if getattr(event, "anchor", None) and type(event) is ScalarEvent:
            self._bind(str(event.anchor), on_path=target)
        if target:
            self.done = True
            if self._select is None:
                self._found(event, node)
        elif level >= 0:
            self._stuck = (level + 1, f"there is {self.nodes.shown(event)}")

    def _open(self, event: Any, level: int) -> None:
        target, merge = level == len(self.path), self._is_merge(level)
        node = self.nodes.add(event, keep=(target and self._select is None) or merge)
        around = self._frames[-1] if self._frames else None
        if merge and node is not None and around is not None:
            around.merges.append(node)
        if event.anchor:
            self._bind(event.anchor, on_path=level >= 0)
        if target and self._select is None:
            self._found(event, node)
        elif target and type(event) is SequenceStartEvent:
            self.named = []
        flow = bool(event.flow_style) or (around is not None and around.flow)
        column, step = (around.column, around.step) if around else (0, 2)
        frame = _Frame(event, level, column, step, flow=flow, node=node)
        self._frames.append(frame)
        if around is not None and self.named is not None and around.level == len(self.path):
            frame.item = around.count - 1
        self._end = max(self._end, event.end_mark.index)

    def _close(self, event: Any) -> None:
        frame = self._frames.pop()
        self.nodes.close(event, frame.node)
        if frame.level == len(self.path):
            if self.place is not None:
                self.place.end = self._end
            self.done = True
        elif frame.level >= 0 and self._hits[frame.level] is None:
            self._missing(frame)

    def _missing(self, frame: _Frame) -> None:
        here = spell(self.path[: frame.level + 1])
        step = self.path[frame.level]
        for merge in frame.merges:
            if isinstance(step, str) and (line := self.nodes.merged(merge, step)) is not None:
                raise PreconditionFailed(
                    f"{here} is only inherited, by <<, from line {line}; set it there, for all who inherit it, or "
                    f"write the key into {spell(self.path[: frame.level]) or 'the file'} by hand."
                )
        if frame.mapping:
            names = [*frame.names[:_MOST_TOLD], *(["…"] if len(frame.names) > _MOST_TOLD else [])]
            there = f"there is {', '.join(names)}" if names else "there is an empty mapping"
        else:
            there = f"there is a list of {frame.count}"
        self._stuck = (frame.level + 1, there)

    def _found(self, event: Any, node: int | None) -> None:
        frame = self._frames[-1]
        assert node is not None
        start = event.start_mark.index
        after = frame.key.end_mark.index if frame.mapping else max(frame.event.start_mark.index, self._end)
        if not frame.mapping and frame.count == 1:
            after = frame.event.start_mark.index
        key = frame.key if frame.mapping else None
        self.place = Place(
            start, event.end_mark.index, after, event, key, frame.column, frame.step, frame.flow, node, self._entry
        )  # a mapping's or list's end is known when it ends

    def _on_path(self) -> bool:
        return bool(self._frames) and self._frames[-1].level >= 0

    def _is_merge(self, level: int) -> bool:
        if level >= 0 or not self._on_path():
            return False
        frame = self._frames[-1]
        return frame.mapping and not frame.count % 2 and type(frame.key) is ScalarEvent and frame.key.value == "<<"

    def _bind(self, name: str, *, on_path: bool) -> None:
        inside = self.place is not None and not self.done and not on_path
        self._watched.discard(name)
        self._inner.discard(name)
        if on_path:
            self._watched.add(name)
        elif inside:
            self._inner.add(name)

    def _follow(self, event: Any) -> None:
        """Note who follows the value, or refers to a part of it."""
        if self.place is not None and not self.done:
            return
        if event.anchor in self._inner and self.place is not None and self.place.torn is None:
            self.place.torn = (event.anchor, line_of(event))
        if event.anchor in self._watched and self.place is not None:
            self.place.followers.append(self._here())

    def _here(self) -> str:
        path: Path = []
        for frame in self._frames:
            if frame.mapping:
                path.append(str(getattr(frame.key, "value", "*")))
            else:
                path.append(frame.count - 1)
        return spell(path)
