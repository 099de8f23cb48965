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


def loads(text: str, what: str = "inputs", *, quote: bool = True) -> Any:
    """The value of a JSON text, refused where it could mean two things.

    Args:
        text: The JSON. What is not JSON is never repeated: nobody can tell where in it a secret stands.
        what: What it is, for messages.
        quote: Whether messages repeat values that are refused.

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
            f"{what}: not JSON: {error.msg[0].lower()}{error.msg[1:]} at line {error.lineno}, column {error.colno}."
        ) from None
    except (RecursionError, ValueError) as error:
        raise InvalidInputs(f"{what}: not usable JSON: {error}.") from None
    require_portable(value, what, quote=quote)
    return value


def require_portable(value: Any, path: str, *, quote: bool = True) -> None:
    """Walks a JSON value and refuses what would not arrive as it was written.

    Args:
        value: Walked.
        path: To it, for messages.
        quote: Whether they repeat the value that is refused.

    Raises:
        InvalidInputs: with the path to the first such value.
    """
    _require_portable(value, path, 0, quote=quote)


def _require_portable(value: Any, path: str, depth: int, *, quote: bool) -> None:
    if depth > _DEEPEST:
        raise InvalidInputs(f"{path}: nested more than {_DEEPEST} deep.")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidInputs(f"{path}: the key {key!r} is not a string; quote it.")
            _require_unicode(key, path, quote=quote)
            _require_portable(item, f"{path}.{key}", depth + 1, quote=quote)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _require_portable(item, f"{path}[{index}]", depth + 1, quote=quote)
    else:
        _require_portable_scalar(value, path, quote=quote)


def _require_portable_scalar(value: Any, path: str, *, quote: bool) -> None:
    match value:
        case bool() | None:
            pass
        case str():
            _require_unicode(value, path, quote=quote)
        case int():
            if not -(2**63) <= value < 2**63:
                number = shorten(str(value)) if quote else "this integer"
                raise InvalidInputs(
                    f"{path}: {number} does not fit in 64 bits and would be rounded; pass it as a string."
                )
        case float():
            if not math.isfinite(value):
                raise InvalidInputs(f"{path}: {value} is not a JSON number.")
        case _:
            told = f"{shorten(str(value))} ({type(value).__name__})" if quote else f"a {type(value).__name__}"
            raise InvalidInputs(f"{path}: {told} is not a JSON value; quote it.")


def _require_unicode(text: str, path: str, *, quote: bool) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        told = shorten(text) if quote else "what stands there"
        raise InvalidInputs(f"{path}: {told} is not Unicode text (a lone surrogate).") from None


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
