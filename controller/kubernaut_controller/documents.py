"""YAML in and out: what a person wrote, without YAML's surprises; what we print, without making new ones."""

import contextlib
from typing import Any

import yaml

from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.portable import loads, shorten

__all__ = ["dump_yaml", "load_yaml"]

LARGEST_FILE = 1024 * 1024
_MOST_NODES = 200_000


class _Loader(yaml.SafeLoader):
    """As Kubernetes reads YAML: no timestamps, no sexagesimal numbers; and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text; quote it", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str, where: str) -> dict[str, Any]:
    """The one mapping that a YAML (or JSON) text holds.

    Raises:
        InvalidWorkflow: with the line and column of what is wrong.
    """
    if len(text) > LARGEST_FILE:
        raise InvalidWorkflow([Fault(where, f"has {len(text)} characters; at most {LARGEST_FILE} (1 MiB) are read")])
    try:
        document = _json(text) or yaml.load(text, Loader=_Loader)  # noqa: S506 – a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark else where
        raise InvalidWorkflow([Fault(place, f"not usable YAML: {_told(error)}")]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidWorkflow([Fault(where, f"not usable YAML: {shorten(str(error), 200)}")]) from None
    if not isinstance(document, dict):
        raise InvalidWorkflow([Fault(where, f"must hold one mapping, not {type(document).__name__}")])
    if _size(document, {}) > _MOST_NODES:
        raise InvalidWorkflow([Fault(where, "its aliases expand to more than 200,000 values")])
    return document


def _json(text: str) -> Any:
    """The value of a text that is JSON; YAML would take the halves of an escaped emoji for two characters."""
    if text.lstrip().startswith("{"):
        with contextlib.suppress(InvalidInputs):
            return loads(text)
    return None


def _told(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(part for part in (error.context, error.problem) if part)


def _size(value: Any, known: dict[int, int]) -> int:
    """Values within a value, shared ones counted each time they are reached but walked once."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = _MOST_NODES  # a cycle is too large
        known[id(value)] = 1 + sum(
            _size(item, known) for item in (value.values() if isinstance(value, dict) else value)
        )
    return known[id(value)]


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc] # libyaml where PyYAML has it: 5×
    """Quotes every text that some YAML reader could take for something else (`y`, `1e3`, `0o7`, `=`)."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = text.isascii() and text[:1].isalpha() and all(sign.isalnum() or sign in "-/._" for sign in text)
    words = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    style = None if plain and text.lower() not in words else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(document: dict[str, Any]) -> str:
    """A document as YAML, in the order of its keys; the same bytes for the same document."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20)
