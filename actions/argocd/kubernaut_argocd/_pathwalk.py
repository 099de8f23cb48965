"""One pass over a YAML text that finds the position of the value at a path.

libyaml reads the text. Kubernetes' parser was ported from it, so both see the same keys and scalars, and its events say
where in the text each is. Only what the value, anchors and merges need is kept. Used by `kubernaut_argocd.yamltext`.
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

from kubernaut_argocd._fieldpath import Path, PointerToken, format_path
from kubernaut_argocd._yamlnodes import KeptNodes, line_of
from kubernaut_sdk import NotFound, PreconditionFailed

__all__ = ["ValuePosition", "Walk", "events_of"]

_BLANK = " \t\r\n\x85\u2028\u2029"
_MOST_TOLD = 20
"""The most names in an error message, and the most followers in a change."""


def events_of(text: str) -> Iterator[Any]:
    """Yield the events of a text, which must not begin with a byte order mark.

    Raises:
        yaml.YAMLError: if the text is not YAML.
    """
    return iter(yaml.parse(text, Loader=yaml.CSafeLoader))


@dataclass
class ValuePosition:
    """The position of a value in a text; indexes count characters.

    Attributes:
        start: The index of its first character, including an anchor or tag.
        end: The index after its last character, before blank lines and comments that follow.
        after: An index before the indicator (`:` or `-`) that precedes the value, after the text before that.
        first: The first event of the value.
        key: The event of its key; None in a list.
        column: The column of the mapping around it.
        step: The indentation of that mapping, in columns.
        flow: True within braces or brackets.
        node: The id of the value's node.
        entry: The index of the innermost mapping key on the path, the text that must precede it, and the number of path
            parts up to it. With these, the text can be parsed from that key on, without all that precedes it.
        followers: The paths of aliases of the value, or of a node around it.
        split_anchor: The name and line of an alias elsewhere to an anchor inside the value, if there is one.
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
    split_anchor: tuple[str, int] | None = None


class _Frame:
    """A mapping or list whose end has not been read."""

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
    """The search for a value's position: takes the events of a text one by one.

    Args:
        path: The keys and indexes that lead to the value.
        document: The index of the document in the text, counted from 0.
        select: A key. With it, `named` becomes the texts that the items of the list at the path have under that key.
    """

    def __init__(self, path: Path, document: int, select: str | None = None) -> None:
        self.path, self.document = path, document
        self.named: list[str | None] | None = None
        self._select = select
        self.nodes = KeptNodes()
        self.place: ValuePosition | None = None
        self.documents = 0
        self.done = False  # True after the end of the value
        self._frames: list[_Frame] = []
        self._hits: list[int | None] = [None] * len(path)
        self._end = 0
        self._entry = (0, "", 0)
        self._watched: set[str] = set()
        self._inner: set[str] = set()
        self._missing_reason: tuple[int, str] | None = None

    def feed(self, event: Any) -> None:
        """Take the next event.

        Raises:
            PreconditionFailed: if the value is an alias or is there twice, or if Kubernetes would not read the file.
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
        """Check that the path was found.

        Raises:
            NotFound: if it was not; the message names what is there instead.
        """
        if self.document >= self.documents:
            raise NotFound(
                f"there is no document {self.document} in the file; it has {self.documents}, counted from 0."
            )
        if not self.done:
            level, there = self._missing_reason or (1, "there is nothing")
            raise NotFound(f"there is no {format_path(self.path[:level])}; {there}.")

    def _level(self, event: Any) -> int:
        """Count a child of the open frame; return the number of path parts that lead to it, or -1 off the path."""
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
            matches = type(key) is ScalarEvent and isinstance(step, str) and key.value == step
        else:
            matches = (type(step) is int or type(step) is PointerToken) and str(frame.count - 1) == str(step)
        return self._matched(frame, event) if matches else -1

    def _matched(self, frame: _Frame, event: Any) -> int:
        here = self.path[: frame.level + 1]
        line = line_of(frame.key if frame.mapping else event)
        if (earlier := self._hits[frame.level]) is not None:
            raise PreconditionFailed(
                f"{format_path(here)} stands in the file twice, in lines {earlier} and {line}; keep one of them."
            )
        if type(event) is AliasEvent:
            anchored = self.nodes.anchor_line(str(event.anchor))
            raise PreconditionFailed(
                f"{format_path(here)} is an alias of what stands in line {anchored or line}; set that instead."
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
            self._note_alias(event)
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
                self._record_position(event, node)
        elif level >= 0:
            self._missing_reason = (level + 1, f"there is {self.nodes.describe(event)}")

    def _open(self, event: Any, level: int) -> None:
        target, merge = level == len(self.path), self._is_merge(level)
        node = self.nodes.add(event, keep=(target and self._select is None) or merge)
        around = self._frames[-1] if self._frames else None
        if merge and node is not None and around is not None:
            around.merges.append(node)
        if event.anchor:
            self._bind(event.anchor, on_path=level >= 0)
        if target and self._select is None:
            self._record_position(event, node)
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
            self._explain_missing(frame)

    def _explain_missing(self, frame: _Frame) -> None:
        here = format_path(self.path[: frame.level + 1])
        step = self.path[frame.level]
        for merge in frame.merges:
            if isinstance(step, str) and (line := self.nodes.merged_line(merge, step)) is not None:
                raise PreconditionFailed(
                    f"{here} is only inherited, by <<, from line {line}; set it there, for all who inherit it, or "
                    f"write the key into {format_path(self.path[: frame.level]) or 'the file'} by hand."
                )
        if frame.mapping:
            names = [*frame.names[:_MOST_TOLD], *(["…"] if len(frame.names) > _MOST_TOLD else [])]
            there = f"there is {', '.join(names)}" if names else "there is an empty mapping"
        else:
            there = f"there is a list of {frame.count}"
        self._missing_reason = (frame.level + 1, there)

    def _record_position(self, event: Any, node: int | None) -> None:
        frame = self._frames[-1]
        assert node is not None
        start = event.start_mark.index
        after = frame.key.end_mark.index if frame.mapping else max(frame.event.start_mark.index, self._end)
        if not frame.mapping and frame.count == 1:
            after = frame.event.start_mark.index
        key = frame.key if frame.mapping else None
        self.place = ValuePosition(
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

    def _note_alias(self, event: Any) -> None:
        """Note an alias of the value, of a node around it, or of a part of it."""
        if self.place is not None and not self.done:
            return
        if event.anchor in self._inner and self.place is not None and self.place.split_anchor is None:
            self.place.split_anchor = (event.anchor, line_of(event))
        if event.anchor in self._watched and self.place is not None:
            self.place.followers.append(self._current_path())

    def _current_path(self) -> str:
        path: Path = []
        for frame in self._frames:
            if frame.mapping:
                path.append(str(getattr(frame.key, "value", "*")))
            else:
                path.append(frame.count - 1)
        return format_path(path)
