"""Kinds and JSON pointers (RFC 6901) as inputs name them, and the values that a pointer leads to."""

import re
from typing import Annotated, Any

from pydantic import Field

__all__ = ["KindText", "PointerText", "field_path", "value_at"]

KindText = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9]*(\.[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$",
        max_length=253,
        description="The kind, with its group where that is not Kubernetes' own: certificate.cert-manager.io.",
    ),
]
PointerText = Annotated[
    str,
    Field(pattern=r"^(/([^~/]|~[01])+)+$", max_length=1024, description="A JSON pointer, such as /spec/renewBefore."),
]


def value_at(found: Any, text: str) -> Any:
    """Return the value that a JSON pointer leads to.

    Raises:
        KeyError: if there is none.
    """
    at = found
    for part in _parts(text):
        if isinstance(at, dict) and part in at:
            at = at[part]
        elif isinstance(at, list) and re.fullmatch(r"0|[1-9]\d{0,5}", part) and int(part) < len(at):
            at = at[int(part)]
        else:
            raise KeyError(text)
    return at


def field_path(found: dict[str, Any], text: str) -> tuple[str, ...]:
    """Return a JSON pointer as the path that field managers have: a list's item by its name, if it has one."""
    path: list[str] = []
    at: Any = found
    for part in _parts(text):
        following: Any = None
        if isinstance(at, dict):
            following = at.get(part)
        elif isinstance(at, list) and part.isdigit() and int(part) < len(at):
            following = at[int(part)]
        named = isinstance(at, list) and isinstance(following, dict) and "name" in following
        path.append(str(following["name"]) if named else part)
        at = following
    return tuple(path)


def _parts(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]
