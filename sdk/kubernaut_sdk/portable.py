r"""JSON that means the same to everyone who carries it: Kubernetes, Tekton, an environment variable, a file.

Tekton substitutes `$(…)` inside param values and escapes nothing; Kubernetes expands `$(VAR)` and collapses
`$$` in environment variables. So every `$` is written `\u0024`: the same JSON, with nothing left to expand.
The API server keeps integers as 64 bits and rounds what is larger, so such integers are refused.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, NoReturn

from kubernaut_sdk.errors import InvalidInputs

__all__ = ["MAX_INPUTS", "dumps", "loads", "pointer", "require_portable", "shorten"]

MAX_INPUTS = 32 * 1024
"""Bytes that `ACTION_INPUTS` may have as it is passed, after escaping."""

_DEEPEST = 64


def dumps(value: Any) -> str:
    r"""Compact JSON with every `$` as `\u0024`; other text as it is, in UTF-8 where bytes are counted.

    Control characters are escaped by JSON itself, so a NUL never reaches an environment variable.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("$", "\\u0024")


def loads(text: str, what: str = "inputs") -> Any:
    """The value of a JSON text, refused where it could mean two things.

    Raises:
        InvalidInputs: for broken JSON, a key given twice, NaN, integers beyond 64 bits, or text that is not Unicode.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InvalidInputs(f"{what}: the key {shorten(twice)} stands there twice; keep one of them.")
        return result

    def constant(name: str) -> NoReturn:
        raise InvalidInputs(f"{what}: {name} is not a JSON number.")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise InvalidInputs(
            f"{what}: not JSON ({error.msg} at line {error.lineno}, column {error.colno}): {shorten(text)}"
        ) from None
    except (RecursionError, ValueError) as error:
        raise InvalidInputs(f"{what}: not usable JSON: {error}.") from None
    require_portable(value, what)
    return value


def require_portable(value: Any, path: str) -> None:
    """Walks a JSON value and refuses what would not arrive as it was written.

    Raises:
        InvalidInputs: with the path to the first such value.
    """
    _require_portable(value, path, 0)


def _require_portable(value: Any, path: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidInputs(f"{path}: nested more than {_DEEPEST} deep.")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidInputs(f"{path}: the key {key!r} is not a string; quote it.")
            _require_unicode(key, path)
            _require_portable(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _require_portable(item, f"{path}[{index}]", depth + 1)
    else:
        _require_portable_scalar(value, path)


def _require_portable_scalar(value: Any, path: str) -> None:
    match value:
        case bool() | None:
            pass
        case str():
            _require_unicode(value, path)
        case int():
            if not -(2**63) <= value < 2**63:
                raise InvalidInputs(
                    f"{path}: {shorten(str(value))} does not fit in 64 bits and would be rounded; pass it as a string."
                )
        case float():
            if not math.isfinite(value):
                raise InvalidInputs(f"{path}: {value} is not a JSON number.")
        case _:
            raise InvalidInputs(
                f"{path}: {shorten(str(value))} ({type(value).__name__}) is not a JSON value; quote it."
            )


def _require_unicode(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputs(f"{path}: {shorten(text)} is not Unicode text (a lone surrogate).") from None


def pointer(document: Any, path: str) -> Any:
    """The value that a JSON pointer (RFC 6901) names.

    Raises:
        InvalidInputs: if the pointer is malformed or names nothing.
    """
    if path and not path.startswith("/"):
        raise InvalidInputs(f"{shorten(path)} is not a JSON pointer; it starts with a slash, such as /replicas.")
    value = document
    for token in path.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isascii() and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise InvalidInputs(f"the pointer {shorten(path)} names nothing; {_there(value)}.")
    return value


def _there(value: Any) -> str:
    match value:
        case dict():
            return "there is " + (shorten(", ".join(value)) if value else "an empty object")
        case list():
            return f"there is a list of {len(value)}"
        case _:
            return f"there is {shorten(json.dumps(value))}"


def shorten(text: str | Sequence[str], limit: int = 100) -> str:
    """A text for an error message: quoted where it has odd characters, cut where it is long."""
    text = text if isinstance(text, str) else ", ".join(text)
    cut = text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
    return cut if cut.isprintable() else ascii(cut)
