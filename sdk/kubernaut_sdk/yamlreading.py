"""The JSON value of a YAML text, as kubectl sends it to the API server. Needs the extra `[yaml]`.

libyaml's events are composed here, since PyYAML's own composers recurse without bounds and resolve scalars by other
rules; `kubernaut_sdk.yamlscalars` has Kubernetes'. Of what kubectl takes, refused is only what would be lost on the way
without a word: a key given twice, a second document.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from kubernaut_sdk.portable import shorten
from kubernaut_sdk.yamlscalars import key_text, plain_value, tagged_value

__all__ = ["YamlFault", "read_yaml"]

_DEEPEST = 100
_MOST_NODES = 200_000
_MERGE_TAG = "tag:yaml.org,2002:merge"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, of which Kubernetes' reader is a port
_SEPARATOR = re.compile(r"^---(?!\s*(#.*)?$)", re.MULTILINE)


class YamlFault(ValueError):
    """A text that is no usable YAML.

    Attributes:
        line, column: Where, counted from 1; None where that is not known.
    """

    def __init__(self, message: str, mark: Any = None) -> None:
        super().__init__(message)
        self.line: int | None = mark.line + 1 if mark else None
        self.column: int | None = mark.column + 1 if mark else None


@dataclass(slots=True)
class _Node:
    """A node of the document, with how deep and how large it is, aliases followed."""

    kind: str
    mark: Any
    anchor: str | None = None
    text: str = ""
    tag: str | None = None
    plain: bool = False
    children: list["_Node"] = field(default_factory=list)
    depth: int = 1
    size: int = 1
    aliased: bool = False

    @property
    def merges(self) -> bool:
        """True for the key `<<`."""
        is_merge = self.plain or self.tag == _MERGE_TAG
        return self.kind == "scalar" and self.text == "<<" and is_merge and not self.aliased


def read_yaml(text: str) -> Any:
    """Return the value of the one document that a text holds; None where there is none.

    Raises:
        YamlFault: with the place of what is wrong.
    """
    roots = [root for root in _documents(text) if not (root.kind == "scalar" and _scalar(root) is None)]
    if len(roots) > 1:
        raise YamlFault(
            f"a second document begins here, of {len(roots)}; write each into a file of its own", roots[1].mark
        )
    if match := _SEPARATOR.search(text):
        rest = text[match.start() + 3 :].split("\n", 1)[0]
        line = text.count("\n", 0, match.start())
        raise YamlFault(
            f"kubectl takes only a comment after ---, not {shorten(rest.strip())}; put it on the next line",
            yaml.Mark("", match.start(), line, 0, None, 0),
        )
    return _value(roots[0]) if roots else None


def _documents(text: str) -> Iterator[_Node]:
    whole = text.removesuffix("\n") + "\n"  # kubectl ends the last line too
    try:
        yield from _compose(yaml.parse(whole, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlFault(told, error.problem_mark) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise YamlFault(shorten(" ".join(str(error).split()), 200)) from None


def _compose(events: Iterator[Any]) -> Iterator[_Node]:
    """Yield the root of each document."""
    open_nodes: list[_Node] = []
    anchors: dict[str, _Node | None] = {}
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            anchors.clear()
            if event.version or event.tags:
                raise YamlFault("kubectl takes no directives such as %YAML; leave them out", event.start_mark)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append(_opened(event, anchors))
            if len(open_nodes) > _DEEPEST:
                raise YamlFault(f"nested more than {_DEEPEST} deep", event.start_mark)
        elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            node = _closed(open_nodes.pop()) if isinstance(event, yaml.CollectionEndEvent) else _leaf(event, anchors)
            if node.anchor:
                anchors[node.anchor] = node
            if not open_nodes:
                yield node
            else:
                open_nodes[-1].children.append(node)


def _opened(event: Any, anchors: dict[str, _Node | None]) -> _Node:
    if event.anchor:
        anchors[event.anchor] = None  # until it is whole
    kind = "mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence"
    return _Node(kind, event.start_mark, event.anchor)


def _leaf(event: Any, anchors: dict[str, _Node | None]) -> _Node:
    if isinstance(event, yaml.ScalarEvent):
        return _Node("scalar", event.start_mark, event.anchor, event.value, event.tag, event.implicit[0])
    if event.anchor not in anchors:
        raise YamlFault(f"there is no anchor {event.anchor!r} before this alias", event.start_mark)
    node = anchors[event.anchor]
    if node is None:
        raise YamlFault(f"the anchor {event.anchor!r} holds itself", event.start_mark)
    return replace(node, anchor=None, aliased=True)


def _closed(node: _Node) -> _Node:
    node.depth = 1 + max((child.depth for child in node.children), default=0)
    node.size = 1 + sum(child.size for child in node.children)
    if node.depth > _DEEPEST:
        raise YamlFault(f"its aliases nest more than {_DEEPEST} deep", node.mark)
    if node.size > _MOST_NODES:
        raise YamlFault(f"its aliases expand to more than {_MOST_NODES:,} values", node.mark)
    return node


def _value(node: _Node) -> Any:
    match node.kind:
        case "scalar":
            return _scalar(node)
        case "sequence":
            return [_value(child) for child in node.children]
        case _:
            return _mapping(node)


def _scalar(node: _Node) -> Any:
    if node.tag is None:
        value = plain_value(node.text) if node.plain else node.text
    else:
        try:
            value = tagged_value(node.tag, node.text)
        except ValueError as error:
            raise YamlFault(str(error), node.mark) from None
    if isinstance(value, float) and value - value != 0:
        raise YamlFault(f"{node.text} is no number to JSON; quote it if a text is meant", node.mark)
    return value


def _mapping(node: _Node) -> dict[str, Any]:
    """Return the mapping as go-yaml merges: a `<<` replaces what stands before it, and is replaced by what follows."""
    result: dict[str, Any] = {}
    own: set[str] = set()
    for key_node, value_node in zip(node.children[::2], node.children[1::2], strict=True):
        if key_node.merges:
            for source in _merged(value_node):
                result.update(_mapping(source))
            continue
        key = _key(key_node)
        if key in own:
            raise YamlFault(f"the key {key!r} stands there twice", key_node.mark)
        own.add(key)
        result[key] = _value(value_node)
    return result


def _merged(node: _Node) -> list[_Node]:
    sources = node.children[::-1] if node.kind == "sequence" and not node.aliased else [node]
    for source in sources:
        if source.kind != "mapping":
            raise YamlFault("<< takes a mapping, or a list of mappings", source.mark)
    return sources


def _key(node: _Node) -> str:
    if node.kind != "scalar":
        raise YamlFault("a mapping or list cannot be a key", node.mark)
    try:
        return key_text(node.text) if node.tag is None and node.plain else _tagged_key(node)
    except ValueError as error:
        raise YamlFault(str(error), node.mark) from None


def _tagged_key(node: _Node) -> str:
    value = _scalar(node)
    if isinstance(value, str):
        return value
    raise ValueError(f"the key {node.text!r} has a tag other than !!str; leave it out")
