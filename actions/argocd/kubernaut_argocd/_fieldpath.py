"""Field paths: `spec.containers[0].image`, `spec.containers[name=web].image`."""

import json
import re
from dataclasses import dataclass

from kubernaut_sdk import InvalidInputs

__all__ = ["Path", "Selector", "format_path", "parse_field"]

_TOKEN = re.compile(
    r"""
    \.?(?: (?P<name>[^.\[\]\"]+) | \"(?P<quoted>(?:[^\"\\]|\\.)*)\" )
  | \[(?P<index>\d{1,9})\]
  | \[(?P<key>[^\[\]=\"]+)=(?: \"(?P<within>(?:[^\"\\]|\\.)*)\" | (?P<value>[^\[\]\"]*) )\]
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Selector:
    """A part of a path that selects the list item whose key has a value: `[name=web]`."""

    key: str
    value: str


Path = list[str | int | Selector]


def parse_field(field: str) -> Path:
    """Return the parts of a path: keys, indexes and selectors. A key with dots is in double quotes.

    Raises:
        InvalidInputs: if the text is not such a path.
    """
    path: Path = []
    place = 0
    while place < len(field):
        match = _TOKEN.match(field, place)
        if match is None or (place == 0 and field[0] == "."):
            raise InvalidInputs(
                f"field {field!r}: at character {place + 1}; write a path such as spec.containers[0].image."
            )
        path.append(_step(match))
        place = match.end()
    if not path:
        raise InvalidInputs("field: is empty; write a path such as spec.replicas.")
    return path


def format_path(path: Path) -> str:
    """Return a path as text."""
    return "".join(_format_step(step) for step in path).lstrip(".")


def _step(match: re.Match[str]) -> str | int | Selector:
    name, double_quoted, index, key, within, value = match.groups()
    if index is not None:
        return int(index)
    if key is not None:
        return Selector(key, _unquoted(within) if within is not None else value)
    return name if name is not None else _unquoted(double_quoted)


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        raise InvalidInputs(f'field: "{text}" is not a text as JSON writes it.') from None


def _format_step(step: str | int | Selector) -> str:
    match step:
        case int():
            return f"[{step}]"
        case Selector():
            return f"[{step.key}={step.value}]"
        case _:
            return f".{step}" if re.fullmatch(r'[^.\[\]"]+', step) else f".{json.dumps(step, ensure_ascii=False)}"
