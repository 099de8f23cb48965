"""YAML and JSON documents: read as the API server reads them, and written so that every reader agrees."""

import contextlib
from typing import Any

import yaml

from kubernaut_controller.faults import Fault, InvalidWorkflow
from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.portable import loads
from kubernaut_sdk.yamlreading import YamlFault, read_yaml
from kubernaut_sdk.yamlscalars import needs_quotes

__all__ = ["dump_yaml", "load_yaml"]

LARGEST_FILE = 1024 * 1024


def load_yaml(text: str, where: str) -> dict[str, Any]:
    """Return the one mapping that a YAML (or JSON) text holds.

    Raises:
        InvalidWorkflow: with the line and column of what is wrong.
    """
    if len(text) > LARGEST_FILE:
        raise InvalidWorkflow([Fault(where, f"has {len(text)} characters; at most {LARGEST_FILE} (1 MiB) are read")])
    try:
        document = _json(text) or read_yaml(text)
    except YamlFault as fault:
        place = f"{where}, line {fault.line}, column {fault.column}" if fault.line else where
        raise InvalidWorkflow([Fault(place, f"not usable YAML: {fault}")]) from None
    if not isinstance(document, dict):
        raise InvalidWorkflow([Fault(where, f"must hold one mapping, not {type(document).__name__}")])
    return document


def _json(text: str) -> Any:
    """Return the value of a JSON text, which may have tabs and lone surrogates, which YAML refuses."""
    if text.lstrip().startswith("{"):
        with contextlib.suppress(InvalidInputs):
            return _as_kept(loads(text))
    return None


def _as_kept(value: Any) -> Any:
    """Return a value as the API server keeps it: a number without a fraction is an integer."""
    match value:
        case dict():
            return {key: _as_kept(item) for key, item in value.items()}
        case list():
            return [_as_kept(item) for item in value]
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
        case _:
            return value


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc] # libyaml where PyYAML has it: 5×
    """A dumper that quotes every text that some YAML reader could take for another type (`y`, `1e3`, `0o7`, `=`)."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    simple = text[:1].isalpha() and all(sign.isalnum() or sign in "-/._" for sign in text)
    plain = simple and not needs_quotes(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def dump_yaml(document: dict[str, Any]) -> str:
    """Return a document as YAML, in the order of its keys; the same bytes for the same document."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20)
