"""One value in a YAML text, read and replaced while every other byte stays: comments, order, quotes, indentation.

The new value is put in the place of the old one, and the result is parsed again. If anything else has changed its
meaning, or the old bytes could not be restored, the edit is refused. Used by `kubernaut_argocd.files`.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import yaml
from yaml.events import MappingStartEvent, ScalarEvent, SequenceStartEvent

from kubernaut_argocd._creation import insertions, meanings, only_adds
from kubernaut_argocd._fieldpath import Path, Selector, format_path, parse_field
from kubernaut_argocd._pathwalk import ValuePosition, Walk, events_of
from kubernaut_argocd._yamlnodes import KeptNodes
from kubernaut_argocd._yamlwriting import block_style, double_quoted, inline_style, literal_style
from kubernaut_sdk import ActionError, NotFound, PreconditionFailed

__all__ = ["ABSENT", "Edit", "parse_field", "plan_edit", "read_state", "read_value", "replace_value", "restore"]

ABSENT = "absent"
"""The key of the state of a field that is not there and is to be created."""

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
    """The replacement of a value.

    Attributes:
        before: The state now: `value`, the JSON that Kubernetes reads; `source`, the value's text, if this action would
            write it differently, so that it can be restored to the byte; `followers`, the fields that refer to it by an
            alias, if there are any. For a field that is created: `absent`, and `inserted`, the text for it.
        after: The state after the edit, in the same form.
        text: The whole text after the edit.
    """

    before: State
    after: State
    text: str


@dataclass(frozen=True)
class _LocatedValue:
    """A value that was found in a text.

    Attributes:
        text: The whole text, without a byte order mark.
        path: The keys and indexes that lead to the value.
        document: The index of the document.
        place: The position of the value.
        count: The number of events of the whole text.
        value: The value, as JSON.
        lossless: True if nothing is lost in that JSON.
        size: The number of events of the value.
    """

    text: str
    path: Path
    document: int
    place: ValuePosition
    count: int
    value: Any
    lossless: bool
    size: int

    @property
    def start(self) -> int:
        """The index of the value's first character; for an empty value, the index after the indicator."""
        return self.place.start if self.place.end > self.place.start else self.after

    @property
    def end(self) -> int:
        """The index after the value's own text, before blank lines at the end of a block."""
        start = self.start
        return start + len(self.text[start : max(start, self.place.end)].rstrip(_BLANK))

    @property
    def after(self) -> int:
        """The index after the `:` or `-` that precedes the value."""
        pattern = _COLON if self.place.key is not None else _DASH
        if self.place.key is None and self.place.flow:
            return self.place.start
        match = pattern.match(self.text, self.place.after)
        if match is None or match.end() > self.place.start:
            raise PreconditionFailed("it stands without a colon; write one behind its key, by hand.")
        return match.end()

    @property
    def source(self) -> str:
        """The text of the value, including what precedes it if that is more than one space."""
        start, end = self.start, self.end
        if end <= start:
            return ""
        gap = self.text[self.after : start]
        return self.text[start:end] if self.place.flow or gap == " " else gap + self.text[start:end]

    @property
    def state(self) -> State:
        """The state of the value, for a change."""
        source, followers = self.source, self.place.followers
        spelt = {} if source == inline_style(self.value) and self.lossless else {"source": source}
        shown = [
            *followers[:_MOST_FOLLOWERS],
            *([f"{len(followers)} in all"] if len(followers) > _MOST_FOLLOWERS else []),
        ]
        return {"value": self.value} | spelt | ({"followers": shown} if shown else {})


def read_value(text: str, field: str, document: int) -> Any:
    """Return the value at a field as the JSON that Kubernetes reads. What JSON does not have is told as its text.

    Raises:
        NotFound: if there is no such field or document, with what there is.
        PreconditionFailed: if the text is not YAML, or the field is an alias, inherited, or stands there twice.
    """
    return _locate(text.removeprefix("\ufeff"), field, document).value


def read_state(text: str, field: str, document: int) -> State:
    """Return what stands at a field, as a change tells it (`Edit.before`).

    Raises:
        NotFound, PreconditionFailed: as `read_value`.
    """
    return _locate(text.removeprefix("\ufeff"), field, document).state


def replace_value(text: str, field: str, document: int, value: Any) -> str:
    """Return the text with another value at a field that is there.

    Raises:
        NotFound, PreconditionFailed: as `plan_edit`.
    """
    return plan_edit(text, field, document, value).text


def plan_edit(text: str, field: str, document: int, value: Any, *, create: bool = False) -> Edit:
    """Return a value's replacement; where Kubernetes reads the same value there already, nothing is replaced.

    Args:
        text: The text.
        field: The field's path.
        document: The index of the document.
        value: The new value.
        create: True to insert the field, with what must be around it, if it is not there.

    Raises:
        NotFound, PreconditionFailed: as `read_value`; and if it cannot be replaced without touching anything else.
    """
    # a step calls this at least twice; for a large file it takes a second
    try:
        return _plan_edit_cached(text, field, document, json.dumps(value))
    except NotFound:
        if not create:
            raise
    return _plan_creation(text, field, document, value)


@lru_cache(maxsize=2)
def _plan_edit_cached(text: str, field: str, document: int, value_text: str) -> Edit:
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    value = json.loads(value_text)
    found = _locate(text[len(mark) :], field, document)
    before = found.state
    if found.lossless and same_json(found.value, value):
        return Edit(before, before, text)
    _require_unsplit(found, field)
    for spelt in _candidates(found, value):
        changed = found.text[: found.after] + spelt + found.text[found.end :]
        read = _find_again(found, changed)
        after = _read(changed, *read, found) if read else None
        if (
            after
            and after.lossless
            and same_json(after.value, value)
            and _with_source(after, found.source) == found.text
        ):
            return Edit(before, after.state, mark + changed)
    raise PreconditionFailed(
        f"{field} cannot be set to {json.dumps(value)[:100]} without touching something else in the file; an anchor "
        f"or an odd layout is in the way, so change it by hand."
    )


def _plan_creation(text: str, field: str, document: int, value: Any) -> Edit:
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text[len(mark) :]
    try:
        old = meanings(body)
        for insertion in insertions(body, parse_field(field), document, value):
            changed = body[: insertion.at] + insertion.text + body[insertion.at :]
            with contextlib.suppress(yaml.YAMLError, ActionError):
                after = _locate(changed, _last_item(field, body, document), document)
                if after.lossless and same_json(after.value, value) and only_adds(old, meanings(changed)):
                    return Edit({ABSENT: True, "inserted": insertion.text}, after.state, mark + changed)
    except yaml.YAMLError as error:
        raise PreconditionFailed(_unusable(text, error), reason="NotYaml") from None
    raise PreconditionFailed(
        f"{field} cannot be created without touching something else in the file; the layout around it is in the way, "
        f"so write it by hand."
    )


def _last_item(field: str, text: str, document: int) -> str:
    """Return the field with the index of a new item in place of a pointer's last `-`."""
    if not (field.startswith("/") and field.endswith("/-")):
        return field
    listed = _locate(text, field[:-2], document).value if field != "/-" else None
    return f"{field[:-1]}{len(listed) if isinstance(listed, list) else 0}"


def _without_inserted(text: str, field: str, document: int, state: State) -> str:
    """Return the text without a field that was created, if that leaves what was there before, to the byte."""
    inserted, value = str(state.get("inserted") or ""), _locate(text.removeprefix("\ufeff"), field, document).value
    place = text.find(inserted) if inserted else -1
    while place >= 0:
        before = text[:place] + text[place + len(inserted) :]
        with contextlib.suppress(ActionError):
            edit = plan_edit(before, field, document, value, create=True)
            if edit.text == text and edit.before == state:
                return before
        place = text.find(inserted, place + 1)
    raise PreconditionFailed(f"what was inserted for {field} does not stand there any more; remove it by hand.")


def restore(text: str, field: str, document: int, state: State) -> str:
    """Return the text with a field restored to a state, to the byte.

    Raises:
        NotFound, PreconditionFailed: as `read_value`; and if the state cannot be that of the field.
    """
    if state.get(ABSENT) is True:
        return _without_inserted(text, field, document, state)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    found = _locate(text[len(mark) :], field, document)
    _require_unsplit(found, field)
    source = state.get("source", inline_style(state.get("value")))
    if isinstance(source, str):
        changed = _with_source(found, source)
        # parsed as a whole, since the restored text may refer to anchors before it
        if _find_again(found, changed) is not None:
            after = _locate(changed, field, document)
            if after.place.split_anchor is None and same_json(after.state, state):
                return mark + changed
    raise PreconditionFailed(f"what the record says of {field} cannot be put back; change it by hand.")


def _require_unsplit(found: _LocatedValue, field: str) -> None:
    if found.place.split_anchor is not None:
        name, line = found.place.split_anchor
        raise PreconditionFailed(
            f"{field} cannot be set without touching something else in the file: the anchor &{name} stands within it, "
            f"and line {line} refers to it; change it by hand."
        )


def _locate(text: str, field: str, document: int) -> _LocatedValue:
    path = parse_field(field)
    for depth, step in enumerate(path):
        if isinstance(step, Selector):
            path[depth] = _index(text, path[: depth + 1], step, document)
    walk, count = _walk_text(text, path, document)
    walk.finish()
    place = walk.place
    assert place is not None
    value, lossless = walk.nodes.value(place.node)
    return _LocatedValue(text, path, document, place, count, value, lossless, walk.nodes.size(place.node))


def _walk_text(text: str, path: Path, document: int, select: str | None = None) -> tuple[Walk, int]:
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


def _read(text: str, place: ValuePosition, nodes: KeptNodes, beside: _LocatedValue) -> _LocatedValue | None:
    """Return the value at a position of a changed text, or None if it cannot be read."""
    place.followers = beside.place.followers
    try:
        value, lossless = nodes.value(place.node)
        found = replace(beside, text=text, place=place, value=value, lossless=lossless, size=nodes.size(place.node))
        readable = found.after >= 0
    except PreconditionFailed:
        return None
    else:
        return found if readable else None


def _index(text: str, here: Path, selector: Selector, document: int) -> int:
    """Return the index of the list item whose key has the selector's value."""
    walk, _ = _walk_text(text, here[:-1], document, selector.key)
    walk.finish()
    if walk.named is None:
        raise NotFound(f"there is no {format_path(here)}; {format_path(here[:-1])} is no list.")
    values = walk.named
    if values.count(selector.value) > 1:
        raise PreconditionFailed(f"{format_path(here)} stands in the file twice; name the item by its index.")
    if selector.value not in values:
        there = (
            ", ".join(value for value in values[:_MOST_FOLLOWERS] if value is not None) or f"a list of {len(values)}"
        )
        raise NotFound(f"there is no {format_path(here)}; there is {there}.")
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


def _find_again(found: _LocatedValue, changed: str) -> tuple[ValuePosition, KeptNodes] | None:
    """Return the value's position in a changed text, or None if anything but the value has changed.

    The two texts are equal before and after the value. So the rest means the same if, from a key on the path on, the
    same events precede the value, if the next events after it have the same distance from the end, and if the whole
    text has as many more events as the value has.
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
    """The events around a value: those before it, the next ones after it, and the value's position."""

    before: list[Any]
    behind: list[Any]
    place: ValuePosition
    nodes: KeptNodes

    @property
    def size(self) -> int:
        """The number of events of the value."""
        return self.nodes.size(self.place.node)


def _excerpt(lead: str, text: str, offset: int, path: Path, document: int) -> _Excerpt | None:
    """Parse the text from a mapping's key to after the value, with `lead` in place of what precedes the key."""
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
        # without what precedes it, the end of the mapping may be an error; it must be the same error in both texts
        behind.append(type(error))
    if walk.place is None or not walk.done:
        return None
    moved, place = offset - len(lead), walk.place
    place.start, place.end, place.after = place.start + moved, place.end + moved, place.after + moved
    return _Excerpt(before, behind, place, walk.nodes)


def _meaning(event: Any) -> tuple[Any, ...]:
    return type(event), *(getattr(event, name, None) for name in ("value", "tag", "anchor", "style"))


def _with_source(found: _LocatedValue, source: str) -> str:
    """Return the text with the value replaced by the given source text."""
    before, after = found.text[: found.after], found.text[found.end :]
    if source and source[0] not in _BLANK:
        return (found.text[: found.start] if found.place.flow else f"{before} ") + source + after
    return before + source + after


def _candidates(found: _LocatedValue, value: Any) -> Iterator[str]:
    """Yield the notations that could follow the indicator, the best first. Each must still be checked by parsing."""
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
            yield f"{gap}{anchor}{block_style(value, column, newline)}"
        if place.key is not None and found.end > found.start:
            column = place.column + place.step
            yield f"{(gap + anchor).rstrip(' ')}{newline}{' ' * column}{block_style(value, column, newline)}"
    if (
        isinstance(value, str)
        and "\n" in value
        and isinstance(place.first, ScalarEvent)
        and place.first.style in {"|", ">"}
    ):
        indentation = re.search(r"\n( *)\S", text[start : found.end])
        lines = literal_style(value, indentation[1], newline) if indentation else None
        if lines is not None:
            yield f"{gap}{anchor}{lines}"
    if was_block and not gap.strip(_BLANK):
        gap, anchor = " ", anchor.strip(_BLANK) + (" " if anchor else "")
    style = place.first.style if isinstance(place.first, ScalarEvent) else None
    yield f"{gap}{anchor}{inline_style(value, style)}"
    yield f"{gap}{anchor}{double_quoted(value)}"


def same_json(one: Any, other: Any) -> bool:
    """Return True if two values are the same JSON. To Kubernetes 1 equals 1.0; to Python True equals 1, too."""
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
