r"""JSON that arrives unchanged, whatever carries it: Kubernetes, Tekton, an environment variable, a file.

Tekton substitutes `$(…)` inside param values and escapes nothing; Kubernetes expands `$(VAR)` and collapses
`$$` in environment variables. So every `$` is written `\u0024`: the same JSON, with nothing left to expand.
The API server keeps integers as 64 bits and rounds what is larger, so such integers are refused.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, NoReturn

from kubernaut_sdk.errors import InvalidInputs

__all__ = ["DEEPEST", "MAX_INPUTS", "dumps", "loads", "pointer", "require_portable", "shorten"]

MAX_INPUTS = 32 * 1024
"""The most bytes of `ACTION_INPUTS`, after escaping. Linux takes 128 KiB in one variable, etcd 1.5 MB of all steps."""

DEEPEST = 64
"""The most levels of arrays and objects within a value: parsers, validators and databases give up at some depth.

Every part of the system accepts this one."""


def dumps(value: Any) -> str:
    r"""Return compact JSON with every `$` as `\u0024`.

    Control characters are escaped by JSON itself, so a NUL never reaches an environment variable.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("$", "\\u0024")


def loads(text: str, what: str = "inputs", *, quote: bool = True) -> Any:
    """Return the value of a JSON text; raise InvalidInputs if it is malformed or ambiguous.

    Args:
        text: The text. Messages never contain a malformed text, since any part of it may be secret.
        what: The name of the document that messages begin with, such as ACTION_INPUTS.
        quote: If True, messages contain the refused value.

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
    """Raise InvalidInputs if any part of a JSON value would not arrive unchanged.

    Args:
        value: The JSON value.
        path: The path of the value, for messages.
        quote: If True, messages contain the refused value.

    Raises:
        InvalidInputs: with the path to the first such value.
    """
    _require_portable(value, path, 0, quote=quote)


def _require_portable(value: Any, path: str, depth: int, *, quote: bool) -> None:
    if depth > DEEPEST:
        raise InvalidInputs(f"{path}: nested more than {DEEPEST} deep.")
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
            shown = f"{shorten(str(value))} ({type(value).__name__})" if quote else f"a {type(value).__name__}"
            raise InvalidInputs(f"{path}: {shown} is not a JSON value; quote it.")


def _require_unicode(text: str, path: str, *, quote: bool) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = shorten(text) if quote else "what stands there"
        raise InvalidInputs(f"{path}: {shown} is not Unicode text (a lone surrogate).") from None


def pointer(document: Any, path: str) -> Any:
    """Return the value that a JSON pointer (RFC 6901) names.

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
            raise InvalidInputs(f"the pointer {shorten(path)} names nothing; {_describe(value)}.")
    return value


def _describe(value: Any) -> str:
    """Return a phrase that says where a pointer ended, with the names that it could have gone on with."""
    match value:
        case dict():
            return "there is " + (shorten(", ".join(value)) if value else "an empty object")
        case list():
            return f"there is a list of {len(value)}"
        case _:
            return f"there is {shorten(json.dumps(value))}"


def shorten(text: str | Sequence[str], limit: int = 100) -> str:
    """Return a text for an error message: escaped if it has unprintable characters, cut if it is long.

    Args:
        text: The text, or several, which are then separated by commas.
        limit: The characters of it that remain; its length is said where it was cut.
    """
    text = text if isinstance(text, str) else ", ".join(text)
    cut = text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
    return cut if cut.isprintable() else ascii(cut)
