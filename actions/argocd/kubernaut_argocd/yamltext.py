"""One value within a YAML text, read and replaced so that every other byte stays: comments, order, quotes, indentation.

The new value is put right where the old one stands, whatever its shape, and the result is read again: had anything else
changed its meaning, or could the old bytes not be put back, it is refused. Called by `kubernaut_argocd.files`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import yaml
from yaml.events import MappingStartEvent, ScalarEvent, SequenceStartEvent

from kubernaut_argocd._nodes import Nodes
from kubernaut_argocd._path import Path, Selector, parse_field, spell
from kubernaut_argocd._spelling import block, inline, literal, quoted
from kubernaut_argocd._walk import Place, Walk, events_of
from kubernaut_sdk import ActionError, NotFound, PreconditionFailed

__all__ = ["Edit", "parse_field", "plan_edit", "read_state", "read_value", "replace_value", "restore"]

_BLANK = " \t\r\n\x85\u2028\u2029"
_PROPERTIES = re.compile(rf"(?:&[^{_BLANK}]+[{_BLANK}]*|!<[^>]*>[{_BLANK}]*|![^{_BLANK}]*[{_BLANK}]*)*")
_ANCHOR = re.compile(rf"&[^{_BLANK}]+[{_BLANK}]*")
_ASIDE = rf"(?:[{_BLANK}]|(?<![^{_BLANK}])#[^\r\n\x85\u2028\u2029]*)*"
_COLON = re.compile(rf"{_ASIDE}:")
_DASH = re.compile(rf"(?:[&!][^{_BLANK}]*|{_ASIDE})*?-(?=[{_BLANK}]|$)")
_TEMPLATE = re.compile(r"\{\{.*?(?:\}\}|$)")
_POINTER = "version https://git-lfs.github.com/spec/"
_FOLLOWING = 3
_MOST_FOLLOWERS = 20

State = dict[str, Any]


@dataclass(frozen=True)
class Edit:
    """A value's replacement.

    Attributes:
        before: What stands there: `value`, as the JSON that Kubernetes reads; `source`, as it is written, where this
            action would write it otherwise, so that it can be put back to the byte; `followers`, the fields that
            follow it by an anchor, where there are any.
        after: The same of what will stand there.
        text: The whole text with it.
    """

    before: State
    after: State
    text: str


@dataclass(frozen=True)
class _Found:
    """A place in a text, and what was read on the way.

    Attributes:
        text: Without a byte order mark.
        path: The way to it, by keys and indexes.
        document: Which document it is in.
        place: Where.
        count: Events of the text.
        value: The value, as JSON.
        whole: Whether that says all of it.
        size: Events of the value.
    """

    text: str
    path: Path
    document: int
    place: Place
    count: int
    value: Any
    whole: bool
    size: int

    @property
    def start(self) -> int:
        """The value's first character; where nothing stands, the place right behind the indicator."""
        return self.place.start if self.place.end > self.place.start else self.after

    @property
    def end(self) -> int:
        """Behind the value's own text: before the blank lines that a block ends with."""
        start = self.start
        return start + len(self.text[start : max(start, self.place.end)].rstrip(_BLANK))

    @property
    def after(self) -> int:
        """Behind the `:` or `-` that the value stands after."""
        pattern = _COLON if self.place.key is not None else _DASH
        if self.place.key is None and self.place.flow:
            return self.place.start
        match = pattern.match(self.text, self.place.after)
        if match is None or match.end() > self.place.start:
            raise PreconditionFailed("it stands without a colon; write one behind its key, by hand.")
        return match.end()

    @property
    def source(self) -> str:
        """The value as it is written; with what stands before it where that is more than one space."""
        start, end = self.start, self.end
        if end <= start:
            return ""
        gap = self.text[self.after : start]
        return self.text[start:end] if self.place.flow or gap == " " else gap + self.text[start:end]

    @property
    def state(self) -> State:
        """The value as a change tells it."""
        source, followers = self.source, self.place.followers
        spelt = {} if source == inline(self.value) and self.whole else {"source": source}
        told = [
            *followers[:_MOST_FOLLOWERS],
            *([f"{len(followers)} in all"] if len(followers) > _MOST_FOLLOWERS else []),
        ]
        return {"value": self.value} | spelt | ({"followers": told} if told else {})


def read_value(text: str, field: str, document: int) -> Any:
    """Return the value at a field as the JSON that Kubernetes reads. What JSON does not have is told as its text.

    Raises:
        NotFound: if there is no such field or document, with what there is.
        PreconditionFailed: if the text is not YAML, or the field is an alias, inherited, or stands there twice.
    """
    return _located(text.removeprefix("\ufeff"), field, document).value


def read_state(text: str, field: str, document: int) -> State:
    """Return what stands at a field, as a change tells it (`Edit.before`).

    Raises:
        NotFound, PreconditionFailed: as `read_value`.
    """
    return _located(text.removeprefix("\ufeff"), field, document).state


def replace_value(text: str, field: str, document: int, value: Any) -> str:
    """Return the text with another value at a field that is there.

    Raises:
        NotFound, PreconditionFailed: as `plan_edit`.
    """
    return plan_edit(text, field, document, value).text


def plan_edit(text: str, field: str, document: int, value: Any) -> Edit:
    """Return a value's replacement; where Kubernetes reads the same value there already, nothing is replaced.

    Raises:
        NotFound, PreconditionFailed: as `read_value`; and if it cannot be replaced without touching anything else.
    """
    return _planned(text, field, document, json.dumps(value))  # a step asks at least twice, of a large file


@lru_cache(maxsize=2)
def _planned(text: str, field: str, document: int, value_text: str) -> Edit:
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    value = json.loads(value_text)
    found = _located(text[len(mark) :], field, document)
    before = found.state
    if found.whole and _same(found.value, value):
        return Edit(before, before, text)
    _require_untorn(found, field)
    for spelt in _candidates(found, value):
        changed = found.text[: found.after] + spelt + found.text[found.end :]
        read = _reread(found, changed)
        after = _read(changed, *read, found) if read else None
        if after and after.whole and _same(after.value, value) and _put_back(after, found.source) == found.text:
            return Edit(before, after.state, mark + changed)
    raise PreconditionFailed(
        f"{field} cannot be set to {json.dumps(value)[:100]} without touching something else in the file; an anchor "
        f"or an odd layout is in the way, so change it by hand."
    )


def restore(text: str, field: str, document: int, state: State) -> str:
    """Return the text with what a change's `before` tells put back at a field, to the byte.

    Raises:
        NotFound, PreconditionFailed: as `read_value`; and if the state is none of that field.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    found = _located(text[len(mark) :], field, document)
    _require_untorn(found, field)
    source = state.get("source", inline(state.get("value")))
    if isinstance(source, str):
        changed = _put_back(found, source)
        # read as a whole, since what is put back may refer to what stands before it
        if _reread(found, changed) is not None:
            after = _located(changed, field, document)
            if after.place.torn is None and _same(after.state, state):
                return mark + changed
    raise PreconditionFailed(f"what the record says of {field} cannot be put back; change it by hand.")


def _require_untorn(found: _Found, field: str) -> None:
    if found.place.torn is not None:
        name, line = found.place.torn
        raise PreconditionFailed(
            f"{field} cannot be set without touching something else in the file: the anchor &{name} stands within it, "
            f"and line {line} refers to it; change it by hand."
        )


def _located(text: str, field: str, document: int) -> _Found:
    path = parse_field(field)
    for depth, step in enumerate(path):
        if isinstance(step, Selector):
            path[depth] = _index(text, path[: depth + 1], step, document)
    walk, count = _walked(text, path, document)
    walk.finish()
    place = walk.place
    assert place is not None
    value, whole = walk.nodes.value(place.node)
    return _Found(text, path, document, place, count, value, whole, walk.nodes.size(place.node))


def _walked(text: str, path: Path, document: int, select: str | None = None) -> tuple[Walk, int]:
    if text.startswith(_POINTER):
        raise PreconditionFailed("the file is a pointer of Git LFS, and no YAML; its content is not in the repository.")
    walk, count = Walk(path, document, select), 0
    try:
        for event in events_of(text):
            walk.feed(event)
            count += 1
    except yaml.YAMLError as error:
        raise PreconditionFailed(_unusable(text, error), reason="NotYaml") from None
    return walk, count


def _read(text: str, place: Place, nodes: Nodes, beside: _Found) -> _Found | None:
    """Return what a changed text has at a place; None where that is nothing one could read."""
    place.followers = beside.place.followers
    try:
        value, whole = nodes.value(place.node)
        found = replace(beside, text=text, place=place, value=value, whole=whole, size=nodes.size(place.node))
        readable = found.after >= 0
    except PreconditionFailed:
        return None
    else:
        return found if readable else None


def _index(text: str, here: Path, selector: Selector, document: int) -> int:
    """Return which item of a list has the key's value."""
    walk, _ = _walked(text, here[:-1], document, selector.key)
    walk.finish()
    if walk.named is None:
        raise NotFound(f"there is no {spell(here)}; {spell(here[:-1])} is no list.")
    values = walk.named
    if values.count(selector.value) > 1:
        raise PreconditionFailed(f"{spell(here)} stands in the file twice; name the item by its index.")
    if selector.value not in values:
        there = (
            ", ".join(value for value in values[:_MOST_FOLLOWERS] if value is not None) or f"a list of {len(values)}"
        )
        raise NotFound(f"there is no {spell(here)}; there is {there}.")
    return values.index(selector.value)


def _unusable(text: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 1
    for number, content in enumerate(text.split("\n")[:line], start=1):
        if (expression := _TEMPLATE.search(content)) and not content.lstrip().startswith("#"):
            return (
                f"the file is not usable YAML: line {number} holds an expression of a template, "
                f"{expression[0][:60]}; change the values that the template is filled with."
            )
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return f"the file is not usable YAML: line {line}: {' '.join(str(problem).split())[:200]}."


def _reread(found: _Found, changed: str) -> tuple[Place, Nodes] | None:
    """Return the place in a changed text, or None where anything but its value has changed.

    The text is the same up to the value and behind it. So it means the same if, from a key on the way to the value,
    the same events come before it, and the next ones after it stand at the same place from the end; and if the whole
    has as many more events as the value has.
    """
    offset, lead, level = found.place.entry
    if "%TAG" in found.text or found.text[:offset].rstrip(" ").endswith("?"):
        offset, lead, level = 0, "", 0
    document = 0 if lead or offset else found.document
    old, new = (_excerpt(lead, text, offset, found.path[level:], document) for text in (found.text, changed))
    if old is None or new is None or (old.before, old.behind) != (new.before, new.behind):
        return None
    try:
        count = yaml.CSafeLoader(changed).raw_parse()
    except yaml.YAMLError:
        return None
    if count - found.count != new.size - found.size:
        return None
    return new.place, new.nodes


@dataclass(frozen=True)
class _Excerpt:
    """The neighbourhood of a value: the events before it and the next ones behind it, and the value's place."""

    before: list[Any]
    behind: list[Any]
    place: Place
    nodes: Nodes

    @property
    def size(self) -> int:
        """Events of the value."""
        return self.nodes.size(self.place.node)


def _excerpt(lead: str, text: str, offset: int, path: Path, document: int) -> _Excerpt | None:
    """Read the text from a mapping's key on, with `lead` instead of what stands before, until behind the value."""
    part = lead + text[offset:]
    walk, before, behind = Walk(path, document), list[Any](), list[Any]()
    try:
        for event in events_of(part):
            if walk.done:
                behind.append((*_meaning(event), len(part) - event.start_mark.index))
                if len(behind) == _FOLLOWING:
                    break
            walk.feed(event)
            if walk.place is None:
                before.append(_meaning(event))
    except (yaml.YAMLError, ActionError) as error:
        # the end of the mapping around may look odd where that was left out: but odd alike
        behind.append(type(error))
    if walk.place is None or not walk.done:
        return None
    moved, place = offset - len(lead), walk.place
    place.start, place.end, place.after = place.start + moved, place.end + moved, place.after + moved
    return _Excerpt(before, behind, place, walk.nodes)


def _meaning(event: Any) -> tuple[Any, ...]:
    return type(event), *(getattr(event, name, None) for name in ("value", "tag", "anchor", "style"))


def _put_back(found: _Found, source: str) -> str:
    """Return the text with a value as it was written, in place of the one that is there."""
    before, after = found.text[: found.after], found.text[found.end :]
    if source and source[0] not in _BLANK:
        return (found.text[: found.start] if found.place.flow else f"{before} ") + source + after
    return before + source + after


def _candidates(found: _Found, value: Any) -> Iterator[str]:
    """Yield what could stand behind the indicator, the best looking first. Each has still to be read again."""
    text, place = found.text, found.place
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = text[found.after : found.start] or ("" if place.flow and found.end > found.start else " ")
    properties = _PROPERTIES.match(text[: found.end], found.start)
    assert properties is not None
    start = properties.end()
    anchor = "".join(_ANCHOR.findall(properties[0]))
    if anchor and anchor[-1] not in _BLANK:
        anchor += " "
    if text.lstrip(_BLANK)[:1] in {"{", "["}:  # JSON stays JSON
        yield f"{gap}{anchor}{json.dumps(value, ensure_ascii=False)}"
    was_block = isinstance(place.first, MappingStartEvent | SequenceStartEvent) and not place.first.flow_style
    was_flow = isinstance(place.first, MappingStartEvent | SequenceStartEvent) and bool(place.first.flow_style)
    if isinstance(value, dict | list) and value and not place.flow and not was_flow:
        if was_block or place.key is None:
            column = start - max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) - 1
            yield f"{gap}{anchor}{block(value, column, newline)}"
        if place.key is not None and found.end > found.start:
            column = place.column + place.step
            yield f"{(gap + anchor).rstrip(' ')}{newline}{' ' * column}{block(value, column, newline)}"
    if (
        isinstance(value, str)
        and "\n" in value
        and isinstance(place.first, ScalarEvent)
        and place.first.style in {"|", ">"}
    ):
        indentation = re.search(r"\n( *)\S", text[start : found.end])
        told = literal(value, indentation[1], newline) if indentation else None
        if told is not None:
            yield f"{gap}{anchor}{told}"
    if was_block and not gap.strip(_BLANK):
        gap, anchor = " ", anchor.strip(_BLANK) + (" " if anchor else "")
    style = place.first.style if isinstance(place.first, ScalarEvent) else None
    yield f"{gap}{anchor}{inline(value, style)}"
    yield f"{gap}{anchor}{quoted(value)}"


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON; to Kubernetes, 1 and 1.0 are, while to Python true is 1 as well."""
    return json.dumps(_plain(one), sort_keys=True) == json.dumps(_plain(other), sort_keys=True)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
        case _:
            return value
