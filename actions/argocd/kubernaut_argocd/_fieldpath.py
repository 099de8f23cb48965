"""Field paths: `spec.containers[0].image`, `spec.containers[name=web].image`, `/spec/containers/0/image`.

The last form is a JSON pointer (RFC 6901): a number in it is an index in a list, and a key in a mapping.
"""

import json
import re
from dataclasses import dataclass

from kubernaut_sdk import InvalidInputs

__all__ = ["Path", "PointerToken", "Selector", "format_path", "parse_field"]

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


class PointerToken(str):
    """A part of a JSON pointer that may be an index: a number, or `-` for the place after a list's last item."""

    __slots__ = ()


Path = list[str | int | Selector]


def parse_field(field: str) -> Path:
    """Return the parts of a path: keys, indexes and selectors. A key with dots is in double quotes.

    Raises:
        InvalidInputs: if the text is not such a path.
    """
    if field.startswith("/"):
        return _parse_pointer(field)
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


def _parse_pointer(field: str) -> Path:
    if re.search(r"~(?![01])", field):
        raise InvalidInputs(f"field {field!r}: a JSON pointer writes ~ as ~0, and / within a key as ~1.")
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in field[1:].split("/")]
    return [PointerToken(token) if re.fullmatch(r"-|0|[1-9]\d{0,8}", token) else token for token in tokens]


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
